# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Looks at one node and changes nothing there but its own temporary directory. Each check is made of the functions by
# which trust and proof look, and has their words. It waits for no lock: a lock would be a change.
#
# A registry of somebody else's (foreign) has no files of ours: it is judged by what the node has for it.

# inspect CHECK FUNCTION: makes one check. A process of its own makes it, since `die` ends one.
inspect() {
	set +e
	(
		trap - EXIT
		set -e
		exec 2>"$work/trouble" 3>"$work/said"
		"$2"
	)
	code=$?
	set -e
	outcome=failed
	case $code in
	0) outcome=ok ;;
	4) outcome=skipped ;;
	*) failed="$failed $1" ;;
	esac
	sentence=''
	if [ "$outcome" = failed ]; then
		sentence=$(tail -n1 "$work/said")
		if [ -z "$sentence" ]; then
			sentence="node $node: $(tail -n1 "$work/trouble"); the check could not be made; try it by hand there"
		fi
	fi
	checks="$checks,\"$1\":{\"outcome\":\"$outcome\",\"sentence\":\"$(printf %s "$sentence" | quoted)\"}"
}

# quoted: standard input as the inside of a JSON string.
quoted() {
	tr '\t\n' '  ' | tr -d '\000-\037\177' | sed 's/["\\]/\\&/g'
}

# skip: there is nothing to look at, or it cannot be seen here.
skip() {
	exit 4
}

# skip_after CHECK...: what one of these checks has explained already is no second finding.
skip_after() {
	for check in "$@"; do
		case " $failed " in
		*" $check "*) skip ;;
		esac
	done
}

# compare FILE FUNCTION...: the FUNCTIONs would write what differs, and with this verb note it.
compare() {
	place=$1 verb=check what=''
	shift
	for write in "$@"; do "$write"; done
	if [ "$what" ] && [ ! -e "$root$place" ]; then
		die "found no $place" "every node must have it" "put it back: pulumi up -c audit=again"
	elif [ "$what" ]; then
		die "found that $place is not as the configuration has it" "every node must have the same" \
			"put it back: pulumi up -c audit=again"
	fi
}

# look_k3s: it is one that this program serves, the cluster knows it by this name, and its containerd runs.
look_k3s() {
	check_k3s
	if [ ! "$foreign" ]; then check_node_name; fi
	if ! timeout 10 k3s crictl info 2>"$work/pull"; then explain_pull; fi
}

look_ca() {
	if [ "$foreign" ]; then
		if [ ! "$named_ca" ]; then skip; fi
		if [ ! -e "$root$named_ca" ]; then
			die "found no $named_ca" "$registries names it as the CA of $endpoint" \
				"put the CA there, or correct that file and restart K3s"
		fi
		return 0
	fi
	compare "$ca_file" write_ca
	# The names by which the configuration knows this machine, which decide when the files may be removed.
	compare "${owners#"$root"}" write_this_owner
}

write_this_owner() {
	write_owners "$node$nl$others"
}

look_store() {
	if [ "$foreign" ]; then skip; fi
	if [ "$system_trust" = false ] && [ ! "$anchors" ]; then skip; fi
	check_store
	check_bundle
	compare "${bundle#"$root"}" update_store
}

look_hosts() {
	if [ "$foreign" ]; then skip; fi
	check_wsl
	verb=check
	each_hosts_file check_hosts
	compare /etc/hosts write_each_hosts
}

write_each_hosts() {
	each_hosts_file write_hosts
}

look_registries() {
	if [ "$foreign" ]; then
		grep -qsF "$endpoint" "$yaml" || skip
		return 0
	fi
	verb=check what=''
	check_rancher
	check_registries
	compare "$registries" write_registries
}

look_hosts_toml() {
	if [ "$foreign" ]; then
		grep -qsF "$endpoint" "$yaml" || skip
		if [ ! -e "$toml" ]; then
			die "found $endpoint in $registries and no ${toml#"$root"}" \
				"K3s writes it from that file at its start" "restart K3s on this node"
		fi
		return 0
	fi
	check_containerd
	check_identity
	each_hosts_toml check_hosts_toml
	each_hosts_toml compare_hosts_toml
	compare "$certs" remove_former_hosts_toml
}

