# shellcheck shell=bash disable=SC2154  # dir, here and settings are the caller's
# A lab's daemons: their settings, their certificates, starting and stopping them.
#
# Sourced, never run.  Programs run from copies in DIR/bin and pages from DIR/web: the
# source tree may lie where an unprivileged user cannot look.  Settings are in DIR/etc,
# what a host keeps is in DIR/hosts/N.

# Most memory that a lab's host offers, however much the machine has.
readonly HOST_MEMORY_MAX_MB=4096
# Each lab has a range of user ids for its guests, so that labs cannot touch each other's.
readonly GUEST_UID_BASE=900000000 GUEST_UID_RANGE=65536 GUEST_UID_LABS=16384

readonly ADMINISTRATOR=admin
readonly HOST_PROGRAMS=(drover-agent drover-guard drover-stage drover-init drover-unpack drover-criu-probe)

# The folder as the daemons see it.
run_dir()
{
	lab_run_dir "$dir"
}

# This machine's address in the lab.
lab_address()
{
	echo "$(<"$dir/net/subnet").1"
}

server_url()
{
	echo "https://localhost:$(serving_port)/"
}

# The servers' names, a line each; all work on the one database, one of them leads.
server_names()
{
	local number
	echo droverd
	for ((number = 2; number <= $(setting servers); number++)); do
		echo "droverd-$number"
	done
}

