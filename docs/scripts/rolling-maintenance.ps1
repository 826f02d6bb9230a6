# Each host of a cluster in turn: emptied, worked on, used again.  Stops at the first that
# cannot be emptied or whose work fails, and leaves that one out of use.
#
#     ./rolling-maintenance.ps1 cluster1 { param($h) & ./update-host.ps1 $h.Name }
param(
	[Parameter(Mandatory)] [string] $Cluster,
	[Parameter(Mandatory)] $Work
)
$ErrorActionPreference = 'Stop'

foreach ($h in Get-VMHost -Location $Cluster | Sort-Object Name) {
	if ($h.Maintenance -ne 'None') { "$($h.Name): left alone, it is in maintenance"; continue }
	Set-VMHost $h -State Maintenance -Confirm:$false | Out-Null
	try {
		& $Work $h
	}
	catch {
		throw "$($h.Name) stays in maintenance: $_"
	}
	Set-VMHost $h -State Connected -Confirm:$false | Out-Null
	"$($h.Name): done"
}
