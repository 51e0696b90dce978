# shellcheck shell=sh disable=SC2154,SC2329  # joined with the other parts
# The API server, asked as this node.

# kubectl_as KUBECONFIG ARGUMENT...: without kubectl's usual cache, which would stay in root's home. K3s unpacks its
# programs below the data-dir that it is told, below the default one otherwise.
kubectl_as() {
	kubeconfig=$1
	shift
	K3S_DATA_DIR=$root$data timeout 10 k3s kubectl --kubeconfig "$root$kubeconfig" --cache-dir "$work/kubectl" "$@"
}

# ask_as_node ARGUMENT...: asks by the kubelet's credentials, and not for long.
ask_as_node() {
	kubectl_as "$data/agent/kubelet.kubeconfig" --request-timeout 5s "$@"
}