compare_hosts_toml() {
	compare "${toml#"$root"}" write_hosts_toml
}

# look_clock: the time of the computer that asks is as old as this script's way here.
look_clock() {
	apart=$(($(date +%s) - second))
	if [ "$apart" -lt -60 ] || [ "$apart" -gt 120 ]; then
		die "this node's clock says $(date -u +%FT%TZ), ${apart#-} seconds from that of the computer that asks" \
			"clocks must agree" "set the clock of this node (timedatectl set-ntp true)"
	fi
}

look_name() {
	if [ ! "$foreign" ]; then
		check_name
	elif [ ! "$address" ]; then
		die "the name $hostname does not resolve" "it must lead to the registry" "add it to the DNS or to /etc/hosts"
	fi
}

# is_answered: the registry answers at $base, whatever it says: to people, it may say that they need a password.
is_answered() {
	(
		exec 3>/dev/null
		request GET /v2/ '*/*'
	) || :
	grep -q '^ *HTTP' "$work/reply"
}

# look_route: whether a connection comes about, whatever is spoken on it: only curl says so for certain.
look_route() {
	if [ ! "$client" ] || [ ! "$address" ]; then skip; fi
	if is_answered; then return 0; fi
	if [ "$client" != curl ]; then
		explain_network "$(tr '\n' ' ' <"$work/reply")"
		return 0
	fi
	case $(curl -q -sk --noproxy '*' --connect-timeout 5 -m 10 -o "$work/body" -w '%{time_connect}' "$base/v2/") in
	*[1-9]*) ;;
	*) explain_reach ;;
	esac
}

# look_tls: by the address, which the proof pushes to, and by the name, which images have.
look_tls() {
	skip_after route
	if [ ! "$client" ] || [ ! "$address" ] || grep -qs '^ *skip_verify = true' "$toml"; then skip; fi
	named=https://$hostname:$port
	if [ "$foreign" ]; then base=$named; fi
	try_tls
	case " $failed " in
	*' name '*) ;;
	*) base=$named try_tls ;;
	esac
}

try_tls() {
	if ! is_answered; then explain_reach; fi
}

# look_pull: containerd asks no proxy, and its own resolver gets an answer by its own settings: name, hosts.toml,
# certificate, permission. `ctr` reads the manifest to its output; nothing is stored. A registry that has no such image
# has answered too.
look_pull() {
	skip_after k3s name route tls
	check_proxy
	for registry in $endpoints; do
		case $registry in
		*:*) port=${registry##*:} ;;
		esac
		image=$registry/$repository${digest:-:none}
		if resolve_image; then continue; fi
		case $(tail -n1 "$work/pull") in
		*': not found') ;;
		*) explain_pull ;;
		esac
	done
}

# resolve_image: with the settings that containerd has, and not with a proxy of this login's. Leaves its complaint.
resolve_image() {
	if NO_PROXY='*' no_proxy='*' timeout 10 k3s ctr content fetch-object --hosts-dir "$root$certs" "$image" \
		2>"$work/try"; then return 0; fi
	sed '/^time=/d' "$work/try" >"$work/pull"
	return 1
}

start_session 'the node could not be looked at, and nothing was changed'
require_root
create_work
if [ "$foreign" ]; then find_foreign; fi
prepare
find_files
# The search for K3s has a use of its own for that word.
service=$registry_service
toml=$root$certs/$endpoint/hosts.toml
if [ "$foreign" ]; then find_foreign_ca; fi
checks='' failed='' version=$(k3s --version 2>/dev/null | awk 'NR == 1 { print $3 }')
inspect k3s look_k3s
inspect ca look_ca
inspect store look_store
inspect hosts look_hosts
inspect registries look_registries
inspect hostsToml look_hosts_toml
inspect clock look_clock
inspect name look_name
inspect route look_route
inspect tls look_tls
inspect pull look_pull
printf '{"version":"%s","checks":{%s}}\n' "$(printf %s "$version" | quoted)" "${checks#,}" >&4
exit 0
