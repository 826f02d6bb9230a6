# fixture: cases of the cmdlets of high availability
#### a cluster's settings in PowerCLI's words
Set-Cluster main -HAEnabled $true -HAFailoverLevel 1 -HARestartPriority High -HAIsolationResponse DoNothing -VMMonitoring Low | select HAEnabled, HAAdmissionControlEnabled, HAFailoverLevel, HARestartPriority, HAIsolationResponse, VMMonitoring | ConvertTo-Json -Compress
## STDOUT:
{"HAEnabled":true,"HAAdmissionControlEnabled":true,"HAFailoverLevel":1,"HARestartPriority":"High","HAIsolationResponse":"DoNothing","VMMonitoring":"Low"}
## END

#### what is set of HA switches it on
(Set-Cluster main -HAFailoverLevel 2).HAEnabled; (Set-Cluster main -HARestartPriority Disabled -HAEnabled $false).HAEnabled; (Get-Cluster).HARestartPriority
## STDOUT:
True
False
Disabled
## END

#### other settings leave it as it is
(Set-Cluster main -DrsEnabled $false).HAEnabled
## STDOUT:
False
## END

#### admission control off, and by slots
(Set-Cluster main -HAAdmissionControlEnabled $false).HAAdmissionControlEnabled; (Set-Cluster main -HAAdmissionControlPolicy Slots -HASlotCpuMHz 500).HAAdmissionControlPolicy
## STDOUT:
False
Slots
## END

#### admission control both off and by slots
Set-Cluster main -HAAdmissionControlEnabled $false -HAAdmissionControlPolicy Slots
## STDERR-has: has no place where admission control is switched off
## status: 1

#### failover hosts say how room is kept
Set-Cluster main -HAFailoverHost esx2 | select HAAdmissionControlPolicy, HAFailoverHost | ConvertTo-Json -Compress
## STDOUT:
{"HAAdmissionControlPolicy":"Hosts","HAFailoverHost":["esx2"]}
## END

#### a failover host that is none
Set-Cluster main -HAFailoverHost esx9
## STDERR-has: esx9
## status: 1

#### isolation addresses
(Set-Cluster main -HAIsolationAddress 10.0.0.1, 10.0.0.2).HAIsolationAddress
## STDOUT:
10.0.0.1,10.0.0.2
## END

#### words that are none are refused with those that are
Set-Cluster main -HARestartPriority Urgent
## STDERR-has: Disabled
## STDERR-has: Highest
## status: 1

#### a new cluster
(New-Cluster c2 -Location Lab -HAFailoverLevel 2).HAEnabled
## STDOUT:
True
## END

#### a guest's own settings
Set-VM web-01 -HARestartPriority Highest -HAIsolationResponse Shutdown -HAVMMonitoring High -HAReadyPort 80 | select HARestartPriority, HAIsolationResponse, HAVMMonitoring, HAReadyPort | ConvertTo-Json -Compress
## STDOUT:
{"HARestartPriority":"Highest","HAIsolationResponse":"Shutdown","HAVMMonitoring":"High","HAReadyPort":80}
## END

#### without words of its own a guest does as its cluster
Get-VM web-01 | select HARestartPriority, HAIsolationResponse | ConvertTo-Json -Compress
## STDOUT:
{"HARestartPriority":"ClusterRestartPriority","HAIsolationResponse":"AsSpecifiedByCluster"}
## END

#### and again
(Set-VM web-01 -HARestartPriority Disabled).HARestartPriority; (Set-VM web-01 -HARestartPriority ClusterRestartPriority -HAIsolationResponse AsSpecifiedByCluster).HARestartPriority
## STDOUT:
Disabled
ClusterRestartPriority
## END

#### who starts before it
(Set-VM web-* -HADependsOn db-01 -HADependsGate Heartbeat -HADependsSeconds 60)[1].HADependsOn | ConvertTo-Json -Compress
## STDOUT:
{"vm":"vm-2","gate":"heartbeat","limit_s":60}
## END

