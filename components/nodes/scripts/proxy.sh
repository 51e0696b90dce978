# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Whether the running containerd asks a proxy for the registry.

# find_proxy: reads the environment of the containerd that has the configuration below $data, since what K3s was given
# may have changed after its start. Sets proxy, empty where there is none or no containerd runs.
find_proxy() {
	proxy=''
	# Each one costs a process, and a node has a shim of containerd per pod.
	candidates=$(grep -lsE 'containerd([^-]|$)' "$root"/proc/[0-9]*/cmdline) || :
	for process in $candidates; do
		case $(tr '\0' ' ' <"$process") in
		*"containerd -c $data/"*) ;;
		*) continue ;;
		esac
		proxy=$(tr '\0' '\n' <"${process%cmdline}environ" | awk -v host="$hostname" -v port="$port" "$proxy_awk")
		return 0
	done
}

# refuse_proxy TEXT: ends the run of a node whose containerd asks $proxy; TEXT is what came of it.
refuse_proxy() {
	die "containerd asks $proxy for $hostname$1" "it must ask $address itself" \
		"add $hostname to NO_PROXY (or CONTAINERD_NO_PROXY) in k3s.service.env or k3s-agent.service.env and restart K3s"
}
