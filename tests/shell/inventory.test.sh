# fixture: cases of the cmdlets against a server with a fixed inventory
#### machines
Get-VM
## STDOUT:

Name                 PowerState Num CPUs MemoryGB Kind
----                 ---------- -------- -------- ----
web-01               PoweredOn  2        2.000    Machine
db-01                PoweredOff 4        8.000    Machine
web-02               PoweredOff 1        0.188    Machine

## END

#### machines by name
Get-VM web-01
## STDOUT:

Name                 PowerState Num CPUs MemoryGB Kind
----                 ---------- -------- -------- ----
web-01               PoweredOn  2        2.000    Machine

## END

#### machines by wildcard
Get-VM web* | % Name
## STDOUT:
web-01
web-02
## END

#### machines by several names
Get-VM db-01, web-02 | % Name
## STDOUT:
db-01
web-02
## END

#### unknown machine, the rest goes on
Get-VM web-01, nope | % Name
## STDOUT:
web-01
## END
## STDERR-has: Get-VM: there is no vm "nope"
## status: 1

#### unknown machine does not end the script
Get-VM nope; 'after'
## STDOUT:
after
## END
## STDERR-has: Get-VM: there is no vm "nope"

#### wildcard without hit is no error
Get-VM zzz*; $?
## STDOUT:
True
## END

#### by id
Get-VM -Id vm-2 | % Name; Get-VM vm-3 | % Name
## STDOUT:
db-01
web-02
## END

#### unknown id
Get-VM -Id vm-99
## STDOUT:
## END
## STDERR-has: Get-VM: there is no vm-99
## status: 1

#### from the pipeline by name
'web-01','db-01' | Get-VM | % Name
## STDOUT:
web-01
db-01
## END

#### of a host
Get-VM -Location esx2 | % Name
## STDOUT:
db-01
web-02
## END

#### of a folder with a space
Get-VM -Location 'web tier' | % Name
## STDOUT:
web-01
web-02
## END

#### of a cluster
Get-Cluster main | Get-VM | % Name
## STDOUT:
web-01
db-01
web-02
## END

#### of a pool
Get-ResourcePool | Get-VM | % Name
## STDOUT:
web-01
db-01
web-02
## END

#### of a datacenter
Get-VM -Location Lab | % Name
## STDOUT:
web-01
db-01
web-02
## END

#### of a place that is not there
Get-VM -Location nowhere
## STDOUT:
## END
## STDERR-has: Get-VM: there is no object "nowhere"
## status: 1

#### of a datastore
Get-VM -Datastore shared1 | % Name
## STDOUT:
web-01
db-01
web-02
## END

#### host of a machine
Get-VM web-01 | Get-VMHost | % Name
## STDOUT:
esx1
## END

#### PowerState values
Get-VM | % PowerState
## STDOUT:
PoweredOn
PoweredOff
PoweredOff
## END

#### properties of a machine
Get-VM web-01 | select Name, NumCpu, MemoryGB, MemoryMB, VMHost, ResourcePool, Folder, IPAddress, Template, Id | fl
## STDOUT:

Name         : web-01
NumCpu       : 2
MemoryGB     : 2
MemoryMB     : 2048
VMHost       : esx1
ResourcePool : Resources
Folder       : web tier
IPAddress    : 10.1.0.9
Template     : tiny
Id           : vm-1

## END

#### references are objects
(Get-VM web-01).VMHost.Name; (Get-VM web-01).VMHost.Id; "$((Get-VM web-01).VMHost)"
## STDOUT:
esx1
host-1
esx1
## END

#### references compare as names
Get-VM | ? VMHost -eq esx2 | % Name
## STDOUT:
db-01
web-02
## END

#### machine as JSON
Get-VM db-01 | select Name, PowerState, VMHost, Datastore | ConvertTo-Json -Compress
## STDOUT:
{"Name":"db-01","PowerState":"PoweredOff","VMHost":"esx2","Datastore":["shared1"]}
## END

#### all as JSON have the properties
(Get-VM | ConvertTo-Json | ConvertFrom-Json).PowerState
## STDOUT:
PoweredOn
PoweredOff
PoweredOff
## END

#### -o json
Get-VM web-01 | select Name, MemoryGB
## args: -o json
## STDOUT:
[
  {
    "Name": "web-01",
    "MemoryGB": 2
  }
]
## END

#### hosts
Get-VMHost
## STDOUT:

Name                 ConnectionState PowerState NumCpu CpuUsageMhz CpuTotalMhz   MemoryUsageGB   MemoryTotalGB Version
----                 --------------- ---------- ------ ----------- -----------   -------------   ------------- -------
esx1                 Connected       PoweredOn       8        1000       16000           4.000          32.000   0.1.0
esx2                 Maintenance     PoweredOn       8        2000       16000           8.000          32.000   0.1.0
esx3                 NotResponding   Unknown         8        3000       16000          12.000          32.000   0.1.0

## END

#### hosts by state
Get-VMHost -State NotResponding | % Name
Get-VMHost -State Maintenance | % Name
## STDOUT:
esx3
esx2
## END

#### clusters
Get-Cluster
## STDOUT:

Name                           HAEnabled  HAFailoverLevel DrsEnabled DrsAutomationLevel
----                           ---------  --------------- ---------- ------------------
main                           False      1               True       FullyAutomated

## END

#### resource pools
Get-ResourcePool
## STDOUT:

