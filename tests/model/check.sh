#!/bin/sh
# check.sh holds|refuted SWITCH…: what spin says of lease.pml with these switches.
# FULL=1 in the environment: the sizes for a change of the protocol (minutes, gigabytes).
set -eu
want=$1
shift
model=$(cd "$(dirname "$0")" && pwd)/lease.pml
command -v spin >/dev/null || { echo "spin is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

defs=
for s in "$@"; do
	defs="$defs -D$s"
done
# All states when there is nothing to find; the shortest way to it when there is.
pan_defs="-O2 -DSAFETY -DNOREDUCE -DCOLLAPSE"
[ "$want" = refuted ] && pan_defs="-O1 -DSAFETY -DNOREDUCE -DBFS"
[ "$want" = holds ] && [ -n "${FULL:-}" ] && defs="$defs -DGMAX=3"

# shellcheck disable=SC2086 # lists of switches
spin -a $defs "$model"
# shellcheck disable=SC2086
"${CC:-cc}" -w $pan_defs -o pan pan.c
./pan -m6000000 >out 2>&1 || true
grep -q "errors: " out || { cat out; exit 1; }
if grep -q "errors: 0" out; then
	got=holds
	grep -q "max search depth too small\|out of memory" out && got=unknown
else
	got=refuted
fi
grep "errors:\|states, stored" out
echo "$* : $got"
[ "$got" = "$want" ]
