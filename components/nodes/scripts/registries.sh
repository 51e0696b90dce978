# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# K3s's registries.yaml, which is the user's: our entries are in it as marked blocks, first below `mirrors:` and
# `configs:`. Taking out what is marked gives back the former bytes, whatever they were. A key or a file that had to be
# added is marked too, and becomes the user's once something of the user's is below it.
#
# A block goes in only where the lines around it are understood for certain; anything else is refused before a byte of
# the node has changed.

# find_registries: Sets registries (the path on the node), yaml (the same below root), former (the registry as our
# blocks in it name it, so that a stack whose registry's name changes finds what it left) and file_mark.
find_registries() {
	option private-registry
	registries=${value:-/etc/rancher/k3s/registries.yaml}
	yaml=$root$registries
	file_mark='# Made by k3s-registry'
	former=''
	if [ -e "$yaml" ]; then
		former=$(sed -n '/^ *# BEGIN k3s-registry/{n;s/^ *"\([^ ]*\)":.*/\1/p;}' "$yaml" | sort -u)
	fi
}

# print_merged VERB: prints registries.yaml with our entries, or without them where VERB is `remove`. Returns 9 and
# prints FOUND, RULE and REMEDY where it is refused.
print_merged() {
	from=$yaml absent='' open=''
	if [ ! -e "$yaml" ]; then from=/dev/null absent=1; fi
	if [ "$1" != remove ]; then od -An -v -tu1 "$from" | file=$registries awk "$utf8_awk" || return; fi
	if [ "$(tail -c1 "$from")" ]; then open=1; fi
	file=$registries mirrors_entry=$mirrors_entry \
		configs_entry=$(printf %s "$configs_entry" | sed "s|@data-dir@|$data|g") awk \
		-v verb="$1" -v endpoints="$endpoints" -v made="$file_mark" -v absent="$absent" \
		-v open="$open" -v take_over="${take_over:-}" "$registries_awk$registries_ours_awk$yaml_scan_awk" "$from"
}

# merge_registries: leaves in $work/registries what is to be written; or returns 9 and leaves why not. Any other
# failure ends the run: half a file, which may hold passwords, is no reason to print. cat writes, because busybox' awk
# ends well on a full disk.
merge_registries() {
	if [ "$verb" = remove ] && ! grep -qs 'k3s-registry' "$yaml"; then
		if [ -e "$yaml" ]; then cp "$yaml" "$work/registries" || exit 1; fi
		return 0
	fi
	{
		merged=0
		print_merged "$verb" || merged=$?
		echo "$merged" >"$work/merged"
	} | cat >"$work/registries" || exit 1
	read -r merged <"$work/merged" || exit 1
	case $merged in
	0 | 9) return "$merged" ;;
	*) exit 1 ;;
	esac
}

# check_rancher: refuses a K3s that Rancher provisioned: its agent writes this file, and would undo what we write.
check_rancher() {
	for file in "$root/etc/rancher/agent/config.yaml" "$root$config_yaml.d/50-rancher.yaml" \
		"$root"/*/systemd/system/rancher-system-agent.service \
		"$root"/usr/*/systemd/system/rancher-system-agent.service \
		"$root"/usr/local/lib/systemd/system/rancher-system-agent.service; do
		if [ ! -e "$file" ]; then continue; fi
		die "found ${file#"$root"}, so Rancher provisions this node" "Rancher's agent writes $registries itself" \
			"add $endpoint in Rancher (Registries in the cluster's settings, spec.rkeConfig.registries)"
	done
}

# check_registries: refuses a file into which nothing can be merged, or from which nothing can be taken, for certain.
check_registries() {
	if [ -d "$yaml" ]; then die "found a directory at $registries" "K3s reads a file there" "remove it"; fi
	if merge_registries; then return 0; fi
	{
		IFS= read -r found
		IFS= read -r rule
		IFS= read -r remedy
	} <"$work/registries"
	die "$found" "$rule" "$remedy"
}

write_registries() {
	# Already noted as drift where it could not be merged.
	case $what in
	*registries*) return 0 ;;
	esac
	cp "$work/registries" "$work/new"
	write_file registries "$yaml"
}

remove_registries() {
	# A killed run may have left it.
	rm -f "$yaml.k3s-registry"
	if [ ! -e "$yaml" ]; then
		return
	elif [ ! -s "$work/registries" ] && begins_like "$yaml" "$file_mark"; then
		remove_file registries "$yaml" "$file_mark"
	else
		write_registries
	fi
}
