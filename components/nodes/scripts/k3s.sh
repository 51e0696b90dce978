# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Where K3s is on this node and how it is configured: found, not assumed. The K3s that runs is asked first; its service
# and its configuration are read for what it does not say, or where none runs.

# find_k3s: Sets unit, kind, told, config_yaml, unread, running_data, data, config_toml, config_path and certs.
find_k3s() {
	find_service
	read_configuration
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
	# In systemd's order: the first one counts.
	unit_directories='/etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system
		/lib/systemd/system'
	for service in $(list_services | sort -u); do
		name=${service%.service} shell=''
		if [ "$name" = "$service" ]; then shell=1; fi
		words=$(print_service | awk -v root="$root" -v name="$name" -v shell="$shell" "$k3s_words_awk")
		case ${words%%"$nl"*}$name in
		server* | k3s) kind_here=server ;;
		agent* | k3s-agent) kind_here=agent ;;
		*) continue ;;
		esac
		# An earlier installation may have left its unit behind.
		if [ "$unit" ] && ! is_active "$name"; then continue; fi
		unit=$name kind=$kind_here told=$words
	done
}

# is_active SERVICE: it runs, as far as systemd or OpenRC can say.
is_active() {
	systemctl is-active --quiet "$1" 2>/dev/null || rc-service "$1" status 2>/dev/null
}

# list_services: systemd's with their suffix, OpenRC's without.
list_services() {
	systemctl list-unit-files --no-legend --no-pager '*k3s*.service' 2>/dev/null |
		sed -n 's/^\([^ ]*k3s[^ ]*\.service\) .*/\1/p'
	for directory in $unit_directories; do
		for file in "$root$directory"/*k3s*.service; do
			if [ -f "$file" ]; then echo "${file##*/}"; fi
		done
	done
	for file in "$root"/etc/init.d/*k3s*; do
		if [ -f "$file" ]; then echo "${file##*/}"; fi
	done
}

# print_service: all files of $service, later ones over earlier ones.
print_service() {
	if [ "$shell" ]; then
		print_file "$root/etc/environment"
		print_file "$root/etc/conf.d/$name"
		print_file "$root/etc/init.d/$name"
		print_file "$root/etc/rancher/k3s/$name.env"
		return 0
	fi
	# systemd itself knows every directory; it may not be what runs here.
	if systemctl cat --no-pager "$service" 2>/dev/null | grep .; then return 0; fi
	for directory in $unit_directories; do
		if [ ! -e "$root$directory/$service" ]; then continue; fi
		print_file "$root$directory/$service"
		break
	done
	for directory in $unit_directories; do
		for file in "$root$directory/$service".d/*.conf; do echo "${file##*/} $file"; done
	done | sort -s -k1,1 | awk '!seen[$1]++ { sub(/^[^ ]* /, ""); print }' | while IFS= read -r file; do
		print_file "$file"
	done
}

# print_file FILE: with an end to its last line.
print_file() {
	if [ -f "$1" ]; then awk 1 "$1"; fi
}

# read_configuration: puts the words of K3s's configuration before those of its command line, as K3s does.
# Sets config_yaml, told and unread (a file of which this program does not understand each line, or cannot know where).
read_configuration() {
	option config c K3S_CONFIG_FILE
	config_yaml=${fallback:-${value:-/etc/rancher/k3s/config.yaml}} configured='' unread=''
	if is_computed "$config_yaml"; then unread=$config_yaml; fi
	for file in "$root$config_yaml" "$root$config_yaml".d/.[!.]* "$root$config_yaml".d/*; do
		case $file in
		"$root$config_yaml" | *.[Yy][Aa][Mm][Ll] | *.[Yy][Mm][Ll]) ;;
		*) continue ;;
		esac
		if [ ! -f "$file" ]; then continue; fi
		words=$(awk "$k3s_settings_awk" "$file")
		case $nl$words$nl in
		*"$nl?$nl"*) unread=${file#"$root"} ;;
		esac
		configured=$configured$words$nl
	done
	told=$configured$told
}

# is_computed PATH: it is not the path of a file as it stands.
is_computed() {
	case $1 in
	*[\$\`%]* | [!/]*) ;;
	*) return 1 ;;
	esac
}

# option FLAG [SHORT [VARIABLE]]: what K3s was given last, by its configuration and its command line, else by its
# environment. Sets value, and fallback to what the environment says.
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
	value=${value:-$fallback}
}

# read_config_path: the directory in which the running containerd looks for hosts.toml files. Sets config_path, empty
# where containerd was given none.
read_config_path() {
	config_path=$(cat "$root$config_toml" "$root${config_toml%.toml}"*.toml.d/*.toml 2>/dev/null |
		awk "$config_path_awk")
}
