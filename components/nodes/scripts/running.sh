# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# The K3s that runs here: what it says comes before what its files say.

require_k3s() {
	if ! command -v k3s; then
		die "found no k3s command" "the node must run K3s" "install it or take the node out of the configuration"
	fi
}

# find_running_data: K3s starts its containerd as `containerd -c DATA/agent/etc/containerd/config.toml`.
# Sets running_data to DATA; empty where none runs, where several do with different ones, or where that file is not
# here.
find_running_data() {
	running_data=$(cat "$root"/proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' |
		sed -n '/containerd$/{n;/^-c$/{n;s|^\(/.*\)/agent/etc/containerd/config\.toml$|\1|p;};}' | sort -u)
	if [ ! -e "$root$running_data/agent/etc/containerd/config.toml" ]; then running_data=''; fi
}
