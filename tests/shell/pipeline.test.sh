# cases of the language, without a server
#### where block
1..6 | Where-Object { $_ % 2 -eq 0 }
## STDOUT:
2
4
6
## END

#### where property
@{n=1;s='a'},@{n=2;s='b'} | Where-Object n -gt 1 | % s
## STDOUT:
b
## END

#### where truth
[pscustomobject]@{a=$true;b=1},[pscustomobject]@{a=$false;b=2} | ? a | % b
## STDOUT:
1
## END

#### where like
'web','db' | ? { $_ -like 'w*' }
## STDOUT:
web
## END

#### where in
@{n=1},@{n=5} | ? n -in 5,6 | % n
## STDOUT:
5
## END

#### where match and not
@{n='a1'},@{n='b'} | ? n -match '\d' | % n; @{n='a1'},@{n='b'} | ? n -notmatch '\d' | % n
## STDOUT:
a1
b
## END

#### foreach begin end
1..3 | ForEach-Object -Begin { $s = 0 } -Process { $s += $_ } -End { $s }
## STDOUT:
6
## END

#### foreach member
'ab','c' | % Length; 'a','b' | % ToUpper
## STDOUT:
2
1
A
B
## END

#### foreach method with arguments
'a-b' | % Split '-'
## STDOUT:
a
b
## END

#### nested pipelines keep the item
1..2 | % { $x = $_; 5..6 | % { "$x$_" } }
## STDOUT:
15
16
25
26
## END

#### lists are enumerated
(1,2),(3,4) | % { $_.Count }
## STDOUT:
2
2
## END

#### null goes through
$null | % { 'x' }; 'end'
## STDOUT:
end
## END

#### select first stops early
1..1000000 | Select-Object -First 3
## STDOUT:
1
2
3
## END

#### select last and skip
1..6 | select -Last 2; 1..6 | select -Skip 4; 1..6 | select -Skip 1 -First 2
## STDOUT:
5
6
5
6
2
3
## END

#### select properties
[pscustomobject]@{a=1;b=2;c=3} | select a, c | ConvertTo-Json -Compress
## STDOUT:
{"a":1,"c":3}
## END

#### select wildcard and exclude
[pscustomobject]@{ab=1;ac=2;d=3} | select a* -ExcludeProperty ac | ConvertTo-Json -Compress
## STDOUT:
{"ab":1}
## END

#### select calculated
@{n=2} | select @{Name='x';Expression={$_.n * 2}} | % x
## STDOUT:
4
## END

#### select expand
@{l=1,2},@{l=3} | select -ExpandProperty l
## STDOUT:
1
2
3
## END

#### select unique
1,2,1,3,2 | select -Unique
## STDOUT:
1
2
3
## END

#### select index
5,6,7 | select -Index 0,2
## STDOUT:
5
7
## END

#### sort
3,1,2 | sort; 'b','A','c' | sort -Descending
## STDOUT:
1
2
3
c
b
A
## END

#### sort by property
@{n=3;k='x'},@{n=1;k='y'} | sort n | % k
## STDOUT:
y
x
## END

#### sort by two
@{a=1;b=2},@{a=1;b=1},@{a=0;b=9} | sort a, @{Expression='b';Descending=$true} | % { "$($_.a)$($_.b)" }
## STDOUT:
09
12
11
## END

#### sort is stable
@{k=1;v='a'},@{k=0;v='b'},@{k=1;v='c'} | sort k | % v
## STDOUT:
b
a
c
## END

#### sort unique and top
3,1,3,2 | sort -Unique; 5,4,3 | sort -Top 2
## STDOUT:
1
2
3
3
4
## END

#### group
'a','b','a' | Group-Object | % { "$($_.Name)=$($_.Count)" }
## STDOUT:
a=2
b=1
## END

#### group by property
@{k='x';v=1},@{k='y';v=2},@{k='x';v=3} | group k | % { $_.Name; $_.Group.v -join ',' }
## STDOUT:
x
1,3
y
2
## END

#### group as table
$g = 1..4 | group { $_ % 2 } -AsHashTable; $g['0'].Count
## STDOUT:
2
## END

#### measure
1..4 | measure -Sum -Average -Maximum -Minimum | % { "$($_.Count) $($_.Sum) $($_.Average) $($_.Maximum) $($_.Minimum)" }
## STDOUT:
4 10 2.5 4 1
## END

#### measure property
@{n=1},@{n=5} | measure n -Sum | % Sum
## STDOUT:
6
## END

#### measure nothing
@() | measure | % Count
## STDOUT:
0
## END

#### measure of text is an error
'x' | measure -Sum
## STDOUT:

Count    : 0
Average  :
Sum      : 0
Maximum  :
Minimum  :
Property :

## END
## STDERR-has: Measure-Object: "x" is no number
## status: 1

#### tee
1,2 | Tee-Object v | % { $_ * 10 }; "$v"
## STDOUT:
10
20
1 2
## END

#### unique
1,1,2,1 | Get-Unique
## STDOUT:
1
2
1
## END

#### compare
Compare-Object (1,2,3) (2,3,4) | % { "$($_.InputObject)$($_.SideIndicator)" }
## STDOUT:
4=>
1<=
## END

#### out null
1..3 | Out-Null; 'x'
## STDOUT:
x
## END

