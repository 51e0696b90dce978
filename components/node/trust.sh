#!/bin/sh
# What makes one node trust the registry: `apply` brings it about, `remove` gives the node its former files back, `check`
# changes nothing and tells what drifted. The settings come as variables before this text on stdin; the answer is one line
# of JSON on stdout, a failure one sentence on stderr with exit 1, drift exit 3.
#
# The order of writing is CA, system store, hosts, registries.yaml, hosts.toml (backwards when removing), so that no file
# ever names a CA that is not there yet. Each file is replaced by rename: a crash leaves it wholly old or wholly new.
#
# Lines that are nothing but a comment, and leading blanks, are stripped before the text travels: no here-documents.
# shellcheck disable=SC2154,SC2329  # the settings are assigned by the text before this one; some functions are called by name
set -eu
umask 022
export LC_ALL=C
verb=${1:-} root=${K3S_REGISTRY_ROOT:-}
# sudo's secure_path often lacks the folders that K3s and the store tools live in.
PATH=$PATH:$root/usr/local/bin:$root/opt/bin:$root/usr/sbin:$root/sbin
what='' said='' work='' held='' nl='
'
# Children must not eat what is left of stdin, which is this script; their chatter must not spoil the two streams.
exec 3>&2 4>&1 </dev/null >/dev/null

die() {
	printf 'node %s: %s\n' "$node" "$1" >&3
	said=1
	exit 1
}

finish() {
	code=$?
	if [ "$code" != 0 ] && [ "$code" != 3 ] && [ ! "$said" ]; then
		said=$(tail -n1 "$work/err")
		printf 'node %s: %s; each file is wholly old or new; mend this and run pulumi up again\n' "$node" "${said:-a command failed}" >&3
	fi
	[ ! "$held" ] || rm -f "$held"
	[ ! "$work" ] || rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' HUP INT TERM

case $verb in
apply | check | remove) ;;
*) die "found the verb '$verb'; apply, check and remove exist; use one of them" ;;
esac
[ "$(id -u)" = 0 ] || die "found user $(id -un) instead of root; files under /etc need root; log in as root or let sudo -n run sh"
work=$(mktemp -d) || die "found no room for a temporary file; some is needed; free space in ${TMPDIR:-/tmp}"
exec 2>"$work/err"

# A symbolic link is made and carries its owner in one step, so there is no moment at which a lock has no owner. A dead
# owner's lock is taken away under a second lock: otherwise two waiters could each take away the other's new one.
lock=$root/run/k3s-registry.lock n=0
until ln -sn $$ "$lock"; do
	n=$((n + 1)) pid=$(readlink "$lock") || pid=''
	if [ "$pid" ] && ! kill -0 "$pid" && ln -sn $$ "$lock.break"; then
		[ "$(readlink "$lock")" != "$pid" ] || rm -f "$lock"
		rm -f "$lock.break"
		continue
	fi
	[ $n -lt "${lock_seconds:-120}" ] || die "found $lock held by process $pid for $n seconds; one run at a time may change a node; let it end or remove that file"
	sleep 1
done
held=$lock

note() {
	case $what in
	*"\"$1\""*) ;;
	*) what="$what,\"$1\"" ;;
	esac
}

# Folders that this script made carry a marker, so that only those are removed again.
folder() {
	[ -d "$1" ] || {
		folder "${1%/*}"
		case $1 in
		*/certs.d*) mkdir -m 700 "$1" ;;
		*) mkdir "$1" ;;
		esac
		: >"$1/.k3s-registry"
	}
}

unfolder() {
	[ ! -e "$1/.k3s-registry" ] || {
		rm -f "$1/.k3s-registry"
		if rmdir "$1"; then unfolder "${1%/*}"; else : >"$1/.k3s-registry"; fi
	}
}

durable() {
	sync "$1" || sync
}

same() {
	[ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]
}

# put PART FILE: make FILE what $work/new is.
put() {
	file=$2
	[ ! -L "$file" ] || file=$(readlink -f "$file")
	beside=$file.k3s-registry
	# What a killed run left.
	[ "$verb" = check ] || rm -f "$beside"
	! same "$work/new" "$file" || return 0
	note "$1"
	[ "$verb" != check ] || return 0
	folder "${file%/*}"
	# The copy is for owner and mode.
	[ ! -e "$file" ] || cp -p "$file" "$beside"
	cat "$work/new" >"$beside"
	durable "$beside"
	# A file that is itself a mount (containers do that to /etc/hosts) cannot be renamed over, only rewritten.
	if grep -qsF " $file " /proc/self/mountinfo; then
		cat "$beside" >"$file"
		rm -f "$beside"
	else
		mv -f "$beside" "$file"
	fi
	durable "${file%/*}"
	restorecon "$file" || :
}

# ours FILE WANTED: FILE begins with the line that WANTED begins with.
ours() {
	line=''
	IFS= read -r line <"$1" || :
	[ "$line" = "${2%%"$nl"*}" ]
}

