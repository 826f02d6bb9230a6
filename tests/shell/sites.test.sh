# fixture: two servers at once
#### lists merge
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null; Get-VM | % Name
## STDOUT:
web-01
db-01
web-02
app-01
db-01
app-02
## END

#### $DefaultVIServers, and the one that was connected last
Connect-VIServer lab, x -ErrorAction SilentlyContinue | Out-Null
Connect-VIServer other | Out-Null
($DefaultVIServers | % Name) -join ','; $DefaultVIServer.Name; (Get-VIServer).Count
## STDOUT:
lab,other
other
2
## END

#### -Server takes names, records and wildcards
$a = Connect-VIServer lab; $b = Connect-VIServer other
(Get-VM -Server lab | % Name) -join ','
(Get-VM -Server $b | % Name) -join ','
(Get-VM -Server $a, $b).Count
(Get-VMHost -Server oth* | % Name) -join ','
Get-VM -Server nobody
## STDOUT:
web-01,db-01,web-02
app-01,db-01,app-02
6
far1,far2,esx3
## END
## STDERR-has: no server "nobody" is connected
## status: 1

#### -Server is checked with one server too
Get-VM -Server lab | Measure-Object | % Count; Get-VM -Server other
## STDOUT:
3
## END
## STDERR-has: no server "other" is connected
## status: 1

#### only cmdlets of servers have -Server
1 | Sort-Object -Server lab
## STDERR-has: there is no parameter -Server
## status: 1

#### a name is an error only where nobody has it
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
Get-VM app-01, web-01, db-01, nix | % Name
## STDOUT:
web-01
db-01
app-01
db-01
## END
## STDERR-has: there is no vm "nix"
## status: 1

#### ids are those of every server that has them
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
(Get-VM -Id vm-1 | % Name) -join ','; Get-VM -Id vm-77
## STDOUT:
web-01,app-01
## END
## STDERR-has: there is no vm-77
## status: 1

#### objects go back to where they came from
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
$vm = Get-VM db-01 -Server lab
Start-VM $vm | Out-Null
Get-VM db-01 | % { "$($_.PowerState)" }
## STDOUT:
PoweredOn
PoweredOff
## END

#### names are looked for on every server
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
Start-VM app-02, web-02 | % Name
Start-VM nowhere
## STDOUT:
web-02
app-02
## END
## STDERR-has: there is no vm "nowhere"
## status: 1

#### what the pipe brings of both is done on both
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
Get-VM *-02 | Start-VM | % { $_.Name }
Get-VM | Where-Object PowerState -eq PoweredOn | Measure-Object | % Count
## STDOUT:
web-02
app-02
4
## END

#### tasks of both are waited for
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
Get-VM *-02 | Start-VM -RunAsync | Wait-Task | % { "$($_.Entity) $($_.State)" }
## STDOUT:
web-02 Success
app-02 Success
## END

#### places filter on their own server
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
(Get-VM -Location far2 | % Name) -join ','
(Get-VMHost esx1 | Get-VM | % Name) -join ','
(Get-Cluster main | Get-VM).Count
(Get-VM -Datastore shared9).Count
## STDOUT:
db-01,app-02
web-01
6
3
## END

#### what is moved and where to are of one server
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
Move-VM (Get-VM web-01) -Destination (Get-VMHost far2)
## STDERR-has: -Destination is of another server than -VM
## status: 1

#### a move by names goes to the server that has both
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
Move-VM app-01 far2 | % { "$($_.Name) $($_.VMHost)" }
## STDOUT:
app-01 far2
## END

#### creations never guess
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
New-VM a -Template tiny
## STDERR-has: several servers are connected; say which with -Server
## status: 1

#### nor where a name is everywhere
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
New-Folder x -Location Lab
## STDERR-has: several servers have "Lab"; say which with -Server
## status: 1

#### with -Server or an object they know
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
New-VM a -Template tiny -Server lab | % Name
New-VM b -Template (Get-Template tiny -Server other) | % Name
New-VIAccount carl -Password pw -Server other | % Name
(Get-VM -Server lab | % Name) -join ','; (Get-VM -Server other | % Name) -join ','
## STDOUT:
a
b
carl
web-01,db-01,web-02,a
app-01,db-01,app-02,b
## END

#### disconnecting one leaves the other
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
Disconnect-VIServer lab; $DefaultVIServers.Count; (Get-VM | % Name) -join ','
## STDOUT:
1
app-01,db-01,app-02
## END

#### without a name it is the last one; * is all
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
Disconnect-VIServer -Confirm:$false; $DefaultVIServer.Name
Connect-VIServer other | Out-Null; Disconnect-VIServer *; @($DefaultVIServers).Count
## STDOUT:
lab
0
## END

#### objects of a server that was disconnected
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
$vm = Get-VM app-01; Connect-VIServer "127.0.0.1:$env:FIXTURE_PORT" -CACertificate "$env:FIXTURE_FOLDER/ca.pem" -Token secret-token | Out-Null
Disconnect-VIServer other; Connect-VIServer lab | Out-Null; $DefaultVIServers.Count; Stop-VM $vm -Confirm:$false -Server lab
## STDOUT:
1
## END
## STDERR-has: which is not one of those that are meant
## status: 1

#### a server that goes in mid-pipeline
Connect-VIServer lab | Out-Null
Get-VM | % { Disconnect-VIServer lab; $_.Name; Get-VM web-02 | % PowerState }
## STDOUT:
web-01
PoweredOff
db-01
PoweredOff
web-02
PoweredOff
## END

#### Uid tells namesakes apart
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
$u = Get-VM db-01 | % Uid; $u.Count; $u[0] -eq "/VIServer=127.0.0.1:$($env:FIXTURE_PORT)/VirtualMachine=vm-2/"; $u[0] -eq $u[1]
## STDOUT:
2
True
False
## END

#### the same id on two servers is two objects
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
$both = Get-VM db-01; $both[0] -eq $both[1]; $both[0] -eq (Get-VM db-01 -Server lab); @($both | Get-Unique).Count
## STDOUT:
False
True
2
## END

#### First stops all of them
Connect-VIServer lab | Out-Null; Connect-VIServer other | Out-Null
Get-VM | Select-Object -First 4 | % Name
## STDOUT:
web-01
db-01
web-02
app-01
## END

#### the same server again takes the place of its connection
Connect-VIServer lab | Out-Null; Connect-VIServer lab | Out-Null; $DefaultVIServers.Count; (Get-VM).Count
## STDOUT:
1
3
## END
