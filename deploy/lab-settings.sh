# shellcheck shell=bash disable=SC2154  # dir, root and given are the caller's
# What a lab was told at its first `up`, and chose for itself: DIR/lab.conf, KEY=VALUE.
#
# Sourced, never run.  The caller has dir and root, and in the associative array given
# what the command line asks for.  The file also marks the folder as a lab: a folder that
# holds anything else is never taken over and never removed.

readonly SETTINGS_NAME=lab.conf
readonly FIRST_PORT=8443
declare -A settings=([database]=single [servers]=1 [hosts]=3 [vms]=6 [containers]=1 [engine]=qemu [save]=yes [build]="")
settings_read=no

read_settings()
{
	local key value
	[[ $settings_read == no ]] || return 0
	settings_read=yes
	settings[build]=${root:?}/build
	[[ -e $dir/$SETTINGS_NAME ]] || return 0
	while IFS='=' read -r key value; do
		settings[$key]=$value
	done <"$dir/$SETTINGS_NAME"
}

# Print a setting.
setting()
{
	read_settings
	echo "${settings[$1]}"
}

# There must be a lab.
settings_need()
{
	[[ -e $dir/$SETTINGS_NAME ]] || lab_die "$dir is no lab of quickstart"
	read_settings
}

is_free_port()
{
	[[ -z $(ss -Htln "sport = :$1") ]]
}

# True if port $1 and those that the servers need behind it are free.
are_free_ports()
{
	local port
	for ((port = $1; port < $1 + 2 * settings[servers]; port++)); do
		is_free_port "$port" || return 1
	done
}

# The pages' port; the agents' is the next one, and each further server has the next two.
# The lab in the usual place gets the port that people know, others one that labs started
# at the same moment hardly share.
choose_port()
{
	local port id try
	id=$((16#$(lab_id "$dir")))
	port=$((20000 + id % 5000 * 2))
	[[ $dir != "$root/var" ]] || port=$FIRST_PORT
	for ((try = 0; try < 500; try++)); do
		if are_free_ports "$port"; then
			echo "$port"
			return
		fi
		port=$((20000 + (id + try) % 5000 * 2))
	done
	lab_die "no free port for the server"
}

check_count()
{
	local what=$1 number=$2 least=$3 most=$4
	if [[ ! $number =~ ^(0|[1-9][0-9]{0,2})$ ]] || ((number < least || number > most)); then
		lab_die "--$what takes $least to $most, not \"$number\""
	fi
}

check_settings()
{
	check_count servers "${settings[servers]}" 1 9
	check_count hosts "${settings[hosts]}" 1 50
	check_count vms "${settings[vms]}" 0 99
	check_count containers "${settings[containers]}" 0 99
	[[ ${settings[database]} == single || ${settings[database]} == patroni ]] ||
		lab_die "--database is single or patroni, not \"${settings[database]}\""
	[[ ${settings[engine]} == qemu || ${settings[engine]} == sim ]] ||
		lab_die "--engine is qemu or sim, not \"${settings[engine]}\""
	[[ ${settings[build]} == "$root/build" || -x ${settings[build]}/bin/droverd ]] ||
		lab_die "there is no bin/droverd in ${settings[build]}"
}

# Put together what is known with what is asked for, and keep it.
settings_merge()
{
	local key had had_servers had_database
	if [[ ! -e $dir/$SETTINGS_NAME && -d $dir && -n $(ls -A "$dir") ]]; then
		lab_die "$dir is not empty and no lab of quickstart: give another --dir"
	fi
	read_settings
	had=${settings[hosts]} had_servers=${settings[servers]}
	had_database=${settings[database]}
	for key in "${!given[@]}"; do
		settings[$key]=${given[$key]}
	done
	check_settings
	if [[ -e $dir/$SETTINGS_NAME ]] && ((settings[hosts] != had)); then
		lab_die "the lab has $had hosts; for another number destroy it first"
	fi
	if [[ -e $dir/$SETTINGS_NAME ]] && ((settings[servers] != had_servers)); then
		lab_die "the lab has $had_servers servers; for another number destroy it first"
	fi
	if [[ -e $dir/$SETTINGS_NAME && ${settings[database]} != "$had_database" ]]; then
		lab_die "the lab's database is $had_database; for another destroy it first"
	fi
	mkdir -p "$dir"
	[[ -n ${settings[port]:-} ]] || settings[port]=$(choose_port)
	for key in "${!settings[@]}"; do
		echo "$key=${settings[$key]}"
	done | sort >"$dir/$SETTINGS_NAME.new"
	mv "$dir/$SETTINGS_NAME.new" "$dir/$SETTINGS_NAME"
}
