# Functions as people bring them along: attributes of parameters, values from the pipe.

#### values from the pipe, one by one
function double { [CmdletBinding()] param([Parameter(Mandatory, ValueFromPipeline)][int]$x) process { $x * 2 } }
1, 2 | double
double 5
## STDOUT:
2
4
10
## END

#### properties from the pipe
function show { param([Parameter(ValueFromPipelineByPropertyName = $true)]$Name, [Parameter(ValueFromPipelineByPropertyName)][int]$Count = 7)
process { "$Name $Count" } }
[pscustomobject]@{ Name = 'a'; Count = 3 }, [pscustomobject]@{ Name = 'b'; Count = 4 } | show
## STDOUT:
a 3
b 4
## END

#### what must be given
function f { param([Parameter(Mandatory = $true)]$x, [Parameter(Mandatory = $false)]$y) "$x" }
f -y 1
## STDERR-has: drover: -x must be given
## status: 1

#### positions
function f { param([Parameter(Position = 1)]$b, [Parameter(Position = 0)]$a) "$a $b" }
f 1 2
f -a 3 4
## STDOUT:
1 2
3 4
## END

#### aliases
function f { param([Alias('CN', 'Server')]$ComputerName) $ComputerName }
f -cn x
f -Server y
## STDOUT:
x
y
## END

#### one of a set
function f { param([ValidateSet('on', 'off')][string]$Mode = 'later') $Mode }
f ON
f
f -Mode maybe
## STDOUT:
ON
later
## END
## STDERR-has: -Mode "maybe" is none of on, off
## status: 1

#### range, pattern, length, script and no empty values
function f { param([ValidateRange(1, 5)]$r = 1, [ValidatePattern('^\d+$')]$p, [ValidateLength(1, 3)]$l, [ValidateScript({ $_ -gt 3 })]$s, [ValidateNotNullOrEmpty()]$e) 'fine' }
f -r 5 -p 12 -l abc -s 4 -e x
foreach ($h in @{ r = 6 }, @{ p = 'x' }, @{ l = 'abcd' }, @{ s = 3 }, @{ e = '' }) { try { f @h } catch { "$_" } }
## STDOUT:
fine
-r "6" is not between 1 and 5
-p "x" does not match ^\d+$
-l "abcd" has a length that is not between 1 and 3
-s "3" does not pass its ValidateScript
-e "" is empty
## END

#### of a list each element is looked at
function f { param([ValidateSet('a', 'b')][string[]]$x) $x.Count }
f a, b, a
f a, c
## STDOUT:
3
## END
## STDERR-has: -x "c" is none of a, b
## status: 1

