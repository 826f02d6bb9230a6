# Patterns of -match, -replace, -split and switch -Regex.

#### a match with groups, some of them named
'web-01.example' -match '^(?<name>[a-z]+)-(\d+)'
$Matches.name
$Matches[1]
$Matches[0]
## STDOUT:
True
web
01
web-01
## END

#### groups without a name have the lower numbers
'ab' -match '(?<first>.)(.)' | Out-Null
"$($Matches[1])$($Matches.first)"
'ab' -replace '(?<first>.)(.)', '$1$2'
## STDOUT:
ba
ba
## END

#### case counts in -cmatch alone
'ABC' -match 'abc'
'ABC' -cmatch 'abc'
'ABC' -creplace 'abc', 'x'
## STDOUT:
True
False
ABC
## END

#### a match on a list gives those that fit
'web-01', 'db-01', 'web-02' -match '^web'
## STDOUT:
web-01
web-02
## END

#### lazy and greedy
'<a><b>' -replace '<.*?>', '.'
'<a><b>' -replace '<.*>', '.'
## STDOUT:
..
.
## END

#### look ahead and behind
'price 100 EUR, 200 USD' -replace '\d+(?= USD)', 'N'
'web-01' -replace '(?<=-)0+', ''
## STDOUT:
price 100 EUR, N USD
web-1
## END

#### what a replacement may name
'foo bar' -replace '(?<a>\w+) (\w+)', '$1 ${a} [$&] $$ $9'
'abc' -replace 'b', '[$`|$'']'
'x' -replace '(x)', '$12 ${1}2'
## STDOUT:
bar foo [foo bar] $ $9
a[a|c]c
x2 x2
## END

#### a delimiter that is empty stands everywhere
'abc' -replace '', '-'
('abc' -split '').Count
## STDOUT:
-a-b-c-
5
## END

#### groups of a delimiter are kept
'a1b22c' -split '(\d+)'
## STDOUT:
a
1
b
22
c
## END

#### at most so many parts, and a delimiter that is no pattern
'a.b.c' -split '\.', 2
'a.b.c' -split '.', 0, 'SimpleMatch'
## STDOUT:
a
b.c
a
b
c
## END

#### the parts of a text by white space
-split "  a`tb  c "
## STDOUT:
a
b
c
## END

#### lines
"one`ntwo" -match '^two$'
"one`ntwo" -match '(?m)^two$'
## STDOUT:
False
True
## END

#### characters beyond ASCII
'hé' -match '^..$'
'Größe' -match 'GRÖSSE|größe'
'Größe' -match 'GRÖßE'
## STDOUT:
True
True
True
## END

#### switch by pattern, what was found is in $Matches
switch -Regex ('web-07') { '^db' { 'db' } '-(\d+)$' { "number $($Matches[1])" } }
## STDOUT:
number 07
## END

#### a pattern that is none
'x' -match '(('
## STDERR-has: bad pattern "((": missing closing parenthesis, at 2
## status: 1

#### a pattern that never ends is given up
'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' -match '^(a+)+$'
## STDERR-has: the pattern tries too many ways to fit the text
## status: 1

#### null is an empty text
$null -match '^$'
## STDOUT:
True
## END

#### long texts take time by their length
$t = 'ab' * 100000
($t -replace 'a', 'cc').Length
($t -split 'b').Count
## STDOUT:
300000
100001
## END

#### a text with an end in its middle is replaced as a whole
$z = '{"a":"y\u0000x"}' | ConvertFrom-Json
($z.a -replace 'y', 'zz').Length
## STDOUT:
4
## END

#### [regex] matches with case
[regex]::IsMatch('Web-01', 'web'); [regex]::IsMatch('Web-01', 'web', 'IgnoreCase'); [regex]::Replace('a1b22', '\d+', '#'); [regex]::Escape('a.b [c]'); [regex]::Split('a, b;c', '[,;] ?') -join '|'
## STDOUT:
False
True
a#b#
a\.b\ \[c]
a|b|c
## END

#### [regex]::Match tells where and what
$m = [regex]::Match('vm web-07 up', '(?<name>[a-z]+)-(\d+)'); $m.Success; $m.Value; $m.Index; $m.Length; $m.Groups['name'].Value; $m.Groups[1].Value; $m.Groups[0].Value
[regex]::Match('x', 'y').Success; [regex]::Match('x', 'y').Value.Length
## STDOUT:
True
web-07
3
6
web
07
web-07
False
0
## END

#### [regex]::Matches gives them all, by characters
[regex]::Matches('äb, c1', '\w+') | % { "$($_.Index) $($_.Value)" }; [regex]::Matches('abc', '').Count; @([regex]::Matches('abc', 'x')).Count
## STDOUT:
0 äb
4 c1
4
0
## END

#### a pattern that is none
[regex]::IsMatch('a', '(')
## STDERR-has: pattern
## status: 1

#### [regex] wants a pattern
[regex]::Match('a')
## STDERR-has: wants a text and a pattern
## status: 1
