# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# How the running K3s was started, and whether it is one that this program serves.

# follow_running_k3s: where a K3s runs and says how it was started, that counts.
# Sets heard, told and kind; and other_registries, the registries.yaml that only the files name.
follow_running_k3s() {
	heard='' other_registries=''
	if [ ! "$running_data" ]; then return 0; fi
	words=$(print_running_words)
	case $words in
	server* | agent*) ;;
	*) return 0 ;;
	esac
	option private-registry
	other_registries=$value heard=1 told=$words kind=${words%%"$nl"*}
	option private-registry
	if [ "$other_registries" = "${value:-/etc/rancher/k3s/registries.yaml}" ]; then other_registries=''; fi
}

# print_node_name: this node's name in the cluster, which K3s writes in lower case and may lengthen.
print_node_name() {
	ask_as_node auth whoami -o 'jsonpath={.status.userInfo.username}' | sed -n 's/^system:node:\([a-z0-9.-]*\)$/\1/p'
}

# print_running_words: the words with which the running K3s was started, those of its configuration among them, as it
# notes them on its node; one word per line, as in k3s_words.awk.
print_running_words() {
	running_name=$(print_node_name)
	if [ "$running_name" ]; then
		ask_as_node get node "$running_name" -o 'jsonpath={.metadata.annotations.k3s\.io/node-args}' |
			awk "$k3s_settings_awk"
	fi
}

# check_k3s: refuses a K3s that this program does not serve.
check_k3s() {
	require_k3s
	old=$(k3s --version | awk '/^k3s version v1\./ { split($3, part, "."); if (part[2] < 30) print $3 }')
	if [ "$old" ]; then die "found K3s $old" "it must be v1.30 or newer" "upgrade K3s"; fi
	if [ "$unread" ] && [ ! "$heard" ]; then
		die "found settings in $unread that this program cannot read for certain" "they may say where K3s' files are" \
			"write one 'key: value' per line there, or start K3s so that it can be asked"
	fi
	if [ "$other_registries" ]; then
		option private-registry
		die "found private-registry '${value:-not set}' in the running K3s and '$other_registries' in its files" \
			"the next start of K3s must read the file that this one reads" \
			"restart K3s, or correct its settings (service ${unit:-k3s}, $config_yaml)"
	fi
	if is_computed "$registries"; then
		die "found private-registry '$registries' in the settings of K3s" "the file that K3s reads must be known" \
			"write its whole path there (service ${unit:-k3s}, $config_yaml)"
	fi
	if [ "$kind" ] && [ "${role:-$kind}" != "$kind" ]; then
		die "found K3s as $kind here (service ${unit:-unknown})" "the configuration says '$role'" \
			"correct nodes.$node.role"
	fi
	option container-runtime-endpoint
	runtime=$value
	option docker
	# As YAML and Go write it.
	case $value in
	[Tt]rue | TRUE | [Tt] | 1 | [Yy] | [Yy]es | YES | [Oo]n | ON) runtime=docker ;;
	esac
	if [ "$runtime" ]; then
		die "found container runtime '$runtime' in the settings of K3s" "it must be K3s' own containerd" \
			"remove that setting (service ${unit:-k3s}, $config_yaml) or take the node out of the configuration"
	fi
}

# check_proxy: refuses a containerd that would ask a proxy for the registry. Where none runs, the proof finds it.
check_proxy() {
	find_proxy
	if [ "$proxy" ]; then refuse_proxy ''; fi
}
