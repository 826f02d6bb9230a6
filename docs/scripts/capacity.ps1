# How full each cluster is, and what it would be without its largest host.
#
#     ./capacity.ps1 | Export-Csv capacity.csv
foreach ($cluster in Get-Cluster) {
	$hosts = @(Get-VMHost -Location $cluster | Where-Object State -eq Connected)
	if (-not $hosts) { Write-Warning "no host of $($cluster.Name) is connected"; continue }
	$mem = $hosts | Measure-Object MemoryTotalMB -Sum -Maximum
	$cpu = $hosts | Measure-Object CpuTotalMhz -Sum -Maximum
	$guests = @(Get-VM -Location $cluster | Where-Object PowerState -eq PoweredOn)
	$given = if ($guests) { ($guests | Measure-Object MemoryMB -Sum).Sum } else { 0 }
	[pscustomobject]@{
		Cluster           = $cluster.Name
		Hosts             = $hosts.Count
		Guests            = $guests.Count
		MemoryGivenMB     = $given
		MemoryPercent     = [math]::Round(100 * $given / $mem.Sum, 1)
		WithOneHostLess   = $hosts.Count -gt 1 ? [math]::Round(100 * $given / ($mem.Sum - $mem.Maximum), 1) : $null
		CpuUsedPercent    = [math]::Round(100 * ($hosts | Measure-Object CpuUsageMhz -Sum).Sum / $cpu.Sum, 1)
	}
}
