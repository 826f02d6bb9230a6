# cases of the language, without a server
#### if elseif else
foreach ($i in 1..3) { if ($i -eq 1) {'one'} elseif ($i -eq 2) {'two'} else {'many'} }
## STDOUT:
one
two
many
## END

#### else on its own line
if ($false) {
1
}
else {
2
}
## STDOUT:
2
## END

#### foreach
foreach ($x in 'a','b') { $x }; $x
## STDOUT:
a
b
b
## END

#### foreach over nothing
foreach ($x in @()) { 'no' }; 'done'
## STDOUT:
done
## END

#### foreach over a command
foreach ($x in 1..2 | % { $_ * 10 }) { $x }
## STDOUT:
10
20
## END

#### for
for ($i = 0; $i -lt 3; $i++) { $i }
## STDOUT:
0
1
2
## END

#### for without parts
$i = 0; for (;;) { if (++$i -gt 2) { break }; $i }
## STDOUT:
1
2
## END

#### while
$i = 0; while ($i -lt 2) { $i; $i++ }
## STDOUT:
0
1
## END

#### do while
$i = 5; do { $i; $i++ } while ($i -lt 5)
## STDOUT:
5
## END

#### do until
$i = 0; do { $i++ } until ($i -ge 3); $i
## STDOUT:
3
## END

#### break and continue
foreach ($i in 1..5) { if ($i -eq 2) { continue }; if ($i -eq 4) { break }; $i }
## STDOUT:
1
3
## END

#### switch
switch (2) { 1 {'a'} 2 {'b'} default {'c'} }
## STDOUT:
b
## END

#### switch default
switch (9) { 1 {'a'} default {'c'} }
## STDOUT:
c
## END

#### switch on a list
switch (1,2,3) { 2 {'two'} default {"x$_"} }
## STDOUT:
x1
two
x3
## END

#### switch wildcard
switch -Wildcard ('web-01') { 'web*' {'w'} '*01' {'1'} }
## STDOUT:
w
1
## END

#### switch regex
switch -Regex ('a12') { '\d+' { $Matches[0] } }
## STDOUT:
12
## END

#### switch with blocks
switch (5) { {$_ -gt 3} {'big'} {$_ -lt 3} {'small'} }
## STDOUT:
big
## END

#### switch break
switch (1,2) { 1 {'a'; break} 2 {'b'} }
## STDOUT:
a
## END

#### statement as value
$x = if ($true) { 1 } else { 2 }; $x; $y = foreach ($i in 1..3) { $i * 2 }; "$y"
## STDOUT:
1
2 4 6
## END

#### function
function add($a, $b) { $a + $b }; add 1 2; add -b 5 -a 1
## STDOUT:
3
6
## END

#### function param block
function f { param([int]$n = 3, [switch]$s) "$n $s" }; f; f 4 -s; f -n 5 -s:$false
## STDOUT:
3 False
4 True
5 False
## END

#### function prefix of a name
function f { param($Number) $Number }; f -Num 7
## STDOUT:
7
## END

#### function rest in args
function f { $args.Count; $args[1] }; f a b c
## STDOUT:
3
b
## END

#### function bad parameter
function f { param([int]$n) $n }; f x
## STDOUT:
## END
## STDERR-has: drover: -n: cannot convert "x" to a whole number
## status: 1

#### function unknown parameter
function f { param($a) $a }; f -zz 1
## STDOUT:
## END
## STDERR-has: drover: there is no parameter -zz
## status: 1

#### function return
function f { 1; return 2; 3 }; f
## STDOUT:
1
2
## END

#### function scope
$x = 1; function f { $x = 2; $x }; f; $x
## STDOUT:
2
1
## END

#### function reads outer
$x = 1; function f { $x + 1 }; f
## STDOUT:
2
## END

#### begin process end
function f { begin {'b'} process { $_ * 2 } end {'e'} }; 1,2 | f
## STDOUT:
b
2
4
e
## END

#### input
function f { $input.Count }; 1,2,3 | f
## STDOUT:
3
## END

#### filter
filter dbl { $_ * 2 }; 1..3 | dbl
## STDOUT:
2
4
6
## END

#### recursion
function fac($n) { if ($n -le 1) { 1 } else { $n * (fac ($n - 1)) } }; fac 10
## STDOUT:
3628800
## END

#### endless recursion
function f { f }; f
## STDOUT:
## END
## STDERR-has: drover: calls nested more than 200 deep
## status: 1

#### splatting
function f($a, $b) { "$a-$b" }; $h = @{a=1; b=2}; f @h; $l = 3,4; f @l
## STDOUT:
1-2
3-4
## END

#### dot source a block
. { $y = 5 }; $y
## STDOUT:
5
## END

#### call a block
& { param($a) "got $a" } 7; $z = 1; & { $z = 2 }; $z
## STDOUT:
got 7
1
## END

#### call by name
$c = 'Write-Output'; & $c hello
## STDOUT:
hello
## END

