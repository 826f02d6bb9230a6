# fixture: cases of the cmdlets against a server with a fixed inventory
#### new machine
New-VM -Name a -Template tiny
## STDOUT:

Name                 PowerState Num CPUs MemoryGB Kind
----                 ---------- -------- -------- ----
a                    PoweredOff 1        0.188    Machine

## END

#### new machine with everything
New-VM -Name a -Template tiny -VMHost esx2 -Location 'web tier' -Datastore shared1 -NetworkName lan -NumCpu 2 -MemoryGB 1.5 -Notes hi -PowerOn | select Name, VMHost, Folder, NumCpu, MemoryMB, Notes, PowerState | fl
## STDOUT:

Name       : a
VMHost     : esx2
Folder     : web tier
NumCpu     : 2
MemoryMB   : 1536
Notes      : hi
PowerState : PoweredOn

## END

#### new container
New-VM -Kind Container -Template tiny -Name ct-1 -IPAddress 10.1.2.3 -HostName web -DiskMB 64 -SwapMB 32 -ProcessLimit 50 -IoWeight 10 -DnsServer 10.0.0.1,10.0.0.2 -Command /bin/sh,-c,'sleep 1' -Environment A=1 -Device /dev/fuse | select Name, Kind, IPAddress, ProvisionedSpaceGB, Container | ConvertTo-Json -Compress
## STDOUT:
{"Name":"ct-1","Kind":"Container","IPAddress":"10.1.2.3","ProvisionedSpaceGB":0.0625,"Container":{"host_name":"web","dns":["10.0.0.1","10.0.0.2"],"swap_limit_mb":32,"pids_limit":50,"io_weight":10,"args":["/bin/sh","-c","sleep 1"],"env":["A=1"],"devices":["/dev/fuse"]}}
## END

#### containers alone
New-VM -Kind container -Template tiny -Name ct-1 | Out-Null; (Get-Container).Name; (Get-VM).Count; Get-VM | Group-Object Kind -NoElement | % { "$($_.Count) $($_.Name)" }
## STDOUT:
ct-1
4
3 Machine
1 Container
## END

#### a machine is no container
Get-Container web-01
## STDERR-has: there is no container "web-01"
## status: 1

#### nor by its id
Get-Container -Id vm-1
## STDERR-has: vm-1 is no container
## status: 1

#### what a container may be is said in words
New-VM -Kind Zone -Template tiny -Name a
## STDERR-has: Machine
## status: 1

#### two sizes of one disk
New-VM a -Template tiny -DiskMB 5 -DiskGB 1
## STDERR-has: -DiskMB and -DiskGB cannot both be given
## status: 1

#### template of containers
'x' | Set-Content root.tar; New-Template busybox -Path root.tar -Kind Container -Datastore shared1 -Environment A=1 | select Kind, Format, Path | ConvertTo-Json -Compress
## STDOUT:
{"Kind":"Container","Format":"tar","Path":"upload/busybox.tar"}
## END

#### template of an image that docker saved
'x' | Set-Content web.img; New-Template web -Path web.img -Format docker -Reference web:1 -Datastore shared1 | select Format, Path | ConvertTo-Json -Compress
## STDOUT:
{"Format":"docker","Path":"upload/web.docker"}
## END

#### new machine in a pool or cluster
New-VM a -Template tiny -ResourcePool Resources | % Name; New-VM b -Template tiny -ResourcePool main | % Name
## STDOUT:
a
b
## END

#### several machines
New-VM -Name a,b,c -Template tiny | % Name
## STDOUT:
a
b
c
## END

#### machines from the pipeline
1..3 | % { "m$_" } | New-VM -Template tiny | % Name
## STDOUT:
m1
m2
m3
## END

#### template from a variable
$t = Get-Template tiny; New-VM a -Template $t | % Name
## STDOUT:
a
## END

#### new machine needs a template
New-VM a
## STDOUT:
## END
## STDERR-has: New-VM wants either -Template or -VM
## status: 1

