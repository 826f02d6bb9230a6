#!/usr/bin/env bash
# A lab's network: one Ethernet segment with this machine and the lab's hosts on it.
#
#     lab-net.sh up     DIR HOSTS   make what is missing
#     lab-net.sh down   DIR         end what runs in the lab's namespaces and remove all
#     lab-net.sh status DIR         print the lab's links and addresses as KEY=VALUE
#
# With LAB standing for the lab's name:
#
#     this machine    link LAB, 10.X.Y.1/22
#     namespace LAB-sw    bridge br0, joining everything; no address
#     namespace LAB-hN    host N: bridge br0 with 10.X.Y.(10+N)/22; its port "uplink"
#                         leads to LAB-sw, guests' taps become further ports
#     guests          10.X.Y.64 to 10.X.(Y+3).250
#
# The joining bridge is in a namespace of its own because bridged frames pass the
# machine's IP filter where br_netfilter is loaded, and the filter of a machine with
# Docker drops what it forwards.  In a new namespace there is no filter.
#
# X.Y, Y a multiple of 4, comes from the lab's name, moved on while it overlaps with a route of the machine,
# and is kept in DIR/net/subnet: guests keep their addresses when the lab is down.
set -euo pipefail

# shellcheck source=deploy/lab.sh
source "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

readonly MAX_HOSTS=50
readonly BRIDGE=br0 UPLINK=uplink

# True if a route of this machine other than the lab's own covers or splits the subnet.
# Very wide ones (a company's 10.0.0.0/8) do not count: ours is more specific.
is_taken()
{
	local subnet=$1
	{
		ip -4 route show root "$subnet.0/$LAB_BITS"
		ip -4 route show match "$subnet.0/$LAB_BITS"
	} | awk -v own="$lab" '
		$1 == "default" || index($0 " ", " dev " own " ") { next }
		split($1, part, "/") == 2 && part[2] < 16 { next }
		{ taken = 1 }
		END { exit !taken }'
}

