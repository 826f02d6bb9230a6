# fixture: cases of the cmdlets that move, freeze and copy machines
#### a move says what it took
Get-VM web-01 | Move-VM -Destination esx2 | % VMHost
## STDOUT:
esx2
## END
## STDERR-has: web-01: esx1 -> esx2 in 1.25 s, outage 31 ms

#### a move without a measured outage says why
Move-VM web-02 esx1 | Out-Null
## STDOUT:
## END
## STDERR-has: web-02: esx2 -> esx1 in 1.25 s, outage not measured: it has no address

#### a move nowhere
Move-VM web-01
## STDOUT:
## END
## STDERR-has: Move-VM wants -Destination or -Datastore
## status: 1

#### a move to where it is
Move-VM web-01 -Destination esx1
## STDOUT:
## END
## STDERR-has: machine "web-01" is on host "esx1" already
## status: 1

#### what if: every obstacle
Move-VM web-01 -Destination esx3 -WhatIf
## STDOUT:
What if: Performing "Move-VM" on "web-01": esx3
         host "esx3" is not connected
         it does not reach datastore shared1
## END

#### what if: where a cluster could take it
Move-VM web-01 -Destination main -Datastore shared1 -WhatIf
## STDOUT:
What if: Performing "Move-VM" on "web-01": main, disks to shared1
         esx1: machine "web-01" is on host "esx1" already
         esx2: nothing is in its way
         esx3: host "esx3" is not connected
         esx3: it does not reach datastore shared1
## END

#### to a cluster: to the best of its hosts
Move-VM web-01 -Destination main | % VMHost
## STDOUT:
esx2
## END

#### to a pool: its host stays
Move-VM web-01 -Destination Resources | % { "$($_.ResourcePool) $($_.VMHost)" }
## STDOUT:
Resources esx1
## END

#### what a guest may use is a record that stands for it
Get-VM web-01 | Get-VMResourceConfiguration | Set-VMResourceConfiguration -CpuSharesLevel High -CpuLimitMhz 900 -MemReservationGB 0.5 -MemLimitMB -1 | % Name; Get-VMResourceConfiguration web-01 | % { "$($_.CpuSharesLevel) $($_.CpuReservationMhz) $($_.CpuLimitMhz) $($_.MemSharesLevel) $($_.MemReservationMB) $($_.MemReservationGB) $($_.MemLimitMB)" }
## STDOUT:
web-01
High 0 900 Normal 512 0.5 -1
## END

#### a guest's settings are changed by something
Set-VMResourceConfiguration web-01
## STDOUT:
## END
## STDERR-has: Set-VMResourceConfiguration wants something to change
## status: 1

#### what if: nothing in its way
Move-VM web-01 -Destination esx2 -WhatIf; (Get-VM web-01).VMHost
## STDOUT:
What if: Performing "Move-VM" on "web-01": esx2
         nothing is in its way
esx1
## END

#### a move into a folder
Move-VM db-01 -Destination 'web tier' | % Folder
## STDOUT:
web tier
## END

#### snapshots
Get-VM web-* | New-Snapshot -Name before -Description 'as it was' -Memory | Out-Null; Get-VM web-01 | Get-Snapshot | select Name, VM, Description, Memory, PowerState | fl
## STDOUT:

Name        : before
VM          : web-01
Description : as it was
Memory      : True
PowerState  : PoweredOn

## END

#### what the pipe brings leaves its position to a name
Get-VM web-01 | New-Snapshot before | % Name
New-Snapshot web-01 after | % Name
Get-VM web-01 | New-Snapshot | % Name
## STDOUT:
before
after
## END
## STDERR-has: -Name is missing (its name)
## status: 1

#### a snapshot that is not quiesced
New-Snapshot web-01 before -Quiesce | % Name
## STDOUT:
before
## END
## STDERR-has: WARNING: snapshot "before" is not quiesced: machine "web-01": its agent does not answer

#### back to a snapshot
New-Snapshot web-01 before | Out-Null; Set-VM web-01 -Snapshot (Get-Snapshot web-01 before) -Confirm:$false | % Notes
## STDOUT:
back to before
## END

