# shellcheck shell=sh disable=SC2034,SC2154
# A request through TLS, by what Alpine has.

ssl_client=${ssl_client:-/usr/bin/ssl_client}

# exchange HOST PORT NAME [-I]: sends standard input through TLS and prints the answer. With -I nobody asks whose
# certificate it is. Not wget, since its arguments, which every user of the node can read, would contain the secret.
exchange() {
	# shellcheck disable=SC2016 # the inner shell expands it
	timeout 60 nc "$1" "$2" -e sh -c 'exec 3<&0; exec "$1" $2 -s 3 -n "$0" <&4 >&5' \
		"$3" "$ssl_client" "${4:-}" 4<&0 5>&1
}