#### unknown template
New-VM a -Template nope
## STDOUT:
## END
## STDERR-has: New-VM: -Template: there is no template "nope"
## status: 1

#### memory twice
New-VM a -Template tiny -MemoryMB 1 -MemoryGB 1
## STDOUT:
## END
## STDERR-has: New-VM: -MemoryMB and -MemoryGB cannot both be given
## status: 1

#### absurd CPUs
New-VM a -Template tiny -NumCpu 0
## STDOUT:
## END
## STDERR-has: New-VM: -NumCpu 0 is out of range
## status: 1

#### absurd memory
New-VM a -Template tiny -MemoryGB 1e12
## STDOUT:
## END
## STDERR-has: New-VM: -MemoryGB: 1000000000000 is out of range
## status: 1

#### server refuses with its reason
New-VM big -Template tiny -MemoryGB 2000
## STDOUT:
## END
## STDERR-has: New-VM: no host can take "big": memory 2048000 MB asked, 28672 MB free on esx1
## status: 1

#### task fails with its reason
New-VM failx -Template tiny
## STDOUT:
## END
## STDERR-has: New-VM: "failx" could not be made: disk full
## status: 1

#### one fails, the rest goes on
New-VM ok1,failx,ok2 -Template tiny | % Name
## STDOUT:
ok1
ok2
## END
## STDERR-has: New-VM: "failx" could not be made: disk full
## status: 1

#### name exists
New-VM web-01 -Template tiny
## STDOUT:
## END
## STDERR-has: New-VM: vm "web-01" exists
## status: 1

#### names as the server takes them
New-VM 'a/b' -Template tiny
## STDOUT:
## END
## STDERR-has: New-VM: vm name "a/b" is not allowed
## status: 1

#### async gives the task
New-VM a -Template tiny -RunAsync | % { "$($_.Name) $($_.State)" }
## STDOUT:
vm.create Running
## END

#### wait for tasks
New-VM a,b -Template tiny -RunAsync | Wait-Task | % State
## STDOUT:
Success
Success
## END

#### wait for a failed task
New-VM failx -Template tiny -RunAsync | Wait-Task
## STDOUT:

Name                           State      % Complete Start Time                Finish Time
----                           -----      ---------- ----------                -----------
vm.create                      Error             100 2026-01-02T03:04:05+00:00 2026-01-02T03:04:05+00:00

## END
## STDERR-has: Wait-Task: "failx" could not be made: disk full
## status: 1

#### wait by id
Wait-Task task-1 | % State
## STDOUT:
Success
## END

#### wait for what is no task
Wait-Task vm-1
## STDOUT:
## END
## STDERR-has: Wait-Task: vm-1 is the id of a vm, wanted is a task
## status: 1

#### stop a task
$t = New-VM a -Template tiny -RunAsync; $t | Stop-Task; (Get-Task -Id $t.Id).ErrorId
## STDOUT:
cancelled
## END

#### stop a task that is over
Stop-Task task-1
## STDOUT:
## END
## STDERR-has: Stop-Task: task-1 is over
## status: 1

#### start
Start-VM db-01 | % PowerState
## STDOUT:
PoweredOn
## END

#### start many
Get-VM | ? PowerState -eq PoweredOff | Start-VM | % Name
## STDOUT:
db-01
web-02
## END

#### start by strings
'db-01','web-02' | Start-VM | % { "$($_.Name) $($_.PowerState)" }
## STDOUT:
db-01 PoweredOn
web-02 PoweredOn
## END

#### start what is on
Start-VM web-01
## STDOUT:
## END
## STDERR-has: Start-VM: vm "web-01" is on already
## status: 1

#### start wildcard, one is on
Start-VM web* | % Name
## STDOUT:
web-02
## END
## STDERR-has: Start-VM: vm "web-01" is on already
## status: 1

