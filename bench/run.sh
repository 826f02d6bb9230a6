#!/usr/bin/env bash
# Every measurement, as "name value unit" lines, in a lab that is made for it.
#
#     bench/run.sh [BUILD-DIR]     default: build, made from the preset release if absent
#
# DROVER_SCENARIOS=DIR: what plans are measured on, too (bench_balance.py), and for a day
# that is replayed (bench_replay.py) DIR/day/scenario.drs, series.txt and scale.
#
# Needs root.  All else that is said goes to standard error.  One that fails does not keep
# the others from being made; those are named at the end, and the exit code is 1.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${1:-$root/build}
work=''
failed=()

destroy_labs()
{
	local conf
	for conf in "$work"/*/lab.conf; do
		[[ ! -e $conf ]] || "$root/deploy/quickstart" --dir "${conf%/*}" destroy >&2
	done
}

clean_up()
{
	destroy_labs
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

# One that cannot count here (77) has said why.
measure()
{
	local rc=0
	"$@" || rc=$?
	((rc == 0 || rc == 77)) || failed+=("${1##*/} ($rc)")
}

in_lab()
{
	measure "$root/bench/bench_$1.py" --lab "$work/lab"
}

# In a lab of another shape, once the first one's are made: own_lab NAME OPTION…
own_lab()
{
	local name=$1
	destroy_labs
	"$root/deploy/quickstart" --dir "$work/$name" --build-dir "$build" --no-save \
		--vms 0 --containers 0 "${@:2}" up >&2
	measure "$root/bench/bench_$name.py" --lab "$work/$name"
}

plans()
{
	local scenarios=${DROVER_SCENARIOS:-}
	[[ $scenarios ]] || return 0
	measure "$root/bench/bench_balance.py" "$build/bin/drover-plan" "$scenarios"
	[[ -d $scenarios/day ]] || return 0
	measure "$root/bench/bench_replay.py" "$build/bin/drover-plan" "$scenarios/day/scenario.drs" \
		"$scenarios/day/series.txt" "$(cat "$scenarios/day/scale")"
}

main()
{
	local name
	make_programs
	work=$(mktemp -d "${TMPDIR:-/tmp}/drover-bench-XXXXXX")
	trap clean_up EXIT
	chmod 755 "$work"
	"$root/deploy/quickstart" --dir "$work/lab" --build-dir "$build" --no-save up >&2
	for name in idle api watch deploy migrate clone snapshot exec ct_start ct_idle ct_move \
		neighbour pools memory; do
		in_lab "$name"
	done
	for name in sched shell channel ha guard stats intake metrics; do
		measure "$build/bin/bench_$name"
	done
	measure "$root/bench/bench_shell_list.py" "$build/bin/drover"
	plans
	own_lab ha_kill --hosts 4 --servers 2
	own_lab ha_many --hosts 16 --engine sim
	own_lab fleet --hosts 1 --servers 2 --engine sim
	((${#failed[@]} == 0)) || {
		printf 'bench/run.sh: failed: %s\n' "${failed[*]}" >&2
		return 1
	}
}

main
