# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Proves that one node can use the registry: asks for the probe image by digest, pushes it when it is not there yet
# (content-addressed, so a race between nodes is harmless), pulls it through the node's own containerd by name, and
# removes it again.
#
# Pushing goes to the address, with the CA from the settings: a wrong name or trust file must not hinder other nodes.
# Pulling goes by name, through everything that a pod's image goes through.

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

# publish_image: waits until the registry has the probe image. A node without a client leaves that to the others.
publish_image() {
	if [ ! "$client" ]; then return 0; fi
	until push_if_missing; do
		if ! has_time; then explain_reach; fi
		sleep 1
	done
}

push_if_missing() {
	request GET /v2/ '*/*'
	answered 200 || return 1
	request HEAD "/v2/$repository/manifests/$digest" application/vnd.oci.image.index.v1+json
	if answered 200; then return 0; fi
	answered 404 || return 1
	each_line "$blobs" push_blob && each_line "$manifests" push_manifest || return 1
	printf %s "${index%%@*}$proof_revision${index#*@}" >"$work/content"
	push_manifest "$digest" application/vnd.oci.image.index.v1+json "$work/content" || return 1
	pushed=true
}

# each_line LINES FUNCTION: calls FUNCTION DIGEST TYPE FILE for every line; stops at the first that fails.
each_line() {
	push=$2
	IFS=$nl
	for item in $1; do
		unset IFS
		# shellcheck disable=SC2086  # the words of the line
		set -- $item
		case $3 in
		'{'*) printf %s "$3" ;;
		*) printf %s "$3" | base64 -d ;;
		esac >"$work/content"
		"$push" "$1" "$2" "$work/content" || return 1
	done
	unset IFS
}

# push_blob DIGEST TYPE FILE
push_blob() {
	request HEAD "/v2/$repository/blobs/$1" "$2"
	if answered 200; then return 0; fi
	request POST "/v2/$repository/blobs/uploads/" application/octet-stream /dev/null
	answered 202 || return 1
	location=$(sed -n 's/^ *[Ll]ocation: *//p' "$work/reply" | tr -d '\r' | tail -n1)
	# Absolute, from the root or relative: the upload stays at the address that was asked.
	case $location in
	*://*) location=/${location#*://*/} ;;
	/*) ;;
	*) location=/v2/$repository/blobs/uploads/$location ;;
	esac
	case $location in
	*\?*) location="$location&" ;;
	*) location="$location?" ;;
	esac
	request PUT "${location}digest=$1" application/octet-stream "$3"
	answered 201 202
}

# push_manifest DIGEST TYPE FILE
push_manifest() {
	request PUT "/v2/$repository/manifests/$1" "$2" "$3"
	answered 201 202
}

# pull_images: by each form of the registry's name that pods may use; before them by the nodes' port alone, from which
# containerd would otherwise turn to the public one unnoticed.
pull_images() {
	for registry in $endpoints; do
		# What fails is explained with the port of that name.
		case $registry in
		*:*) port=${registry##*:} ;;
		esac
		image=$registry/$repository@$digest
		pull_image
		k3s crictl rmi "$image" || :
	done
}

# pull_image: by the node's own containerd. Once the registry has answered with a good certificate, some failures are
# matters of this node and do not heal by waiting; all others may (K3s restarts, an endpoint moves), and so may these
# where no client could ask the registry.
pull_image() {
	failures=0
	until try_pull; do
		failures=$((failures + 1))
		if ! has_time; then explain_pull; fi
		if [ "$client" ] && [ "$failures" -ge 3 ]; then
			check_name
			text=$(tail -n3 "$work/pull" | tr '\n' ' ')
			case $text in
			*x509* | *nauthorized* | *"no space left"*) explain_pull ;;
			*containerd.sock*) ;;
			*) explain_proxy "$text" ;;
			esac
		fi
		sleep 1
	done
}

try_pull() {
	# One honest try, even where waiting for the registry has used up the time.
	if ! has_time || [ "$seconds" -lt 5 ]; then seconds=5; fi
	if timeout "$seconds" k3s crictl pull "$image" 2>"$work/try"; then return 0; fi
	# A try that ran into the limit says nothing; the words of the one before it are worth keeping.
	if [ -s "$work/try" ]; then mv -f "$work/try" "$work/pull"; fi
	return 1
}

# list_cluster: a server sees the whole cluster. A report of nodes that the configuration does not list is worth no
# failure. Sets cluster, a member of the answer.
list_cluster() {
	admin=$data/server/cred/admin.kubeconfig
	if [ ! -e "$root$admin" ]; then return 0; fi
	if names=$(kubectl_as "$admin" get nodes -o 'jsonpath={range .items[*]},"{.metadata.name}"{end}'); then
		cluster=",\"cluster\":[${names#,}]"
	fi
}

report() {
	printf '{"digest":"%s","pushed":%s,"second":%s%s}\n' "$digest" "$pushed" "$(date +%s)" "$cluster" >&4
}

start_session 'the pull proof could not run'
create_work
require_k3s
prepare
check_node_name
publish_image
pull_images
list_cluster
report
exit 0
