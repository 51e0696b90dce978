# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Proves that one node can use the registry: asks for the probe image by digest, pushes it when it is not there yet
# (content-addressed, so a race between nodes is harmless), pulls it through the node's own containerd by name, and
# removes it again.
#
# Pushing goes to the address, with the CA from the settings: a wrong name or trust file must not hinder other nodes.
# Pulling goes by name, through everything that a pod's image goes through.

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
