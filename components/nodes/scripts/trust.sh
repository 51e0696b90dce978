# shellcheck shell=sh disable=SC2034,SC2154  # joined with the other parts
# Makes one node trust the registry: `apply` brings that about, `remove` gives the node its former files back, `check`
# changes nothing and reports what has drifted, `activate` restarts K3s on behalf of an `apply`.
#
# The order of writing is CA, system store, hosts, registries.yaml, hosts.toml, and backwards when removing, so that no
# file ever names a CA that is not there yet.

# find_files: Sets where everything is. More than one node of the configuration may own the files for a while: an `up`
# that renames a node creates the new one's resources before it deletes the old one's. Sets others: the owners besides
# this one.
find_files() {
	find_k3s
	follow_running_k3s
	what='' trial='' ca=$root$ca_file journal=$root$ca_file.restart restart=''
	owners=$root/etc/rancher/k3s/k3s-registry-nodes
	others=$(grep -svxF "$node" "$owners") || :
	find_store
	# A cache concerns two names: the upstream's, and that of its own address.
	endpoints="$endpoints${caches:+ $caches}"
	find_registries
}

require_root() {
	if [ "$(id -u)" != 0 ]; then
		die "found user $(id -un) instead of root" "files under /etc need root" "log in as root or let sudo -n run sh"
	fi
}

# check_node: nothing is changed on a node on which this would not end well.
check_node() {
	check_k3s
	check_proxy
	check_containerd
	check_identity
	check_rancher
	check_registries
	each_hosts_toml check_hosts_toml
	check_wsl
	each_hosts_file check_hosts
	check_store
}

write_ca() {
	printf %s "$authorities" >"$work/new"
	write_file ca "$ca"
}

# write_owners NAMES: those that are not empty, a line each.
write_owners() {
	printf '%s\n' "$1" | sed '/^$/d' | sort >"$work/new"
	write_file nodes "$owners"
}

remove_journal() {
	if [ -e "$journal" ]; then
		rm -f "$journal/saved"
		rm -rf "$journal"
	fi
}

# report MEMBER: MEMBER is one more member of the answer, or empty.
report() {
	changed=false
	if [ "$what" ]; then changed=true; fi
	printf '{"changed":%s,"what":[%s]%s}\n' "$changed" "${what#,}" "$1" >&4
}

report_drift() {
	if [ ! "$config_path" ] || [ -e "$journal" ]; then note restart; fi
	printf '{"drift":[%s]}\n' "${what#,}" >&4
	if [ "$what" ]; then exit 3; fi
}

# write_files: where the verb is `check`, nothing is written and each difference is noted.
write_files() {
	remove_former_hosts_toml
	write_ca
	update_store
	each_hosts_file write_hosts
	write_registries
	each_hosts_toml write_hosts_toml
	write_owners "$node$nl$others"
}

# try_files: finds every file that differs, as `check` does, and tries whether it can be written.
try_files() {
	verb=check trial=1
	write_files
	verb=apply trial='' what=''
}

apply() {
	check_bundle
	check_node
	try_files
	if [ "$restart" ]; then keep_former_files; else remove_journal; fi
	write_files
	if [ "$restart" ]; then restart_k3s; fi
	guided=''
	if [ "${take_over:-}" ] && [ -e "$guide_kept" ]; then guided=',"guide":true'; fi
	report ",\"revision\":\"$trust_revision\"$guided"
}

check() {
	check_bundle
	# A file into which nothing can be merged is drift too.
	merge_registries || note registries
	write_files
	report_drift
}

remove() {
	check_registries
	each_hosts_file check_hosts
	if [ "$others" ]; then write_owners "$others"; else remove_files; fi
	report ''
}

remove_files() {
	remove_former_hosts_toml
	each_hosts_toml remove_hosts_toml
	remove_certs
	remove_registries
	each_hosts_file write_hosts
	update_store
	remove_journal
	remove_file ca "$ca" "$(cat "$ca")"
	remove_file nodes "$owners" "$node"
	remove_directory "${ca%/*}"
	remove_directory "${yaml%/*}"
}

verb=${1:-}
start_session 'each file is wholly old or new'
require_root
create_work
if [ "$verb" = activate ]; then take_over_lock "$parent"; else take_lock; fi
clear_leftovers
find_files
case $verb in
apply) apply ;;
check) check ;;
remove) remove ;;
activate) activate ;;
*) die "found the verb '$verb'" "apply, check and remove exist" "use one of them" ;;
esac
exit 0
