# What has changed since the last run: guests that came and went, moved, or were given other
# resources.  What it saw is kept in a file.
#
#     ./inventory-changes.ps1 -Seen /var/lib/me/inventory.json
param([Parameter(Mandatory)] [string] $Seen)

$now = Get-VM | Select-Object Name, @{ n = 'VMHost'; e = { "$($_.VMHost)" } }, PowerState, NumCpu, MemoryMB, Id
if (Test-Path $Seen) {
	$before = @{}
	foreach ($vm in @(Get-Content $Seen -Raw | ConvertFrom-Json)) { $before[$vm.Id] = $vm }
	foreach ($vm in @($now)) {
		$was = $before[$vm.Id]
		$before.Remove($vm.Id)
		if (-not $was) { "+ $($vm.Name)"; continue }
		foreach ($p in 'Name', 'VMHost', 'PowerState', 'NumCpu', 'MemoryMB') {
			if ("$($was.$p)" -ne "$($vm.$p)") { "  $($vm.Name): $p $($was.$p) -> $($vm.$p)" }
		}
	}
	foreach ($gone in $before.Values) { "- $($gone.Name)" }
}
@($now) | ConvertTo-Json -Depth 3 -AsArray | Set-Content $Seen