#### -Verbose and -WhatIf reach what a function calls
function f { [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')] param() Write-Verbose 'said'; $WhatIfPreference }
f
f -Verbose -WhatIf
## STDOUT:
False
True
## END
## STDERR-has: VERBOSE: said
## status: 0

#### attributes over several lines
function f
{
	[CmdletBinding(
		SupportsShouldProcess
	)]
	[OutputType([string])]
	param (
		[Parameter(
			Mandatory = $true,
			HelpMessage = 'whom'
		)]
		[ValidateNotNullOrEmpty()]
		[string]
		$Name,

		[switch] $Loud
	)
	if ($Loud) { $Name.ToUpper() } else { $Name }
}
f ada -Loud
## STDOUT:
ADA
## END

#### an attribute that is not closed
function f { param([Parameter(Mandatory]$x) $x }
## STDERR-has: a closing ) is missing
## status: 1

#### one of two
$x = 5
$x -gt 3 ? 'large' : 'small'
$x -gt 9 ? 'large' : $x -gt 4 ? 'middle' : 'small'
## STDOUT:
large
middle
## END

#### what stands for null
$a = $null
$a ?? 'none'
0 ?? 'none'
$a ??= 1
$a ??= 2
$a
1 -eq $null ?? 1
## STDOUT:
none
0
1
True
## END

#### blocks over elements
(1..3).ForEach({ $_ * 2 }) -join ','
(1..6).Where({ $_ % 2 }) -join ','
@([pscustomobject]@{ n = 'x' }, [pscustomobject]@{ n = 'y' }).ForEach('n') -join ','
(7).ForEach({ $_ + 1 })
## STDOUT:
2,4,6
1,3,5
x,y
8
## END

#### the pairs of a table
(@{ b = 1; a = 2 }).GetEnumerator() | Sort-Object Value | ForEach-Object { "$($_.Key)=$($_.Value)" }
## STDOUT:
b=1
a=2
## END

#### types by name
'x'.GetType().Name
@(1).GetType().Name
## STDOUT:
String
Object[]
## END

#### Set-StrictMode
$x = [pscustomobject]@{ a = 1; b = $null }
"$nothing$($x.nothing)"
Set-StrictMode -Version Latest
$x.b
try { $nothing } catch { "$_" }
try { $x.nothing } catch { "$_" }
try { (1, 2).nothing } catch { "$_" }
$x?.a
Set-StrictMode -Off
"$nothing"
## STDOUT:

$nothing has not been set
a PSCustomObject has no property "nothing"
a Object[] has no property "nothing"
1

## END

#### ValidateScript may give $_ another value
function f { param([ValidateScript({ $_ = 5; $true })]$x) $x }
f abc
## STDOUT:
abc
## END

#### so may the blocks of filters, keys and methods
'aa', 'bb' | Where-Object { $_ = 'cc'; $true }
'bb', 'aa' | Sort-Object { $k = $_; $_ = 'z'; $k }
('aa', 'bb').ForEach({ $_ = 'dd'; $_ }) -join ','
## STDOUT:
aa
bb
aa
bb
dd,dd
## END

#### a list may change while it is gone through
$a = 'aaa', 'bbb'
$a | Where-Object { $a[0] = 'x'; $a[1] = 'y'; $true }
switch ($a) { { $a[0] = 'p'; $a[1] = 'q'; $true } { $_ } }
## STDOUT:
aaa
y
x
q
## END

#### a check that calls its own function ends as other calls do
function g { param([ValidateScript({ g 1 })]$x) $x }
g 1
## STDERR-has: calls nested more than 200 deep
## status: 1

#### so does a preset
function h { param($x = (h)) $x }
h
## STDERR-has: calls nested more than 200 deep
## status: 1

#### -ErrorVariable of a function takes what it runs says, even unsaid
function f { [CmdletBinding()] param() Write-Error 'one'; 1 / 0; 'on' }
f -ErrorVariable ev -ErrorAction SilentlyContinue 2>$null
"$($ev.Count): $($ev[0])"
## STDOUT:
on
2: one
## END

#### -OutVariable and -WarningAction of a function
function f { [CmdletBinding()] param() 1, 2; Write-Warning 'w' }
f -OutVariable o -WarningAction SilentlyContinue | Out-Null
"o: $o"
## STDOUT:
o: 1 2
## END

#### an action may be a number
Get-Content /nowhere -EA 0; 'on'
try { Get-Content /nowhere -ErrorAction 1 } catch { 'caught' }
## STDOUT:
on
caught
## END

#### an action of a function is one of its words
function f { [CmdletBinding()] param() 'x' }
f -ErrorAction Perhaps
## STDERR-has: -ErrorAction wants Continue|SilentlyContinue|Ignore|Stop
## status: 1

#### exit in a script's begin ends the script
Set-Content "$HOME/z.ps1" "begin { 'b'; exit 3 }", "process { 'p' }", "end { 'e' }"
& "$HOME/z.ps1"; $LASTEXITCODE
## STDOUT:
b
3
## END

#### an empty text is not null, and length counts characters
function f { param([ValidateNotNull()]$n, [ValidateLength(1, 3)][string]$l) "[$n][$l]" }
f -n '' -l 'äöü'
f -n $null
## STDOUT:
[][äöü]
## END
## STDERR-has: -n "" is null
## status: 1

#### $PSBoundParameters are what was given
function f($a, $b = 2, [switch]$c) { ($PSBoundParameters.Keys | Sort-Object) -join ','; $PSBoundParameters.ContainsKey('b'); $PSBoundParameters['a'] }
f 1 -c; f -b 3
## STDOUT:
a,c
False
1
b
True
## END

#### $PSBoundParameters can be passed on
function inner($x, $y) { "$x-$y" }
function outer($x, $y) { inner @PSBoundParameters }
outer 1 -y 2
## STDOUT:
1-2
## END

#### $PSBoundParameters have what the pipe brought
function f { param([Parameter(ValueFromPipeline)]$v) process { $PSBoundParameters['v'] * 2 } }
1, 2 | f
## STDOUT:
2
4
## END

#### an attribute that fails says so
function f { param([Parameter(Mandatory = [int]'x')]$v) 1 }
f 1
## STDERR-has: cannot convert "x"
## status: 1

#### a position that is no number
function f { param([Parameter(Position = 'first')]$v) 1 }
f 1
## STDERR-has: Position of -v wants a whole number
## status: 1

#### attributes are read once a call, not for each object
$global:n = 0
function f { param([Parameter(ValueFromPipeline = $(($global:n)++; $true))]$v) process { $v } }
1..50 | f | Measure-Object | % Count; $n
## STDOUT:
50
1
## END
