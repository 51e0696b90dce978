# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Where K3s is on this node and how it is configured: found, not assumed.

# find_k3s: Sets unit, kind, told, config_yaml, configuration, data, config_toml, config_path and certs.
find_k3s() {
	configuration=''
	find_service
	option config c K3S_CONFIG_FILE
	config_yaml=${value:-/etc/rancher/k3s/config.yaml}
	configuration=$(cat "$root$config_yaml" "$root$config_yaml".d/*.y*ml 2>/dev/null) || :
	find_running_data
	option data-dir d K3S_DATA_DIR
	data=${running_data:-${value:-/var/lib/rancher/k3s}}
	config_toml=$data/agent/etc/containerd/config.toml
	read_config_path
	certs=${config_path:-$data/agent/etc/containerd/certs.d}
}

# find_service: the service that runs K3s.
# Sets unit (its name, empty without one), kind (server or agent) and told (its words, by k3s_words.awk).
find_service() {
	unit='' kind='' told=''
	for file in "$root"/etc/systemd/system/k3s*.service "$root"/etc/init.d/k3s*; do
		if [ ! -f "$file" ]; then continue; fi
		name=${file##*/}
		name=${name%.service}
		words=$(cat "$file" "$file".d/*.conf "$root/etc/default/$name" "$root/etc/sysconfig/$name" "$file.env" \
			"$root/etc/rancher/k3s/$name.env" 2>/dev/null | awk "$k3s_words_awk")
		case ${words%%"$nl"*}$name in
		server* | k3s) kind_here=server ;;
		agent* | k3s-agent) kind_here=agent ;;
		*) continue ;;
		esac
		# An earlier installation may have left its unit behind.
		if [ "$unit" ] && ! systemctl is-active --quiet "$name" && ! rc-service "$name" status; then continue; fi
		unit=$name kind=$kind_here told=$words
	done
}

# option FLAG [SHORT [VARIABLE]]: what K3s was given, by its command line, else its configuration, else its environment.
# Sets value.
option() {
	value='' take='' fallback=''
	set -f
	IFS=$nl
	for word in $told; do
		case $word in
		"--$1" | "--${2:-$1}") take=1 value=true ;;
		--*) take='' ;;
		"${3:-}="*) fallback=${word#*=} ;;
		*) if [ "$take" ]; then value=$word take=''; fi ;;
		esac
	done
	set +f
	unset IFS
	if [ ! "$value" ]; then
		value=$(printf '%s\n' "$configuration" |
			sed -n "s/^[\"']*$1[\"']*:[[:space:]]*[\"']*\([^\"'#]*[^\"'#[:space:]]\).*/\1/p" | tail -n1)
	fi
	value=${value:-$fallback}
}

# read_config_path: the directory in which the running containerd looks for hosts.toml files. Sets config_path, empty
# where containerd was given none.
read_config_path() {
	config_path=$(cat "$root$config_toml" "$root${config_toml%.toml}"*.toml.d/*.toml 2>/dev/null |
		awk "$config_path_awk")
}

# check_k3s: refuses a K3s that this program does not serve.
check_k3s() {
	require_k3s
	old=$(k3s --version | awk '/^k3s version v1\./ { split($3, part, "."); if (part[2] < 30) print $3 }')
	if [ "$old" ]; then die "found K3s $old" "it must be v1.30 or newer" "upgrade K3s"; fi
	if [ "$unit" ] && [ "${role:-$kind}" != "$kind" ]; then
		die "found K3s as $kind here (service $unit)" "the configuration says '$role'" "correct nodes.$node.role"
	fi
	option container-runtime-endpoint
	runtime=$value
	option docker
	if [ "$value" = true ]; then runtime=docker; fi
	if [ "$runtime" ]; then
		die "found container runtime '$runtime' in the settings of K3s" "it must be K3s' own containerd" \
			"remove that setting (service ${unit:-k3s}, $config_yaml) or take the node out of the configuration"
	fi
}
