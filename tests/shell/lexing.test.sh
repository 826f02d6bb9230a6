# cases of the language, without a server
#### bare words are text
Write-Output 2+2
## STDOUT:
2+2
## END

#### an expression is worked out
2+2
## STDOUT:
4
## END

#### single quotes keep everything
'a $x `n ''b'''
## STDOUT:
a $x `n 'b'
## END

#### double quotes expand
$x = 5; "v=$x, ${x}y, $($x+1)"
## STDOUT:
v=5, 5y, 6
## END

#### properties are not expanded
$h = @{a=1}; "$h.a"
## STDOUT:
System.Collections.Hashtable.a
## END

#### doubled double quotes
"say ""hi"""
## STDOUT:
say "hi"
## END

#### backtick escapes
"a`tb`nc`$x"
## STDOUT:
a	b
c$x
## END

#### backtick continues a line
1 +`
2
## STDOUT:
3
## END

#### comments
1 # two
<# three
four #> 5
## STDOUT:
1
5
## END

#### here-string expands
$n = 'x'; @"
line $n
 "q"
"@
## STDOUT:
line x
 "q"
## END

#### here-string literal
@'
$n 'q'
'@
## STDOUT:
$n 'q'
## END

#### numbers
0x1F; 1e3; 1.5; 4GB; 1KB; .5
## STDOUT:
31
1000
1.5
4294967296
1024
0.5
## END

#### negative numbers
-3; 2 - -3; -1.5
## STDOUT:
-3
5
-1.5
## END

#### number suffix in arguments
Write-Output 4GB
## STDOUT:
4294967296
## END

#### a word with digits is text
Write-Output 4x 1.2.3.4
## STDOUT:
4x
1.2.3.4
## END

#### numbers as arguments are numbers, as text they stay as written
Write-Host 007; Set-Variable 007 x; Get-Variable 007 | % Name
## STDOUT:
7
007
## END

#### variables with braces
${my var} = 3; ${my var} + 1
## STDOUT:
4
## END

#### scopes
$global:g = 1; function f { $g = 2; $global:g }; f
## STDOUT:
1
## END

#### environment
$env:DROVER_X = 'y'; "$env:DROVER_X"
## STDOUT:
y
## END

#### a dollar alone
"cost: 5$ and $"
## STDOUT:
cost: 5$ and $
## END

#### semicolons separate
1; 2;; 3
## STDOUT:
1
2
3
## END

#### newline before a pipe
1..3
| Measure-Object -Sum | % Sum
## STDOUT:
6
## END

#### newline after a pipe
1..3 |
% { $_ * 2 }
## STDOUT:
2
4
6
## END

#### bare word with a variable
$a = 'x'; Write-Output $a/b/$a.txt pre-$a-post
## STDOUT:
x/b/x.txt
pre-x-post
## END

#### member access in an argument
$h = @{a='v'}; Write-Output $h.a $h['a']
## STDOUT:
v
v
## END

#### quotes within a word
Write-Output a"b c"d e'f g'h
## STDOUT:
ab cd
ef gh
## END

#### parenthesis as an argument
Write-Output (1+2) a(3)
## STDOUT:
3
a
3
## END

#### case does not matter
wRITE-oUTPUT Hi; IF ($TRUE) { 'yes' }
## STDOUT:
Hi
yes
## END

#### keywords are words as arguments
Write-Output if foreach return
## STDOUT:
if
foreach
return
## END

#### unclosed string
'abc
## STDOUT:
## END
## STDERR-has: drover: line 1, column 1: the string has no closing '
## status: 1

#### unclosed brace
if (1) { 2
## STDOUT:
## END
## STDERR-has: drover: line 1, column 11: a closing } is missing
## status: 1

#### unknown operator
1 -foo 2
## STDOUT:
## END
## STDERR-has: drover: line 1, column 3: there is no operator -foo
## status: 1

#### stray closing brace
1 }
## STDOUT:
## END
## STDERR-has: drover: line 1, column 3: unexpected "}"
## status: 1

#### missing operand
1 +
## STDOUT:
## END
## STDERR-has: drover: line 1, column 4: an expression is missing
## status: 1

#### bad number
1abc
## STDOUT:
## END
## STDERR-has: drover: line 1, column 1: "1abc" is no number
## status: 1

#### expression behind a pipe
1 | 2
## STDOUT:
## END
## STDERR-has: drover: line 1, column 5: an expression may only stand at the start of a pipeline
## status: 1

#### background is refused
Get-Date &
## STDOUT:
## END
## STDERR-has: drover: line 1, column 10: background jobs are not supported; use -RunAsync
## status: 1

#### classes are refused
class X { }
## STDOUT:
## END
## STDERR-has: drover: line 1, column 1: "class" cannot start a statement here
## status: 1

#### non-ASCII text
"grüße – ☃"; 'ü'.Length
## STDOUT:
grüße – ☃
1
## END

#### empty program

## STDOUT:
## END

#### a parameter behind a property, and a property before a parenthesis
$r = [pscustomobject]@{ Name = 'x'; N = 3 }
Write-Output $r.Name -NoEnumerate
Write-Output -InputObject $r.Name -NoEnumerate
Write-Output $r.Name (1 + 1)
Write-Output $r?.Name -NoEnumerate
## STDOUT:
x
x
x
2
x
## END
