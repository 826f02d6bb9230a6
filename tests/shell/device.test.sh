# fixture: cases of the cmdlets for disks, network cards and files of datastores
#### disks come, grow and go
New-HardDisk web-01 -CapacityGB 1.5 -IopsLimit 300 | Out-Null; New-HardDisk web-01 -CapacityMB 512 | % Name; Get-VM web-01 | Get-HardDisk | % { "$($_.Name) $($_.CapacityGB) $($_.IopsLimit)" }
## STDOUT:
disk-2
disk0 1 
disk-1 1.5 300
disk-2 0.5 
## END

#### a disk is piped on
New-HardDisk web-01 -CapacityGB 1 | Out-Null; Get-HardDisk web-01 disk-* | Set-HardDisk -CapacityGB 2 | % CapacityGB
## STDOUT:
2
## END

#### a disk does not shrink
New-HardDisk web-01 -CapacityGB 1 | Out-Null; Get-HardDisk web-01 disk-1 | Set-HardDisk -CapacityMB 512
## STDOUT:
## END
## STDERR-has: size_mb: disk-1 cannot shrink
## status: 1

#### files stay unless they are to go
New-HardDisk web-01 -CapacityGB 1 | Out-Null; Get-HardDisk web-01 | Remove-HardDisk -Confirm:$false; (Get-VM web-01).Notes; New-HardDisk web-01 -CapacityGB 1 | Out-Null; Get-HardDisk web-01 | Remove-HardDisk -DeletePermanently -Confirm:$false; (Get-VM web-01).Notes
## STDOUT:
keep=true
keep=false
## END

#### no size, and nothing to change
New-HardDisk web-01
## STDOUT:
## END
## STDERR-has: New-HardDisk wants -CapacityGB or -CapacityMB
## status: 1

#### only what Get-HardDisk gives
Set-HardDisk 'disk-0' -CapacityGB 1
## STDOUT:
## END
## STDERR-has: -HardDisk wants what Get-HardDisk gives
## status: 1

#### network cards
New-NetworkAdapter web-01 -NetworkName lan -VLanId 7 | Out-Null; Get-NetworkAdapter web-01 | Set-NetworkAdapter -TransmitMbitLimit 20 | % { "$($_.Name) $($_.MacAddress) $($_.VLanId) $($_.TransmitMbitLimit)" }; Get-NetworkAdapter web-01 | Remove-NetworkAdapter -Confirm:$false; Get-NetworkAdapter web-01
## STDOUT:
nic-0 52:54:00:00:00:01 7 20
## END

#### orphans are told
Get-Datastore shared1 | Get-DatastoreOrphan | % { "$($_.Name): $($_.Reason)" }
## STDOUT:
[shared1] vms/vm-9/disk-0.qcow2: there is no such machine
## END

#### a copy has one side here
Copy-DatastoreItem '[shared1] a' '[shared1] b'
## STDOUT:
## END
## STDERR-has: Copy-DatastoreItem wants "[datastore] path" on one side
## status: 1

#### a path that names no place
Get-DatastoreItem iso
## STDOUT:
## END
## STDERR-has: wants "[datastore] folder/file"
## status: 1

#### counters
Get-VM web-01 | Get-VMCounter
## STDOUT:

VM              Name                   Current           Peak          Limit Failures Unit
--              ----                   -------           ----          ----- -------- ----
web-01          memory                    4096           8192          65536        3 bytes
web-01          processes                    5                                      0 count

## END

#### counters of a name, by the old name
Get-UserBeancounter web-01 mem* | % { "$($_.VM) $($_.Name) $($_.Current) $($_.Peak) $($_.Limit) $($_.Failures) $($_.Unit)" }; Get-VM | Get-VMCounter | ? Failures -gt 0 | % Name; "[$((Get-VMCounter web-01 processes).Limit)]"
## STDOUT:
web-01 memory 4096 8192 65536 3 bytes
memory
[]
## END

#### settings of a container are changed
Set-VM web-01 -SwapMB 64 -ProcessLimit 200 -IoWeight 50 -HostName inside -DnsServer 10.0.0.1,10.0.0.2 -Command /bin/sh,-c -Environment A=b -Device /dev/net/tun | % Notes
## STDOUT:
host_name=inside dns=['10.0.0.1', '10.0.0.2'] swap_limit_mb=64 pids_limit=200 io_weight=50 args=['/bin/sh', '-c'] env=['A=b'] devices=['/dev/net/tun']
## END
