# Machines that have far more than they use: what they could give back.
#
#     ./over-provisioned.ps1 -UnusedPercent 60 -Html report.html
[CmdletBinding()]
param(
	[ValidateRange(1, 99)] [int] $UnusedPercent = 75,
	[string] $Html
)

$mhz = (Get-VMHost | Where-Object NumCpu -gt 0 | Select-Object -First 1 | ForEach-Object { $_.CpuTotalMhz / $_.NumCpu })
$report = foreach ($vm in Get-VM | Where-Object PowerState -eq PoweredOn) {
	$cpuUnused = 100 - [math]::Min(100, 100 * $vm.CpuUsageMhz / ($vm.NumCpu * $mhz))
	$memUnused = 100 - [math]::Min(100, 100 * $vm.MemoryUsageMB / $vm.MemoryMB)
	if ($cpuUnused -lt $UnusedPercent -and $memUnused -lt $UnusedPercent) { continue }
	[pscustomobject]@{
		Name             = $vm.Name
		VMHost           = $vm.VMHost
		NumCpu           = $vm.NumCpu
		CpuUnusedPercent = [math]::Round($cpuUnused)
		MemoryMB         = $vm.MemoryMB
		MemUnusedPercent = [math]::Round($memUnused)
	}
}
$report = $report | Sort-Object MemUnusedPercent -Descending
if ($Html) {
	$report | ConvertTo-Html -Title 'Over-provisioned machines' -PreContent '<h1>Over-provisioned machines</h1>' > $Html
	"$(@($report).Count) machines in $Html"
}
else { $report | Format-Table }