# gone PART FILE WANTED: remove FILE if it is ours, and what a killed run left.
gone() {
	rm -f "$2.k3s-registry"
	[ -e "$2" ] && ours "$2" "$3" || return 0
	note "$1"
	rm -f "$2"
}

# conf KEY: a scalar of K3s' own configuration, where the last file wins.
conf() {
	cat "$root/etc/rancher/k3s/config.yaml" "$root"/etc/rancher/k3s/config.yaml.d/*.yaml |
		sed -n "s/^[\"']*$1[\"']*:[[:space:]]*[\"']*\([^\"'#]*[^\"'#[:space:]]\).*/\1/p" | tail -n1
}

ca=$root$ca_file
yaml=$root/etc/rancher/k3s/registries.yaml
data=$(conf data-dir)
data=${data:-/var/lib/rancher/k3s}
certs=$data/agent/etc/containerd/certs.d
toml=$root$certs/$registry/hosts.toml
# What is ours is not told apart by the registry's name: a stack that changes it must find what it left under the old one.
former=''
[ ! -e "$yaml" ] || ! ours "$yaml" "$registries_yaml" || former=$(sed -n '/^configs:/,$s/^  "\(.*\)":$/\1/p' "$yaml")

# The names of our certificates in the system store.
prefix=k3s-registry-
keep='' anchors='' links='' pending=$ca.store-pending
if [ -d "$root/etc/pki/ca-trust/source/anchors" ]; then
	anchors=$root/etc/pki/ca-trust/source/anchors
	bundle=$root/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
	rebuild='update-ca-trust extract'
elif [ -d "$root/etc/pki/trust/anchors" ]; then
	anchors=$root/etc/pki/trust/anchors
	bundle=$root/var/lib/ca-certificates/ca-bundle.pem
	rebuild=update-ca-certificates
elif [ -d "$root/usr/local/share/ca-certificates" ]; then
	anchors=$root/usr/local/share/ca-certificates
	links=$root/etc/ssl/certs
	bundle=$links/ca-certificates.crt
	rebuild=update-ca-certificates
fi

body() {
	sed '/^-----/d' "$1"
}

