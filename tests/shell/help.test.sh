# help, and what scripts of PowerCLI begin with
#### topics are listed
Get-Help about_* | % Name | Select-Object -First 3; (Get-Help about_*).Count -ge 12
## STDOUT:
about_Servers
about_Names
about_Pipelines
True
## END

#### a topic, with or without about_
(Get-Help about_Names) -eq (Get-Help names); (Get-Help tasks) -like '*Wait-Task*'
## STDOUT:
True
True
## END

#### topics fit 80 columns
Get-Help about_* | % { Get-Help $_.Name } | % { $_ -split "`n" } | Where-Object { $_.Length -gt 84 }
## STDOUT:
## END

#### names are looked for
Get-Help *snapshot | % { "$($_.Category) $($_.Name)" }
## STDOUT:
Cmdlet Get-Snapshot
Cmdlet New-Snapshot
Cmdlet Set-Snapshot
Cmdlet Remove-Snapshot
## END

#### only examples, only a parameter
(Get-Help Disconnect-VIServer -Examples) -match 'log out'; Get-Help Move-VM -Parameter Dest*
## STDOUT:
True
    -Destination        host; cluster, whose best host is taken; resource pool of its cluster; or a folder

## END

#### who speaks to a server says that it has -Server
(Get-Help Get-VM) -match ' -Server'; (Get-Help Sort-Object) -match ' -Server'
## STDOUT:
True
False
## END

#### nothing of that name
Get-Help Get-Unicorn
## STDERR-has: there is no cmdlet and no topic "Get-Unicorn"; Get-Help *Get-Unicorn* looks for names
## status: 1

#### a parameter that there is not
Get-Help Get-VM -Parameter Horn
## STDERR-has: Get-VM has no parameter -Horn
## status: 1

#### modules of VMware are built in
Import-Module VMware.PowerCLI; Import-Module -Name VMware.VimAutomation.Core, VCF.PowerCLI -Force -Verbose; if (Get-Module -ListAvailable VMware.PowerCLI) { 'there' }; Get-Module Other
## STDOUT:
there
## END

#### others are not
Import-Module ActiveDirectory; 'on'
## STDOUT:
on
## END
## STDERR-has: there are no modules, so not "ActiveDirectory"

#### certificates are checked whatever a script says
Set-PowerCLIConfiguration -InvalidCertificateAction Ignore -Scope Session -ParticipateInCeip $false -Confirm:$false
## STDERR-has: certificates are always checked
## STDOUT:
## END
