# shellcheck shell=sh disable=SC2154,SC2329  # joined with the other parts
# The node's hosts file, and the template from which cloud-init would overwrite it.

# each_hosts_file FUNCTION: calls it for every file that holds our block, or may hold an old one.
# Sets host_file, and entry: the block's line, empty where the block does not belong.
each_hosts_file() {
	find_template
	for host_file in "$root/etc/hosts" "$root"/etc/cloud/templates/hosts.*.tmpl; do
		if [ ! -e "$host_file" ]; then continue; fi
		entry=''
		case $host_file in
		"$template" | */etc/hosts) if [ "$verb" != remove ]; then entry="$address $names"; fi ;;
		esac
		"$1"
	done
}

# find_template: Sets template, empty where cloud-init leaves the hosts file alone.
find_template() {
	template=''
	grep -qsiE '^[[:space:]]*manage_etc_hosts:[[:space:]]*.?(true|template)' "$root/etc/cloud/cloud.cfg" \
		"$root"/etc/cloud/cloud.cfg.d/*.cfg "$root/var/lib/cloud/instance/cloud-config.txt" || return 0
	# shellcheck disable=SC1091  # the node's own
	for system in $(. "$root/etc/os-release" && echo "$ID ${ID_LIKE:-}"); do
		case $system in
		rhel | centos | fedora) system=redhat ;;
		esac
		template=$root/etc/cloud/templates/hosts.$system.tmpl
		if [ -e "$template" ]; then break; fi
	done
}

# edit_hosts FILE LINE: prints FILE with LINE in our block, or without the block where LINE is empty.
edit_hosts() {
	open=''
	if [ "$(tail -c1 "$1")" ]; then open=1; fi
	awk -v entry="$2" -v open="$open" "$hosts_awk" "$1"
}

# new_hosts LINE: leaves in $work/new what host_file becomes.
new_hosts() {
	edit_hosts "$host_file" "$1" >"$work/new" ||
		die "found '# BEGIN k3s-registry' without END in $host_file" "a block needs both" "remove what is left of it"
}

# check_hosts: refuses a file in which one of our names has another address.
check_hosts() {
	new_hosts ''
	if [ ! "$entry" ]; then return 0; fi
	clash=$(awk -v address="$address" -v names=" $names " "$hosts_clash_awk" "$work/new")
	if [ "$clash" ]; then
		die "found '$clash' in $host_file" "these names must lead to $address" \
			"remove that line or correct the configuration"
	fi
}

write_hosts() {
	new_hosts "$entry"
	write_file hosts "$host_file"
}
