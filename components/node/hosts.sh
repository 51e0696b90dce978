# shellcheck shell=sh disable=SC2154,SC2329  # joined with the other parts
# The node's hosts file, and the template that cloud-init would overwrite it from.

# hosts FILE LINE: FILE with LINE in our block, at its old place or at the end; without our block when LINE is empty.
# All other bytes stay, a missing last newline too: the block's first line remembers one that had to be added.
hosts() {
	open=
	[ -z "$(tail -c1 "$1")" ] || open=1
	awk -v b='# BEGIN k3s-registry' -v e='# END k3s-registry' -v l="$2" -v open="$open" '
function out(s) { printf "%s%s", sep, s; sep = "\n" }
function block() { if (l != "" && !done) { out(b added); out(l); out(e) } done = 1 }
index($0, b) == 1 && ($0 == b || $0 == b m) { inside = 1; added = substr($0, length(b) + 1); block(); next }
inside { if ($0 == e) { inside = 0; last = 1 } next }
{ out($0); last = 0 }
END {
if (inside) exit 1
if (last && l == "") open = added != ""
if (!done && l != "") { added = open ? m : ""; block(); open = 0 }
if (sep && !open) print "" }' m=', newline added' "$1"
}

each_hosts_file() {
	template=''
	if grep -qsiE '^[[:space:]]*manage_etc_hosts:[[:space:]]*.?(true|template)' "$root/etc/cloud/cloud.cfg" \
		"$root"/etc/cloud/cloud.cfg.d/*.cfg "$root/var/lib/cloud/instance/cloud-config.txt"; then
		# shellcheck disable=SC1091  # the node's own
		for os in $(. "$root/etc/os-release" && echo "$ID ${ID_LIKE:-}"); do
			case $os in
			rhel | centos | fedora) os=redhat ;;
			esac
			template=$root/etc/cloud/templates/hosts.$os.tmpl
			[ ! -e "$template" ] || break
		done
	fi
	for host_file in "$root/etc/hosts" "$root"/etc/cloud/templates/hosts.*.tmpl; do
		[ -e "$host_file" ] || continue
		entry=''
		case $host_file in
		"$template" | */etc/hosts) [ "$verb" = remove ] || entry="$address $names" ;;
		esac
		"$1"
	done
}

hosts_with() {
	hosts "$host_file" "$1" >"$work/new" ||
		die "found '# BEGIN k3s-registry' without END in $host_file; a block needs both; remove what is left of it"
}

hosts_sound() {
	hosts_with ''
	[ "$entry" ] || return 0
	clash=$(awk -v a="$address" -v names=" $names " '{ sub(/\r$/, ""); sub(/#.*/, "")
for (i = 2; i <= NF; i++) if ($1 != a && index(names, " " $i " ")) { print; exit } }' "$work/new")
	[ ! "$clash" ] || die "found '$clash' in $host_file; these names must lead to $address; remove that line or correct the config"
}

hosts_put() {
	hosts_with "$entry"
	put hosts "$host_file"
}
