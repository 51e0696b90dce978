# shellcheck shell=sh disable=SC2034,SC2154
# One clean-up: which tags and images stay, and the collection of all others, beside which no push is possible.

work=${work:-/scratch}
configuration=${configuration:-/etc/distribution/config.yml}
patience=${patience:-180}
spread_seconds=${spread_seconds:-15}
holding=no

# Registry 2 deletes the platforms of images for several platforms (distribution, issue 3178).
check_version() {
	version=$(registry --version) || fail "registry --version does not work in this image."
	case $version in
	*\ v[3-9].* | *\ [3-9].*) ;;
	*) fail "this is $version. A collection destroys images for several platforms before registry 3: set image." ;;
	esac
}

# wait_for SECONDS COMMAND...
wait_for() {
	left=$1
	shift
	until "$@"; do
		left=$((left - 1))
		if [ "$left" -lt 0 ]; then return 1; fi
		sleep 1
	done
}

# However the clean-up ends, pulls go on: its server stays until the registry serves them again.
leave() {
	if [ "$holding" = yes ]; then give_images_back; fi
	kill "$reader" 2>/dev/null
}

# A second server, which accepts no pushes: it serves pulls while the registry does not.
start_reader() {
	REGISTRY_STORAGE_MAINTENANCE_READONLY='{enabled: true}' registry serve "$configuration" >"$work/reader.log" 2>&1 &
	reader=$!
	trap leave EXIT
	trap 'exit 143' TERM INT
	wait_for 60 server_answers || fail "the server for pulls does not answer: $(tail -n 3 "$work/reader.log")"
}

# Busybox has an ssl_client of its own, which accepts every certificate: it would give the token to anyone. The server
# above has a certificate that is not from the cluster's authority, and no one can come between.
check_client() {
	if printf 'GET / HTTP/1.0\r\n\r\n' | exchange 127.0.0.1 "$port" localhost 2>/dev/null | grep -q HTTP; then
		fail "$ssl_client of this image does not check certificates, so the API server cannot be asked: use registry:3."
	fi
}

serve_pulls() {
	say "A server that accepts no pushes takes part in serving pulls, so that they go on."
	: >"$work/serving"
	# The kubelet, the API server and every kube-proxy learn that this pod is ready.
	sleep "$spread_seconds"
}

take_images() {
	exec 8<"$claim" 9<"$images"
	flock -n -x 8 || fail "another clean-up is running. Nothing was deleted."
	holding=yes
	say "The registry is asked to hand the images over. From now on pushes are refused."
	wait_for "$patience" flock -n -x 9 ||
		fail "the registry did not hand the images over within $patience seconds. Nothing was deleted."
}

delete() {
	grep ' k3s-registry-hold-' "$work/roots" | add_roots "$images" || :
	while read -r name tag; do
		rm -rf "$images/$store/repositories/$name/_manifests/tags/$tag"
	done <"$work/expired"
	registry garbage-collect --delete-untagged "$configuration" >"$work/collection" 2>"$work/errors" ||
		fail "the collection ended early: $(tail -n 3 "$work/errors"). What stays is complete; run it again."
	remove_holds
}

server_has_images() {
	if (flock -n -x 6) 6<"$images"; then return 1; fi
}

give_images_back() {
	holding=no
	exec 8<&- 9<&-
	say "The registry gets the images back, and accepts pushes again."
	wait_for "$patience" server_has_images || say "The registry has not started again within $patience seconds."
	# Its readiness is asked every five seconds, and has to spread.
	sleep $((spread_seconds + 5))
	rm -f "$work/serving"
	sleep "$spread_seconds"
}

report() {
	while read -r name tag; do say "$1 $name:$tag"; done <"$work/expired"
	sed -n 's/^manifest eligible for deletion: {\([^ ]*\) \([^ ]*\) .*/\1@\2/p' "$work/collection" |
		while read -r image; do say "$1 $image"; done
}

would_clean_up() {
	plan
	report "Would delete"
	say "cleanup tags=$(wc -l <"$work/expired" | tr -d ' ') manifests=$unneeded_manifests would free=$unneeded_bytes"
}

clean_up() {
	serve_pulls
	take_images
	remove_holds
	read_used_images
	plan
	report "Deletes"
	delete
	give_images_back
	freed=$((unneeded_bytes - $(bytes <"$work/unneeded")))
	say "cleanup tags=$(wc -l <"$work/expired" | tr -d ' ') manifests=$unneeded_manifests freed=$freed"
}

check_version
if [ ! -d "$images/$store/repositories" ]; then
	say "The registry is empty."
	say "cleanup tags=0 manifests=0 freed=0"
	exit 0
fi
start_reader
check_client
read_used_images
if [ "$dry_run" = true ]; then would_clean_up; else clean_up; fi
