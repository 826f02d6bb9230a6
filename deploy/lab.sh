# shellcheck shell=bash disable=SC2034  # the scripts that source it use the constants
# What the lab scripts share: how a lab is named after its state folder.
#
# A lab is a folder.  Its real path gives it a short name, and the name marks all that
# the lab has outside the folder: network namespaces, one link, cgroups, one mount point.
# Sourced, never run; every function takes the state folder first.

# The server and its PostgreSQL run as this user; every guest has a user id of its own, so
# one that breaks out finds no database that would trust it.
readonly LAB_USER=drover
readonly LAB_RUN_ROOT=/run/drover

# Of its range, which begins at DIR/net/subnet: a thousand addresses.
readonly LAB_BITS=22

# Daemons without rights must get through the state folder whatever the caller's mask.
umask 022

lab_die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

lab_need_root()
{
	((EUID == 0)) || lab_die "must run as root"
}

# Six hex digits that stand for the folder.
lab_id()
{
	realpath -m -- "$1" | sha256sum | cut -c 1-6
}

# The lab's name: prefix of its links and namespaces.
lab_name()
{
	echo "dr-$(lab_id "$1")"
}

# The lab's cgroup, relative to each controller's root.
lab_cgroup()
{
	echo "drover-$(lab_id "$1")"
}

# The namespace of host number $2.
lab_netns()
{
	echo "$(lab_name "$1")-h$2"
}

# Where the lab's own processes, and only they, see the state folder.
lab_run_dir()
{
	echo "$LAB_RUN_ROOT/$(lab_name "$1")"
}

# Make the unprivileged user $1.
lab_ensure_user()
{
	getent passwd "$1" >/dev/null && return
	useradd --system --user-group --no-create-home --home-dir /nonexistent \
		--shell /usr/sbin/nologin "$1" || lab_die "cannot create the system user $1"
}

# Run "$@" every tenth of a second until it succeeds; fail after $1 seconds.
lab_wait()
{
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}