#### start on a host
Start-VM db-01 -VMHost esx1 | % PowerState
## STDOUT:
PoweredOn
## END

#### start unknown
Start-VM nope
## STDOUT:
## END
## STDERR-has: Start-VM: there is no vm "nope"
## status: 1

#### stop asks
Stop-VM web-01
## STDOUT:
## END
## STDERR-has: Stop-VM: "web-01" wants to be confirmed and there is no terminal to ask on; give -Confirm:$false
## status: 1

#### stop
Stop-VM web-01 -Confirm:$false | % { "$($_.PowerState) $($_.Notes)" }
## STDOUT:
PoweredOff acpi_then_kill
## END

#### stop kill
Stop-VM web-01 -Kill -Confirm:$false | % Notes
## STDOUT:
kill
## END

#### stop with preference
$ConfirmPreference = 'None'; Stop-VM web-01 | % PowerState
## STDOUT:
PoweredOff
## END

#### stop what if
Stop-VM web-01 -WhatIf; (Get-VM web-01).PowerState
## STDOUT:
What if: Performing "Stop-VM" on "web-01"
PoweredOn
## END

#### what if preference
$WhatIfPreference = $true; Start-VM db-01; (Get-VM db-01).PowerState
## STDOUT:
What if: Performing "Start-VM" on "db-01"
PoweredOff
## END

#### what if of many
Get-VM | Stop-VM -WhatIf
## STDOUT:
What if: Performing "Stop-VM" on "web-01"
What if: Performing "Stop-VM" on "db-01"
What if: Performing "Stop-VM" on "web-02"
## END

#### stop guest
Stop-VMGuest web-01 -Confirm:$false | % Notes
## STDOUT:
acpi
## END

#### restart
Restart-VM web-01 | % Notes; Restart-VMGuest web-01 | % Notes
## STDOUT:
reset
acpi
## END

#### suspend
Suspend-VM web-01 | % PowerState
## STDOUT:
Suspended
## END

#### set
Set-VM web-02 -NumCpu 2 -MemoryMB 512 -Notes 'a b' | % { "$($_.NumCpu) $($_.MemoryMB) $($_.Notes)" }
## STDOUT:
2 512 a b
## END

#### rename
Set-VM web-02 -Name web-03 | % Name
## STDOUT:
web-03
## END

#### set nothing
Set-VM web-02
## STDOUT:
## END
## STDERR-has: Set-VM wants something to change
## status: 1

#### set many
Get-VM web* | Set-VM -Notes x | % Notes
## STDOUT:
x
x
## END

#### remove
Remove-VM db-01 -Confirm:$false; Get-VM | % Name
## STDOUT:
web-01
web-02
## END

#### remove asks
Remove-VM db-01
## STDOUT:
## END
## STDERR-has: Remove-VM: "db-01" wants to be confirmed and there is no terminal to ask on; give -Confirm:$false
## status: 1

#### remove what is on
Remove-VM web-01 -Confirm:$false
## STDOUT:
## END
## STDERR-has: Remove-VM: vm "web-01" is on; stop it first
## status: 1

#### remove from the pipeline
Get-VM | ? PowerState -eq PoweredOff | Remove-VM -Confirm:$false; (Get-VM).Count
## STDOUT:
1
## END

#### remove of a wrong kind
Get-VMHost esx1 | Remove-VM -Confirm:$false
## STDOUT:
## END
## STDERR-has: Remove-VM: a VMHost is no vm
## status: 1

#### new then use
New-VM a -Template tiny | Start-VM | % PowerState; Stop-VM a -Confirm:$false | % PowerState; Remove-VM a -Confirm:$false; Get-VM a* | measure | % Count
## STDOUT:
PoweredOn
PoweredOff
0
## END

#### datacenter
New-Datacenter D2 | % Name; Remove-Datacenter D2 -Confirm:$false
## STDOUT:
D2
## END

#### datacenter that is not empty
Remove-Datacenter Lab -Confirm:$false
## STDOUT:
## END
## STDERR-has: Remove-Datacenter: dc "Lab" is not empty
## status: 1

