#!/usr/bin/env bash
# A lab's PostgreSQL as it is where it must not be lost: a primary and a standby under
# Patroni, which an etcd helps to agree on who is which.  Takes the place of lab-pg.sh.
#
#     lab-patroni.sh init   DIR    choose ports and passwords, unless that is done
#     lab-patroni.sh start  DIR    start what is down, until both are in order
#     lab-patroni.sh stop   DIR
#     lab-patroni.sh status DIR    print each member and its role; fail without a primary
#     lab-patroni.sh url    DIR    print the connection string for the lab's processes
#     lab-patroni.sh kill   DIR    kill the primary as a crash would: Patroni and PostgreSQL
#
# The members are DIR/pg/1 and DIR/pg/2, the daemons etcd, patroni-1 and patroni-2.  The
# servers come by unix sockets, as in lab-pg.sh; Patroni, etcd and the standby listen on
# this machine's loopback, etcd without a password: that is for labs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/lab.sh
source "$here/lab.sh"

readonly MEMBERS=(1 2)
# Patroni's least; see docs/operations.md for what it means.
readonly TTL=20 LOOP_WAIT=3 RETRY_TIMEOUT=5
readonly READY_SECONDS=90

find_bin()
{
	local bin
	bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null |
		sort -V | tail -n 1)
	[[ -x $bin/postgres ]] || lab_die "PostgreSQL is not installed"
	echo "$bin"
}

as_user()
{
	"$here/lab-run.sh" exec "$dir" --user "$LAB_USER" -- "$@"
}

