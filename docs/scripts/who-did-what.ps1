# What people did in the last hours, by person; or all that happened to one object.
#
#     ./who-did-what.ps1 -Hours 24
#     ./who-did-what.ps1 -Entity web-01
param(
	[ValidateRange(1, 8760)] [int] $Hours = 8,
	[string] $Entity
)

$span = @{ Start = (Get-Date).AddHours(-$Hours); MaxSamples = 1000 }
if ($Entity) {
	Get-VIEvent @span -Entity $Entity | Sort-Object CreatedTime | Format-Table CreatedTime, UserName, FullFormattedMessage
	return
}
Get-VIEvent @span | Where-Object UserName | Group-Object UserName | Sort-Object Count -Descending | ForEach-Object {
	"$($_.Name): $($_.Count)"
	$_.Group | Group-Object Type | Sort-Object Count -Descending | ForEach-Object { "    $($_.Count) x $($_.Name)" }
}