Name                 CpuSharesLevel CpuReservationMHz CpuLimitMHz MemSharesLevel MemReservationGB MemLimitGB
----                 -------------- ----------------- ----------- -------------- ---------------- ----------
Resources            Normal         0                 -1          Normal         0.000            -1.000

## END

#### datacenters
Get-Datacenter
## STDOUT:

Name
----
Lab

## END

#### folders
Get-Folder
## STDOUT:

Name                           Parent
----                           ------
web tier                       Lab

## END

#### templates
Get-Template
## STDOUT:

Name
----
tiny

## END

#### datastores
Get-Datastore
## STDOUT:

Name                               FreeSpaceGB      CapacityGB
----                               -----------      ----------
shared1                              1,234.500       2,000.000

## END

#### networks
Get-VirtualPortGroup
## STDOUT:

Name                           VLanId Bridge          Cidr
----                           ------ ------          ----
lan                                 0 br0             10.1.0.0/24

## END

#### networks by the other name
Get-Network lan | % Cidr
## STDOUT:
10.1.0.0/24
## END

#### accounts
Get-VIAccount
## STDOUT:

Name                 Role          Enabled LastLogin
----                 ----          ------- ---------
admin                Administrator True    2026-01-02T03:04:05+00:00

## END

#### tasks
Get-Task
## STDOUT:

Name                           State      % Complete Start Time                Finish Time
----                           -----      ---------- ----------                -----------
vm.start                       Success           100 2026-01-02T03:04:05+00:00 2026-01-02T03:04:05+00:00

## END

#### tasks by status
Get-Task -Status Error | measure | % Count
## STDOUT:
0
## END

#### events
Get-VIEvent
## STDOUT:

CreatedTime               UserName   Type                 FullFormattedMessage
-----------               --------   ----                 --------------------
2026-01-02T03:06:00+00:00            VmDiedEvent          db-01 died
2026-01-02T03:05:00+00:00 admin      VmPoweredOnEvent     web-01 is on
2026-01-02T03:04:05+00:00            HostConnectedEvent   esx1 is connected

## END

#### events of an object
Get-VIEvent -Entity web-01 | % Type
## STDOUT:
VmPoweredOnEvent
## END

#### events from the pipeline
Get-VM db-01 | Get-VIEvent | % FullFormattedMessage
## STDOUT:
db-01 died
## END

#### events by type
Get-VIEvent -Types *Died* | % Type; Get-VIEvent -Types Info | measure | % Count
## STDOUT:
VmDiedEvent
2
## END

#### events by time and number
Get-VIEvent -Start '2026-01-02T03:05:00Z' | measure | % Count; Get-VIEvent -MaxSamples 1 | % Type
## STDOUT:
2
VmDiedEvent
## END

#### groups by host
Get-VM | group VMHost | sort Name | % { "$($_.Name) $($_.Count)" }
## STDOUT:
esx1 1
esx2 2
## END

#### sums
Get-VM | measure MemoryGB -Sum | % Sum
## STDOUT:
10.1875
## END

#### sorted by memory
Get-VM | sort MemoryMB -Descending | % Name
## STDOUT:
db-01
web-01
web-02
## END

#### placement
Get-DrsPlacement main -NumCpu 2 -MemoryGB 2
## STDOUT:

Rank VMHost               Fits  MemAfter% Reason
---- ------               ----  --------- ------
   1 esx1                 True       13.3 esx1 is 1. choice
   2 esx2                 True       25.8 esx2 is 2. choice
   3 esx3                 False           esx3 is not connected

## END

#### placement as objects
Get-DrsPlacement main | ? Fits | select -First 1 | % { "$($_.VMHost) $($_.MemoryAfterPct)" }
## STDOUT:
esx1 13.3
## END

#### placement wants a cluster
Get-DrsPlacement nope
## STDOUT:
## END
## STDERR-has: Get-DrsPlacement: -Cluster: there is no cluster "nope"
## status: 1

#### connection
$DefaultVIServer | % { "$($_.User) $($_.Port -gt 0)" }
## STDOUT:
admin True
## END

#### saved servers
Get-VIServer -Saved | % Name
## STDOUT:
lab
## END

#### the inside of machines
Get-VM web-01, db-01 | Get-VMGuest
## STDOUT:

VM                   State      IPAddress            OSFullName
--                   -----      ---------            ----------
web-01               Unknown    10.1.0.9
db-01                NotRunning

## END

#### an object as the API has it
$v = Get-VM web-01 | Get-View
"$($v.id) $($v.power_state) $($v.num_cpu)"
(Get-View web-01 | ConvertTo-Json -Depth 3 | ConvertFrom-Json).name
Get-View nope
## STDOUT:
vm-1 powered_on 2
web-01
## END
## STDERR-has: nope
## status: 1

#### whatever is called so
Get-Inventory *1 | ForEach-Object { "$($_.GetType().Name) $($_.Name)" }
## STDOUT:
VMHost esx1
VirtualMachine web-01
VirtualMachine db-01
Datastore shared1
## END

#### a console has an address
Get-VM web-01 | Open-VMConsoleWindow -UrlOnly | % { $_ -replace ':\d+/', ':PORT/' }
## STDOUT:
https://127.0.0.1:PORT/#/vm-1/console
## END

#### a console that cannot be opened here says its address
$env:PATH = '/nowhere'
Open-VMConsoleWindow web-01
## STDERR-has: /#/vm-1/console cannot be opened here
## status: 1
