# Files of scripts, lines, pages, paths, columns.

#### a file is run by its path, with arguments
Set-Content "$HOME/a.ps1" 'param($x, [switch]$Loud) "$x $Loud $(Split-Path $PSScriptRoot -Leaf)"'
$leaf = Split-Path $HOME -Leaf
& "$HOME/a.ps1" one -Loud | ForEach-Object { $_ -replace $leaf, 'DIR' }
## STDOUT:
one True DIR
## END

#### a file that is dotted in leaves its functions and variables
Set-Content "$HOME/lib.ps1" 'function hello($n) { "hello $n" }', '$seven = 7'
. "$HOME/lib.ps1"
hello you
$seven
## STDOUT:
hello you
7
## END

#### a file that is called keeps its variables
Set-Content "$HOME/b.ps1" '$inner = 1'
& "$HOME/b.ps1"
$null -eq $inner
## STDOUT:
True
## END

#### exit in a file ends that file
Set-Content "$HOME/c.ps1" "'in'; exit 3; 'never'"
& "$HOME/c.ps1"
"$? $LASTEXITCODE"
## STDOUT:
in
False 3
## END

#### values into a file
Set-Content "$HOME/d.ps1" 'process { $_ * 2 }'
1, 2 | & "$HOME/d.ps1"
## STDOUT:
2
4
## END

#### a file that is not there, and one that is no script
./nowhere.ps1
Set-Content "$HOME/e.ps1" 'if ('
& "$HOME/e.ps1"
## STDERR-has: cannot open "./nowhere.ps1"
## STDERR-has: e.ps1: line
## status: 1

#### Format-Wide
1..5 | ForEach-Object { [pscustomobject]@{ Name = "name-$_" } } | Format-Wide -Column 3
## env: COLUMNS=40
## STDOUT:

name-1       name-2       name-3
name-4       name-5

## END

#### Format-Wide takes as many columns as fit
1..6 | ForEach-Object { [pscustomobject]@{ N = "n$_"; Other = 1 } } | Format-Wide { $_.N }
## env: COLUMNS=20
## STDOUT:

n1 n2 n3 n4 n5 n6

## END

#### a table of HTML, with nothing of the values taken for HTML
[pscustomobject]@{ Name = '<b>"x" & y'; Count = 2 } | ConvertTo-Html -Fragment
## STDOUT:
<table>
<tr><th>Name</th><th>Count</th></tr>
<tr><td>&lt;b&gt;&quot;x&quot; &amp; y</td><td>2</td></tr>
</table>
## END

#### a page
[pscustomobject]@{ a = 1; b = 2 } | ConvertTo-Html b, @{ n = 'twice'; e = { $_.a * 2 } } -Title 'T&C' -PreContent '<h1>x</h1>'
## STDOUT:
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>T&amp;C</title>
</head>
<body>
<h1>x</h1>
<table>
<tr><th>b</th><th>twice</th></tr>
<tr><td>2</td><td>2</td></tr>
</table>
</body>
</html>
## END

#### lines that fit
Set-Content "$HOME/f.txt" 'one', 'two', 'three'
Select-String '^t' "$HOME/f.txt" | ForEach-Object { "$($_.LineNumber) $($_.Line)" }
'a.b', 'axb' | Select-String 'a.b' -SimpleMatch | ForEach-Object Line
'a', 'B' | Select-String 'b' -CaseSensitive -NotMatch | ForEach-Object Line
('k=v' | Select-String '(?<key>\w)=(?<value>\w)').Matches.value
## STDOUT:
2 two
3 three
a.b
a
B
v
## END

#### Select-String without anything to look in
Select-String x
## STDERR-has: Select-String wants -Path or lines from the pipeline
## status: 1

#### paths
Join-Path /tmp x
Join-Path / x
Join-Path a/ /b
Split-Path /a/b.tar.gz
Split-Path /a
Split-Path /a/b.txt -Leaf
Split-Path /a/b.txt -LeafBase
## STDOUT:
/tmp/x
/x
a/b
/a
/
b.txt
b
## END

#### a script has no history
Get-History
Invoke-History
## STDERR-has: there is no such entry in the history
## status: 1

#### Watch-Object
Watch-Object { 'tick' } -Seconds 0.1 -Count 2
Watch-Object { 'never' } -Seconds 0
## STDOUT:
tick
tick
## END
## STDERR-has: -Seconds wants 0.1 to 86400, not 0
## status: 1

#### a script may begin with a byte order mark
Set-Content "$HOME/m.ps1" '﻿param($x = 3)', '"x $x"'
& "$HOME/m.ps1"
## STDOUT:
x 3
## END

#### files are UTF-8, as scripts like to say
'hé' | Out-File "$HOME/e.txt" -Encoding utf8
'x' | Add-Content "$HOME/e.txt" -Encoding UTF8
Get-Content "$HOME/e.txt" -Encoding utf8
'x' | Out-File "$HOME/e.txt" -Encoding unicode
## STDOUT:
hé
x
## END
## STDERR-has: Out-File: -Encoding wants utf8|utf8NoBOM|default, got "unicode"
## status: 1

#### the last lines of a file
1..5 | Set-Content t.txt; (Get-Content t.txt -Tail 2) -join ','; (Get-Content t.txt -Tail 9).Count; @(Get-Content t.txt -Tail 0).Count; (Get-Content t.txt -TotalCount 2) -join ','
'a','','b' | Set-Content t.txt; (Get-Content t.txt -Tail 2) -join ','; Set-Content t.txt 'x' -NoNewline; Get-Content t.txt -Tail 1
## STDOUT:
4,5
5
0
1,2
,b
x
## END
