# shellcheck shell=sh disable=SC2034,SC2154
# The registry beside collections: serves while it holds the images' lock, and lets go of it when a collector asks.

hand_over_seconds=${hand_over_seconds:-25}
server=''
handed_over=no

# Waits for its turn and takes the images' lock, which the server inherits as file descriptor 9.
take_images() {
	exec 9<"$images"
	while collector_is_there || ! flock -n -s 9; do
		if [ "$handed_over" = no ]; then say "The registry waits until the collection ends."; fi
		handed_over=yes
		sleep 1
	done
	if [ "$handed_over" = yes ]; then remove_holds; fi
}

# let_go SERVER: ends the server when a collector comes. Until then the container is not ready (see `ready`), and new
# requests go to the collector's own server.
let_go() {
	until collector_is_there; do sleep 1; done
	say "A collection is about to begin: this registry ends its requests and hands the images over."
	sleep "$hand_over_seconds"
	if collector_is_there; then kill -TERM "$1"; else let_go "$1"; fi
}

stop() {
	if [ -z "$server" ]; then exit 0; fi
	stopped=yes
	kill -TERM "$server"
}

# await SERVER: sets `status`. A signal ends `wait` before the server ends.
await() {
	status=0
	wait "$1" || status=$?
	if kill -0 "$1" 2>/dev/null; then await "$1"; fi
}

serve_until_asked() {
	take_images
	"$@" &
	server=$!
	let_go "$server" 9<&- &
	watcher=$!
	await "$server"
	kill "$watcher" 2>/dev/null || :
	server=''
	exec 9<&-
	if [ "$stopped" = yes ] || ! collector_is_there; then exit "$status"; fi
	handed_over=yes
}

# What the kubelet asks. A container that waits for a collection is alive, and not ready.
alive() {
	collector_is_there || server_answers
}

ready() {
	if collector_is_there; then return 1; fi
	server_answers
}

serve() {
	stopped=no
	trap stop TERM
	while :; do serve_until_asked "$@"; done
}

# Each word is a function: `serve COMMAND...`, `alive`, `ready`.
"$@"
