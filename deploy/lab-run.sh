#!/usr/bin/env bash
# Run a lab's daemons.
#
#     lab-run.sh start  DIR NAME [OPTION]… -- PROGRAM [ARGUMENT]…
#     lab-run.sh exec   DIR [OPTION]… -- PROGRAM [ARGUMENT]…
#     lab-run.sh stop   DIR NAME [SIGNAL [SECONDS]]
#     lab-run.sh status DIR NAME
#     lab-run.sh forget DIR
#
#     --user NAME      run as that user, without a way back to root (default: root)
#     --host N         run in the network namespace of host N
#     --ready COMMAND  started once this succeeds (a bash line, run as `exec` would)
#     --within SECONDS how long it may take to become ready (default 30)
#
# DIR is the lab's state folder.  Each process sees it as /run/drover/LAB too, in a mount
# namespace of its own: so an unprivileged daemon reaches it below a closed home folder,
# and the paths of unix sockets stay short.  PROGRAM and its arguments must use that path.
#
# A started daemon has DIR/log/NAME.log and DIR/run/NAME.pid.  `start` on a running one
# only waits until it is ready.  `stop` sends SIGNAL (TERM), waits SECONDS (20), then
# kills; what the daemon itself has started is not touched.  `status` prints the pid and
# fails if there is none.  `forget` removes the mount point; it comes back by itself.
set -euo pipefail

# shellcheck source=deploy/lab.sh
source "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

user='' host='' ready='' within=30
command=()

# Take the options of start and exec; the program is left in command.
parse_options()
{
	while (($# > 0)); do
		case $1 in
		--user) user=$2 ;;
		--host) host=$2 ;;
		--ready) ready=$2 ;;
		--within) within=$2 ;;
		--)
			command=("${@:2}")
			break
			;;
		*) lab_die "unknown option \"$1\"" ;;
		esac
		shift 2
	done
	((${#command[@]} > 0)) || lab_die "no program given"
}

# "PID START-TIME": the second tells a process from a later one with the same pid.
process_stamp()
{
	local pid=$1 line
	line=$(cat "/proc/$pid/stat" 2>/dev/null) || return 1
	# The name in brackets may hold blanks; state is the first field after it.
	read -r -a fields <<<"${line##*) }"
	[[ ${fields[0]} != Z ]] && echo "$pid ${fields[19]}"
}

# Print the daemon's pid; fail if it does not run.
running_pid()
{
	local name=$1 stamp
	stamp=$(cat "$dir/run/$name.pid" 2>/dev/null) || return 1
	[[ -n $stamp && $(process_stamp "${stamp% *}") == "$stamp" ]] || return 1
	echo "${stamp% *}"
}

# Replace this shell by the program, in the lab's view of the files and the network.
enter()
{
	local -a net=() rights=()
	mkdir -p "$(lab_run_dir "$dir")" "$dir"
	chmod go+x "$dir"
	[[ -z $host ]] || net=(nsenter "--net=/run/netns/$(lab_netns "$dir" "$host")")
	[[ -z $user ]] || rights=(setpriv --reuid "$user" --regid "$(id -gn "$user")"
		--init-groups --no-new-privs)
	# shellcheck disable=SC2016  # expanded by the inner shell
	# Of a machine whose /run is a disk: CRIU keeps what it has found out about the kernel
	# in memory alone, and takes a tenth of a second longer without.
	exec "${net[@]}" unshare --mount --propagation private bash -c '
		{ [[ $(stat -f -c %T /run) == tmpfs ]] ||
			{ mount -t tmpfs -o mode=755 run /run && mkdir -p "$2"; }; } &&
			mount --rbind "$1" "$2" && cd "$2" && shift 2 && exec "$@"' \
		lab-run "$dir" "$(lab_run_dir "$dir")" "${rights[@]}" "$@"
}

is_ready()
{
	[[ -z $ready ]] || (enter bash -c "$ready") >/dev/null 2>&1
}

# Settled: ready, or dead.  Which one is for the caller to see.
is_settled()
{
	! running_pid "$1" >/dev/null || is_ready
}

launch()
{
	local name=$1 log=$2
	[[ -z $host || -e /run/netns/$(lab_netns "$dir" "$host") ]] ||
		lab_die "cannot start $name: host $host has no network"
	mkdir -p "$dir/log" "$dir/run"
	(trap '' HUP && enter setsid "${command[@]}") </dev/null >>"$log" 2>&1 &
	process_stamp $! >"$dir/run/$name.pid" || lab_die "$name died at once; see $log"
}

start()
{
	local name=$1 log=$dir/log/$1.log
	running_pid "$name" >/dev/null || launch "$name" "$log"
	lab_wait "$within" is_settled "$name" ||
		lab_die "$name is not ready after $within s; see $log"
	running_pid "$name" >/dev/null ||
		lab_die "$name died: $(tail -n 1 "$log"); see $log"
}

is_gone()
{
	! running_pid "$1" >/dev/null
}

stop()
{
	local name=$1 signal=${2:-TERM} within=${3:-20} pid
	if pid=$(running_pid "$name"); then
		kill -s "$signal" "$pid"
		if ! lab_wait "$within" is_gone "$name"; then
			echo "lab-run.sh: $name did not stop in $within s, killed" >&2
			kill -s KILL "$pid"
			lab_wait 5 is_gone "$name" || lab_die "cannot kill $name (pid $pid)"
		fi
	fi
	rm -f "$dir/run/$name.pid"
}

forget()
{
	local run_dir
	run_dir=$(lab_run_dir "$dir")
	[[ ! -d $run_dir ]] || rmdir "$run_dir"
	rmdir --ignore-fail-on-non-empty "$LAB_RUN_ROOT" 2>/dev/null || true
}

main()
{
	(($# >= 2)) || lab_die "usage: lab-run.sh start|exec|stop|status|forget DIR …"
	local verb=$1
	lab_need_root
	dir=$(realpath -m -- "$2")
	shift 2
	case $verb in
	start)
		parse_options "${@:2}"
		start "$1"
		;;
	exec)
		parse_options "$@"
		enter "${command[@]}"
		;;
	stop) stop "$@" ;;
	status) running_pid "$1" ;;
	forget) forget ;;
	*) lab_die "unknown order \"$verb\"" ;;
	esac
}

main "$@"
