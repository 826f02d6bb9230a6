# cases of the language, without a server
#### a table of two
[pscustomobject]@{Name='x';Count=1},[pscustomobject]@{Name='longer';Count=22}
## STDOUT:

Name   Count
----   -----
x          1
longer    22

## END

#### five properties make a list
[pscustomobject]@{a=1;bb='x';c=$null;d=1.5;e=@(1,2)}
## STDOUT:

a  : 1
bb : x
c  :
d  : 1.5
e  : {1, 2}

## END

#### hashtable
@{one=1; two='zwei'}
## STDOUT:

Name                           Value
----                           -----
one                            1
two                            zwei

## END

#### format table of properties
@{a=1;b=2} | select a,b | ft b,a
## STDOUT:

b a
- -
2 1

## END

#### format table without headers
[pscustomobject]@{a=1} | ft -HideTableHeaders
## STDOUT:

1

## END

#### calculated column
1..2 | select @{N='n';E={$_}} | ft n, @{N='sq';E={$_.n*$_.n};Align='Left'}
## STDOUT:

n sq
- --
1 1
2 4

## END

#### format list
[pscustomobject]@{a=1;long=2} | fl
## STDOUT:

a    : 1
long : 2

## END

#### format list of some
[pscustomobject]@{a=1;long=2} | fl long
## STDOUT:

long : 2

## END

#### doubles have two decimals
[pscustomobject]@{v=3.14159},[pscustomobject]@{v=2.0}
## STDOUT:

   v
   -
3.14
2.00

## END

#### booleans and numbers to the right
[pscustomobject]@{n=5;b=$true;s='t'}
## STDOUT:

n    b s
-    - -
5 True t

## END

#### collections are cut after four
[pscustomobject]@{l=1..6}
## STDOUT:

l
-
{1, 2, 3, 4, …}

## END

#### long text is cut
[pscustomobject]@{t='x' * 200}
## STDOUT:

t
-
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…

## END

#### columns that do not fit are left out
[pscustomobject]@{a='x' * 118; b=1; c=2}
## STDOUT:

a                                                                                                                      b
-                                                                                                                      -
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 1

## END

#### wide characters
[pscustomobject]@{n='日本';v=1},[pscustomobject]@{n='abcde';v=2}
## STDOUT:

n     v
-     -
日本  1
abcde 2

## END

#### dates are ISO
[pscustomobject]@{d=[datetime]'2026-01-02T03:04:05Z'}
## STDOUT:

d
-
2026-01-02T03:04:05+00:00

## END

#### text is a line each
'a', 1, 2.5, $true
## STDOUT:
a
1
2.5
True
## END

#### types in a row make tables of their own
[pscustomobject]@{a=1}; 'x'; [pscustomobject]@{a=2}
## STDOUT:

a
-
1

x

a
-
2

## END

#### group by
@{k=1;v='a'},@{k=1;v='b'},@{k=2;v='c'} | select k,v | ft v -GroupBy k
## STDOUT:

   k: 1

v
-
a
b


   k: 2

v
-
c

## END

#### out string
([pscustomobject]@{a=1} | Out-String).Split("`n").Count; 1,2 | Out-String -Stream
## STDOUT:
6
1
2
## END

#### out file
[pscustomobject]@{a=1} | Out-File t.txt; Get-Content t.txt
## STDOUT:

a
-
1

## END

#### set and add content
'a' | Set-Content c.txt; Add-Content c.txt b; (Get-Content c.txt) -join '+'; (Get-Content c.txt -Raw).Length
## STDOUT:
a+b
4
## END

#### json of an object
[pscustomobject]@{a=1;b=@(1,'x');c=@{d=$null}} | ConvertTo-Json
## STDOUT:
{
  "a": 1,
  "b": [
    1,
    "x"
  ],
  "c": {
    "d": null
  }
}
## END

#### json compressed
@{a=1;b=@()} | ConvertTo-Json -Compress
## STDOUT:
{"a":1,"b":[]}
## END