#### try catch
try { 1/0 } catch { "caught: $_" }
## STDOUT:
caught: attempted to divide by zero
## END

#### try finally
try { 'a' } finally { 'b' }
## STDOUT:
a
b
## END

#### catch an error of a cmdlet
try { Get-Content /nope -ErrorAction Stop } catch { 'c' }
## STDOUT:
c
## END

#### catch by code
try { nope } catch [not_found] { 'nf' } catch { 'other' }
## STDOUT:
nf
## END

#### throw text
try { throw 'boom' } catch { $_.Exception.Message; $_.ErrorId }
## STDOUT:
boom
thrown
## END

#### throw alone again
try { try { throw 'x' } catch { throw } } catch { "again $_" }
## STDOUT:
again x
## END

#### uncaught throw
'a'; throw 'b'; 'c'
## STDOUT:
a
## END
## STDERR-has: drover: b
## status: 1

#### errors do not end a script
1/0; 'after'
## STDOUT:
after
## END
## STDERR-has: drover: attempted to divide by zero

#### stop preference
$ErrorActionPreference = 'Stop'; 1/0; 'after'
## STDOUT:
## END
## STDERR-has: drover: attempted to divide by zero
## status: 1

#### error in a function goes on
function f { 1/0; 'in f' }; f; 'end'
## STDOUT:
in f
end
## END
## STDERR-has: drover: attempted to divide by zero

#### exit code
exit 7
## STDOUT:
## END
## status: 7

#### exit in a function
function f { exit 3 }; f; 'no'
## STDOUT:
## END
## status: 3

#### and chain
Write-Output a && Write-Output b
## STDOUT:
a
b
## END

#### or chain
nope || Write-Output b
## STDOUT:
b
## END
## STDERR-has: drover: "nope" is no cmdlet, function or alias; Get-Command lists what there is

#### and chain stops
nope && Write-Output b
## STDOUT:
## END
## STDERR-has: drover: "nope" is no cmdlet, function or alias; Get-Command lists what there is
## status: 1

#### question mark
nope; $?; Write-Output x | Out-Null; $?
## STDOUT:
False
True
## END
## STDERR-has: drover: "nope" is no cmdlet, function or alias; Get-Command lists what there is

#### Error list
1/0; $Error[0].Message; $Error.Count
## STDOUT:
attempted to divide by zero
1
## END
## STDERR-has: drover: attempted to divide by zero

#### exit status of the last statement
nope
## STDOUT:
## END
## STDERR-has: drover: "nope" is no cmdlet, function or alias; Get-Command lists what there is
## status: 1

#### status is of the last statement only
nope; 'ok'
## STDOUT:
ok
## END
## STDERR-has: drover: "nope" is no cmdlet, function or alias; Get-Command lists what there is

#### unknown command
Foo-Bar
## STDOUT:
## END
## STDERR-has: drover: "Foo-Bar" is no cmdlet, function or alias; Get-Command lists what there is
## status: 1

#### deep nesting is fine
((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))
## STDOUT:
1
## END

#### too deep nesting is refused
((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))
## STDOUT:
## END
## STDERR-has: drover: line 1, column 200: nested more than 200 deep
## status: 1

#### a generic type is one that there is not, where it is used
'on'
$l = [System.Collections.Generic.Stack[object]]::new()
$d = [System.Collections.Generic.Dictionary[string, [int[]]]]$l
'still on'
## STDOUT:
on
still on
## END
## STDERR-has: [Collections.Generic.Stack[object]] has no member new that may be used here
## STDERR-has: there is no type [System.Collections.Generic.Dictionary[string, [int[]]]]

#### a label says which loop ends
:outer foreach ($i in 1..3) { foreach ($k in 1..3) { if ($k -eq 2) { continue outer }; if ($i -eq 3) { break outer }; "$i$k" } }
'done'
## STDOUT:
11
21
done
## END

#### labels of while, do and for, on lines of their own
:a
while ($true) { :b for ($i = 0; $i -lt 9; $i++) { do { if ($i -eq 1) { continue b }; if ($i -eq 3) { break a }; $i; break } while ($true) } }
## STDOUT:
0
2
## END

#### a switch leaves the loop around it
:loop foreach ($i in 1..5) { switch ($i) { 2 { continue loop } 4 { break loop } default { $i } } }
## STDOUT:
1
3
## END

#### labels ignore case, and an inner loop of another name is left too
:Out while ($true) { :mid while ($true) { while ($true) { break OUT } } }; 'out'
## STDOUT:
out
## END

#### a label that no loop has ends the script's loops and nothing more
foreach ($i in 1..3) { $i; break nowhere }; 'after'
## STDOUT:
1
## END

#### what has a label and is no loop
:x Write-Output 1
## STDERR-has: a label stands before a loop
## status: 1

#### parentheses around what is assigned to
$n = 1; ($n)++; $n; (1)++
## STDOUT:
2
## END
## STDERR-has: only variables, properties and elements can be assigned to
## status: 1
