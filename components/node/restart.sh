# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# The restart of K3s, by a process that outlives this run and its connection, and that puts the former files back should
# the node not be ready in time. They are kept in the journal, which is there as long as this is not decided: the next run
# finishes what a cut one began. This part travels only where a restart is allowed.

outcome=$root/run/k3s-registry.outcome
ready_seconds=${ready_seconds:-180}

# keep NAME FILE
keep() {
	printf '%s\n' "$2" >"$journal/$1.path"
	[ ! -e "$2" ] || cp -p "$2" "$journal/$1"
}

keep_hosts() {
	n=$((n + 1))
	keep "hosts$n" "$host_file"
}

# What a cut run kept is older than what is there now. The names sort in the order of putting back: the CA last.
restart_prepare() {
	[ ! -e "$journal/saved" ] || return 0
	rm -rf "$journal"
	folder "${journal%/*}"
	mkdir -m 700 "$journal"
	n=0
	keep 1 "$toml"
	keep 2 "$yaml"
	keep 3 "$owners"
	each_hosts_file keep_hosts
	keep k "$ca"
	sync
	: >"$journal/saved"
	sync
}

put_back() {
	for path in "$journal"/*.path; do
		IFS= read -r file <"$path"
		if [ -e "${path%.path}" ]; then
			cat "${path%.path}" >"$work/new"
			put former "$file"
		else
			rm -f "$file" "$file.k3s-registry"
			unfolder "${file%/*}"
		fi
	done
	# Where K3s made the folder of a file of ours anew, it bears no mark.
	! rmdir "${toml%/*}" || unfolder "$root$certs"
	sync
}

# restart_await: K3s restarted, by another process.
restart_await() {
	note restart
	rm -f "$outcome"
	printf '%s\n' "exec >'$outcome' 2>&1" "K3S_REGISTRY_ROOT='$root' parent=$$ node='$node' registry='$registry' ca_file='$ca_file' ready_seconds=$ready_seconds" "$script" >"$journal/run"
	if ! { [ -d "$root/run/systemd/system" ] && systemd-run --collect sh "$journal/run" activate; }; then
		if command -v setsid; then
			setsid sh "$journal/run" activate &
		else
			nohup sh "$journal/run" activate &
		fi
	fi
	# It takes the lock over.
	held='' n=0
	until [ -s "$outcome" ]; do
		n=$((n + 1))
		holder=$(readlink "$lock")
		# One that has not taken the lock over by then never will.
		[ $n -lt $((ready_seconds * 2 + 60)) ] && kill -0 "$holder" && { [ "$holder" != $$ ] || [ $n -lt 30 ]; } || [ -s "$outcome" ] ||
			die "found the restart of K3s without an end; it must say how it went; run pulumi up again"
		sleep 1
	done
	read -r line <"$outcome"
	rm -f "$outcome"
	[ "$line" = ready ] || {
		printf '%s\n' "$line" >&3
		said=1
		exit 1
	}
}

# Never waits for the service: K3s's may take for ever.
k3s_restart() {
	if [ -d "$root/run/systemd/system" ]; then
		timeout 30 systemctl restart --no-block "$unit"
	else
		timeout "$ready_seconds" rc-service "$unit" restart &
	fi
}

# node_ready: K3s has started anew, and the kubelet of that start lives and says Ready. Its lease is no word on readiness, and the
# condition is reported again only after minutes, perhaps in the very second of the start: each counts with the other.
node_ready() {
	seen="$config_toml not written anew"
	[ "$(find "$root$config_toml" -newer "$journal/started")" ] || return 1
	read_config_path
	seen="no config_path in $config_toml"
	[ "$config_path" ] || return 1
	seen='no answer from the API server'
	state=$(timeout 10 k3s kubectl --cache-dir "$work/kubectl" --kubeconfig "$root$data/agent/kubelet.kubeconfig" --request-timeout 5s get -n kube-node-lease "node/$name" "lease/$name" \
		-o 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status} {.items[*].status.conditions[?(@.type=="Ready")].lastHeartbeatTime} {.items[*].spec.renewTime}') || return 1
	since=$(date -u -r "$root$config_toml" +%Y-%m-%dT%H:%M:%SZ)
	seen="Ready=$state, K3s started $since"
	case $state in
	'True '*) ;;
	*) return 1 ;;
	esac
	# shellcheck disable=SC2086  # two times
	[ "$(printf '%s\n' "$since" ${state#True } | sort | head -n1)" = "$since" ]
}

activate() {
	[ -e "$journal/saved" ] || exit 0
	option node-name node-name K3S_NODE_NAME
	name=${value:-$node} deadline=$(($(date +%s) + ready_seconds))
	: >"$journal/started"
	# Some compare times by the second.
	sleep 1
	k3s_restart || :
	until node_ready; do
		[ "$(date +%s)" -ge $deadline ] || {
			sleep 1
			continue
		}
		doing=$(systemctl is-active "$unit") || doing=${doing:-not running}
		put_back
		k3s_restart || :
		journal_gone
		unfolder "${journal%/*}"
		die "found K3s not ready within $ready_seconds s of its restart ($unit $doing, $seen); the node must be Ready with a fresh heartbeat; the former files are back and K3s was restarted with them, see its log (journalctl -u $unit)"
	done
	journal_gone
	echo ready >&4
	exit 0
}
