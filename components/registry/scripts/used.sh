# shellcheck shell=sh disable=SC2034,SC2154
# The images that the cluster uses, from the API server.

credentials=${credentials:-/credentials}
lists='/api/v1/pods /apis/apps/v1/deployments /apis/apps/v1/statefulsets /apis/apps/v1/daemonsets
/apis/batch/v1/cronjobs /apis/batch/v1/jobs'

# ask PATH: the API server's answer in $work/answer. HTTP/1.0 has no chunks and ends with the connection. ssl_client
# checks the certificate against /etc/ssl/cert.pem, where the pod has the cluster's authority.
ask() {
	{
		printf 'GET %s HTTP/1.0\r\nHost: kubernetes.default.svc\r\nAccept: application/json\r\nAuthorization: Bearer ' "$1"
		tr -d '\n' <"$credentials/token"
		printf '\r\n\r\n'
	} | exchange "$KUBERNETES_SERVICE_HOST" "$KUBERNETES_SERVICE_PORT" kubernetes.default.svc \
		>"$work/answer" 2>"$work/refusal" || :
	read -r _ status _ <"$work/answer" || status=none
	# A list that a broken connection cut off would hide images.
	if [ "$status" = 200 ] && tail -c 4 "$work/answer" | grep -q '\]}'; then return; fi
	fail "the API server answered $1 with ${status:-nothing} or not completely ($(head -c 200 "$work/refusal"))." \
		"Which images the cluster uses is not known, so nothing was deleted."
}

# Lines `REPOSITORY TAG` and `DIGEST` in $work/used. The registry's name is not compared: an image with the same path
# from elsewhere only keeps too much.
read_used_images() {
	: >"$work/images"
	for list in $lists; do
		ask "$list"
		# A volume that is an image has its name as `reference`; so have other objects, which only keeps too much.
		grep -oE '"(image|imageID|reference)": *"[^"]*"' "$work/answer" | sed 's/"$//; s/.*"//' >>"$work/images"
	done
	sort -u -o "$work/images" "$work/images"
	awk '
		match($0, /sha256:[0-9a-f]+/) { print substr($0, RSTART, RLENGTH) }
		{
			sub(/@.*/, "")
			sub(/^[^\/]*\//, "")
			tag = "latest"
			if (match($0, /:[^:\/]*$/)) { tag = substr($0, RSTART + 1); $0 = substr($0, 1, RSTART - 1) }
			print $0, tag
		}' "$work/images" >"$work/used"
	say "The cluster's workloads name $(wc -l <"$work/images" | tr -d ' ') images; those stay."
}
