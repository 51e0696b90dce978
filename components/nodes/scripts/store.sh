# shellcheck shell=sh disable=SC2154,SC2329  # joined with the other parts
# The system's certificate store, kept by the system's own tool.

# find_store: Sets anchors (where certificates are added, empty without a store), bundle (what programs read), links (a
# directory with a link per certificate, where the system has one), rebuild (the tool), prefix (of our files' names) and
# pending (there while the tool has to run). guide is the certificate that the guide adds there,
# guide_kept where it is while it is set aside: elsewhere, since some stores contain every file of their directory.
find_store() {
	prefix=k3s-registry- wanted='' anchors='' links='' pending=$ca.store-pending
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
	guide=$anchors/registry.crt guide_kept=${ca%/*}/k3s-registry-guide.crt
}

# check_store: refuses a system without a store where one is asked for.
check_store() {
	if [ "$system_trust" = true ] && [ ! "$anchors" ]; then
		die "found no system certificate store of Debian, RHEL, SUSE or Alpine" "systemTrust needs one" \
			"install ca-certificates or set systemTrust: false"
	fi
}

# check_bundle: refuses a trust bundle that does not hold exactly the announced certificates. Leaves each in $work,
# named by its fingerprint's first eight digits. Sets wanted: the names of those that belong into the store.
check_bundle() {
	number=0
	for fingerprint in $fingerprints; do
		number=$((number + 1))
		name=${fingerprint%"${fingerprint#????????}"}
		printf %s "$authorities" | awk -v wanted="$number" "$certificate_awk" >"$work/$name"
		if ! is_certificate "$work/$name" "$fingerprint"; then
			die "found certificate $number of the bundle damaged" "its SHA-256 must be $fingerprint" \
				"run pulumi up again"
		fi
		if [ "$system_trust" = true ]; then wanted="$wanted $name"; fi
	done
	[ "$(printf %s "$authorities" | grep -c '^-----')" = $((2 * number)) ] ||
		die "found other certificates in the bundle than the $number announced" "both must agree" "run pulumi up again"
}

# is_certificate FILE FINGERPRINT
is_certificate() {
	found=$(encoded "$1" | base64 -d | sha256sum)
	[ "${found%% *}" = "$2" ] && { ! command -v openssl || openssl x509 -noout -in "$1"; }
}

# encoded FILE: the base64 lines of a certificate.
encoded() {
	sed '/^-----/d' "$1"
}

# in_bundle NAME
in_bundle() {
	awk -v wanted="$(encoded "$work/$1" | tr -d '\n')" "$in_bundle_awk" "$bundle"
}

# is_added NAME: the certificate is in the store, with its link where there are links.
is_added() {
	same_content "$work/$1" "$anchors/$prefix$1.crt" && in_bundle "$1" &&
		{ [ ! "$links" ] || [ -e "$links/$prefix$1.pem" ] || [ -e "$links/ca-cert-$prefix$1.pem" ]; }
}

# is_found NAME: programs that look into the store find the certificate: by its link where there are links, which curl
# and openssl follow. Without the clock, which has no bearing on the store.
is_found() {
	in_bundle "$1" || return 1
	command -v openssl || return 0
	if [ "$links" ]; then set -- -no-CAfile -CApath "$links" "$work/$1"; else set -- -CAfile "$bundle" "$work/$1"; fi
	openssl verify -no_check_time -partial_chain "$@"
}

all_found() {
	for name in $wanted; do
		is_found "$name" || return 1
	done
}

# update_store: adds the wanted certificates, removes our other ones, and has the tool run where that is needed.
update_store() {
	if [ ! "$anchors" ]; then return 0; fi
	killed=''
	if [ -e "$pending" ]; then killed=1; fi
	# A killed trial may have left it.
	if [ "$verb" != check ]; then rm -f "$bundle.k3s-registry"; fi
	case ${take_over:-}$verb in
	*remove) restore_guide ;;
	true*) take_over_guide ;;
	esac
	remove_unwanted
	add_wanted
	if [ ! -e "$pending" ]; then return 0; fi
	note store
	if [ "$verb" != check ]; then rebuild_store; fi
}

# take_over_guide: the guide's certificate, which is the registry's own, leaves the store; its private key, which the
# guide copies to every node, is removed.
take_over_guide() {
	if [ -e "$guide" ] && names_registry "$guide"; then
		mark_pending
		if [ "$verb" != check ]; then move_file "$guide" "$guide_kept"; fi
	fi
	if [ -e "$guide_kept" ] && [ -e "${guide%crt}key" ]; then
		note store
		if [ "$verb" != check ]; then rm -f "${guide%crt}key"; fi
	fi
}

# names_registry CERTIFICATE: some grep stops at the first byte that is no text.
names_registry() {
	encoded "$1" | base64 -d 2>/dev/null | tr -cd 'A-Za-z0-9.-' | grep -qF "$hostname"
}

restore_guide() {
	if [ ! -e "$guide_kept" ]; then return 0; fi
	mark_pending
	if [ -e "$guide" ]; then rm -f "$guide_kept"; else move_file "$guide_kept" "$guide"; fi
}

# move_file FILE TO: wholly, also to another file system.
move_file() {
	cp -p "$1" "$2.k3s-registry"
	mv -f "$2.k3s-registry" "$2"
	rm -f "$1"
}

remove_unwanted() {
	for old in "$anchors/$prefix"????????.crt* "$links/$prefix"????????.pem "$links/ca-cert-$prefix"????????.pem; do
		name=${old#*"$prefix"}
		case " $wanted " in
		*" ${name%%.*} "*) continue ;;
		esac
		if [ ! -e "$old" ] && [ ! -L "$old" ]; then continue; fi
		mark_pending
		if [ "$verb" != check ]; then rm -f "$old"; fi
	done
}

add_wanted() {
	for name in $wanted; do
		if is_added "$name"; then continue; fi
		mark_pending
		cp "$work/$name" "$work/new"
		write_file store "$anchors/$prefix$name.crt"
	done
}

# mark_pending: the marker outlives a crash between a change of our files and the tool, which would otherwise go
# unnoticed.
mark_pending() {
	note store
	if [ "$verb" = check ]; then
		try_file "$bundle" "$bundle"
		return 0
	fi
	create_directory "${pending%/*}"
	: >"$pending"
}

rebuild_store() {
	if [ "$links" ]; then clear_links; fi
	attempts=0
	until run_tool && all_found; do
		attempts=$((attempts + 1))
		if [ "$attempts" -ge 3 ]; then
			die "found no CA of ours in $bundle after $rebuild ($(tail -n1 "$work/err"))" "it must be there" \
				"run that by hand or set systemTrust: false"
		fi
	done
	rm -f "$pending"
}

# clear_links: Debian's tool leaves dangling links behind, and a gap in the numbers of the links for one subject hides
# the later ones. It creates no links by hash when it finds all others, as after a run that was killed before them.
clear_links() {
	rehash=$killed
	for link in "$links"/*; do
		if [ ! -L "$link" ] || [ -e "$link" ]; then continue; fi
		case $(readlink "$link") in
		*"$prefix"????????.pem | *"$prefix"????????.crt | "$guide" | registry.pem)
			rm -f "$link"
			rehash=1
			;;
		esac
	done
	if [ "$rehash" ]; then openssl rehash "$links" 2>/dev/null || :; fi
}

# run_tool: Debian's tool appends to one fixed temporary file. It spoils the bundle when it finds one, whether from a
# run that is going on (a package upgrade's) or from one that was killed.
run_tool() {
	waited=0
	while [ -e "$bundle.new" ] && [ "$waited" -lt 5 ]; do
		sleep 1
		waited=$((waited + 1))
	done
	rm -f "$bundle.new"
	$rebuild
}
