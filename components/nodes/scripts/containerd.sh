# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# What containerd reads: a hosts.toml per registry, at each pull. As a rule nothing has to be restarted.

# check_containerd: refuses a containerd that would not read our hosts.toml. Sets restart where K3s may be restarted so
# that it does, or where a restart was cut short.
check_containerd() {
	if [ ! -e "$root$config_toml" ]; then
		die "found no $config_toml" "K3s writes it when it starts" "start K3s, or name its data-dir in $config_yaml"
	fi
	if [ ! "$config_path" ]; then
		reason="no config_path in $config_toml"
		check_template
	elif [ -e "$journal/saved" ]; then
		reason='a restart of K3s that was cut short'
	else
		return 0
	fi
	if [ "${rollout:-}" != serial ]; then
		die "found $reason" "K3s must be restarted, one node after another" \
			"set rollout: serial and run pulumi up again"
	fi
	if [ ! "$unit" ]; then
		die "found $reason and no service of K3s" "K3s must be restarted" "restart it by hand and run pulumi up again"
	fi
	restart=1
}

# check_identity: refuses a node without the certificate by which it enters the nodes' ports, since containerd would not
# pull at all; and a path to it that would mean something else in the files that name it.
check_identity() {
	identity=$data/agent/client-kubelet.crt
	if [ ! "${pull_port:-}${caches:-}" ]; then return 0; fi
	case $identity in
	*[\"\\\&\|]*) ;;
	*) if [ -e "$root$identity" ] && [ -e "$root${identity%.crt}.key" ]; then return 0; fi ;;
	esac
	die "found no certificate that can be used at $identity" "the node pulls with the one that K3s gave it" \
		"start K3s, or give it a plain data-dir"
}

# check_template: refuses a template of containerd's configuration that keeps config_path out, whatever is restarted.
check_template() {
	for template in "$data"/agent/etc/containerd/config-v3.toml.tmpl "$data"/agent/etc/containerd/config.toml.tmpl; do
		if [ ! -e "$root$template" ]; then continue; fi
		grep -Eq 'config_path|template +"base"' "$root$template" ||
			die "found $reason and its template" "containerd must read hosts.toml files" \
				"add config_path = \"$certs\" to $template or remove it, and restart K3s"
		break
	done
}

# each_hosts_toml FUNCTION: calls it for each form in which images name the registry, since containerd looks for a
# directory of literally that name. Sets registry (the form) and toml.
each_hosts_toml() {
	for registry in $endpoints; do
		toml=$root$certs/$registry/hosts.toml
		"$1"
	done
}

# check_hosts_toml: refuses a file in our place that somebody else wrote.
check_hosts_toml() {
	if [ -e "$toml" ] && ! begins_like "$toml" "$hosts_toml"; then
		die "found \"$line\" in ${toml#"$root"}, which is not ours" "settings of others stay" \
			"move that file away and run pulumi up again"
	fi
}

# write_hosts_toml: K3s writes the file anew at each of its starts, so a file that means the same stays as it is.
write_hosts_toml() {
	text=$(printf %s "${named_hosts_toml:-}" | awk -v name="@$registry" '/^@/ { own = $0 == name; next } own')
	if [ ! "$text" ]; then text=${hosts_toml%%"$endpoint"*}$registry${hosts_toml#*"$endpoint"}; fi
	printf '%s\n' "${text%"$nl"}" | sed "s|@data-dir@|$data|g" >"$work/new"
	if means_ours; then cat "$toml" >"$work/new"; fi
	write_file hosts.toml "$toml"
}

# means_ours: hosts.toml is ours but for empty lines, whose number depends on the version of K3s, and but for parts that
# K3s's embedded registry mirror added to it.
means_ours() {
	[ -e "$toml" ] && [ "$(awk "$mirrored_awk" "$toml")" = "$(awk NF "$work/new")" ]
}

# remove_hosts_toml: removes our settings for $registry from containerd.
remove_hosts_toml() {
	if [ "$verb" = check ]; then
		note hosts.toml
		return 0
	fi
	remove_file hosts.toml "$toml" "$hosts_toml"
	remove_directory "${toml%/*}"
	rmdir "${toml%/*}" 2>/dev/null || :
}

# remove_certs: removes the directory of hosts.toml files, or the marker alone where others have put files there.
remove_certs() {
	remove_directory "$root$certs"
	rm -f "$root$certs/.k3s-registry"
}

# remove_former_hosts_toml: of the registry that registries.yaml names as ours, where it is another one by now.
remove_former_hosts_toml() {
	for registry in $former; do
		toml=$root$certs/$registry/hosts.toml
		case " $endpoints $registry" in
		# One of the present forms, or no name of a directory.
		*" $registry "* | */*) ;;
		*) remove_hosts_toml ;;
		esac
	done
}