# Six ports in a row: etcd's two, then for each member PostgreSQL's and Patroni's.
choose_ports()
{
	local first try port free
	first=$((40000 + 16#$(lab_id "$dir") % 3000 * 6))
	for ((try = 0; try < 100; try++, first += 6)); do
		free=yes
		for ((port = first; port < first + 6; port++)); do
			[[ -z $(ss -Htln "sport = :$port") ]] || free=no
		done
		if [[ $free == yes ]]; then
			echo "$first"
			return
		fi
	done
	lab_die "no free ports for the database"
}

pg_port()
{
	echo $(($(<"$dir/pg/port") + 2 * $1))
}

rest_port()
{
	echo $(($(pg_port "$1") + 1))
}

write_member()
{
	local number=$1 bin password
	bin=$(find_bin)
	password=$(<"$dir/pg/password")
	cat >"$dir/pg/$number.yml" <<-END
		scope: $(lab_name "$dir")
		name: pg-$number
		restapi:
		  listen: 127.0.0.1:$(rest_port "$number")
		  connect_address: 127.0.0.1:$(rest_port "$number")
		etcd3:
		  host: 127.0.0.1:$(<"$dir/pg/port")
		bootstrap:
		  dcs:
		    ttl: $TTL
		    loop_wait: $LOOP_WAIT
		    retry_timeout: $RETRY_TIMEOUT
		    synchronous_mode: true
		    postgresql:
		      use_pg_rewind: true
		      parameters:
		        max_connections: 40
		        shared_buffers: 16MB
		        max_wal_size: 128MB
		        wal_keep_size: 64MB
		        jit: 'off'
		        timezone: UTC
		  initdb:
		    - encoding: UTF8
		    - locale: C
		    - auth-local: peer
		    - auth-host: scram-sha-256
		postgresql:
		  listen: 127.0.0.1:$(pg_port "$number")
		  connect_address: 127.0.0.1:$(pg_port "$number")
		  data_dir: $pg/$number/data
		  bin_dir: $bin
		  pgpass: $pg/$number/pgpass
		  use_unix_socket: true
		  authentication:
		    superuser: {username: $LAB_USER, password: $password}
		    replication: {username: replicator, password: $password}
		  parameters:
		    unix_socket_directories: $pg/$number/socket
		    unix_socket_permissions: '0700'
		  pg_hba:
		    - local all all peer map=lab
		    - host all $LAB_USER 127.0.0.1/32 scram-sha-256
		    - host replication replicator 127.0.0.1/32 scram-sha-256
		  pg_ident:
		    - lab root $LAB_USER
		    - lab $LAB_USER $LAB_USER
	END
	chown "$LAB_USER:" "$dir/pg/$number.yml"
	chmod 0600 "$dir/pg/$number.yml"
}

init()
{
	local number
	[[ ! -e $dir/pg/ready ]] || return 0
	type -P patroni etcd >/dev/null ||
		lab_die "patroni and etcd are missing: apt-get install patroni etcd-server"
	lab_ensure_user "$LAB_USER"
	rm -rf "$dir/pg"
	mkdir -p "$dir/pg"
	choose_ports >"$dir/pg/port"
	(umask 077 && openssl rand -hex 16 >"$dir/pg/password")
	install -d -o "$LAB_USER" -g "$LAB_USER" -m 0700 "$dir/pg/etcd"
	for number in "${MEMBERS[@]}"; do
		install -d -o "$LAB_USER" -g "$LAB_USER" -m 0700 "$dir/pg/$number" \
			"$dir/pg/$number/socket"
		write_member "$number"
	done
	start
	as_user "$(find_bin)/createdb" -h "$pg/$(primary)/socket" -p "$(pg_port "$(primary)")" \
		-U "$LAB_USER" drover
	touch "$dir/pg/ready"
}

# Run a question on member $1; the answer, or nothing.
ask()
{
	as_user "$(find_bin)/psql" -h "$pg/$1/socket" -p "$(pg_port "$1")" -U "$LAB_USER" \
		-d postgres -Atqc "$2" 2>/dev/null
}

# The member that may be written; fail without one.
primary()
{
	local number
	for number in "${MEMBERS[@]}"; do
		if [[ $(ask "$number" "SELECT pg_is_in_recovery()") == f ]]; then
			echo "$number"
			return
		fi
	done
	return 1
}

# A primary whose standby confirms what it commits.
is_in_order()
{
	local number
	number=$(primary) &&
		[[ $(ask "$number" "SELECT count(*) FROM pg_stat_replication
			WHERE sync_state = 'sync'") == 1 ]]
}

start()
{
	local port number
	port=$(<"$dir/pg/port")
	"$here/lab-run.sh" start "$dir" etcd --user "$LAB_USER" -- etcd --name lab \
		--data-dir "$pg/etcd" --log-level warn \
		--listen-client-urls "http://127.0.0.1:$port" \
		--advertise-client-urls "http://127.0.0.1:$port" \
		--listen-peer-urls "http://127.0.0.1:$((port + 1))" \
		--initial-advertise-peer-urls "http://127.0.0.1:$((port + 1))" \
		--initial-cluster "lab=http://127.0.0.1:$((port + 1))"
	for number in "${MEMBERS[@]}"; do
		"$here/lab-run.sh" start "$dir" "patroni-$number" --user "$LAB_USER" -- \
			patroni "$pg/$number.yml"
	done
	lab_wait "$READY_SECONDS" is_in_order ||
		lab_die "no primary with a standby after $READY_SECONDS s; see $dir/log/patroni-*.log"
}

# Patroni stops its PostgreSQL; the standby first, so that nobody is promoted.
stop()
{
	local number first
	first=$(primary || echo 1)
	for number in $((3 - first)) "$first"; do
		"$here/lab-run.sh" stop "$dir" "patroni-$number" TERM 30
	done
	"$here/lab-run.sh" stop "$dir" etcd
}

status()
{
	local number role pid
	for number in "${MEMBERS[@]}"; do
		pid=$("$here/lab-run.sh" status "$dir" "patroni-$number") || pid=-
		role=$(ask "$number" "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END") ||
			role=down
		echo "pg-$number process $pid $role"
	done
	primary >/dev/null
}

kill_primary()
{
	local number pid
	number=$(primary) || lab_die "there is no primary"
	pid=$("$here/lab-run.sh" status "$dir" "patroni-$number") || lab_die "patroni-$number does not run"
	kill -s KILL "$pid"
	# What a crash leaves no time for: QUIT ends PostgreSQL without a checkpoint.
	kill -s QUIT "$(head -n 1 "$dir/pg/$number/data/postmaster.pid")"
	echo "pg-$number"
}

main()
{
	(($# == 2)) || lab_die "usage: lab-patroni.sh init|start|stop|status|url|kill DIR"
	lab_need_root
	dir=$(realpath -m -- "$2")
	pg=$(lab_run_dir "$dir")/pg
	case $1 in
	init) init ;;
	start) start ;;
	stop) stop ;;
	status) status ;;
	url)
		echo "host=$pg/1/socket,$pg/2/socket port=$(pg_port 1),$(pg_port 2)" \
			"user=$LAB_USER dbname=drover"
		;;
	kill) kill_primary ;;
	*) lab_die "unknown order \"$1\"" ;;
	esac
}

main "$@"