#### folder
New-Folder f2 -Location Lab | % { "$($_.Name) in $($_.Parent)" }
## STDOUT:
f2 in Lab
## END

#### folder from the pipeline
Get-Folder 'web tier' | New-Folder sub | % Parent
## STDOUT:
web tier
## END

#### cluster
New-Cluster c2 -Location Lab -VCpusPerCore 4 | % { "$($_.Name) $($_.VCpusPerCore)" }
## STDOUT:
c2 4
## END

#### network
New-VirtualPortGroup n2 br1 -VLanId 7 -Cidr 10.2.0.0/24 -Gateway 10.2.0.1 -RangeFirst 10.2.0.10 -RangeLast 10.2.0.99 | % { "$($_.VLanId) $($_.RangeLast)" }
## STDOUT:
7 10.2.0.99
## END

#### network by the other name
New-Network n2 -Bridge br1 -Datacenter Lab | % Name; Remove-Network n2 -Confirm:$false
## STDOUT:
n2
## END

#### network wants a datacenter
New-Datacenter D2 | Out-Null; New-Network n2 br1
## STDOUT:
## END
## STDERR-has: New-VirtualPortGroup: there are 2 datacenters; give -Datacenter
## status: 1

#### datastore
New-Datastore ds2 -VMHost esx1,esx2 -Path /x -Shared | % { "$($_.Name) $($_.Shared) $($_.VMHost)" }
## STDOUT:
ds2 True esx1 esx2
## END

#### datastore from the pipeline
Get-VMHost esx1,esx2 | New-Datastore ds2 -Path /x | % VMHost
## STDOUT:
esx1
esx2
## END

#### template upload
'data' | Set-Content d.qcow2; New-Template t2 -Path d.qcow2 -Datastore shared1 -NumCpu 2 | % { "$($_.Name) $($_.Format) $($_.Path)" }
## STDOUT:
t2 qcow2 upload/t2.qcow2
## END

#### template in several pieces
('x' * 2500000) | Set-Content big.raw; New-Template t2 big.raw -Datastore shared1 | % Path
## STDOUT:
upload/t2.raw
## END

#### template that is refused leaves no upload
'x' > d.qcow2; New-Template tiny d.qcow2 -Datastore shared1
## STDOUT:
## END
## STDERR-has: New-Template: template "tiny" exists
## status: 1
## files:

#### template whose import fails leaves no upload
'x' > d.qcow2; New-Template failx d.qcow2 -Datastore shared1; New-Template 'o k' d.qcow2 -Datastore shared1 | % Path
## STDOUT:
upload/o k.qcow2
## END
## STDERR-has: New-Template: "failx" could not be made: disk full
## files: upload/o k.qcow2

#### template from the datastore
New-Template t2 '[shared1] a/b.qcow2' | % { "$($_.Path) $($_.Format)" }
## STDOUT:
a/b.qcow2 qcow2
## END

#### template without a file
New-Template t2 -Path nope.qcow2 -Datastore shared1
## STDOUT:
## END
## STDERR-has: New-Template: cannot open "nope.qcow2": No such file or directory
## status: 1

#### template without a datastore
'x' > x.raw; New-Template t2 x.raw
## STDOUT:
## END
## STDERR-has: New-Template: -Datastore is missing: where shall the image lie?
## status: 1

#### template removed
Remove-Template tiny -Confirm:$false; Get-Template | measure | % Count
## STDOUT:
0
## END

#### host token
New-VMHostToken esx9 -Cluster main | % { $_.Token; $_.Command -like 'drover-agent enroll --server 127.0.0.1:* --token enrol-me --ca-fingerprint abab*' }
## STDOUT:
enrol-me
True
## END

