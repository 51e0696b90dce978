# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Everything that a node gets: where it is, and what must hold before it is written.

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
