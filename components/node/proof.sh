#!/bin/sh
# The proof that one node can use the registry: it asks for the probe image by digest, pushes it when it is not there yet
# (content-addressed, so a race between nodes is harmless), pulls it through the node's own containerd by name, and removes
# it again. The settings come as variables before this text on stdin; the answer is one line of JSON on stdout, a failure
# one sentence on stderr and exit 1.
#
# Pushing goes to the address, with the CA from the settings: a wrong name or trust file must not hinder other nodes.
# Pulling goes by name, through everything that a pod's image goes through.
#
# Lines that are nothing but a comment, and leading blanks, are stripped before the text travels: no here-documents.
# shellcheck disable=SC2034,SC2154,SC2329  # settings come from the text before this one, functions and readers of variables from causes.sh
set -eu
umask 077
export LC_ALL=C
root=${K3S_REGISTRY_ROOT:-}
# sudo's secure_path often lacks the folder that K3s lives in.
PATH=$PATH:$root/usr/local/bin:$root/opt/bin
said='' work='' status=000 problem='' pushed=false nl='
'
# Children must not eat what is left of stdin, which is this script; their chatter must not spoil the two streams.
exec 3>&2 4>&1 </dev/null >/dev/null

# die FOUND RULE REMEDY
die() {
	printf 'node %s: %s; %s; %s\n' "$node" "$1" "$2" "$3" >&3
	said=1
	exit 1
}

finish() {
	code=$?
	[ "$code" = 0 ] || [ "$said" ] || printf 'node %s: %s; the pull proof could not run; mend this and run pulumi up again\n' \
		"$node" "$(tail -n1 "$work/err")" >&3
	[ ! "$work" ] || rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' HUP INT TERM

work=$(mktemp -d) || die "found no room for a temporary file" "the proof needs some" "free space in ${TMPDIR:-/tmp}"
exec 2>"$work/err"
command -v k3s || die "found no k3s command" "the node must run K3s" "install it or take the node out of the config"

host=${registry%:*}
image=$registry/$repository@$digest
case $address in
*:*) base=https://[$address]:$port ;;
*) base=https://$address:$port ;;
esac
printf %s "$authorities" >"$work/ca"
: >"$work/reply"
: >"$work/pull"
data=$(cat "$root/etc/rancher/k3s/config.yaml" "$root"/etc/rancher/k3s/config.yaml.d/*.yaml |
	sed -n "s/^[\"']*data-dir[\"']*:[[:space:]]*[\"']*\([^\"'#]*[^\"'#[:space:]]\).*/\1/p" | tail -n1)
data=$root${data:-/var/lib/rancher/k3s}

# busybox' wget can neither PUT nor take a CA of ours.
client=''
if command -v curl; then
	client=curl
elif wget --version | grep -q 'GNU Wget'; then
	client=wget
fi

end=$(($(date +%s) + wait_seconds))
left() {
	seconds=$((end - $(date +%s)))
	[ $seconds -gt 0 ]
}

# request METHOD PATH TYPE [FILE]: sets status, 000 when there was no answer; the headers or the error are in $work/reply.
request() {
	method=$1 url=$base$2 type=$3 file=${4:-}
	set -- "$url"
	: >"$work/reply"
	if [ $client = curl ]; then
		[ ! "$file" ] || set -- --data-binary "@$file" -H "Content-Type: $type" "$@"
		if [ "$method" = HEAD ]; then set -- --head "$@"; else set -- -X "$method" "$@"; fi
		curl -q -sS --noproxy '*' --cacert "$work/ca" --connect-timeout 5 -m 30 -H "Accept: $type" -o "$work/body" \
			-D "$work/reply" "$@" 2>"$work/error" || cat "$work/error" >>"$work/reply"
	else
		[ ! "$file" ] || set -- --body-file="$file" --header="Content-Type: $type" "$@"
		wget --no-config --no-proxy --no-hsts -nv -S --ca-certificate="$work/ca" -T 10 -t 1 --method="$method" --header="Accept: $type" \
			-O "$work/body" "$@" 2>"$work/reply" || :
	fi
	status=$(sed -n 's/^ *HTTP[^ ]* \([0-9][0-9][0-9]\).*/\1/p' "$work/reply" | tail -n1)
	status=${status:-000}
	problem="$method $url answered $status"
	case $status in
	401 | 403 | 405) explain_status ;;
	esac
}

