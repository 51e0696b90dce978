# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Why a proof failed: each function ends the run with one sentence, cause and remedy, when it recognises the cause.

explain_status() {
	case $status in
	401 | 403)
		if [ "${login:-}" ]; then
			die "the registry refuses the proof's own user ($problem)" "its pod must know the present passwords" \
				"look at it: kubectl -n ${service%/*} rollout status deployment/registry"
		fi
		die "the registry asks for credentials ($problem)" "nodes pull and prove without" \
			"switch authentication off on the registry at $base"
		;;
	*)
		die "$problem$(head -c 500 "$work/body" | tr '\n;' ' ,' | sed 's/^./, &/')" \
			"the registry must accept and serve the probe image" \
			"look at its log: kubectl -n ${service%/*} logs deployment/registry"
		;;
	esac
}

# explain_full_store: where the registry says that its disk is full, which does not heal by waiting.
explain_full_store() {
	case $(cat "$work/body") in
	*"no space left on device"* | *"disk quota exceeded"*)
		die "the registry's storage is full ($problem)" "the probe image, a few kilobytes, must fit" \
			"delete images and collect, or enlarge the claim: docs/operating.md, Space"
		;;
	esac
}

# explain_tls TEXT: where TEXT is an error about a certificate.
explain_tls() {
	another="look whether another service answers at $base"
	case $1 in
	# Go has the same words for both, and then the two times.
	*"certificate is not yet valid"* | *" is before "* | *"not yet been activated"*)
		die "the registry's certificate is not yet valid by this node's clock ($(date -u +%FT%TZ))" \
			"clocks must agree" "set the clock of this node (timedatectl set-ntp true)"
		;;
	*[Ee]xpired*)
		die "the registry's certificate has expired by this node's clock ($(date -u +%FT%TZ))" \
			"it must be valid now" "set the clock, or renew the certificate with pulumi up"
		;;
	*"does not match"* | *"doesn't match"* | *"subject name"* | *"subject alternative"* | *mismatch* | \
		*"certificate is valid for"* | *"any IP SANs"* | *"any names"*)
		die "the registry's certificate is for other names than $hostname and $address" "it must hold both" \
			"$another, else renew the certificate with pulumi up"
		;;
	*issuer* | *"signature failure"* | *"asn1 encoding"* | *self?signed* | *"unknown authority"* | *"unknown CA"* | \
		*"not trusted"*)
		die "the registry's certificate is from an unknown authority" \
			"an authority of the trust bundle must have signed it" \
			"$another, else restart the registry so that it loads its present certificate"
		;;
	*"wrong version number"* | *"HTTP response to HTTPS"* | *"record layer"* | *"packet length"*)
		die "port $port of $address answers without TLS" "the registry speaks HTTPS" "$another"
		;;
	esac
}

# explain_network TEXT: where TEXT is an error about a connection; the load balancer is asked which address it gave.
explain_network() {
	case $1 in
	*refused*) found="port $port of $address is closed" ;;
	*"o route"* | *unreachable*) found="no route leads to $address" ;;
	*imed?out* | *imeout* | *"deadline exceeded"*) found="$address does not answer on port $port" ;;
	*) return 0 ;;
	esac
	explain_address
	die "$found" "the registry must answer there" \
		"look at the registry's pods (kubectl -n ${service%/*} get pods -o wide), at the load balancer and at firewalls"
}

# explain_address: where the load balancer gave the registry's Service another address, or none.
explain_address() {
	given=$(ask_as_node get service -n "${service%/*}" "${service#*/}" \
		-o 'jsonpath={.status.loadBalancer.ingress[*].ip}') || return 0
	case " $given " in
	*" $address "*) ;;
	"  ")
		explain_owners
		die "the load balancer gave no address to service $service" "it must give $address" \
			"look at the load balancer and whether $address lies in its pool"
		;;
	*)
		explain_owners
		die "the load balancer gave service $service the address $given" "it must give $address" \
			"free $address in the load balancer's pool, or set ip to what it can give"
		;;
	esac
}

# explain_owners: where another Service has the address.
explain_owners() {
	fields='{.metadata.namespace}/{.metadata.name} {.spec.loadBalancerIP}, {.status.loadBalancer.ingress[*].ip}'
	owners=$(ask_as_node get services -A \
		-o "jsonpath={range .items[*]}$fields, {.spec.ports[*].port}{\"\n\"}{end}" |
		awk -F , -v own="$service" -v address="$address" -v port="$port" "$address_owners_awk")
	if [ "$owners" ]; then
		die "the load balancer gave $address to service $owners" "service $service must have it" \
			"give $owners another address, or set ip to a free one"
	fi
}

