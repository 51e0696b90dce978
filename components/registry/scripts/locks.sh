# shellcheck shell=sh disable=SC2034,SC2154
# Who may touch the images: the kernel's locks on two directories of the claim, which need no file there.
#
# A server that accepts pushes holds the images' lock shared, a collection holds it exclusively. The claim's own lock is
# the collector's wish: while it is held, servers let go. The kernel ends both with the process that holds them.

set -f # patterns are for tags, and not for the files of the current directory

images=${images:-/var/lib/registry}
claim=${claim:-/claim}
port=${port:-5000}

# Whether a collector is waiting or at work.
collector_is_there() {
	if (flock -n -s 7) 7<"$claim"; then return 1; fi
}

# Whether the server in this container answers. Its certificate does not name this address.
server_answers() {
	printf 'GET / HTTP/1.0\r\n\r\n' | exchange 127.0.0.1 "$port" localhost -I 2>/dev/null | head -n 1 | grep -q ' 200 '
}

say() {
	printf '%s\n' "$*"
}

fail() {
	say "The clean-up failed: $*" >&2
	exit 1
}

# Removes what a collection puts into the images for its own time.
remove_holds() {
	find "$images/docker/registry/v2/repositories" -type d -path "*/_manifests/tags/k3s-registry-hold-*" -prune \
		-exec rm -rf {} + 2>/dev/null || :
}