#### back to a snapshot asks
New-Snapshot web-01 before | Out-Null; Set-VM web-01 -Snapshot before
## STDOUT:
## END
## STDERR-has: "web-01" wants to be confirmed
## status: 1

#### each machine goes back to its own snapshot of that name
Get-VM web-01,web-02 | New-Snapshot -Name before | Out-Null; Set-VM web-02 -Snapshot before -Confirm:$false | Out-Null; Get-VM web-01,web-02 | % { "$($_.Name) $($_.Notes)" }
## STDOUT:
web-01 
web-02 back to before
## END

#### no machine goes back to another's snapshot
New-Snapshot web-02 before | Out-Null; Set-VM web-01 -Snapshot (Get-Snapshot web-02 before) -Confirm:$false
## STDOUT:
## END
## STDERR-has: Set-VM: machine "web-01" has no snapshot "before"
## status: 1

#### a snapshot goes alone
New-Snapshot web-01 before | Out-Null; Set-VM web-01 -Snapshot before -NumCpu 2
## STDOUT:
## END
## STDERR-has: Set-VM: -Snapshot goes alone
## status: 1

#### removing snapshots asks
New-Snapshot web-01 before | Out-Null; Get-VM web-01 | Get-Snapshot | Remove-Snapshot
## STDOUT:
## END
## STDERR-has: "before" wants to be confirmed
## status: 1

#### removing snapshots
New-Snapshot web-01 before | Out-Null; Get-Snapshot web-01 | Remove-Snapshot -Confirm:$false; (Get-Snapshot web-01).Count
## STDOUT:
0
## END

#### a pattern makes many
New-VM -Template tiny -Name 'web-{08..11}' | % Name
## STDOUT:
web-08
web-09
web-10
web-11
## END

#### clones of a machine
New-VM copy -VM db-01 | % Notes; New-VM copy2 -VM db-01 -LinkedClone | % Notes
## STDOUT:
clone of db-01
clone of db-01 linked
## END

#### a clone as of a snapshot of that machine
New-Snapshot web-01 before | Out-Null; New-Snapshot db-01 before | Out-Null; New-VM copy -VM db-01 -ReferenceSnapshot before | % Notes; New-VM copy -VM web-02 -ReferenceSnapshot before
## STDOUT:
clone of db-01 at before of snap-103
## END
## STDERR-has: New-VM: machine "web-02" has no snapshot "before"
## status: 1

#### a machine of nothing, or of two things
New-VM x; New-VM x -VM db-01 -Template tiny
## STDOUT:
## END
## STDERR-has: New-VM wants either -Template or -VM
## status: 1

#### a template of a machine
New-Template golden -VM db-01 -Version 7 | select Name, Version | fl
## STDOUT:

Name    : golden
Version : 7

## END

#### customisation
New-OSCustomizationSpec web -NamingPrefix '{name}' -AddressMode Dhcp -DnsServer 10.0.0.1,10.0.0.2 -SshKey 'ssh-ed25519 AAAA a' | Out-Null; Get-OSCustomizationSpec web | select Name, AddressMode, DnsServer, SshKey | fl
## STDOUT:

Name        : web
AddressMode : Dhcp
DnsServer   : 10.0.0.1,10.0.0.2
SshKey      : ssh-ed25519 AAAA a

## END

#### customisation is changed
New-OSCustomizationSpec web -Domain a.example | Out-Null; Set-OSCustomizationSpec web -Domain b.example | % Domain
## STDOUT:
b.example
## END

#### help with examples
(Get-Help Move-VM) -match 'EXAMPLES\n    Get-VM web-01 \| Move-VM -Destination host-2\n        to a host'; (Get-Help Get-Date) -match 'EXAMPLES'
## STDOUT:
True
False
## END

#### a template of no datastore
New-Template x -Path '[nope] x.ova'
## STDOUT:
## END
## STDERR-has: New-Template: there is no datastore "nope"
## status: 1

#### a task tells how far it is
Move-VM web-01 -Destination esx2 -RunAsync | select Phase, BytesPerSecond, WaitingFor | fl
## STDOUT:

Phase          : copying memory, round 1
BytesPerSecond : 250000000
WaitingFor     :

## END
