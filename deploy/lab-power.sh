#!/usr/bin/env bash
# The controller that switches a lab's hosts, as a real host's would.
#
#     lab-power.sh DIR
#
# It takes lines `off host-N` and `on host-N` from DIR/power/orders, a FIFO that the
# server's user may write to, until it is stopped.  A host that is off has no agent; what
# ran there is left alone, for a host is emptied before.  Runs as root; the hook that
# writes the lines is DIR/power/hooks/switch-host.
set -euo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# shellcheck source=deploy/lab.sh
source "$here/lab.sh"
# shellcheck source=deploy/lab-settings.sh
source "$here/lab-settings.sh"
# shellcheck source=deploy/lab-daemons.sh
source "$here/lab-daemons.sh"

obey()
{
	local order=$1 host=$2 number=${2#host-}
	if [[ ! $number =~ ^[0-9]{1,2}$ || ! -e $dir/hosts/$number/host.crt ]]; then
		echo "there is no host \"$host\"" >&2
		return 0
	fi
	case $order in
	on) start_agent "$number" fresh ;;
	off) "$here/lab-run.sh" stop "$dir" "agent-$number" ;;
	*) echo "unknown order \"$order\"" >&2 ;;
	esac
}

lab_need_root
# shellcheck disable=SC2034  # what is sourced uses it
root=$(realpath "$here/..")
dir=$(realpath -- "$1")
# What nsenter came by.
exec 9<&-
# Open for both, or the end of one writer would be the end of all.
exec 3<>"$dir/power/orders"
while read -r order host <&3; do
	echo "$order $host"
	(obey "$order" "$host" 3<&-) || echo "$order $host failed" >&2
done
