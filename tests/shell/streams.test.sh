# Streams beside the output: redirection, merging, what variables take.

#### an error joins the output
$r = Write-Error 'boo' 2>&1
"$r"
$r.ErrorId
$?
## STDOUT:
boo
invalid
True
## END

#### errors flow through the pipe with the objects
& { 'a'; Write-Error 'boo'; 'b' } 2>&1 | ForEach-Object { "[$_]" }
## STDOUT:
[a]
[boo]
[b]
## END

#### an error that ends a statement, too
function f { 'a'; 1 / 0; 'b' }
f 2>&1 | ForEach-Object { "[$_]" }
## STDOUT:
[a]
[attempted to divide by zero]
[b]
## END

#### only the stage that it stands behind
& { Write-Error 'one' } 2>$null | ForEach-Object { $_ }
& { Write-Error 'two'; 'x' } | ForEach-Object { $_ } 2>$null
## STDOUT:
x
## END
## STDERR-has: two
## status: 0

#### warnings, remarks and information
$r = & { Write-Warning 'w'; Write-Information 'i'; Write-Host 'h'; Write-Verbose 'v' -Verbose; Write-Debug 'd' -Debug } *>&1
$r | ForEach-Object { "$_" }
## STDOUT:
w
i
h
v
d
## END

#### one stream merges, another does not
$r = & { Write-Warning 'w'; 'x' } 3>&1
$r.Count
$r = & { Write-Host 'h'; 'x' } 3>&1
$r
## STDOUT:
2
h
x
## END

#### errors into a file, and more behind them
$f = "$HOME/e.txt"
& { Write-Error 'one'; 'x' } 2>$f
Write-Error 'two' 2>>$f
Get-Content $f
## STDOUT:
x
one
two
## END

#### everything into one file
$f = "$HOME/all.txt"
& { 'x'; Write-Error 'e'; Write-Warning 'w' } *>$f
Get-Content $f
## STDOUT:
x
e
w
## END

#### output and errors into a file
$f = "$HOME/both.txt"
& { 'x'; Write-Error 'e' } 2>&1 >$f
Get-Content $f
## STDOUT:
x
e
## END

#### output to nobody, errors stay
& { 'x'; Write-Error 'e' } >$null
## STDOUT:
## END
## STDERR-has: e
## status: 1

#### a remark that nobody asked for is not in the stream
$r = Write-Verbose 'v' 4>&1
$null -eq $r
## STDOUT:
True
## END

#### silenced errors are remembered
Get-Content /nowhere/at/all 2>$null
$Error.Count
## STDOUT:
1
## END

#### -ErrorVariable takes all of them
& { 'x' } | Out-Null
'/nowhere/a', '/nowhere/b' | ForEach-Object { Get-Content $_ -ErrorAction SilentlyContinue -ErrorVariable +e }
$e.Count
Get-Content /nowhere/c -ErrorAction SilentlyContinue -ErrorVariable one
$one.Count
Get-Date -ErrorVariable none | Out-Null
$none.Count
## STDOUT:
2
1
0
## END

#### -WarningAction
Write-Warning 'w' -WarningAction SilentlyContinue
$WarningPreference = 'SilentlyContinue'
Write-Warning 'w'
## STDOUT:
## END

#### -OutVariable adds with +
1, 2 | Write-Output -OutVariable o | Out-Null
3 | Write-Output -OutVariable +o | Out-Null
"$o"
## STDOUT:
1 2 3
## END

#### a stream cannot go anywhere else
'x' 1>&2
## STDERR-has: a stream can go into a file, to $null, or with >&1 into the output
## status: 1

#### a file that cannot be written
'x' > /nowhere/at/all
## STDERR-has: cannot open "/nowhere/at/all"
## status: 1

#### the value at the head
(Write-Error 'boo') 2>&1 | ForEach-Object { "[$_]" }
## STDOUT:
[boo]
## END

#### what follows the file's name is of the same command
& { 'o'; Write-Error 'e' } > "$HOME/a.txt" 2>&1
Get-Content "$HOME/a.txt"
& { 'o2'; Write-Error 'e2' } > "$HOME/a.txt" 2> "$HOME/b.txt"
Get-Content "$HOME/a.txt"; Get-Content "$HOME/b.txt"
## STDOUT:
o
e
o2
e2
## END

#### errors among objects are told by their type
& { 'o'; Write-Error 'e' } 2>&1 | ForEach-Object { $_ -is [System.Management.Automation.ErrorRecord] }
## STDOUT:
False
True
## END
