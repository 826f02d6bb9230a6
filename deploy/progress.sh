# shellcheck shell=bash
# Steps with a clock, for people: "[ 3/12] PostgreSQL … 2 s", and what went wrong.
#
# Sourced, never run.  From progress_begin on, everything that commands print goes into
# the log; what the user is to see is written with say.

progress_log='' progress_out='' progress_count=0 progress_done=0 progress_title='' progress_mark=0

# Count steps lie ahead; the log is appended to.
progress_begin()
{
	progress_log=$1 progress_count=$2
	mkdir -p "${progress_log%/*}"
	exec 3>&1 >>"$progress_log" 2>&1
	progress_out=$(readlink "/proc/$$/fd/3")
	trap progress_report EXIT
}

say()
{
	printf '%s\n' "$*" >&3
}

# Run a step: its title, then a function and its arguments.
step()
{
	local title=$1 since=$SECONDS
	shift
	progress_done=$((progress_done + 1))
	progress_title=$title
	progress_mark=$(wc -l <"$progress_log")
	printf '[%2d/%d] %s … ' "$progress_done" "$progress_count" "$title" >&3
	echo "== $title, $(date -u +%FT%TZ)"
	# A daemon that held our terminal would keep a pipe behind us open for ever.
	"$@" 3>&-
	printf '%d s\n' $((SECONDS - since)) >&3
	progress_title=''
}

# A step that calls exit ends us with its redirection in force: then what was put aside for
# it is looked for.
progress_reopen()
{
	local fd
	if ! { : >&3; } 2>/dev/null; then
		for fd in "/proc/$$/fd/"*; do
			[[ $(readlink "$fd") != "$progress_out" ]] || exec 3>&"${fd##*/}"
		done
	fi
}

progress_report()
{
	local rc=$?
	trap - EXIT
	[[ $rc -ne 0 && -n $progress_title ]] || exit "$rc"
	progress_reopen
	{
		printf 'failed\n\n%s: step %d of %d, "%s", failed:\n' "${0##*/}" \
			"$progress_done" "$progress_count" "$progress_title"
		tail -n "+$((progress_mark + 2))" "$progress_log" | tail -n 12 | sed 's/^/    /'
		echo "The whole log: $progress_log"
	} >&3
	exit "$rc"
}
