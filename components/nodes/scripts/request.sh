# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# A request to the registry as this node, and what must be known before the first one.

# prepare: Sets base (the registry by its address), client (curl, wget or empty), deadline, and what the other
# functions set, as it is before the first request.
prepare() {
	case $address in
	*:*) base=https://[$address]:$port ;;
	*) base=https://$address:$port ;;
	esac
	status=000 problem='' pushed=false cluster=''
	printf %s "$authorities" >"$work/ca"
	: >"$work/reply"
	: >"$work/pull"
	find_data
	# Otherwise crictl looks below the default data-dir, and unpacks K3s's programs there.
	export CRI_CONFIG_FILE="$root$data/agent/etc/crictl.yaml" K3S_DATA_DIR="$root$data"
	if [ ! -e "$CRI_CONFIG_FILE" ]; then unset CRI_CONFIG_FILE; fi
	# busybox' wget can neither PUT nor use a CA of ours.
	client=''
	if command -v curl; then
		client=curl
	elif wget --version | grep -q 'GNU Wget'; then
		client=wget
	fi
	deadline=$(($(date +%s) + wait_seconds))
}

# has_time: Sets seconds, those that are left.
has_time() {
	seconds=$((deadline - $(date +%s)))
	[ "$seconds" -gt 0 ]
}

# check_node_name: as itself a node may read its own entry alone, so that a name which it does not bear is refused. An
# API server that does not answer says nothing about names.
check_node_name() {
	if ask_as_node get node "$node" -o name 2>"$work/known"; then return 0; fi
	case $(cat "$work/known") in
	*Forbidden*system:node:*)
		known=$(sed -n 's/.*system:node:\([A-Za-z0-9.-]*\).*/\1/p' "$work/known" | tail -n1)
		if [ "$known" != "$node" ]; then
			die "the cluster knows this machine as $known" \
				"its key under nodes must be the name that the cluster knows" \
				"rename nodes.$node to $known, or correct nodes.$node.host"
		fi
		;;
	*NotFound*)
		die "the cluster knows no node $node" "every listed node must be one that kubectl get nodes shows" \
			"join the machine to the cluster, or take $node out of nodes"
		;;
	esac
}

# request METHOD PATH TYPE [FILE]: Sets status, 000 where there was no answer, and problem. The headers or the error
# are in $work/reply. The login comes on standard input, since everybody on the node can read arguments; wget reads its
# configuration from files alone, so it gets the address there, and its report is stripped of the login.
request() {
	method=$1 url=$base$2 type=$3 file=${4:-}
	set -- "$url"
	: >"$work/reply"
	if [ "$client" = curl ]; then
		if [ "$file" ]; then set -- --data-binary "@$file" -H "Content-Type: $type" "$@"; fi
		if [ "$method" = HEAD ]; then set -- --head "$@"; else set -- -X "$method" "$@"; fi
		printf %s "${login:+user = \"$login\"}" |
			curl -q -K - -sS --noproxy '*' --cacert "$work/ca" --connect-timeout 5 -m 30 -H "Accept: $type" \
				-o "$work/body" -D "$work/reply" "$@" 2>"$work/error" || cat "$work/error" >>"$work/reply"
	else
		shift
		if [ "$file" ]; then set -- --body-file="$file" --header="Content-Type: $type"; fi
		printf %s "https://${login:+$login@}${url#https://}" |
			wget --no-config --no-proxy --no-hsts --content-on-error -nv -S --ca-certificate="$work/ca" -T 10 -t 1 \
				--method="$method" --header="Accept: $type" --auth-no-challenge -O "$work/body" "$@" -i - 2>&1 |
			sed 's|//[^/@]*@|//|' >"$work/reply"
	fi
	status=$(sed -n 's/^ *HTTP[^ ]* \([0-9][0-9][0-9]\).*/\1/p' "$work/reply" | tail -n1)
	status=${status:-000}
	problem="$method $url answered $status"
	# A former pod may still be there, which knows another login.
	case $status${login:+-} in
	401 | 403 | 405) explain_status ;;
	5*) explain_full_store ;;
	esac
}

# answered STATUS...
answered() {
	case " $* " in
	*" $status "*) ;;
	*) return 1 ;;
	esac
}