#### account
New-VIAccount bob -Password long-enough -Role Operator | % Role; Set-VIAccount bob -Enabled $false -Role ReadOnly | % { "$($_.Enabled) $($_.Role)" }; Remove-VIAccount bob -Confirm:$false; Get-VIAccount | % Name
## STDOUT:
Operator
False ReadOnly
admin
## END

#### account with a bad role
New-VIAccount bob -Password x -Role King
## STDOUT:
## END
## STDERR-has: New-VIAccount: -Role wants ReadOnly|Operator|Administrator, got "King"
## status: 1

#### tokens
New-ApiToken ci -Days 5 | % Token; Get-ApiToken | % Name; Remove-ApiToken tok1 -Confirm:$false; (Get-ApiToken).Name
## STDOUT:
secret-token
backup
ci
ci
## END

#### token unknown
Remove-ApiToken nope -Confirm:$false
## STDOUT:
## END
## STDERR-has: Remove-ApiToken: there is no token of yours nope
## status: 1

#### error is a record
Start-VM web-01 -EA SilentlyContinue; $Error[0].ErrorId; $Error[0].TargetObject
## STDOUT:
bad_state
web-01
## END

#### error stops with -ErrorAction
Start-VM web-01 -ErrorAction Stop; 'after'
## STDOUT:
## END
## STDERR-has: Start-VM: vm "web-01" is on already
## status: 1

#### error is caught
try { Start-VM web-01 -ErrorAction Stop } catch { "no: $($_.Exception.Message)" }
## STDOUT:
no: vm "web-01" is on already
## END

#### log in
Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -User admin -Password secret -CACertificate ca.pem | % User; (Get-VM).Count; Disconnect-VIServer
## STDOUT:
admin
3
## END

#### log in with a token
Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -Token secret-token -CACertificate ca.pem | % User
## STDOUT:
admin
## END

#### log in to a saved one
Connect-VIServer lab | % Name
## STDOUT:
lab
## END

#### wrong password
Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -User admin -Password wrong -CACertificate ca.pem
## STDOUT:
## END
## STDERR-has: Connect-VIServer: 127.0.0.1: the user or the password is wrong
## status: 3

#### wrong token
Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -Token bad -CACertificate ca.pem; Get-VM
## STDOUT:
## END
## STDERR-has: Connect-VIServer: 127.0.0.1: log in first
## status: 3

#### unknown CA
Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -User admin -Password secret
## STDOUT:
## END
## STDERR-has: Connect-VIServer: 127.0.0.1: the authority of its certificate is not known here
## status: 3

#### no server there
Connect-VIServer 127.0.0.1 -Port 1 -User admin -Password secret
## STDOUT:
## END
## STDERR-has: Connect-VIServer: 127.0.0.1: cannot connect to 127.0.0.1 port 1: Connection refused
## status: 3

#### no password and no terminal
Connect-VIServer 127.0.0.1 -Port $env:FIXTURE_PORT -User admin -CACertificate ca.pem
## STDOUT:
## END
## STDERR-has: Connect-VIServer: 127.0.0.1: no -Password and no terminal to ask for one on
## status: 3

#### not connected
Connect-VIServer lab | Out-Null; Disconnect-VIServer; Disconnect-VIServer
## STDOUT:
## END
## STDERR-has: Disconnect-VIServer: no server is connected
## status: 1

#### save credentials
Connect-VIServer localhost -Port $env:FIXTURE_PORT -User admin -Password secret -CACertificate ca.pem -SaveCredentials | Out-Null; (Get-Content servers.json -Raw) -match 'secret-token'; (Get-Content servers.json -Raw) -match '"secret"'; Get-VIServer -Saved | % Name
## STDOUT:
True
False
lab
localhost
## END

#### machines from a table
"Name,NumCpu,MemoryGB,Notes`na,2,1,first`nb,1,0.5," | ConvertFrom-Csv | New-VM -Template tiny | % { "$($_.Name) $($_.NumCpu) $($_.MemoryMB) $($_.Notes)" }
## STDOUT:
a 2 1024 first
b 1 512 
## END