# kubectl_as KUBECONFIG ARGUMENT...: without its usual cache, which would stay in root's home.
kubectl_as() {
	kubeconfig=$1
	shift
	timeout 10 k3s kubectl --kubeconfig "$kubeconfig" --cache-dir "$work/kubectl" "$@"
}

got() {
	case " $* " in
	*" $status "*) ;;
	*) return 1 ;;
	esac
}

# upload DIGEST TYPE FILE
upload() {
	request HEAD "/v2/$repository/blobs/$1" "$2"
	! got 200 || return 0
	request POST "/v2/$repository/blobs/uploads/" application/octet-stream /dev/null
	got 202 || return 1
	place=$(sed -n 's/^ *[Ll]ocation: *//p' "$work/reply" | tr -d '\r' | tail -n1)
	# Absolute, from the root or relative: the upload stays at the address that was asked.
	case $place in
	*://*) place=/${place#*://*/} ;;
	/*) ;;
	*) place=/v2/$repository/blobs/uploads/$place ;;
	esac
	case $place in
	*\?*) place="$place&" ;;
	*) place="$place?" ;;
	esac
	request PUT "${place}digest=$1" application/octet-stream "$3"
	got 201 202
}

# each LINES COMMAND: COMMAND DIGEST TYPE FILE for every line; stops at the first that fails.
each() {
	command=$2
	IFS=$nl
	for item in $1; do
		unset IFS
		# shellcheck disable=SC2086  # the words of the line
		set -- $item
		case $3 in
		'{'*) printf %s "$3" ;;
		*) printf %s "$3" | base64 -d ;;
		esac >"$work/content"
		"$command" "$1" "$2" "$work/content" || return 1
	done
	unset IFS
}

manifest() {
	request PUT "/v2/$repository/manifests/$1" "$2" "$3"
	got 201 202
}

publish() {
	request GET /v2/ '*/*'
	got 200 || return 1
	request HEAD "/v2/$repository/manifests/$digest" application/vnd.oci.image.index.v1+json
	! got 200 || return 0
	got 404 || return 1
	each "$blobs" upload && each "$manifests" manifest || return 1
	printf %s "${index%%@*}$revision${index#*@}" >"$work/content"
	manifest "$digest" application/vnd.oci.image.index.v1+json "$work/content" || return 1
	pushed=true
}

# As itself a node may read its own entry alone, so that a name which is not the one it bears is refused. An API server that
# does not answer says nothing of names.
kubectl_as "$data/agent/kubelet.kubeconfig" get node "$node" -o name 2>"$work/known" || case $(cat "$work/known") in
*Forbidden*system:node:*)
	name=$(sed -n 's/.*system:node:\([A-Za-z0-9.-]*\).*/\1/p' "$work/known" | tail -n1)
	[ "$name" = "$node" ] || die "the cluster knows this machine as $name" "its key under nodes must be the name that the cluster knows" \
		"rename nodes.$node to $name, or correct nodes.$node.host"
	;;
*NotFound*) die "the cluster knows no node $node" "every listed node must be one that kubectl get nodes shows" \
	"join the machine to the cluster, or take $node out of nodes" ;;
esac

if [ "$client" ]; then
	until publish; do
		left || explain_reach
		sleep 1
	done
fi

# Once the registry has answered with a good certificate, these failures are matters of this node and do not heal by
# waiting; all others may (K3s restarts, an endpoint moves), and so may these where nobody could ask the registry.
tries=0
until
	# One honest try, even when waiting for the registry has used up the time.
	left || :
	[ "$seconds" -ge 5 ] || seconds=5
	timeout "$seconds" k3s crictl pull "$image" 2>"$work/try"
do
	# A try that ran into the limit says nothing; the words of the one before it are worth keeping.
	[ ! -s "$work/try" ] || mv -f "$work/try" "$work/pull"
	tries=$((tries + 1))
	left || explain_pull
	if [ "$client" ] && [ $tries -ge 3 ]; then
		check_name
		case $(cat "$work/pull") in
		*x509* | *nauthorized* | *"no space left"*) explain_pull ;;
		esac
	fi
	sleep 1
done
k3s crictl rmi "$image" || :
# A server sees the whole cluster; a report of nodes that the configuration does not list is worth no failure.
cluster='' admin=$data/server/cred/admin.kubeconfig
if [ -e "$admin" ] && names=$(kubectl_as "$admin" get nodes -o 'jsonpath={range .items[*]},"{.metadata.name}"{end}'); then
	cluster=",\"cluster\":[${names#,}]"
fi
printf '{"digest":"%s","pushed":%s%s}\n' "$digest" $pushed "$cluster" >&4
exit 0
