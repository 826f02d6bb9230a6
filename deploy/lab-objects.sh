# shellcheck shell=bash disable=SC2154  # dir, here and settings are the caller's
# A lab's inventory, made with the admin shell as anybody would: clusters, hosts,
# datastores, machines.
#
# Sourced, never run.

readonly ANSWER_SECONDS=120 CONNECT_SECONDS=60 SHUTDOWN_SECONDS=20
readonly SERVICE_PORT=7000
readonly DATACENTER=dc1 CLUSTER=cluster1 STORE=shared NETWORK="VM Network" TEMPLATE=tiny
readonly CONTAINER_TEMPLATE=busybox
readonly STATE_ON=PoweredOn

# Run a script of the admin shell as the lab's administrator; the first error ends it.
drover()
{
	DROVER_SERVERS=$dir/etc/servers.json "$(setting build)/bin/drover" -e -c "$1"
}

# Run a script of the admin shell as the user who called us, with his settings.
drover_of_user()
{
	local user=$1 script=$2 home=$HOME
	local -a as=()
	if [[ $user != root ]]; then
		home=$(getent passwd "$user" | cut -d : -f 6)
		as=(runuser -u "$user" --)
	fi
	"${as[@]}" env -u DROVER_SERVERS -u XDG_CONFIG_HOME "HOME=$home" \
		"$(setting build)/bin/drover" -e -c "$script"
}

# The line that logs in and remembers it, under the lab's address, which is no other lab's.
# The password comes by the environment, which others cannot see.
connect_line()
{
	local fingerprint
	fingerprint=$(openssl x509 -in "$dir/ca/ca.pem" -noout -fingerprint -sha256)
	# shellcheck disable=SC2016  # expanded by the admin shell
	printf 'Connect-VIServer -Server %s -Port %s -User %s -Password %s %s | Out-Null' \
		"$(lab_address)" "$(serving_port)" "$ADMINISTRATOR" '$env:DROVER_PASSWORD' \
		"-CAFingerprint ${fingerprint##*=} -SaveCredentials"
}

# Log in: for the lab's own use, and once for whoever called us.
log_in()
{
	local user=${SUDO_USER:-root}
	local DROVER_PASSWORD
	DROVER_PASSWORD=$(<"$dir/password")
	export DROVER_PASSWORD
	drover 'Get-Datacenter | Out-Null' || drover "$(connect_line)"
	if [[ $(setting save) == yes && ! -e $dir/etc/saved-for ]]; then
		chown "$user:" "$dir/password"
		drover_of_user "$user" "$(connect_line)"
		echo "$user" >"$dir/etc/saved-for"
	fi
}

# Take our entry out of the user's settings.
forget_saved_server()
{
	[[ -e $dir/etc/saved-for ]] || return 0
	drover_of_user "$(<"$dir/etc/saved-for")" \
		"Get-VIServer -Saved | Where-Object Name -eq '$(lab_address)' | Remove-VIServer" ||
		echo "quickstart: cannot take the lab out of the list of servers" >&2
}

# Make object $2 of kind $1 with the options $3, unless there is one of that name.
ensure()
{
	local noun=$1 name=$2 options=$3
	drover "if (-not (Get-$noun | Where-Object Name -eq '$name')) {
		New-$noun -Name '$name' $options | Out-Null
	}"
}

make_cluster()
{
	ensure Datacenter "$DATACENTER" ""
	ensure Cluster "$CLUSTER" "-Location '$DATACENTER'"
	drover "Set-Cluster '$CLUSTER' -StandbyCommand switch-host, off, '{host}' \
		-WakeCommand switch-host, on, '{host}' | Out-Null"
}

# Print a one-time token for a host of that name.
host_token()
{
	drover "(New-VMHostToken -Name '$1' -Cluster '$CLUSTER').Token"
}

host_states()
{
	# shellcheck disable=SC2016  # expanded by the admin shell
	drover 'Get-VMHost | ForEach-Object { $_.ConnectionState }'
}

# Print every machine as "ID STATE ADDRESS NAME".
vm_lines()
{
	# shellcheck disable=SC2016  # expanded by the admin shell
	drover 'Get-VM | Sort-Object Name | ForEach-Object {
		$address = if ($_.IPAddress) { $_.IPAddress } else { "-" }
		"$($_.Id) $($_.PowerState) $address $($_.Name)"
	}'
}

are_hosts_connected()
{
	[[ $(host_states | sort | uniq -c | xargs) == "$(setting hosts) Connected" ]]
}