#### json depth
@{a=@{b=@{c=@{d=1}}}} | ConvertTo-Json -Compress
## STDOUT:
{"a":{"b":{"c":"System.Collections.Hashtable"}}}
## END
## STDERR-has: WARNING: the JSON was cut at depth 2; -Depth gives more

#### json deeper
@{a=@{b=@{c=@{d=1}}}} | ConvertTo-Json -Compress -Depth 5
## STDOUT:
{"a":{"b":{"c":{"d":1}}}}
## END

#### json as array
5 | ConvertTo-Json -AsArray -Compress
## STDOUT:
[5]
## END

#### json escapes
"a`"b\`n`tü" | ConvertTo-Json
## STDOUT:
"a\"b\\\n\tü"
## END

#### from json
'{"a":[1,2,{"b":"x"}]}' | ConvertFrom-Json | % { $_.a[2].b }
## STDOUT:
x
## END

#### from json over lines
'{', '"a": 1', '}' | ConvertFrom-Json | % a
## STDOUT:
1
## END

#### bad json
'{' | ConvertFrom-Json
## STDOUT:
## END
## STDERR-has: ConvertFrom-Json: the JSON text: is no JSON: line 1: string or '}' expected near end of file
## status: 1

#### csv
[pscustomobject]@{a=1;b='x "y"'},[pscustomobject]@{a=2;b=$null} | ConvertTo-Csv
## STDOUT:
"a","b"
"1","x ""y"""
"2",
## END

#### csv as needed
[pscustomobject]@{a=1;b='x,y'} | ConvertTo-Csv -UseQuotes AsNeeded -Delimiter ';'
## STDOUT:
a;b
1;x,y
## END

#### csv round trip
[pscustomobject]@{a=1;b='l1,"l2'} | Export-Csv x.csv; Import-Csv x.csv | % b
## STDOUT:
l1,"l2
## END

#### csv append
[pscustomobject]@{a=1} | Export-Csv y.csv; [pscustomobject]@{a=2} | Export-Csv y.csv -Append; Get-Content y.csv
## STDOUT:
"a"
"1"
"2"
## END

#### from csv with header
'x,1','y,2' | ConvertFrom-Csv -Header n,v | % { $_.n + $_.v }
## STDOUT:
x1
y2
## END

#### output json
1; [pscustomobject]@{a='x'}
## args: -o json
## STDOUT:
[
  1,
  {
    "a": "x"
  }
]
## END

#### output json of nothing
$null
## args: -o json
## STDOUT:
[]
## END

#### output csv
[pscustomobject]@{a=1;b=2}
## args: -o csv
## STDOUT:
"a","b"
"1","2"
## END

#### output list
[pscustomobject]@{a=1;b=2}
## args: -o list
## STDOUT:

a : 1
b : 2

## END

#### output table
[pscustomobject]@{a=1;b=2;c=3;d=4;e=5}
## args: -o table
## STDOUT:

a b c d e
- - - - -
1 2 3 4 5

## END

#### dump of a tree
$x = 1 + 2 * 3; Get-VM web-* | ? Name -like 'a*'
## args: --dump-ast
## STDOUT:
(body _ _ _ (list (assign (var "x") (binary + (number "1") (binary * (number "2") (number "3")))) (pipe (command (string "Get-VM") (string "web-*")) (command (string "?") (string "Name") (argument "like") (string "a*")))))
## END

#### dump of statements
if ($a) { 1 } else { "x$b" }; foreach ($i in 1..3) { $i++ }
## args: --dump-ast
## STDOUT:
(body _ _ _ (list (if (var "a") (list (number "1")) (list (expand (string "x") (var "b")))) (foreach "i" (binary .. (number "1") (number "3")) (list (postfix + (var "i"))))))
## END

#### errors end with -e
nope; 'after'
## args: -e
## STDOUT:
## END
## STDERR-has: drover: "nope" is no cmdlet, function or alias; Get-Command lists what there is
## status: 1

#### arguments of a script
$args.Count
## STDOUT:
0
## END
