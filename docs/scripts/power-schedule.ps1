# Machines that run by the clock: those whose notes hold "hours:8-18" are on from 8 to 18 and
# off else.  Run it from cron every few minutes; it changes what is not as it should be.
#
#     ./power-schedule.ps1 -Hour 7 -WhatIf
param([ValidateRange(0, 23)] [int] $Hour = (Get-Date).Hour)

foreach ($vm in Get-VM | Where-Object Notes -match 'hours:\d+-\d+') {
	$null = $vm.Notes -match 'hours:(?<from>\d+)-(?<to>\d+)'
	$from = [int]$Matches.from
	$to = [int]$Matches.to
	$wanted = $from -le $to ? ($Hour -ge $from -and $Hour -lt $to) : ($Hour -ge $from -or $Hour -lt $to)
	if ($wanted -and $vm.PowerState -eq 'PoweredOff') { Start-VM $vm | ForEach-Object { "$($_.Name): on" } }
	elseif (-not $wanted -and $vm.PowerState -eq 'PoweredOn') { Stop-VM $vm -Confirm:$false | ForEach-Object { "$($_.Name): off" } }
}
