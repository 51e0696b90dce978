# shellcheck shell=sh disable=SC2034,SC2154  # joined with the other parts
# Makes one node trust the registry: `apply` brings that about, `remove` gives the node its former files back, `check`
# changes nothing and reports what has drifted, `activate` restarts K3s on behalf of an `apply`.
#
# The order of writing is CA, system store, hosts, registries.yaml, hosts.toml, and backwards when removing, so that no
# file ever names a CA that is not there yet.

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
