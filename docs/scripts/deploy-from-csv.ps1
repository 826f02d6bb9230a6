# Machines as a table says.  A row that fails is reported, the others are made; what is there
# already is left alone, so that the script can be run again.
#
#     ./deploy-from-csv.ps1 machines.csv -PowerOn
#
# Name,Template,NumCpu,MemoryMB,ResourcePool
# web-01,tiny,1,128,cluster1
param(
	[Parameter(Mandatory)] [string] $Path,
	[switch] $PowerOn
)

$there = @(Get-VM | ForEach-Object Name)
$failed = 0
foreach ($row in Import-Csv $Path) {
	if ($there -contains $row.Name) { "$($row.Name): is there"; continue }
	try {
		$new = New-VM -Name $row.Name -Template $row.Template -NumCpu ([int]$row.NumCpu) -MemoryMB ([int]$row.MemoryMB) `
			-ResourcePool $row.ResourcePool -PowerOn:$PowerOn -ErrorAction Stop
		"$($new.Name): made on $($new.VMHost)"
	}
	catch {
		"$($row.Name): $_"
		$failed++
	}
}
exit [math]::Min(1, $failed)
