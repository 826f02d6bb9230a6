# fixture: a server that is away for a while, and completion
#### the database is away: the change is sent again
New-VM a -Template tiny | % Name
## fixture: {"fail": 2}
## STDOUT:
a
## END
## STDERR-has: drover: the database is away; trying again for up to 60 s
## changes: 1 of 1

#### the connection breaks after the change: it happens once
New-VM a,b,c -Template tiny | % Name; (Get-VM).Count
## fixture: {"drop": 2}
## STDOUT:
a
b
c
6
## END
## STDERR-has: trying again
## changes: 3 of 5

#### power changes are not doubled either
Start-VM db-01 | % PowerState
## fixture: {"drop": 1}
## STDOUT:
PoweredOn
## END
## changes: 1 of 2

#### completion of cmdlets
## args: --complete Get-VMH
## STDOUT-json: {"start": 0, "words": ["Get-VMHost"]}

#### completion behind a pipe
## args: --complete 'Get-VM | Wher'
## STDOUT-json: {"start": 9, "words": ["Where-Object"]}

#### completion of parameters
## args: --complete 'New-VM -Num'
## STDOUT-json: {"start": 7, "words": ["-NumCpu"]}

#### changing cmdlets have -WhatIf, others not
## args: --complete 'Stop-VM -Wh'
## STDOUT-json: {"start": 8, "words": ["-WhatIf"]}

#### reading cmdlets have no -WhatIf
## args: --complete 'Get-VM -Wh'
## STDOUT-json: {"start": 7, "words": []}

#### completion of names
## args: --complete 'Start-VM we'
## STDOUT-json: {"start": 9, "words": ["web-01", "web-02"]}

#### names with spaces come in quotes
## args: --complete "Get-Folder 'w"
## STDOUT-json: {"start": 11, "words": ["'web tier'"]}

#### completion of names for a named parameter
## args: --complete 'New-VM x -Template t'
## STDOUT-json: {"start": 19, "words": ["tiny"]}

#### completion of words
## args: --complete 'New-VIAccount bob -Role O'
## STDOUT-json: {"start": 24, "words": ["Operator"]}

#### completion at a point within the line
## args: --complete 'Get-VIAccount | x' --point 7
## STDOUT-json: {"start": 0, "words": ["Get-VIAccount"]}

#### completion of variables
## args: --complete 'Get-VM | ? { $nu'
## STDOUT-json: {"start": 13, "words": ["$null"]}

#### settings that others can read are refused
$env:DROVER_SERVERS = 'open.json'; '{}' | Set-Content open.json; Get-VM
## STDERR-has: open.json may be read by others
## status: 3

#### long lists come in pages
(Get-VM).Count; (Get-VM).Name -join ','
## fixture: {"page": 2}
## STDOUT:
3
web-01,db-01,web-02
## END

#### narrow screens cut
Get-Cluster
## env: COLUMNS=40
## STDOUT:

Name                           HAEnabled
----                           ---------
main                           False

## END

#### ASCII where the locale is
[pscustomobject]@{t='x' * 50}
## env: LC_ALL=C
## args: -o table
## STDOUT:

t
-
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx

## END

#### the version
## args: --version
## STDOUT:
drover 0.1.0
## END

#### bad usage
## args: --nope
## status: 2

#### an unknown form of output
## args: -o xml
## STDERR-has: -o xml: there is json, csv, table and list
## status: 2

#### a saved server is forgotten
Get-VIServer -Saved | Where-Object Name -eq lab | Remove-VIServer; Get-VIServer -Saved; Get-VM
## STDERR-has: none is saved
## status: 3

#### forgetting what is not saved
Remove-VIServer nope
## STDERR-has: no server "nope" is saved
## status: 1

#### -e can be taken back by the script
$ErrorActionPreference = 'Continue'; Get-VM nope; 'after'
## args: -e
## STDOUT:
after
## END

#### the CA by its fingerprint
$p = (Get-Content ca.fp).Split('=')[1]; Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -User admin -Password secret -CAFingerprint $p -SaveCredentials | % User; Get-Content 127.0.0.1-ca.pem -TotalCount 1
## STDOUT:
admin
-----BEGIN CERTIFICATE-----
## END

#### a wrong fingerprint
Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -User admin -Password secret -CAFingerprint abcd; 'not reached'
## STDOUT:
## END
## STDERR-has: sends no certificate with that fingerprint
## status: 3

#### an authority that is not known, and nobody to ask
Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -User admin -Password secret; 'not reached'
## STDOUT:
## END
## STDERR-has: Connect-VIServer: 127.0.0.1: the authority of its certificate is not known here; if
## STDERR-has: is what the server's administrator has, give it as -CAFingerprint
## status: 3

#### a credential logs in, and nothing shows its password
$s = ConvertTo-SecureString 'secret' -AsPlainText -Force
$c = New-Object System.Management.Automation.PSCredential('admin', $s)
$p = (Get-Content ca.fp).Split('=')[1]
(Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -Credential $c -CAFingerprint $p).User
"$s"; $s; $c | ConvertTo-Json -Compress; "$($c.UserName)"; $c | Format-List | Out-String | ForEach-Object { $_ -match 'secret' }
## STDOUT:
admin
System.Security.SecureString
System.Security.SecureString
{"UserName":"admin","Password":{"Name":"System.Security.SecureString","Number":1}}
admin
False
## END

#### what is no credential
Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -Credential admin
## STDERR-has: wants what Get-Credential gives
## status: 3

#### a password that is neither text nor secret
New-VIAccount ann -Password @{ a = 1 }
## STDERR-has: -Password wants a text or a SecureString
## status: 1

#### nobody to ask
Get-Credential admin
## STDERR-has: there is no terminal to ask on
## status: 1
