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
