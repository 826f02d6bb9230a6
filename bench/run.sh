#!/usr/bin/env bash
# Every measurement, as "name value unit" lines, in a lab that is made for it.
#
#     bench/run.sh [BUILD-DIR]     default: build, made from the preset release if absent
#
# Needs root.  All else that is said goes to standard error.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${1:-$root/build}
work=''

clean_up()
{
	[[ ! -e $work/lab/lab.conf ]] || "$root/deploy/quickstart" --dir "$work/lab" destroy >&2
	rm -rf "$work"
}

make_programs()
{
	[[ ! -x $build/bin/bench_shell || ! -x $build/bin/droverd ]] || return 0
	[[ $build == "$root/build" ]] || {
		echo "bench/run.sh: there are no programs in $build" >&2
		return 1
	}
	cd "$root"
	cmake --preset release >&2
	cmake --build --preset release >&2
}

# One that cannot count here (77) has said why, and the others go on.
if_possible()
{
	"$@" || (($? == 77))
}

main()
{
	make_programs
	work=$(mktemp -d "${TMPDIR:-/tmp}/drover-bench-XXXXXX")
	trap clean_up EXIT
	chmod 755 "$work"
	"$root/deploy/quickstart" --dir "$work/lab" --build-dir "$build" --no-save up >&2
	"$root/bench/bench_idle.py" --lab "$work/lab"
	"$root/bench/bench_api.py" --lab "$work/lab"
	"$root/bench/bench_watch.py" --lab "$work/lab"
	"$root/bench/bench_deploy.py" --lab "$work/lab"
	"$root/bench/bench_migrate.py" --lab "$work/lab"
	"$root/bench/bench_clone.py" --lab "$work/lab"
	"$root/bench/bench_snapshot.py" --lab "$work/lab"
	"$root/bench/bench_exec.py" --lab "$work/lab"
	"$root/bench/bench_ct_start.py" --lab "$work/lab"
	"$root/bench/bench_ct_idle.py" --lab "$work/lab"
	"$root/bench/bench_ct_move.py" --lab "$work/lab"
	"$root/bench/bench_neighbour.py" --lab "$work/lab"
	if_possible "$root/bench/bench_pools.py" --lab "$work/lab"
	if_possible "$root/bench/bench_memory.py" --lab "$work/lab"
	"$build/bin/bench_sched"
	"$build/bin/bench_shell"
	"$root/bench/bench_shell_list.py" "$build/bin/drover"
	"$build/bin/bench_channel"
	"$build/bin/bench_ha"
	"$build/bin/bench_guard"
	"$build/bin/bench_stats"
	"$build/bin/bench_metrics"
}

main