#### out variable
$null = Write-Output 1 2 -OutVariable o; $o.Count
## STDOUT:
2
## END

#### error variable
Get-Content /nope -EA SilentlyContinue -EV e; $e[0].ErrorId
## STDOUT:
not_found
## END

#### silenced errors
Get-Content /nope 2>$null; 'x'
## STDOUT:
x
## END

#### errors to nothing
Get-Content /nope -ErrorAction Ignore; $Error.Count
## STDOUT:
0
## END

#### redirect to a file
'a','b' > f.txt; 'c' >> f.txt; Get-Content f.txt
## STDOUT:
a
b
c
## END

#### redirect to null
'a' > $null; 'b'
## STDOUT:
b
## END

#### write output several
Write-Output 1 2 (3,4)
## STDOUT:
1
2
3
4
## END

#### aliases
1..3 | ? { $_ -gt 1 } | % { $_ }
## STDOUT:
2
3
## END

#### parameter prefix
1..5 | Select-Object -Fi 2
## STDOUT:
1
2
## END

#### ambiguous parameter
1..5 | Select-Object -E 2
## STDOUT:
## END
## STDERR-has: Select-Object: -E could be more than one parameter
## status: 1

#### unknown parameter
1..5 | Select-Object -Nope 2
## STDOUT:
## END
## STDERR-has: Select-Object: there is no parameter -Nope
## status: 1

#### parameter without value
1..5 | Select-Object -First
## STDOUT:
## END
## STDERR-has: Select-Object: -First wants a value
## status: 1

#### parameter of a wrong type
1..5 | Select-Object -First x
## STDOUT:
## END
## STDERR-has: Select-Object: -First wants a whole number, got "x"
## status: 1

#### parameter given twice
1 | Select-Object -First 1 -First 2
## STDOUT:
## END
## STDERR-has: Select-Object: -First is given twice
## status: 1

#### needed parameter missing
Get-Content
## STDOUT:
## END
## STDERR-has: Get-Content: -Path is missing (the file)
## status: 1

#### switch with colon
2,1 | sort -Descending:$false
## STDOUT:
1
2
## END

#### nothing takes the argument
Out-Null a b
## STDOUT:
## END
## STDERR-has: Out-Null: nothing takes the argument "a"
## status: 1

#### get member
[pscustomobject]@{A=1;B='x'} | Get-Member | % { "$($_.Name) $($_.MemberType)" }
## STDOUT:
A Property
B Property
## END

#### get command
Get-Command Get-VM* | % Name
## STDOUT:
Get-VM
Get-VMHost
Get-VMResourceConfiguration
Get-VMGuest
Get-VMCounter
Get-VMLog
## END

#### get command by verb
(Get-Command -Verb Suspend -Noun VM*).Name
## STDOUT:
Suspend-VM
Suspend-VMHost
## END

#### get help
Get-Help Suspend-VM
## STDOUT:

NAME
    Suspend-VM

SYNOPSIS
    Suspend to disk

SYNTAX
    Suspend-VM [-VM] <object,…> [-RunAsync]

PARAMETERS
    -VM                 the machines; also -Name; from the pipeline
    -RunAsync           do not wait; give the task
    and -ErrorAction -ErrorVariable -OutVariable -WarningAction -Verbose -Server -WhatIf -Confirm

OUTPUT
    VirtualMachine

EXAMPLES
    Suspend-VM web-01; Start-VM web-01
        its memory goes to disk, and it goes on from there

## END

#### get help of nothing
Get-Help Nope-Nope
## STDOUT:
## END
## STDERR-has: Get-Help: there is no cmdlet and no topic "Nope-Nope"
## status: 1

#### get alias
Get-Alias ft | % Definition
## STDOUT:
Format-Table
## END

#### variables
Set-Variable v 5; $v; (Get-Variable v).Value; Remove-Variable v; $null -eq $v
## STDOUT:
5
5
True
## END

#### new object
$o = New-Object pscustomobject -Property @{a=1}; $o.a
## STDOUT:
1
## END

#### get date format
Get-Date '2026-01-02T03:04:05Z' -Format 'yyyy/MM/dd HH:mm'
## STDOUT:
2026/01/02 03:04
## END

#### measure command
(Measure-Command { 1..10 | Out-Null }) -is [timespan]
## STDOUT:
True
## END

#### random
(Get-Random -Minimum 5 -Maximum 6); (1,1 | Get-Random)
## STDOUT:
5
1
## END

#### warning and verbose go to stderr
Write-Warning w; Write-Verbose v -Verbose; 'x'
## STDOUT:
x
## END
## STDERR-has: WARNING: w

#### write error
Write-Error bad
## STDOUT:
## END
## STDERR-has: Write-Error: bad
## status: 1

#### write host
Write-Host a b -NoNewline; Write-Host !
## STDOUT:
a b!
## END

#### test path
Test-Path /nope; Test-Path .
## STDOUT:
False
True
## END

#### a hundred thousand
1..100000 | Where-Object { $_ % 2 } | Measure-Object | % Count
## STDOUT:
50000
## END

#### what does not fit a parameter is reported, the rest goes on
'x', '2026-01-02' | Get-Date -Format yyyy
## STDOUT:
2026
## END
## STDERR-has: Get-Date: -Date wants a date, got "x"
## status: 1
