# cases of the language, without a server
#### text length
'abc'.Length; 'abc'.Count
## STDOUT:
3
1
## END

#### text methods
'abc'.ToUpper(); ' x '.Trim(); 'a-b'.Split('-'); 'abc'.Replace('b','x'); 'abc'.Substring(1); 'abc'.Substring(0,2)
## STDOUT:
ABC
x
a
b
axc
bc
ab
## END

#### more text methods
'abc'.StartsWith('a'); 'abc'.EndsWith('x'); 'abc'.Contains('bc'); 'abc'.IndexOf('c'); '7'.PadLeft(3,'0'); 'x'.PadRight(3) + '|'
## STDOUT:
True
False
True
2
007
x  |
## END

#### substring out of range
'abc'.Substring(5)
## STDOUT:
## END
## STDERR-has: drover: the text has 3 characters, not -2 from 5 on
## status: 1

#### unknown method
'abc'.Nope()
## STDOUT:
## END
## STDERR-has: drover: a String has no method Nope
## status: 1

#### index of text
'abc'[1]; 'abc'[-1]
## STDOUT:
b
c
## END

#### list members
(1,2,3).Count; (1,2,3).Length; (1,2,3)[1]; (1,2,3)[-1]; (1,2,3)[0,2]; (1,2,3)[5]
## STDOUT:
3
3
2
3
1
3
## END

#### list methods
(1,2).Contains(2); (1,2).IndexOf(2)
## STDOUT:
True
1
## END

#### count of anything
(5).Count; $null.Count; @().Count; @(1).Count
## STDOUT:
1
0
0
1
## END

#### table
$t = @{b=1; a=2}; $t.Keys; $t.Values; $t.Count; $t.ContainsKey('B'); $t['a']; $t.b
## STDOUT:
b
a
1
2
2
True
2
1
## END

#### table remove and add
$t = @{a=1}; $t.Add('b',2); $t.Remove('a'); $t.Keys
## STDOUT:
b
## END

#### table over lines
$t = @{
  a = 1
  b = 2; c = 3
}
$t.c
## STDOUT:
3
## END

#### nested tables
@{a=@{b=@(1,2)}}.a.b[1]
## STDOUT:
2
## END

#### member enumeration
(@{n=1},@{n=2}).n
## STDOUT:
1
2
## END

#### unknown property is null
$null -eq @{}.x; $null -eq (5).x
## STDOUT:
True
True
## END

#### casts
[int]'0x10'; [int]2.5; [int]3.5; [bool]''; [bool]'x'; [double]'1.5'; [string]$true; [int]$true
## STDOUT:
16
2
4
False
True
1.5
True
1
## END

#### bad cast
[int]'x'
## STDOUT:
## END
## STDERR-has: drover: cannot convert "x" to a whole number
## status: 1

#### no such type
[nope]1
## STDOUT:
## END
## STDERR-has: drover: there is no type [nope]
## status: 1

#### array casts
[int[]]('1','2'); ([string[]](1,2))[0].Length
## STDOUT:
1
2
1
## END

#### records
$o = [pscustomobject]@{A=1;B='x'}; $o.A; $o.b; "$o"
## STDOUT:
1
x
@{A=1; B=x}
## END

#### dates
[datetime]'2026-01-02T03:04:05Z'; ([datetime]'2026-01-31').AddMonths(1); ([datetime]'2026-03-01').AddDays(-1).Day
## STDOUT:
2026-01-02T03:04:05+00:00
2026-02-28T00:00:00+00:00
28
## END

#### date parts
$d = [datetime]'2026-01-02 03:04:05'; $d.Year; $d.Month; $d.DayOfWeek; $d.Hour; $d.ToString('dd.MM.yyyy HH:mm')
## STDOUT:
2026
1
Friday
3
02.01.2026 03:04
## END

#### date arithmetic
$a = [datetime]'2026-01-02'; $b = [datetime]'2026-01-04'; ($b - $a).TotalDays; $b -gt $a; $a -eq '2026-01-02'
## STDOUT:
2
True
True
## END

#### time spans
[timespan]'01:30:00'; [timespan]::FromMinutes(90).TotalHours; (New-TimeSpan -Days 1 -Hours 2); ([timespan]'1.02:00:00').Days
## STDOUT:
01:30:00
1.5
1.02:00:00
1
## END

#### bad date
[datetime]'yesterday'
## STDOUT:
## END
## STDERR-has: drover: cannot convert "yesterday" to DateTime
## status: 1

#### math
[math]::Max(3,5); [math]::Round(2.567,1); [math]::Floor(2.7); [math]::Sqrt(16); [math]::Abs(-3); [math]::Pow(2,10)
## STDOUT:
5
2.6
2
4
3
1024
## END

#### static text
[string]::IsNullOrEmpty(''); [string]::Join(',', (1,2)); [string]::Format('{0}!', 'x')
## STDOUT:
True
1,2
x!
## END

