# Datastores that run full, are away from a host, or hold what belongs to nobody.
#
#     ./datastore-report.ps1 -FreePercent 20
param([ValidateRange(0, 100)] [int] $FreePercent = 10)

foreach ($ds in Get-Datastore | Sort-Object Name) {
	$free = $ds.CapacityGB ? [math]::Round(100 * $ds.FreeSpaceGB / $ds.CapacityGB, 1) : 0
	$away = @($ds.VMHost | Where-Object { $_.Name -notin @($ds.ReachableVMHost | ForEach-Object Name) })
	$orphans = @(Get-DatastoreOrphan $ds -ErrorAction SilentlyContinue)
	$why = @(
		if (-not $ds.Accessible) { 'no host reaches it' }
		elseif ($away) { "away from $($away.Name -join ', ')" }
		if ($free -lt $FreePercent) { "$free % free" }
		if ($orphans) { "$($orphans.Count) images of nobody" }
	)
	[pscustomobject]@{
		Datastore = $ds.Name
		FreeGB    = [math]::Round($ds.FreeSpaceGB, 1)
		FreeShare = "$free %"
		State     = $why ? ($why -join '; ') : 'fine'
	}
}
