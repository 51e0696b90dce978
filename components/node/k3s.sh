# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Where K3s lives on this node and what it was told: found, not assumed.

# k3s_words FILE...: server or agent; then of a service's files (systemd's or OpenRC's, and its environment) what may matter
# of the environment, and the command line: a word a line, `--flag=value` as two, one dash as two.
k3s_words() {
	cat "$@" 2>/dev/null | awk '
function split_words(s,    i, c, quote, w, some) {
n = 0
for (i = 1; i <= length(s) + 1; i++) {
c = substr(s, i, 1)
if (c == "\\" && quote != "\047") w = w substr(s, ++i, 1)
else if (quote) { if (c == quote) quote = ""; else w = w c }
else if (c ~ /["\047]/) { quote = c; some = 1 }
else if (c ~ /[^ \t]/) w = w c
else { if (some || w != "") word[++n] = w; w = some = "" }
}
}

# systemd lets comments stand between continued lines.
/^[ \t]*[#;]/ { next }
{ line = line $0 }
/\\$/ { sub(/\\$/, " ", line); next }
{
sub(/^[ \t]*(export )?/, "", line)
key = value = line
line = ""
sub(/[ \t]*=.*/, "", key)
sub(/^[^=]*=[ \t]*/, "", value)
if (key == "ExecStart" || key == "command_args") {
sub(/^[-@:+!|]+/, "", value)
split_words(value)
# OpenRC: the shell takes off one layer of quotes.
if (key != "ExecStart") split_words(word[1])
for (count = i = 0; i < n; command[++count] = word[++i]);
}
else if (key ~ /^(Environment|K3S_(DATA_DIR|CONFIG_FILE|NODE_NAME))$/) {
split_words(key ~ /^K3S/ ? key "=" value : value)
for (i = 1; i <= n; i++) if (word[i] ~ /^K3S_(DATA_DIR|CONFIG_FILE|NODE_NAME)=/) environment = environment word[i] "\n"
}
}

END {
for (i = 1; i <= count && command[i] !~ /^(server|agent)$/; i++);
print command[i]
printf "%s", environment
for (i = 1; i <= count && command[i] !~ /^[12]?>/; i++) {
if (sub(/^--?/, "--", command[i])) sub(/=/, "\n", command[i])
print command[i]
}
}'
}

# option FLAG [SHORT [VARIABLE]]: what K3s was told, in $value: by its command line, else its configuration, else its
# environment.
option() {
	value='' take='' fallback=''
	set -f
	IFS=$nl
	for word in $told; do
		case $word in
		"--$1" | "--${2:-$1}") take=1 value=true ;;
		--*) take='' ;;
		"${3:-}="*) fallback=${word#*=} ;;
		*) [ ! "$take" ] || value=$word take='' ;;
		esac
	done
	set +f
	unset IFS
	[ "$value" ] || case $configuration in
	*"$1"*) value=$(printf '%s\n' "$configuration" |
		sed -n "s/^[\"']*$1[\"']*:[[:space:]]*[\"']*\([^\"'#]*[^\"'#[:space:]]\).*/\1/p" | tail -n1) ;;
	esac
	value=${value:-$fallback}
}

# read_config_path: the folder in which the running containerd looks for hosts.toml files; empty when it was told none.
read_config_path() {
	config_path=$(sed -n '/^[[:space:]]*\[/p;/^[[:space:]]*config_path/p' "$root$config_toml" "$root${config_toml%.toml}"*.toml.d/*.toml 2>/dev/null | awk '
/^[ \t]*\[/ { other = !/registry/; next }
!other && match($0, /=[ \t]*["\047]/) { s = substr($0, RSTART + RLENGTH); sub(/["\047:].*/, "", s); if (s != "") path = s }
END { print path }')
}

find_k3s() {
	unit='' kind='' told='' configuration=''
	for file in "$root"/etc/systemd/system/k3s*.service "$root"/etc/init.d/k3s*; do
		[ -f "$file" ] || continue
		name=${file##*/}
		name=${name%.service}
		words=$(k3s_words "$file" "$file".d/*.conf "$root/etc/default/$name" "$root/etc/sysconfig/$name" "$file.env" "$root/etc/rancher/k3s/$name.env")
		case ${words%%"$nl"*}$name in
		server*) is=server ;;
		agent*) is=agent ;;
		k3s) is=server ;;
		k3s-agent) is=agent ;;
		*) continue ;;
		esac
		# An earlier installation may have left its unit behind.
		[ ! "$unit" ] || systemctl is-active --quiet "$name" || rc-service "$name" status || continue
		unit=$name kind=$is told=$words
	done
	option config c K3S_CONFIG_FILE
	config_yaml=${value:-/etc/rancher/k3s/config.yaml}
	configuration=$(cat "$root$config_yaml" "$root$config_yaml".d/*.y*ml 2>/dev/null) || :
	option data-dir d K3S_DATA_DIR
	data=${value:-/var/lib/rancher/k3s}
	config_toml=$data/agent/etc/containerd/config.toml
	read_config_path
	certs=${config_path:-$data/agent/etc/containerd/certs.d}
}
