# Snapshots older than so many days: shown, or with -Remove deleted.
#
#     ./old-snapshots.ps1 -Days 14
#     ./old-snapshots.ps1 -Days 30 -Remove -WhatIf
param(
	[ValidateRange(0, 3650)] [int] $Days = 7,
	[switch] $Remove
)

$before = (Get-Date).AddDays(-$Days)
$old = Get-VM | Where-Object Kind -eq Machine | Get-Snapshot | Where-Object { $_.Created -lt $before }
if ($Remove) {
	$old | Remove-Snapshot -Confirm:$false
	return
}
$old | Sort-Object Created | Format-Table VM, Name, Created, @{ n = 'Days'; e = { [int][math]::Floor(((Get-Date) - $_.Created).TotalDays) } }