# The hosts' agents, the new ones enrolled first.
make_hosts()
{
	local number program=fresh state
	! copy_host_programs || program=stale
	for ((number = 1; number <= $(setting hosts); number++)); do
		state=$program
		! write_agent_settings "$number" || state=stale
		enroll_host "$number"
		start_agent "$number" "$state"
	done
	lab_wait "$CONNECT_SECONDS" are_hosts_connected ||
		lab_die "after $CONNECT_SECONDS s not all hosts are connected:" \
			"$(host_states | xargs); see $dir/log/agent-*.log"
}

# Make a datastore in DIR/ds/$1 on hosts $2, names with commas.
ensure_datastore()
{
	local name=$1 hosts=$2 options=${3:-}
	mkdir -p "$dir/ds/$name"
	ensure Datastore "$name" "-Datacenter '$DATACENTER' -VMHost $hosts \
		-Path '$(run_dir)/ds/$name' $options"
}

make_resources()
{
	local number subnet last hosts=()
	subnet=$(<"$dir/net/subnet")
	last=${subnet%.*}.$((${subnet##*.} + 3)).250
	for ((number = 1; number <= $(setting hosts); number++)); do
		ensure_datastore "local-$number" "host-$number"
		hosts+=("host-$number")
	done
	ensure_datastore "$STORE" "$(IFS=,; echo "${hosts[*]}")" -Shared
	ensure VirtualPortGroup "$NETWORK" "-Datacenter '$DATACENTER' -Bridge br0 \
		-Cidr $subnet.0/$LAB_BITS -Gateway $subnet.1 -RangeFirst $subnet.64 -RangeLast $last"
}

# The image is built where the programs are: other labs on the same build take it as it is.
make_template()
{
	local cache
	cache=$(setting build)/tiny
	mkdir -p "$cache"
	flock "$cache" "$here/tiny/build.sh" "$cache/tiny.qcow2" "$cache"
	ensure Template "$TEMPLATE" "-Path '$cache/tiny.qcow2' -Datastore '$STORE' \
		-NumCpu 1 -MemoryMB 192"
}

# Why no host runs containers; nothing if one does.
why_no_containers()
{
	# shellcheck disable=SC2016  # expanded by the admin shell
	drover '$oci = @(Get-VMHost | ForEach-Object { $_.Engines } | Where-Object name -eq oci)
		if (-not $oci) {
			"no host has an engine for them"
		} elseif (-not ($oci | Where-Object usable)) {
			$oci[0].why_not
		}'
}

# The root of containers, likewise, where the machine can have any.
make_container_template()
{
	local cache why
	why=$(why_no_containers)
	if [[ -n $why ]]; then
		echo "no containers: $why"
		return
	fi
	cache=$(setting build)/container
	mkdir -p "$cache"
	flock "$cache" "$here/container-template" busybox "$cache/busybox.tar" "$cache"
	ensure Template "$CONTAINER_TEMPLATE" "-Path '$cache/busybox.tar' -Kind Container \
		-Datastore '$STORE' -NumCpu 1 -MemoryMB 64"
}

machine_name()
{
	printf 'vm-%02d' "$1"
}

# Print what $1 answers on its service.
greeting_of()
{
	local address=$1
	# shellcheck disable=SC2016  # expanded by the inner shell
	timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2" && echo hello >&3 && head -n 1 <&3' \
		greeting "$address" "$SERVICE_PORT" 2>/dev/null
}

# True if every machine that is ours and on says who it is.
do_machines_answer()
{
	local state address name
	while read -r _ state address name; do
		[[ $name =~ ^(vm-[0-9][0-9]|ct-[0-9]+)$ && $state == "$STATE_ON" ]] || continue
		[[ $(greeting_of "$address") == "$name "* ]] || return 1
	done < <(vm_lines)
}

# Make machine or container $1 of template $2 unless it is there; start it unless it runs.
ensure_machine()
{
	local name=$1 template=$2
	drover "\$vm = Get-VM | Where-Object Name -eq '$name'
		if (-not \$vm) {
			New-VM -Name '$name' -Template '$template' -ResourcePool '$CLUSTER' \
				-Datastore '$STORE' -NetworkName '$NETWORK' -PowerOn | Out-Null
		} elseif (\$vm.PowerState -ne '$STATE_ON') {
			Start-VM \$vm | Out-Null
		}"
}

# Machines vm-01 to vm-N, wherever the scheduler puts them; they run and answer.
make_machines()
{
	local number
	# What an interrupted run ordered is still on its way.
	drover 'Get-Task -Status Running | Wait-Task -ErrorAction SilentlyContinue | Out-Null'
	for ((number = 1; number <= $(setting vms); number++)); do
		ensure_machine "$(machine_name "$number")" "$TEMPLATE"
	done
	wait_for_machines
}

# Containers ct-1 to ct-N.
make_containers()
{
	local number
	[[ -z $(why_no_containers) ]] || return 0
	for ((number = 1; number <= $(setting containers); number++)); do
		ensure_machine "ct-$number" "$CONTAINER_TEMPLATE"
	done
	wait_for_machines
}

wait_for_machines()
{
	# Invented machines have no service.
	[[ $(setting engine) == qemu ]] || return 0
	lab_wait "$ANSWER_SECONDS" do_machines_answer ||
		lab_die "after $ANSWER_SECONDS s not every machine answers on port" \
			"$SERVICE_PORT: $(vm_lines | xargs -L 1 echo ';')"
}

# Shut all machines down, and remember which ran.
stop_machines()
{
	if ! is_serving; then
		echo "the server is down: machines go down with their hosts"
		return
	fi
	vm_lines | awk -v on="$STATE_ON" '$2 == on { print $1 }' >>"$dir/machines-that-ran"
	sort -u -o "$dir/machines-that-ran" "$dir/machines-that-ran"
	# A machine that cannot be asked goes down with its host; the others are asked all the same.
	drover "\$ErrorActionPreference = 'Continue'
		Get-VM | Where-Object PowerState -notin PoweredOff, Suspended |
			Stop-VM -TimeoutSeconds $SHUTDOWN_SECONDS -Confirm:\$false -RunAsync |
			Wait-Task | Out-Null" ||
		echo "not every machine could be shut down"
}

start_machines_that_ran()
{
	local ids
	[[ -s $dir/machines-that-ran ]] || return 0
	ids=$(paste -sd, "$dir/machines-that-ran")
	drover "Get-VM -Id $ids | Start-VM -RunAsync | Wait-Task | Out-Null"
	wait_for_machines
	rm "$dir/machines-that-ran"
}

print_daemon()
{
	local name=$1 note=$2 pid
	if pid=$("$here/lab-run.sh" status "$dir" "$name"); then
		printf '%-12s up    process %-8s %s\n' "$name" "$pid" "$note"
	else
		printf '%-12s down\n' "$name"
		return 1
	fi
}

# What is up; 3 if anything of the lab is not.
print_status()
{
	local number name rc=0
	settings_need
	printf '%-12s %s in %s\n' lab "$(lab_name "$dir")" "$dir"
	if [[ $("$here/lab-net.sh" status "$dir") == *state=up* ]]; then
		printf '%-12s up    %s.0/%s\n' network "$(<"$dir/net/subnet")" "$LAB_BITS"
	else
		printf '%-12s down\n' network
		rc=3
	fi
	if [[ $(setting database) == patroni ]]; then
		database status || rc=3
	else
		print_daemon postgres "" || rc=3
	fi
	for name in $(server_names); do
		print_daemon "$name" "https://localhost:$(server_port "$name")/" || rc=3
	done
	for ((number = 1; number <= $(setting hosts); number++)); do
		print_daemon "agent-$number" "" || rc=3
	done
	! is_serving || drover "Get-VM | Format-Table Name, PowerState, VMHost, IPAddress"
	return "$rc"
}

print_welcome()
{
	local drover
	drover=$(realpath --relative-to="$PWD" "$(setting build)/bin/drover")
	cat >&3 <<-END

		page        $(server_url)
		user        $ADMINISTRATOR
		password    $(<"$dir/password")      (kept in $dir/password)

		To try:
		    $drover -c 'Get-VM'
		    $drover -c 'Get-VMHost | Sort-Object MemoryUsageGB'
		    $drover -c 'New-VM web-01 -Template tiny -ResourcePool $CLUSTER | Start-VM'
		    $drover -c 'Move-VM web-01 -Destination $CLUSTER'
	END
	if (($(setting containers) > 0)) && [[ -z $(why_no_containers) ]]; then
		cat >&3 <<-END
			    $drover -c 'Get-Container'
			    $drover -c "Invoke-VMScript ct-1 'ps'"
			    $drover -c 'Enter-VM ct-1'
		END
	fi
}
