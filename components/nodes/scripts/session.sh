#!/bin/sh
# One run on a node: its two streams, its temporary directory and its end.
#
# The settings come as shell variables before this text on stdin. The answer is one line of JSON on stdout; a failure
# is one sentence on stderr and exit status 1; drift is exit status 3.
#
# script.py joins the parts before they travel, and strips indentation and lines that hold only a comment: no part
# may use a here-document. An awk program FILE.awk arrives as the variable FILE_awk.
# shellcheck disable=SC2016,SC2034,SC2154,SC2329  # settings come before this text, parts share names, awk is quoted

# start_session PROMISE: PROMISE is what holds after a failure that has no sentence of its own.
# Sets root, endpoint (the registry as image names have it), endpoints (every form of that: a client asks for port 443
# where a name has no port, and the nodes' own port comes first), lock (its path) and nl (a newline).
start_session() {
	set -eu
	umask 022
	export LC_ALL=C
	promise=$1 root=${K3S_REGISTRY_ROOT:-} endpoint=$hostname:$port said='' work='' nl='
'
	lock=$root/run/k3s-registry.lock endpoints=$endpoint
	if [ "$port" = 443 ]; then endpoints="$endpoint $hostname"; fi
	if [ "${pull_port:-}" ]; then endpoints="$hostname:$pull_port $endpoints"; fi
	# sudo's secure_path often lacks the directories of K3s and of the certificate tools.
	PATH=$PATH:$root/usr/local/bin:$root/opt/bin:$root/usr/sbin:$root/sbin
	# No child may read the rest of stdin, which is this script, or write to the two streams of the answer.
	exec 3>&2 4>&1 </dev/null >/dev/null
	trap finish EXIT
	trap 'exit 143' HUP INT TERM
}

# create_work: Sets work, a temporary directory.
create_work() {
	# The name holds the process number, so that a later run can remove what a killed one left: it may hold passwords.
	work=$root/run/k3s-registry.$$
	# What mkdir or the shell itself reports would be a second sentence.
	exec 2>/dev/null
	rm -rf "$work"
	mkdir -m 700 "$work" ||
		die "found no room for temporary files in $root/run" "some is needed" "free space there"
	exec 2>"$work/err"
}

# die FOUND RULE REMEDY: ends the run with one sentence.
die() {
	printf 'node %s: %s; %s; %s\n' "$node" "$1" "$2" "$3" >&3
	said=1
	exit 1
}

# The end of every run, however it came about.
finish() {
	code=$?
	if [ "$code" != 0 ] && [ "$code" != 3 ] && [ ! "$said" ]; then
		said=$(tail -n1 "$work/err") || said="no temporary file could be created in $work"
		printf 'node %s: %s; %s; correct this and run pulumi up again\n' \
			"$node" "${said:-a command failed}" "$promise" >&3
		# Shells give some of their own failures other numbers.
		code=1
	fi
	if [ "$(readlink "$lock")" = $$ ]; then rm -f "$lock"; fi
	if [ "$work" ]; then rm -rf "$work"; fi
	exit "$code"
}
