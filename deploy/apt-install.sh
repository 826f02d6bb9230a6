#!/usr/bin/env bash
# Install what apt.txt lists and the machine lacks.
#
#     apt-install.sh [--test] [--list]
#
#     --test   the section "# test:" too
#     --list   only print what is missing
#
# Without anything missing it takes a fraction of a second and needs no network.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly PG_DEFAULTS=/etc/postgresql-common/createcluster.d/drover.conf

die()
{
	echo "apt-install.sh: $*" >&2
	exit 1
}

# Print the listed packages that are wanted here.
wanted()
{
	local package command
	sed -n "$1" "$here/apt.txt" | sed 's/#.*//' | while read -r package command; do
		[[ -n $package ]] || continue
		[[ -n $command ]] && type -P "$command" >/dev/null && continue
		echo "$package"
	done
}

missing()
{
	local section=$1
	comm -23 <(wanted "$section" | sort -u) \
		<(dpkg-query -W -f '${db:Status-Status} ${Package}\n' |
			awk '$1 == "installed" { print $2 }' | sort -u)
}

# A freshly installed PostgreSQL would make and start a cluster for the whole machine,
# which nobody asked for.  Clusters that exist are not concerned.
forbid_main_cluster()
{
	mkdir -p "${PG_DEFAULTS%/*}"
	echo "create_main_cluster = false" >"$PG_DEFAULTS"
	trap allow_main_cluster EXIT
}

allow_main_cluster()
{
	rm -f "$PG_DEFAULTS"
	rmdir --ignore-fail-on-non-empty "${PG_DEFAULTS%/*}"
}

install_packages()
{
	export DEBIAN_FRONTEND=noninteractive
	forbid_main_cluster
	# The lists may be too old to find a package that has been replaced since.
	apt-get -q install -y --no-install-recommends "$@" || {
		apt-get -q update
		apt-get -q install -y --no-install-recommends "$@"
	}
}

main()
{
	local section='1,/^# test:/p' list_only=no option
	local -a packages
	for option in "$@"; do
		case $option in
		--test) section=p ;;
		--list) list_only=yes ;;
		*) die "unknown option \"$option\"" ;;
		esac
	done
	mapfile -t packages < <(missing "$section")
	((${#packages[@]} > 0)) || return 0
	if [[ $list_only == yes ]]; then
		printf '%s\n' "${packages[@]}"
		return
	fi
	((EUID == 0)) || die "must run as root to install ${packages[*]}"
	install_packages "${packages[@]}"
}

main "$@"