# The port of the pages of server $1; agents have the next one.
server_port()
{
	local number=1
	[[ $1 == droverd ]] || number=${1#droverd-}
	echo $(($(setting port) + 2 * (number - 1)))
}

# Where the server that leads is reached; that of the first while none does.
serving_port()
{
	local name
	for name in $(server_names); do
		if is_serving_at "$(server_port "$name")"; then
			server_port "$name"
			return
		fi
	done
	setting port
}

# What an agent has to know of the servers: one of them, whichever leads then tells of all.
agent_server()
{
	echo "$(lab_address):$(($(server_port droverd) + 1))"
}

guest_uid_base()
{
	echo $((GUEST_UID_BASE + 16#$(lab_id "$dir") % GUEST_UID_LABS * GUEST_UID_RANGE))
}

# Write standard input into $1 if it differs from what is there; true if it did.
replace_file()
{
	local file=$1
	cat >"$file.new"
	if cmp -s "$file.new" "$file"; then
		rm "$file.new"
		return 1
	fi
	mv "$file.new" "$file"
}

# Bring DIR/bin/$1 up to date; true if it was not.
replace_program()
{
	mkdir -p "$dir/bin"
	replace_file "$dir/bin/$1" <"$(setting build)/bin/$1" && chmod 0755 "$dir/bin/$1"
}

# The agent and what it starts beside it; true if anything changed.
copy_host_programs()
{
	local name build changed=1
	build=$(setting build)
	for name in "${HOST_PROGRAMS[@]}"; do
		[[ -e $build/bin/$name ]] || continue
		replace_program "$name" && changed=0
	done
	if [[ -d $build/criu ]]; then
		rm -rf "$dir/criu.new"
		cp -R --reflink=auto "$build/criu" "$dir/criu.new"
		replace_folder "$dir/criu.new" "$dir/criu" && changed=0
	fi
	return "$changed"
}

# What containers are moved with, where the programs are: other labs take it as it is.
# Without it they run, and move while they are off.
make_criu()
{
	local build
	[[ $(setting engine) == qemu ]] || return 0
	build=$(setting build)
	flock "$build" "$here/criu" "$build/criu" || echo "containers will not move while they run"
}

is_running()
{
	"$here/lab-run.sh" status "$dir" "$1" >/dev/null
}

# Give the lab's database an order: one PostgreSQL, or two under Patroni.
database()
{
	case $(setting database) in
	single) "$here/lab-pg.sh" "$1" "$dir" ;;
	patroni) "$here/ha/lab-patroni.sh" "$1" "$dir" ;;
	esac
}

start_database()
{
	database init
	database start
}

make_certificates()
{
	local ca=$dir/ca
	lab_ensure_user "$LAB_USER"
	"$here/tls/mkca.sh" "$ca" "Drover CA of $(lab_name "$dir")"
	"$here/tls/mkcert.sh" "$ca" server DNS:localhost IP:127.0.0.1 "IP:$(lab_address)"
	chown "$LAB_USER:" "$ca/ca.key" "$ca/server.key"
}

# The programs' folder with the pages and the migrations; true if a program changed.
copy_programs()
{
	local build changed=1
	build=$(setting build)
	replace_program droverd && changed=0
	rm -rf "$dir/db.new" "$dir/web.new"
	mkdir -p "$dir/db" "$dir/web"
	cp -R "$here/../db/migrations" "$dir/db.new"
	replace_folder "$dir/db.new" "$dir/db/migrations" && changed=0
	if [[ -d $build/web ]]; then
		cp -R "$build/web" "$dir/web.new"
		replace_folder "$dir/web.new" "$dir/web" && changed=0
	fi
	return "$changed"
}

# Put folder $1 in the place of $2 if they differ; true if they did.
replace_folder()
{
	local fresh=$1 old=$2
	if diff -rq "$fresh" "$old" >/dev/null 2>&1; then
		rm -r "$fresh"
		return 1
	fi
	chmod -R a+rX "$fresh"
	rm -rf "$old"
	mv "$fresh" "$old"
}

# The settings of the server $1; true if they changed.
write_server_settings()
{
	local name=$1 run port
	run=$(run_dir)
	port=$(server_port "$name")
	mkdir -p "$dir/etc"
	replace_file "$dir/etc/$name.conf" <<-END
		[database]
		conninfo = $(database url)
		migrations = $run/db/migrations

		[listen]
		port = $port
		public = localhost:$port

		[agents]
		address = $(lab_address)
		port = $((port + 1))
		report_ms = 1000

		[tls]
		cert = $run/ca/server.pem
		key = $run/ca/server.key
		ca = $run/ca/ca.pem
		ca_key = $run/ca/ca.key

		[web]
		root = $run/web

		[power]
		hooks = $run/power/hooks

		[stats]
		dir = $run/stats
		rrdcached = $(rrdcached_address)
	END
}

# Where rrdcached is to listen; nothing where there is none.
rrdcached_address()
{
	[[ ! -x $(command -v rrdcached) ]] || echo "unix:$(run_dir)/stats/rrdcached.sock"
}

# Bring the files of statistics under rrdcached.  Without it the server writes them.
start_rrdcached()
{
	local address
	address=$(rrdcached_address)
	mkdir -p "$dir/stats/journal"
	chown "$LAB_USER:" "$dir/stats" "$dir/stats/journal"
	[[ -n $address ]] || return 0
	"$here/lab-run.sh" start "$dir" rrdcached --user "$LAB_USER" -- \
		"$(command -v rrdcached)" -g -l "$address" -p "$(run_dir)/stats/rrdcached.pid" \
		-j "$(run_dir)/stats/journal" -b "$(run_dir)/stats" -w 30 -z 30
}

# What switches hosts, and the hook by which the server has it do so.
start_power()
{
	mkdir -p "$dir/power/hooks"
	[[ -p $dir/power/orders ]] || mkfifo -m 0600 "$dir/power/orders"
	chown "$LAB_USER:" "$dir/power/orders"
	cat >"$dir/power/hooks/switch-host" <<-END
		#!/bin/sh
		# switch-host on|off HOST
		printf '%s %s\n' "\$1" "\$2" >$(run_dir)/power/orders
	END
	chmod 0755 "$dir/power/hooks/switch-host"
	# In our view of the files: in the lab's the networks of hosts are hidden.
	"$here/lab-run.sh" start "$dir" power -- nsenter --mount=/proc/self/fd/9 \
		"$here/lab-power.sh" "$dir" 9</proc/self/ns/mnt
}

# Make the first administrator.  It is done while no server runs: the database lets only
# one process lead.
make_administrator()
{
	local log=$dir/log/administrator.log
	[[ ! -e $dir/etc/administrator ]] || return 0
	if [[ ! -s $dir/password ]]; then
		(umask 077 && openssl rand -base64 18 >"$dir/password.new")
		mv "$dir/password.new" "$dir/password"
	fi
	"$here/lab-run.sh" exec "$dir" --user "$LAB_USER" -- "$(run_dir)/bin/droverd" \
		--config "$(run_dir)/etc/droverd.conf" --init-admin "$ADMINISTRATOR" \
		<"$dir/password" >"$log" 2>&1 ||
		# An earlier run was interrupted after the deed.
		grep -q "already" "$log" || lab_die "no administrator: $(tail -n 1 "$log")"
	touch "$dir/etc/administrator"
}

is_serving()
{
	is_serving_at "$(serving_port)"
}

# True if the pages are served there: only the leader does.
is_serving_at()
{
	local port=$1 answer
	answer=$(printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' |
		timeout 5 openssl s_client -quiet -connect "127.0.0.1:$port" \
			-CAfile "$dir/ca/ca.pem" -verify_return_error 2>/dev/null)
	[[ $answer == "HTTP/1.1 200"* ]]
}

start_server_daemon()
{
	"$here/lab-run.sh" start "$dir" "$1" --user "$LAB_USER" -- \
		"$(run_dir)/bin/droverd" --config "$(run_dir)/etc/$1.conf"
}

stop_server_daemons()
{
	local name
	for name in $(server_names); do
		"$here/lab-run.sh" stop "$dir" "$name"
	done
}

start_server()
{
	local stale=no name
	copy_programs && stale=yes
	for name in $(server_names); do
		write_server_settings "$name" && stale=yes
	done
	if [[ $stale == yes ]]; then
		stop_server_daemons
	fi
	start_rrdcached
	is_running droverd || make_administrator
	for name in $(server_names); do
		start_server_daemon "$name"
	done
	start_power
	lab_wait 60 is_settled_server || true
	is_serving || lab_die "the server does not answer: $(tail -n 3 "$dir/log/droverd.log")"
}

# Serving, or dead.
is_settled_server()
{
	local name
	! is_serving || return 0
	for name in $(server_names); do
		! is_running "$name" || return 1
	done
}

stop_server()
{
	"$here/lab-run.sh" stop "$dir" power
	stop_server_daemons
	"$here/lab-run.sh" stop "$dir" rrdcached
	database stop
}

# What each host offers: an equal part of this machine's memory, one part left over.
host_memory_mb()
{
	local total_mb part
	total_mb=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
	part=$((total_mb / ($(setting hosts) + 1)))
	echo $((part < HOST_MEMORY_MAX_MB ? part : HOST_MEMORY_MAX_MB))
}

engine_settings()
{
	local base
	base=$(guest_uid_base)
	if [[ $(setting engine) == sim ]]; then
		printf '[engine.qemu]\nenabled = no\n\n[engine.sim]\nenabled = yes\n'
	else
		printf '[engine.qemu]\nuid_base = %s\ngid = %s\n' "$base" "$base"
	fi
}

# The settings of host $1; what it offers is settled when it is made, and kept.
write_agent_settings()
{
	local number=$1 run
	local host=hosts/$number
	run=$(run_dir)
	mkdir -p "$dir/etc" "$dir/$host"
	[[ -e $dir/$host/memory_mb ]] || host_memory_mb >"$dir/$host/memory_mb"
	replace_file "$dir/etc/agent-$number.conf" <<-END
		[server]
		address = $(agent_server)
		retry_max_ms = 500

		[tls]
		cert = $run/$host/host.crt
		key = $run/$host/host.key
		ca = $run/$host/ca.crt

		[state]
		dir = $run/$host/state

		[run]
		dir = $run/$host/run

		[storage]
		roots = $run/ds

		[host]
		memory_mb = $(<"$dir/$host/memory_mb")
		cpus = $(nproc)

		[cgroup]
		prefix = $(lab_cgroup "$dir")/h$number

		[network]
		bridges = br0

		[health]
		sources =
		test_file = $run/$host/failing
		interval_ms = 500

		[channel]
		port = 0

		$(engine_settings)
	END
}

# Run the program of host $1 there and then: what a person would do in a terminal on it.
on_host()
{
	local number=$1
	shift
	"$here/lab-run.sh" exec "$dir" --host "$number" -- "$(run_dir)/bin/drover-agent" "$@"
}

# Make host $1 known to the server with a one-time token.
enroll_host()
{
	local number=$1 token fingerprint
	[[ ! -e $dir/hosts/$number/host.crt ]] || return 0
	mkdir -p "$dir/hosts/$number"
	token=$(host_token "host-$number")
	fingerprint=$(openssl x509 -in "$dir/ca/ca.pem" -noout -fingerprint -sha256)
	on_host "$number" enroll --server "$(lab_address):$(serving_port)" \
		--token "$token" --ca-fingerprint "${fingerprint##*=}" \
		--config "$(run_dir)/etc/agent-$number.conf"
}

# Start host $1's agent; one that is $2 ("stale": its settings or its program changed) is
# started anew, which its guests do not notice.
start_agent()
{
	local number=$1 state=$2 name=agent-$1
	if [[ $state == stale ]]; then
		"$here/lab-run.sh" stop "$dir" "$name"
	fi
	mkdir -p "$dir/hosts/$number/state" "$dir/hosts/$number/run"
	"$here/lab-run.sh" start "$dir" "$name" --host "$number" -- \
		"$(run_dir)/bin/drover-agent" --config "$(run_dir)/etc/agent-$number.conf"
}

# Guests run on; what they are held by is lab-net.sh's to take away.
stop_agents()
{
	local number
	for ((number = 1; number <= $(setting hosts); number++)); do
		"$here/lab-run.sh" stop "$dir" "agent-$number"
	done
}
