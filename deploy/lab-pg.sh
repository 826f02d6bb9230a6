#!/usr/bin/env bash
# A lab's own PostgreSQL: a cluster of its own in DIR/pg, reached by a unix socket only.
# One that the machine runs already is neither used nor touched.
#
#     lab-pg.sh init   DIR    make the cluster and the database, unless they exist
#     lab-pg.sh start  DIR
#     lab-pg.sh stop   DIR
#     lab-pg.sh status DIR    print the server's pid; fail if it does not run
#     lab-pg.sh url    DIR    print the connection string for the lab's processes
#
# root and the user drover connect as the role drover, which owns the database drover;
# the kernel vouches for them, there is no password.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/lab.sh
source "$here/lab.sh"

# The folder of the server's programs: the cluster's own version, else the newest.
find_bin()
{
	local version
	if [[ -e $dir/pg/data/PG_VERSION ]]; then
		version=$(<"$dir/pg/data/PG_VERSION")
	else
		version=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' \
			2>/dev/null | sort -V | tail -n 1)
	fi
	[[ -x /usr/lib/postgresql/$version/bin/postgres ]] ||
		lab_die "PostgreSQL ${version:-server} is not installed"
	echo "/usr/lib/postgresql/$version/bin"
}

# Run a command as the lab's user in the lab's view.
as_user()
{
	"$here/lab-run.sh" exec "$dir" --user "$LAB_USER" -- "$@"
}

write_settings()
{
	cat >"$dir/pg/data/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$pg/socket'
		unix_socket_permissions = 0700
		max_connections = 40
		shared_buffers = 16MB
		max_wal_size = 128MB
		wal_level = minimal
		max_wal_senders = 0
		jit = off
		log_line_prefix = '%m [%p] '
		timezone = 'UTC'
	END
	cat >"$dir/pg/data/pg_hba.conf" <<-END
		local all all peer map=lab
	END
	cat >"$dir/pg/data/pg_ident.conf" <<-END
		lab root $LAB_USER
		lab $LAB_USER $LAB_USER
	END
}

init()
{
	local bin
	[[ ! -e $dir/pg/ready ]] || return 0
	lab_ensure_user "$LAB_USER"
	bin=$(find_bin)
	# What an interrupted attempt left is no cluster.
	rm -rf "$dir/pg"
	mkdir -p "$dir/pg"
	install -d -o "$LAB_USER" -g "$LAB_USER" -m 0700 "$dir/pg/data" "$dir/pg/socket"
	as_user "$bin/initdb" -D "$pg/data" -U "$LAB_USER" -A peer -E UTF8 --no-locale \
		>"$dir/pg/initdb.log" 2>&1 ||
		lab_die "initdb failed: $(tail -n 1 "$dir/pg/initdb.log")"
	write_settings
	start
	as_user "$bin/createdb" -h "$pg/socket" -U "$LAB_USER" drover
	touch "$dir/pg/ready"
}

# False while PostgreSQL's dead predecessor waits to be reaped: it would pass for alive.
is_reaped()
{
	local pid
	read -r pid <"$dir/pg/data/postmaster.pid" || return 0
	! grep -qs '^State:[[:space:]]*Z' "/proc/$pid/status"
}

start()
{
	local bin
	bin=$(find_bin)
	[[ ! -e $dir/pg/data/postmaster.pid ]] || lab_wait 10 is_reaped || true
	"$here/lab-run.sh" start "$dir" postgres --user "$LAB_USER" \
		--ready "'$bin/pg_isready' -q -h '$pg/socket'" \
		-- "$bin/postgres" -D "$pg/data"
}

main()
{
	(($# == 2)) || lab_die "usage: lab-pg.sh init|start|stop|status|url DIR"
	lab_need_root
	dir=$(realpath -m -- "$2")
	pg=$(lab_run_dir "$dir")/pg
	case $1 in
	init) init ;;
	start) start ;;
	# INT is PostgreSQL's fast shutdown: clients are cut off, data is safe.
	stop) "$here/lab-run.sh" stop "$dir" postgres INT ;;
	status) "$here/lab-run.sh" status "$dir" postgres ;;
	url) echo "host=$pg/socket user=$LAB_USER dbname=drover" ;;
	*) lab_die "unknown order \"$1\"" ;;
	esac
}

main "$@"
