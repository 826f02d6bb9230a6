# cases of the language, without a server
#### times before plus
1+2*3; (1+2)*3
## STDOUT:
7
9
## END

#### comma outranks arithmetic
1,2+3
## STDOUT:
1
2
3
## END

#### range outranks plus
1..2+1
## STDOUT:
1
2
1
## END

#### range outranks format
'{0}-{1}' -f 1..2
## STDOUT:
1-2
## END

#### format outranks times
'{0}' -f 2*3
## STDOUT:
222
## END

#### compare below arithmetic
1+1 -eq 2
## STDOUT:
True
## END

#### and and or have one rank
$true -or $false -and $false
## STDOUT:
False
## END

#### not binds tight
!$true -or $true; -not (1 -eq 1)
## STDOUT:
True
False
## END

#### bits below compare
6 -band 3 -eq 3; (6 -band 3) -eq 2
## STDOUT:
0
True
## END

#### unary minus of parentheses
-(3); -(1+2)*2
## STDOUT:
-3
-6
## END

#### cast then add
[int]'7' + 1; [string]1 + 2
## STDOUT:
8
12
## END

#### string plus number
'a' + 1; 1 + '2'
## STDOUT:
a1
3
## END

#### string times
'ab' * 3
## STDOUT:
ababab
## END

#### list plus
(1,2) + 3; (1,2) + (3,4)
## STDOUT:
1
2
3
1
2
3
4
## END

#### table plus
(@{a=1} + @{b=2}).Count
## STDOUT:
2
## END

#### division
7/2; 6/2; 7 % 3; -7 % 3
## STDOUT:
3.5
3
1
-1
## END

#### division by zero is an error
1/0
## STDOUT:
## END
## STDERR-has: drover: attempted to divide by zero
## status: 1

#### overflow goes to double
9223372036854775807 + 1
## STDOUT:
9.223372036854776E+18
## END

#### modulo of doubles
5.5 % 2
## STDOUT:
1.5
## END

#### shifts
1 -shl 10; 1024 -shr 3
## STDOUT:
1024
128
## END

#### xor
$true -xor $true; 5 -bxor 1; -bnot 0
## STDOUT:
False
4
-1
## END

#### equality ignores case
'ABC' -eq 'abc'; 'ABC' -ceq 'abc'; 'a' -ine 'A'
## STDOUT:
True
False
False
## END

#### left type decides
10 -eq '10'; '10' -eq 10; '9' -gt '10'; 9 -gt '10'
## STDOUT:
True
True
True
False
## END

#### null compares
$null -eq $null; $null -eq 0; 0 -eq $null; $null -lt 1
## STDOUT:
True
False
False
True
## END

#### a list on the left is filtered
1,2,3 -gt 1
## STDOUT:
2
3
## END

#### filter by null
(1,$null,2 -ne $null).Count
## STDOUT:
2
## END

#### contains and in
1,2 -contains 2; 3 -in 1,2; 3 -notin 1,2; 1,2 -notcontains 2
## STDOUT:
True
False
True
False
## END

#### like
'web-01' -like 'WEB-*'; 'x' -notlike 'y'; 'b1' -like '[a-c]?'
## STDOUT:
True
True
True
## END

#### match
'web-12' -match '(\w+)-(\d+)'; $Matches[1]; $Matches[2]; 'a' -notmatch 'b'
## STDOUT:
True
web
12
True
## END

#### replace
'a1b2' -replace '\d','#'; 'John Doe' -replace '(\w+) (\w+)','$2 $1'; 'abc' -replace 'b'
## STDOUT:
a#b#
Doe John
ac
## END

#### split and join
'a,b,,c' -split ','; ('a','b') -join '+'; -join ('x','y'); -split ' a  b '
## STDOUT:
a
b

c
a+b
xy
a
b
## END

#### split with a limit
'a-b-c' -split '-',2
## STDOUT:
a
b-c
## END

#### is and as
1 -is [int]; 'x' -is [string]; 'x' -isnot [int]; '5' -as [int]; $null -eq ('x' -as [int])
## STDOUT:
True
True
True
5
True
## END

#### format
'{0:N2}|{1,5}|{2,-5}|{0:D4}' -f 1234,'r','l'; '{0:X}' -f 255; '{{}}' -f 1; '{0:P0}' -f 0.5
## STDOUT:
1,234.00|    r|l    |1234
FF
{}
50%
## END

#### format of a missing value
'{1}' -f 1
## STDOUT:
## END
## STDERR-has: drover: {1}: there is no such value to format
## status: 1

#### assignment operators
$x = 10; $x += 5; $x -= 1; $x *= 2; $x /= 4; $x %= 4; $x
## STDOUT:
3
## END

#### multiple assignment
$a, $b, $c = 1, 2, 3, 4; "$a|$b|$c"
## STDOUT:
1|2|3 4
## END

#### swap
$a, $b = 1, 2; $a, $b = $b, $a; "$a$b"
## STDOUT:
21
## END

#### chained assignment
$a = $b = 3; $a + $b
## STDOUT:
6
## END

#### increment
$i = 1; $i++; ++$i; $i; ($i++); $i--; $i
## STDOUT:
3
3
3
## END

#### assign to an element
$a = 1,2,3; $a[1] = 9; $a[-1] = 8; "$a"
## STDOUT:
1 9 8
## END

#### assign to a property
$h = @{}; $h.x = 1; $h['y'] = 2; $h.x + $h.y
## STDOUT:
3
## END

#### typed variable
[int]$n = '5'; $n + 1
## STDOUT:
6
## END

#### unary comma
(,1).Count; (,(1,2)).Count
## STDOUT:
1
1
## END

#### ranges go down
3..1; -1..1
## STDOUT:
3
2
1
-1
0
1
## END

#### a range that is too long
1..100000000
## STDOUT:
## END
## STDERR-has: drover: a range of more than 10000000 numbers
## status: 1

#### long chain of plus
(1..50 | % { 1 }) -join '+'
## STDOUT:
1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1
## END