# explain_proxy TEXT: where containerd asks a proxy for the registry; TEXT is what came of it.
explain_proxy() {
	find_proxy
	if [ ! "$proxy" ]; then
		case $1 in
		*proxyconnect* | *"socks connect"* | *"Proxy Authentication"*) proxy='a proxy' ;;
		*) return 0 ;;
		esac
	fi
	refuse_proxy ": $(printf %s "$1" | tr ';' ',')"
}

# explain_reach: why the registry did not answer the client as it should.
explain_reach() {
	if [ "$status" != 000 ]; then explain_status; fi
	text=$(grep -v '^HTTP' "$work/reply" | tr '\n' ' ')
	# Only its verbose output tells a closed port from a missing route.
	explain_network "$text$(curl -q -v --noproxy '*' --cacert "$work/ca" --connect-timeout 5 -m 10 "$base/v2/" 2>&1 |
		grep ' failed: ')"
	# curl and wget with other TLS libraries only say that verification failed.
	explain_tls "$text$(timeout 10 openssl s_client -connect "${base#https://}" -CAfile "$work/ca" \
		-verify_ip "$address" 2>&1 | grep -i 'verif' | tr '\n' ' ')"
	die "$base does not answer as it should: $text" "the registry must answer there" \
		"look at the registry's pods and the load balancer"
}

# check_name: refuses a name that does not lead to the address alone.
check_name() {
	if command -v getent; then
		leads=$(getent ahosts "$hostname" | awk '{ print $1 }' | sort -u | tr '\n' ' ')
	else
		leads=$(awk -v name="$hostname" '{ sub(/#.*/, ""); for (i = 2; i <= NF; i++) if ($i == name) print $1 }' \
			"$root/etc/hosts" | tr '\n' ' ')
	fi
	case $leads in
	"$address ") ;;
	'')
		die "the name $hostname does not resolve" "it must lead to $address" \
			"put the hosts entry back: pulumi up -c audit=again"
		;;
	*)
		die "the name $hostname leads to ${leads% }" "it must lead to $address alone" \
			"remove the other entry from /etc/hosts or the DNS, then pulumi up -c audit=again"
		;;
	esac
}

# explain_pull: why containerd did not pull.
explain_pull() {
	text=$(tail -n3 "$work/pull" | tr '\n' ' ')
	check_name
	case $text in
	*containerd.sock* | *"CRI v1"* | *"runtime service"*)
		die "containerd does not answer" "K3s must run" \
			"look at: systemctl status k3s k3s-agent; journalctl -u k3s -u k3s-agent"
		;;
	*"no space left"*) die "the disk of $data is full" "an image must fit" "free space: k3s crictl rmi --prune" ;;
	esac
	case ${pull_port:+$text} in
	*"remote error: tls"*)
		die "the registry does not accept this node's certificate, $data/agent/client-kubelet.crt" \
			"the cluster's authority for clients must have signed it" \
			"run pulumi up again, from which the registry learns that authority"
		;;
	esac
	explain_proxy "$text"
	explain_network "$text"
	check_toml
	explain_tls "$text"
	read_status "$text"
	if [ "$status" ]; then
		: >"$work/body"
		explain_status
	fi
	die "the pull failed: $(printf %s "${text:-no answer in time}" | tr ';' ',')" "containerd must pull $image" \
		"repeat it by hand: k3s crictl pull $image"
}

# read_status TEXT: the HTTP status in containerd's words, which also contain digests and ports. Sets status, empty
# without one, and problem.
read_status() {
	problem=$(printf %s "$1" | tr ';' ',')
	case $1 in
	*"authorization failed"* | *"failed to authorize"* | *"pull access denied"*) status=401 ;;
	*) status=$(printf '%s\n' "$1" | sed -n 's/.* status.*: \([1-5][0-9][0-9]\)\([^0-9].*\)*$/\1/p') ;;
	esac
}

# check_toml: refuses a containerd that reads hosts.toml files and finds none for the registry.
check_toml() {
	certs=$(sed -n "s/^[[:space:]]*config_path[^\"']*[\"']\([^\"':][^\"':]*\).*/\1/p" \
		"$root$data/agent/etc/containerd/config.toml" | tail -n1)
	toml=$root$certs/$registry/hosts.toml
	if [ "$certs" ] && [ ! -e "$toml" ]; then
		die "$toml is missing" "containerd finds the CA through it" "put it back: pulumi up -c audit=again"
	fi
}
