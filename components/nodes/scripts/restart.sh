# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# The restart of K3s, by a process that outlives this run and its connection, and that puts the former files back
# should the node not become ready in time. This part travels only where a restart is allowed.
#
# The former files are kept in the journal, a directory whose content is the state of the change:
#
#   no journal        nothing is under way
#   without `saved`   the former files are being kept, no file has changed yet: the next run begins again
#   `saved`           files may have changed, the outcome is open: the next run finishes it
#   `started`         K3s has been told to start anew, and the node has until the deadline to become ready
#   no journal        decided: the node is ready with the new files, or has the former ones back

# keep_file NAME FILE
keep_file() {
	printf '%s\n' "$2" >"$journal/$1.path"
	if [ -e "$2" ]; then cp -p "$2" "$journal/$1"; fi
}

keep_hosts_toml() {
	keep_file "1$registry" "$toml"
}

keep_hosts_file() {
	hosts_files=$((hosts_files + 1))
	keep_file "hosts$hosts_files" "$host_file"
}

# keep_former_files: the names sort in the order in which the files are put back, the CA last. Files that a run kept
# whose outcome is open are older than those in place now, and stay.
keep_former_files() {
	if [ -e "$journal/saved" ]; then return 0; fi
	rm -rf "$journal"
	create_directory "${journal%/*}"
	mkdir -m 700 "$journal"
	hosts_files=0
	each_hosts_toml keep_hosts_toml
	keep_file 2 "$yaml"
	keep_file 3 "$owners"
	each_hosts_file keep_hosts_file
	keep_file k "$ca"
	sync
	: >"$journal/saved"
	sync
}

put_former_files_back() {
	for path in "$journal"/*.path; do
		IFS= read -r former_file <"$path"
		if [ -e "${path%.path}" ]; then
			cat "${path%.path}" >"$work/new"
			write_file former "$former_file"
		else
			rm -f "$former_file" "$former_file.k3s-registry"
			remove_directory "${former_file%/*}"
		fi
	done
	each_hosts_toml remove_created_directory
	sync
}

# remove_created_directory: where K3s created the directory of our file anew, it holds no marker.
remove_created_directory() {
	if rmdir "${toml%/*}"; then remove_directory "$root$certs"; fi
}

# restart_k3s: starts the process that restarts K3s, and waits until it reports.
restart_k3s() {
	note restart
	outcome=$root/run/k3s-registry.outcome ready_seconds=${ready_seconds:-180}
	rm -f "$outcome"
	write_restart_script >"$journal/run"
	start_detached sh "$journal/run" activate
	await_outcome
	read -r line <"$outcome"
	rm -f "$outcome"
	if [ "$line" != ready ]; then
		printf '%s\n' "$line" >&3
		said=1
		exit 1
	fi
}

# write_restart_script: prints this script again, with the settings that `activate` needs.
write_restart_script() {
	printf '%s\n' "exec >'$outcome' 2>&1" "K3S_REGISTRY_ROOT='$root' parent=$$ node='$node'" \
		"hostname='$hostname' port='$port' ca_file='$ca_file' ready_seconds=$ready_seconds" "$script"
}

# start_detached COMMAND...: so that it does not end with this run's connection.
start_detached() {
	if [ -d "$root/run/systemd/system" ] && systemd-run --collect "$@"; then return 0; fi
	if command -v setsid; then setsid "$@" & else nohup "$@" & fi
}

await_outcome() {
	waited=0
	until [ -s "$outcome" ]; do
		waited=$((waited + 1))
		if ! restart_lives && [ ! -s "$outcome" ]; then
			die "found the restart of K3s without an end" "it must report how it ended" "run pulumi up again"
		fi
		sleep 1
	done
}

# restart_lives: somebody has the lock and is still within the time. A process that has not taken it over after 30 s
# never will.
restart_lives() {
	holder=$(readlink "$lock") || return 1
	if [ "$holder" = $$ ] && [ "$waited" -ge 30 ]; then return 1; fi
	[ "$waited" -lt $((ready_seconds * 2 + 60)) ] && kill -0 "$holder"
}

# activate: what the detached process does. Its answer is the outcome.
activate() {
	if [ ! -e "$journal/saved" ]; then exit 0; fi
	option node-name node-name K3S_NODE_NAME
	node_name=${value:-$node} deadline=$(($(date +%s) + ready_seconds))
	: >"$journal/started"
	# Some compare times by the second.
	sleep 1
	request_start || :
	until is_ready; do
		if [ "$(date +%s)" -ge "$deadline" ]; then give_up; fi
		sleep 1
	done
	remove_journal
	echo ready >&4
}

# give_up: the node gets its former files back, and K3s a start with them.
give_up() {
	state=$(systemctl is-active "$unit") || state=${state:-not running}
	put_former_files_back
	request_start || :
	remove_journal
	remove_directory "${journal%/*}"
	die "found K3s not ready within $ready_seconds s of its restart ($unit $state, $seen)" \
		"the node must be Ready with a fresh heartbeat" \
		"the former files are back and K3s was restarted with them, see its log (journalctl -u $unit)"
}

# request_start: never waits for the service, since K3s's may take for ever.
request_start() {
	if [ -d "$root/run/systemd/system" ]; then
		timeout 30 systemctl restart --no-block "$unit"
	else
		timeout "$ready_seconds" rc-service "$unit" restart &
	fi
}

# is_ready: K3s has started anew, and the kubelet of that start reports Ready. A renewed lease does not mean Ready, and
# Ready may date from the same second as the restart: both are required. Sets seen, for the sentence of a failure.
is_ready() {
	seen="$config_toml not written anew"
	[ "$(find "$root$config_toml" -newer "$journal/started")" ] || return 1
	read_config_path
	seen="no config_path in $config_toml"
	[ "$config_path" ] || return 1
	seen='no answer from the API server'
	running_name=$(print_node_name)
	node_name=${running_name:-$node_name}
	heartbeats='{.items[*].status.conditions[?(@.type=="Ready")].lastHeartbeatTime} {.items[*].spec.renewTime}'
	report=$(ask_as_node get -n kube-node-lease \
		"node/$node_name" "lease/$node_name" \
		-o "jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status} $heartbeats") || return 1
	since=$(date -u -r "$root$config_toml" +%Y-%m-%dT%H:%M:%SZ)
	seen="Ready=$report, K3s started $since"
	case $report in
	'True '*) ;;
	*) return 1 ;;
	esac
	# shellcheck disable=SC2086  # two times
	[ "$(printf '%s\n' "$since" ${report#True } | sort | head -n1)" = "$since" ]
}