#### who is not there is waited for by nobody
Set-VM web-01 -HADependsOn db-01, db-77
## STDERR-has: db-77
## status: 1

#### a gate without anybody behind it
Set-VM web-01 -HADependsGate Port
## STDERR-has: want -HADependsOn
## status: 1

#### how it stands
Get-HAStatus main
## STDOUT:

Cluster         HAEnabled Survives Protected Unprotected Waiting Capacity
-------         --------- -------- --------- ----------- ------- --------
main            True             0         1           1       1 with esx3 down 1 guest has no place: no host can take …

## END

#### of all clusters, with what is kept
Get-HAStatus | select AdmissionPolicy, CpuUnreservedPct, CpuKeptPct | ConvertTo-Json -Compress
## STDOUT:
{"AdmissionPolicy":"percentage","CpuUnreservedPct":70.8,"CpuKeptPct":38.0}
## END

#### hosts and guests of it
(Get-HAStatus main).VMHost | % { "$($_.VMHost) $($_.State) $($_.Fencing)" }; (Get-HAStatus main).Unprotected[0].Reason; (Get-HAStatus main).Waiting[0].VM.Name
## STDOUT:
esx1 up software fencing
esx2 up software fencing
esx3 partitioned software fencing
its restart priority is off
web-02
## END

#### what would come
Test-HAFailover esx1, esx3 | select VM, Outcome, From, Target, Reason | ConvertTo-Csv
## STDOUT:
"VM","Outcome","From","Target","Reason"
"web-01","Restarted","esx1","esx2","to esx2"
"web-02","NoPlace","esx3",,"no host can take web-02"
## END

#### hosts through a pipe are lost together
Get-VMHost esx1, esx2 | Test-HAFailover | % { "$($_.VM) $($_.From)" }
## STDOUT:
web-01 esx1
web-02 esx2
## END

#### a host that is not there
Test-HAFailover esx1, esx9
## STDERR-has: esx9
## status: 1

#### somebody's word asks first
Confirm-VMHostPowerOff esx3
## STDERR-has: confirm
## status: 1

#### and is given
(Confirm-VMHostPowerOff esx3 -Confirm:$false).StateReason; Confirm-VMHostPowerOff esx1 -Confirm:$false
## STDOUT:
vouched for
## END
## STDERR-has: is connected
## status: 1

#### nobody starts before it any more
(Set-VM web-01 -HADependsOn @() | measure).Count; @((Get-VM web-01).HADependsOn).Count
## STDOUT:
1
0
## END

#### who would leave a host, and who could not
Test-VMHostEvacuation esx1 | % { "$($_.VM): $($_.From) -> $($_.To) $($_.Possible) $($_.EstSeconds) $($_.Reason)" }
Get-VMHost esx1 | Test-VMHostEvacuation | Where-Object Possible -eq $false | % VM | % Name
## STDOUT:
web-01: esx1 -> esx2 True 2 esx1 is emptied
web-02: esx1 ->  False  no host can take it
web-02
## END

#### the plan as a table
Test-VMHostEvacuation esx1
## env: COLUMNS=100
## STDOUT:

VM                   From         To           Possible EstSeconds Reason
--                   ----         --           -------- ---------- ------
web-01               esx1         esx2         True              2 esx1 is emptied
web-02               esx1                      False               no host can take it

## END

#### what DRS cannot do
Get-Cluster | Get-DrsFault | % { "$($_.VM) $($_.Cluster) $($_.ReasonCode): $($_.Reason)" }
## STDOUT:
web-02 main host_maintenance: no host can take it
## END

#### a host that is none
Test-VMHostEvacuation nix
## STDERR-has: there is no host "nix"
## status: 1

#### which servers there are, and who leads
Get-DroverServer | % { "$($_.Address) $($_.Leads) $($_.Id)" }; (Get-DroverServer | Where-Object Leads).Address
## STDOUT:
s1:8443 True server-1
s2:8443 False 
s1:8443
## END
