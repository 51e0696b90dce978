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
# shellcheck disable=SC2154,SC2329  # the settings are assigned by the text before this one; some functions are called by name
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

explain_status() {
	case $status in
	401 | 403) die "the registry asks for credentials ($problem)" "nodes pull and prove without" \
		"switch authentication off on the registry at $base" ;;
	*) die "$problem$(head -c 200 "$work/body" | tr '\n;' ' ,' | sed 's/^./, &/')" \
		"the registry must take and give the probe image" "look at its log: kubectl -n ${service%/*} logs deployment/registry" ;;
	esac
}

# explain_tls TEXT: dies when TEXT tells of a certificate.
explain_tls() {
	case $1 in
	*[Ee]xpired*) die "the registry's certificate has expired by this node's clock ($(date -u +%FT%TZ))" \
		"it must be valid now" "set the clock, or renew the certificate with pulumi up" ;;
	*"not yet valid"* | *"not yet been activated"*) die "the registry's certificate is not yet valid by this node's clock ($(date -u +%FT%TZ))" \
		"clocks must agree" "set the clock of this node (timedatectl set-ntp true)" ;;
	*"does not match"* | *"doesn't match"* | *"subject name"* | *"subject alternative"* | *mismatch* | *"certificate is valid for"* | *"any IP SANs"* | *"any names"*)
		die "the registry's certificate is for other names than $host and $address" "it must carry both" \
			"look whether another service answers at $base, else renew the certificate with pulumi up" ;;
	*issuer* | *"signature failure"* | *"asn1 encoding"* | *self?signed* | *"unknown authority"* | *"unknown CA"* | *"not trusted"*)
		die "the registry's certificate is from an unknown authority" "the CA bundle of this program must have signed it" \
			"look whether another service answers at $base, else restart the registry so that it loads its present certificate" ;;
	*"wrong version number"* | *"HTTP response to HTTPS"* | *"record layer"* | *"packet length"*)
		die "port $port of $address answers without TLS" "the registry speaks HTTPS" "look whether another service answers there" ;;
	esac
}

# explain_network TEXT: dies when TEXT tells that nothing answers; the load balancer is asked which address it gave.
explain_network() {
	case $1 in
	*refused*) found="port $port of $address is closed" ;;
	*"o route"* | *unreachable*) found="no route leads to $address" ;;
	*imed?out* | *imeout* | *"deadline exceeded"*) found="$address does not answer on port $port" ;;
	*) return 0 ;;
	esac
	if given=$(timeout 10 k3s kubectl --kubeconfig "$data/agent/kubelet.kubeconfig" get service -n "${service%/*}" "${service#*/}" \
		-o 'jsonpath={.status.loadBalancer.ingress[*].ip}'); then
		case " $given " in
		*" $address "*) ;;
		"  ") die "the load balancer gave no address to service $service" "it must give $address" \
			"look at the load balancer and whether $address lies in its pool" ;;
		*) die "the load balancer gave service $service the address $given" "it must give $address" \
			"free $address in the load balancer's pool, or set ip to what it can give" ;;
		esac
	fi
	die "$found" "the registry must answer there" \
		"look at the registry's pods (kubectl -n ${service%/*} get pods -o wide), at the load balancer and at firewalls"
}

explain_reach() {
	[ "$status" = 000 ] || explain_status
	text=$(grep -v '^HTTP' "$work/reply" | tr '\n' ' ')
	# Only its verbose output tells a closed port from a missing route.
	explain_network "$text$(curl -q -v --noproxy '*' --cacert "$work/ca" --connect-timeout 5 -m 10 "$base/v2/" 2>&1 | grep ' failed: ')"
	# curl and wget with other TLS libraries only say that verification failed.
	explain_tls "$text$(timeout 10 openssl s_client -connect "${base#https://}" -CAfile "$work/ca" -verify_ip "$address" 2>&1 | grep -i 'verif' | tr '\n' ' ')"
	die "$base does not answer as it should: $text" "the registry must answer there" "look at the registry's pods and the load balancer"
}

check_name() {
	if command -v getent; then
		leads=$(getent ahosts "$host" | awk '{ print $1 }' | sort -u | tr '\n' ' ')
	else
		leads=$(awk -v h="$host" '{ sub(/#.*/, ""); for (i = 2; i <= NF; i++) if ($i == h) print $1 }' "$root/etc/hosts" | tr '\n' ' ')
	fi
	case $leads in
	"$address ") ;;
	'') die "the name $host does not resolve" "it must lead to $address" "put the hosts entry back: pulumi up -c audit=again" ;;
	*) die "the name $host leads to ${leads% }" "it must lead to $address alone" \
		"remove the other entry from /etc/hosts or the DNS, then pulumi up -c audit=again" ;;
	esac
}

explain_pull() {
	text=$(tail -n3 "$work/pull" | tr '\n' ' ')
	toml=$data/agent/etc/containerd/config.toml
	certs=$(sed -n "s/^[[:space:]]*config_path[^\"']*[\"']\([^\"':][^\"':]*\).*/\1/p" "$toml" | tail -n1)
	toml=$root$certs/$registry/hosts.toml
	check_name
	case $text in
	*containerd.sock* | *"CRI v1"* | *"runtime service"*)
		die "containerd does not answer" "K3s must run" "look at: systemctl status k3s k3s-agent; journalctl -u k3s -u k3s-agent" ;;
	*"no space left"*) die "the disk of $data is full" "an image must fit" "free space: k3s crictl rmi --prune" ;;
	esac
	explain_network "$text"
	[ ! "$certs" ] || [ -e "$toml" ] || die "$toml is missing" "containerd finds the CA through it" "put it back: pulumi up -c audit=again"
	explain_tls "$text"
	case $text in
	*401* | *403* | *nauthorized* | *denied*)
		status=401 problem=$text
		explain_status
		;;
	esac
	die "the pull failed: $(printf %s "${text:-no answer in time}" | tr ';' ',')" "containerd must pull $image" "repeat it by hand: k3s crictl pull $image"
}

# As itself a node may read its own entry alone, so that a name which is not the one it bears is refused. An API server that
# does not answer says nothing of names.
timeout 10 k3s kubectl --kubeconfig "$data/agent/kubelet.kubeconfig" get node "$node" -o name 2>"$work/known" || case $(cat "$work/known") in
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
if [ -e "$admin" ] && names=$(timeout 10 k3s kubectl --kubeconfig "$admin" get nodes -o 'jsonpath={range .items[*]},"{.metadata.name}"{end}'); then
	cluster=",\"cluster\":[${names#,}]"
fi
printf '{"digest":"%s","pushed":%s%s}\n' "$digest" $pushed "$cluster" >&4
exit 0
