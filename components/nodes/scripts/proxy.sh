# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Whether the running containerd asks a proxy for the registry.

# find_proxy: reads the environment of the containerd that has the configuration below $data, since what K3s was given
# may have changed after its start. Sets proxy, empty where there is none or no containerd runs.
find_proxy() {
	proxy=''
	for process in "$root"/proc/[0-9]*/cmdline; do
		case $(tr '\0' ' ' <"$process") in
		*"containerd -c $data/"*) ;;
		*) continue ;;
		esac
		proxy=$(tr '\0' '\n' <"${process%cmdline}environ" | awk -v host="$hostname" -v port="$port" "$proxy_awk")
		return 0
	done
}
