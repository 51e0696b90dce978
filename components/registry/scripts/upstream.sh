# shellcheck shell=sh disable=SC2154
# Tries the user of a cache at its upstream. The registry itself would pass over a refusal: nodes would hear that there
# is no such image and ask the upstream themselves, and nobody would learn that the cache keeps nothing.
#
# Only a refusal ends this in failure. Whatever else goes wrong, the registry says itself.

login=${login:-/certs}

# ask URL: prints the answer to a request with the user's password, or nothing. HTTP/1.0 ends with the connection.
ask() {
	rest=${1#*://}
	where=${rest%%/*}
	case $where in
	*:*) ;;
	*) if [ "${1%%:*}" = https ]; then where=$where:443; else where=$where:80; fi ;;
	esac
	{
		printf 'GET /%s HTTP/1.0\r\nHost: %s\r\nAuthorization: Basic ' "${rest#*/}" "${rest%%/*}"
		printf '%s:%s' "$(cat "$login/username")" "$(cat "$login/password")" | base64 | tr -d '\n'
		printf '\r\n\r\n'
	} | case $1 in
	https:*) exchange "${where%:*}" "${where##*:}" "${where%:*}" 2>/dev/null ;;
	*) timeout 60 nc "${where%:*}" "${where##*:}" -e sh -c 'cat <&4; exec cat >&5' 4<&0 5>&1 2>/dev/null ;;
	esac | tr -d '\r' || :
}

# of_challenge NAME: a parameter of the challenge by which $answer sends clients to another server for a token.
of_challenge() {
	printf '%s\n' "$answer" |
		sed -n '/^$/q;s/^[Ww][Ww][Ww]-[Aa]uthenticate: *[Bb]earer .*'"$1"'="\([^"]*\)".*/\1/p'
}

# try_login: a server of tokens gets the password only through TLS, unless the upstream itself has none.
try_login() {
	answer=$(ask "$upstream/v2/")
	realm=$(of_challenge realm)
	case $realm in
	'') ;;
	https://*/* | "${upstream%%:*}"://*/*)
		service=$(of_challenge service | sed 's/ /%20/g')
		answer=$(ask "$realm?service=$service")
		;;
	*) answer='' ;;
	esac
	status=$(printf '%s\n' "$answer" | head -n 1)
	case $status in
	HTTP/*\ 401* | HTTP/*\ 403*)
		printf '%s: found that %s refuses the user %s (%s); a cache that may not pull keeps nothing; %s\n' \
			"$key" "$upstream" "$(cat "$login/username")" "$status" "correct its username and password" >&2
		return 1
		;;
	esac
}

try_login