# Print 10.X.Y, choosing it if the lab has none yet.
choose_subnet()
{
	local at=$((16#$(lab_id "$dir") % 14336)) try subnet
	if [[ -e $dir/net/subnet ]]; then
		cat "$dir/net/subnet"
		return
	fi
	for ((try = 0; try < 512; try++)); do
		subnet=10.$((16 + at / 64 % 224)).$((at % 64 * 4))
		if ! is_taken "$subnet"; then
			mkdir -p "$dir/net"
			echo "$subnet" | tee "$dir/net/subnet"
			return
		fi
		at=$((at + 1))
	done
	lab_die "no free range under 10.0.0.0/8 for the lab"
}

# A MAC address that is the same every time: a bridge without one would change its own
# with every tap.  Number 0 is this machine.
link_mac()
{
	local id
	id=$(lab_id "$dir")
	printf '0a:d0:%s:%s:%s:%02x\n' "${id:0:2}" "${id:2:2}" "${id:4:2}" "$1"
}

has_link()
{
	ip ${1:+-netns "$1"} link show dev "$2" >/dev/null 2>&1
}

# Make namespace $1 with a bridge in it, unless it is there.
ensure_netns()
{
	local netns=$1
	[[ -e /run/netns/$netns ]] || ip netns add "$netns"
	ip -netns "$netns" link set lo up
	has_link "$netns" "$BRIDGE" ||
		ip -netns "$netns" link add "$BRIDGE" type bridge mcast_snooping 0
	ip -netns "$netns" link set "$BRIDGE" up
}

# Connect this machine to the lab's bridge.
ensure_gateway()
{
	if ! has_link '' "$lab"; then
		ip link add "$lab" address "$(link_mac 0)" type veth \
			peer name gate netns "$lab-sw"
	fi
	ip -netns "$lab-sw" link set gate master "$BRIDGE" up
	ip address replace "$subnet.1/$LAB_BITS" dev "$lab"
	ip link set "$lab" up
}

ensure_host()
{
	local number=$1 netns
	netns=$(lab_netns "$dir" "$number")
	ensure_netns "$netns"
	ip -netns "$netns" link set "$BRIDGE" address "$(link_mac "$number")"
	if ! has_link "$netns" "$UPLINK"; then
		ip -netns "$netns" link add "$UPLINK" type veth \
			peer name "h$number" netns "$lab-sw"
	fi
	ip -netns "$netns" link set "$UPLINK" master "$BRIDGE" up
	ip -netns "$lab-sw" link set "h$number" master "$BRIDGE" up
	ip -netns "$netns" address replace "$subnet.$((10 + number))/$LAB_BITS" dev "$BRIDGE"
	ip -netns "$netns" route replace default via "$subnet.1"
}

up()
{
	local hosts=$1 number
	if [[ ! $hosts =~ ^[1-9][0-9]?$ ]] || ((hosts > MAX_HOSTS)); then
		lab_die "a lab has 1 to $MAX_HOSTS hosts, not \"$hosts\""
	fi
	subnet=$(choose_subnet)
	if ! has_link '' "$lab" && is_taken "$subnet"; then
		lab_die "$subnet.0/$LAB_BITS, the lab's range, is in use by another network;" \
			"remove $dir/net/subnet to choose another one"
	fi
	ensure_netns "$lab-sw"
	ensure_gateway
	for ((number = 1; number <= hosts; number++)); do
		ensure_host "$number"
	done
}

# The lab's namespaces, hosts first.
list_netns()
{
	find /run/netns -maxdepth 1 -name "$lab-h*" -printf '%f\n' 2>/dev/null | sort -V
	[[ ! -e /run/netns/$lab-sw ]] || echo "$lab-sw"
}

# The lab's cgroups, deepest first, under every controller.
list_cgroups()
{
	# Some go away by themselves while they are looked for.
	find /sys/fs/cgroup -maxdepth 2 -type d -name "$(lab_cgroup "$dir")" \
		-exec find {} -depth -type d \; 2>/dev/null || true
}

# Every process that runs in the lab's namespaces or cgroups.
list_pids()
{
	local netns cgroup
	list_netns | while read -r netns; do
		ip netns pids "$netns"
	done
	list_cgroups | while read -r cgroup; do
		cat "$cgroup/cgroup.procs" 2>/dev/null || true
	done
}

signal_all()
{
	local signal=$1 pid
	list_pids | sort -un | while read -r pid; do
		kill -s "$signal" "$pid" 2>/dev/null || true
	done
}

has_no_pids()
{
	[[ -z $(list_pids) ]]
}

end_processes()
{
	has_no_pids && return
	# A frozen process hears no signal.
	list_cgroups | while read -r cgroup; do
		[[ ! -e $cgroup/freezer.state ]] || echo THAWED >"$cgroup/freezer.state"
		[[ ! -e $cgroup/cgroup.freeze ]] || echo 0 >"$cgroup/cgroup.freeze"
	done
	signal_all TERM
	lab_wait 5 has_no_pids || signal_all KILL
	lab_wait 5 has_no_pids ||
		lab_die "cannot end processes of the lab: $(list_pids | sort -un | xargs)"
}

remove_cgroups()
{
	local cgroup
	list_cgroups | while read -r cgroup; do
		rmdir "$cgroup"
	done
}

down()
{
	local netns
	end_processes
	remove_cgroups
	! has_link '' "$lab" || ip link delete "$lab"
	list_netns | while read -r netns; do
		ip netns delete "$netns"
	done
}

status()
{
	local netns
	echo "lab=$lab"
	echo "cgroup=$(lab_cgroup "$dir")"
	[[ ! -e $dir/net/subnet ]] || echo "subnet=$(<"$dir/net/subnet").0/$LAB_BITS"
	if has_link '' "$lab"; then
		echo "state=up"
	else
		echo "state=down"
	fi
	list_netns | while read -r netns; do
		[[ $netns == "$lab-sw" ]] ||
			echo "host${netns##*-h}=$(ip -netns "$netns" -4 -o address show \
				dev "$BRIDGE" | awk '{ sub("/.*", "", $4); print $4 }')"
	done
}

main()
{
	local usage="usage: lab-net.sh up DIR HOSTS | down DIR | status DIR"
	(($# >= 2)) || lab_die "$usage"
	lab_need_root
	dir=$(realpath -m -- "$2")
	lab=$(lab_name "$dir")
	# Two labs that start at once must not choose the same range.
	exec {lock}</run
	flock "$lock"
	case $1:$# in
	up:3) up "$3" ;;
	down:2) down ;;
	status:2) status ;;
	*) lab_die "$usage" ;;
	esac
}

main "$@"