#### other statics are refused
[System.IO.File]::Delete('x')
## STDOUT:
## END
## STDERR-has: drover: [IO.File] has no member Delete that may be used here
## status: 1

#### truth
if ('0') {1}; if (0) {2}; if (@()) {3}; if (@(0)) {4}; if (@(0,0)) {5}; if (@{}) {6}
## STDOUT:
1
5
6
## END

#### doubles print shortly
0.1 + 0.2; 1.0; 100/3; 1e20; 1.5e-7
## STDOUT:
0.30000000000000004
1
33.333333333333336
1E+20
1.5E-07
## END

#### lists in text
"$(1,2,3)"; $OFS = '-'; "$(1,2,3)"
## STDOUT:
1 2 3
1-2-3
## END

#### null in text
"[$null]"
## STDOUT:
[]
## END

#### block as value
$b = { param($x) $x * 2 }; & $b 4; $b.Invoke(5)
## STDOUT:
8
10
## END

#### array of one stays with
$a = @(Write-Output 1); $a.Count; $a -is [array]
## STDOUT:
1
True
## END

#### subexpression
$(1; 2).Count
## STDOUT:
2
## END

#### null member of null
$null.a.b; $null?.ToString(); 'end'
## STDOUT:
end
## END

#### index of null
$n = $null; $n[0]
## STDOUT:
## END
## STDERR-has: drover: null has no elements
## status: 1

#### ConvertTo-Json of values
1, 'a', $true, $null, 1.5 | ConvertTo-Json -Compress
## STDOUT:
[1,"a",true,null,1.5]
## END

#### a list cannot hold itself
$a = 1, 2
$b = 3, $a
try { $a[0] = $a } catch { "$_" }
try { $a[1] = $b } catch { "$_" }
$a[0] = $a[1]; "$a"
## STDOUT:
a list cannot hold itself
a list cannot hold itself
2 2
## END

#### a credential takes no password in clear
New-Object PSCredential -ArgumentList 'admin', 'geheim' -ErrorVariable e -ErrorAction SilentlyContinue
"$e"
## STDOUT:
a PSCredential is made of a user's name and a SecureString
## END

#### lists that grow
$l = [System.Collections.ArrayList]@(); $l.Add('a'); [void]$l.Add('b'); $l.AddRange(@('c', 'd')); $l.Insert(0, 'z'); $l.Remove('b'); $l.RemoveAt(0)
"$l"; $l.Count; $l[0]; $l.GetType().Name
## STDOUT:
0
a c d
3
a
ArrayList
## END

#### a generic list says nothing when it grows
$l = New-Object 'System.Collections.Generic.List[string]'; $l.Add('a'); $l.Add('b'); $m = $l; $m.Add('c'); $l -join ','; $l.Remove('a'); $l.Clear(); $l.Count
## STDOUT:
a,b,c
True
0
## END

#### ::new with elements; Sort, Reverse, ToArray, Contains, IndexOf
$l = [System.Collections.Generic.List[int]]::new(@(3, 1, 2)); $l.Sort(); "$l"; $l.Reverse(); "$l"; $l.Contains(2); $l.IndexOf(1); $a = $l.ToArray(); $l.Clear(); "$a"
## STDOUT:
1 2 3
3 2 1
True
2
3 2 1
## END

#### a list may grow while it is gone through
$l = [System.Collections.ArrayList]@(1, 2); foreach ($x in $l) { [void]$l.Add($x * 10) }; "$l"; $l | ForEach-Object { $l.Remove($_) }; "$l"; $l | % { $l.Clear() }; $l.Count
## STDOUT:
1 2 10 20

0
## END

#### an array does not
$a = 1, 2; $a.Add(3)
## STDERR-has: an array keeps its size
## status: 1

#### a list that grows holds itself no more than another
$l = [System.Collections.ArrayList]@(1); $l.Add($l)
## STDERR-has: a list cannot hold itself
## status: 1

#### places that a list does not have
$l = [System.Collections.ArrayList]@(1); try { $l.RemoveAt(1) } catch { "$_" }; try { $l.Insert(-1, 1) } catch { "$_" }; $l.RemoveRange(0, 1); try { $l.RemoveAt(0) } catch { "$_" }
## STDOUT:
the index is not between 0 and 0
the index is not between 0 and 1
the list is empty
## END

#### lists deeper than any stack
$x = 1; foreach ($i in 1..200000) { $x = , $x }; "$x"; $x; $x.Count; $x = $null; 'gone'
## STDOUT:
System.Object[]
System.Object[]
1
gone
## END

#### tables deeper than any stack
$h = @{}; foreach ($i in 1..200000) { $h = @{ a = $h } }; $h.a.a.Count; $h = $null; 'gone'
## STDOUT:
1
gone
## END

#### functions get the list itself, cmdlets what it holds
function add($to) { [void]$to.Add(1) }; $l = [System.Collections.ArrayList]@(); add $l; add $l; $l.Count; ($l | Measure-Object).Count; (ConvertTo-Json -Compress $l)
## STDOUT:
2
2
[1,1]
## END
