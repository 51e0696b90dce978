# shellcheck shell=sh disable=SC2154,SC2329  # joined with the other parts
# The system's certificate store.

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

# found N: programs that look into the store find certificate N. By its link where there are links, which curl and openssl
# follow; without the clock, which tells nothing about the store.
found() {
	stored "$1" || return 1
	command -v openssl || return 0
	if [ "$links" ]; then set -- -no-CAfile -CApath "$links" "$work/$1"; else set -- -CAfile "$bundle" "$work/$1"; fi
	openssl verify -no_check_time -partial_chain "$@"
}

all_stored() {
	n=0
	for hash in $keep; do
		n=$((n + 1))
		found $n || return 1
	done
}

# The marker outlives a crash between a change of our files and the rebuild, which would otherwise go unnoticed.
store_changes() {
	note store
	[ "$verb" != check ] || return 1
	folder "${pending%/*}"
	: >"$pending"
}

# debian_bundle: what Debian's tool would make the bundle. The paths of its parts go to $work/parts.
debian_bundle() {
	find -L "$anchors" -type f -name '*.crt' | sort >"$work/local"
	shared=$root/usr/share/ca-certificates awk '
NR == FNR {
if ($0 == "" || /^#/) next
if (/^!/) { print >parts; next }
$0 = ENVIRON["shared"] "/" $0
}
{
print >parts
file = $0
while ((got = (getline text <file)) > 0) print text
if (got < 0) exit 1
close(file)
}' parts="$work/parts" "$root/etc/ca-certificates.conf" "$work/local"
}

# debian_sound: the store is Debian's and is what its tool would make of its parts, in bytes and in links; or else it is the
# tool that has to put it right. A link that bears another subject's hash is not noticed: that needs every certificate read.
debian_sound() {
	[ ! -e "$bundle.new" ] && [ ! -L "$bundle" ] && [ -s "$root/etc/ca-certificates.conf" ] || return 1
	for file in "$root"/etc/ca-certificates/update.d/*; do
		[ ! -e "$file" ] || return 1
	done
	for file in "$links"/*; do
		[ -e "$file" ] || return 1
	done
	# shellcheck disable=SC2012  # a find that prints where links lead is GNU's; of odd names, none is one of those looked for
	debian_bundle >"$work/bundle" && same "$work/bundle" "$bundle" && ls -l "$links/" | awk '
NR == FNR {
dropped = sub(/^!/, "")
name = $0
sub(/.*\//, "", name)
sub(/\.crt$/, "", name)
if (dropped) { unwanted[name ".pem"]; next }
gsub(/[ ,]/, "_", name)
gsub(/[()]/, "=", name)
if (name ".pem" in want) odd = 1
want[name ".pem"] = $0
parts++
next
}
{
target = ""
if (i = index($0, " -> ")) { target = substr($0, i + 4); $0 = substr($0, 1, i - 1) }
name = $NF
if (name in unwanted) odd = 1
if (name == "ca-certificates.crt") { if (!/^-rw-r--r--/) odd = 1 }
else if (name ~ /^[0-9a-f]+\.r?[0-9]+$/ && index(name, ".") == 9) {
hash = substr(name, 1, 8)
if (target == "" || name ~ /r/) odd = 1
if (substr(name, 10) + 0 > last[hash]) last[hash] = substr(name, 10) + 0
links[hash]++
hashed[target]++
}
else if (tolower(name) ~ /\.(pem|crt|cer|crl)$/) {
files[name]
if (target != "" && target == want[name]) found++
}
}
END {
if (found != parts || parts < 2) odd = 1
for (name in files) if (hashed[name] != 1) odd = 1
for (name in hashed) if (!(name in files)) odd = 1
for (hash in links) if (links[hash] != last[hash] + 1) odd = 1
exit odd + 0
}' "$work/parts" -
}

# debian_add HASH: certificate $i, and nothing else, as Debian's tool would add it, which takes a second or two for that.
debian_add() {
	pem=$prefix$1.pem
	subject=$(openssl x509 -noout -subject_hash -in "$work/$i") || return 1
	n=0
	while [ -L "$links/$subject.$n" ]; do
		# The tool gives a certificate that is there twice one link only.
		[ "$(body "$links/$subject.$n" | base64 -d | sha256sum)" != "$(body "$work/$i" | base64 -d | sha256sum)" ] || return 1
		n=$((n + 1))
	done
	# The link by hash first: where a run is killed now, it leads nowhere, which the next one notices.
	ln -s "$pem" "$links/$subject.$n" && ln -s "$anchors/$prefix$1.crt" "$links/$pem" &&
		debian_bundle >"$work/new" && put store "$bundle" && debian_sound && found "$i"
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
		by_hand=''
		[ "$verb" = check ] || [ -e "$pending" ] || [ -e "$new" ] || stored $i || ! debian_sound || by_hand=1
		store_changes || continue
		cp "$work/$i" "$work/new"
		put store "$new"
		[ ! "$by_hand" ] || ! debian_add "$hash" || rm -f "$pending"
	done
	[ -e "$pending" ] || return 0
	note store
	[ "$verb" = check ] || store_rebuild
}

store_rebuild() {
	# What a run left that was killed while it added by hand.
	rm -f "$bundle.k3s-registry"
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
