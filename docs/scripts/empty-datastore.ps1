# Everything off one datastore and onto another, running or not, one after the other.
#
#     ./empty-datastore.ps1 old new -WhatIf
param(
	[Parameter(Mandatory)] [string] $From,
	[Parameter(Mandatory)] [string] $To
)
$ErrorActionPreference = 'Stop'

$target = Get-Datastore $To
$guests = @(Get-VM -Datastore $From)
$needed = ($guests | Measure-Object UsedSpaceGB -Sum).Sum ?? 0
if ($needed -gt $target.FreeSpaceGB) {
	throw "$To has $([math]::Round($target.FreeSpaceGB, 1)) GB free, and $([math]::Round($needed, 1)) GB are on $From"
}
foreach ($vm in $guests) {
	Move-VM $vm -Datastore $target -Confirm:$false | ForEach-Object { "$($_.Name): moved" }
}
$left = @(Get-VM -Datastore $From)
"$($left.Count) guests are left on $From"