# certificates: one file for each, and each is the one that was announced.
certificates() {
	n=0
	for print in $fingerprints; do
		n=$((n + 1))
		printf %s "$authorities" | awk -v n=$n '/^-----BEGIN CERTIFICATE-----$/ { i++ } i == n
/^-----END CERTIFICATE-----$/ && i == n { exit }' >"$work/$n"
		got=$(body "$work/$n" | base64 -d | sha256sum)
		if [ "${got%% *}" != "$print" ] || { command -v openssl && ! openssl x509 -noout -in "$work/$n"; }; then
			die "found certificate $n of the bundle damaged; its SHA-256 must be $print; run pulumi up again"
		fi
		[ "$system_trust" != true ] || keep="$keep ${print%"${print#????????}"}"
	done
	[ "$(printf %s "$authorities" | grep -c '^-----')" = $((2 * n)) ] ||
		die "found other certificates in the bundle than the $n announced; both must agree; run pulumi up again"
}

# stored N: the store's bundle holds certificate N, however its lines are broken.
stored() {
	awk -v w="$(body "$work/$1" | tr -d '\n')" '/^-----BEGIN/ { b = ""; next }
/^-----END/ && b == w { f = 1 }
{ b = b $0 }
END { exit !f }' "$bundle"
}

all_stored() {
	n=0
	for hash in $keep; do
		n=$((n + 1))
		stored $n || return 1
	done
}

# The marker outlives a crash between a change of our files and the rebuild, which would otherwise go unnoticed.
store_changes() {
	note store
	[ "$verb" != check ] || return 1
	folder "${pending%/*}"
	: >"$pending"
}

store() {
	[ "$anchors" ] || return 0
	for old in "$anchors/$prefix"????????.crt* "$links/$prefix"????????.pem "$links/ca-cert-$prefix"????????.pem; do
		hash=${old#*"$prefix"}
		case " $keep " in
		*" ${hash%%.*} "*) continue ;;
		esac
		if [ -e "$old" ] || [ -L "$old" ]; then
			! store_changes || rm -f "$old"
		fi
	done
	i=0
	for hash in $keep; do
		i=$((i + 1))
		new=$anchors/$prefix$hash.crt
		if same "$work/$i" "$new" && stored $i &&
			{ [ ! "$links" ] || [ -e "$links/$prefix$hash.pem" ] || [ -e "$links/ca-cert-$prefix$hash.pem" ]; }; then
			continue
		fi
		store_changes || continue
		cp "$work/$i" "$work/new"
		put store "$new"
	done
	[ -e "$pending" ] || return 0
	note store
	[ "$verb" != check ] || return 0
	# Debian's tool leaves dangling links behind, and a gap in the numbers of links for one subject hides the later ones.
	if [ "$links" ]; then
		rehash=''
		for link in "$links"/*; do
			[ ! -L "$link" ] || [ -e "$link" ] || case $(readlink "$link") in
			*"$prefix"????????.pem | *"$prefix"????????.crt)
				rm -f "$link"
				rehash=1
				;;
			esac
		done
		[ ! "$rehash" ] || openssl rehash "$links" || :
	fi
	tries=0
	# Debian's tool appends to one fixed temporary file: it spoils the bundle when it finds one, whether from a run that
	# is going on (a package upgrade's) or from one that was killed.
	until
		n=0
		while [ -e "$bundle.new" ] && [ $n -lt 5 ]; do
			sleep 1
			n=$((n + 1))
		done
		rm -f "$bundle.new"
		$rebuild && all_stored
	do
		tries=$((tries + 1))
		[ $tries -lt 3 ] || die "found no CA of ours in $bundle after $rebuild ($(tail -n1 "$work/err")); it must be there; run that by hand or set systemTrust: false"
	done
	rm -f "$pending"
}

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

# Nothing is touched on a node on which this would not end well.
preflight() {
	command -v k3s || die "found no k3s command; the node must run K3s; install it or take the node out of the config"
	old=$(k3s --version | awk '/^k3s version v1\./ { split($3, v, "."); if (v[2] < 30) print $3 }')
	[ ! "$old" ] || die "found K3s $old; it must be v1.30 or newer; upgrade K3s"
	other=$(conf container-runtime-endpoint)
	[ "$(conf docker)" != true ] || other=docker
	[ ! "$other" ] || die "found container runtime '$other' in /etc/rancher/k3s/config.yaml; it must be K3s' own containerd; remove that setting or take the node out of the config"
	config=$data/agent/etc/containerd/config.toml
	[ -e "$root$config" ] || die "found no $config; K3s writes it when it starts; start K3s, or name its data-dir in /etc/rancher/k3s/config.yaml"
	grep -q "^[[:space:]]*config_path *= *[\"']${certs}[\"']" "$root$config" || die "found no config_path = \"$certs\" in $config; containerd must read certs.d; remove the template beside it or add that line to it, and restart K3s"
	[ ! -e "$yaml" ] || ours "$yaml" "$registries_yaml" ||
		die "found $(awk '!/^[[:space:]]*(#|$)/ { sub(/:.*/, ":"); print "line " NR " \"" $0 "\""; f = 1; exit } END { if (!f) print "nothing but comments" }' "$yaml") in /etc/rancher/k3s/registries.yaml, which is not ours; settings of others stay; move that file away and run pulumi up again"
	[ ! -e "$toml" ] || ours "$toml" "$hosts_toml" ||
		die "found \"$line\" in $certs/$registry/hosts.toml, which is not ours; settings of others stay; move that file away and run pulumi up again"
	each_hosts_file hosts_sound
	[ "$system_trust" != true ] || [ "$anchors" ] || die "found no system certificate store of Debian, RHEL, SUSE or Alpine; systemTrust needs one; install ca-certificates or set systemTrust: false"
}

[ "$verb" = remove ] || certificates
[ "$verb" != apply ] || preflight

# pulls_not REGISTRY: containerd has no settings of ours for it any more.
pulls_not() {
	[ "$verb" != check ] || {
		note hosts.toml
		return 0
	}
	gone hosts.toml "$root$certs/$1/hosts.toml" "$hosts_toml"
	rm -f "$root$certs/$1/.k3s-registry"
	rmdir "$root$certs/$1" || :
}

case $former in
'' | "$registry" | */*) ;;
*) pulls_not "$former" ;;
esac
if [ "$verb" = remove ]; then
	pulls_not "$registry"
	unfolder "$root$certs"
	gone registries "$yaml" "$registries_yaml"
	each_hosts_file hosts_put
	store
	gone ca "$ca" "$(cat "$ca")"
	unfolder "${ca%/*}"
else
	printf %s "$authorities" >"$work/new"
	put ca "$ca"
	store
	each_hosts_file hosts_put
	printf %s "$registries_yaml" >"$work/new"
	put registries "$yaml"
	printf %s "$hosts_toml" >"$work/new"
	put hosts.toml "$toml"
fi

if [ "$verb" = check ]; then
	printf '{"drift":[%s]}\n' "${what#,}" >&4
	[ ! "$what" ] || exit 3
	exit 0
fi
changed=false revision=''
[ ! "$what" ] || changed=true
[ "$verb" != apply ] || revision=$(printf '%s\n' "$authorities" "$names" "$address" "$registries_yaml" "$hosts_toml" | sha256sum)
[ ! "$revision" ] || revision=",\"revision\":\"${revision%% *}\""
printf '{"changed":%s,"what":[%s]%s}\n' $changed "${what#,}" "$revision" >&4
exit 0
