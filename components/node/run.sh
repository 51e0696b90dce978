#!/bin/sh
# One run of trust.sh: its streams, its end, its lock. The settings come as variables before this text on stdin; the answer
# is one line of JSON on stdout, a failure one sentence on stderr with exit 1, drift exit 3.
#
# The parts of trust.sh are joined before they travel (node_script.py says in which order); lines that are nothing but a
# comment, and leading blanks, are stripped: no here-documents.
# shellcheck disable=SC2034,SC2154,SC2329  # settings are assigned by the text before this one, functions used by other parts
set -eu
umask 022
export LC_ALL=C
verb=${1:-} root=${K3S_REGISTRY_ROOT:-}
# sudo's secure_path often lacks the folders that K3s and the store tools live in.
PATH=$PATH:$root/usr/local/bin:$root/opt/bin:$root/usr/sbin:$root/sbin
what='' said='' work='' held='' nl='
'
# Children must not eat what is left of stdin, which is this script; their chatter must not spoil the two streams.
exec 3>&2 4>&1 </dev/null >/dev/null

die() {
	printf 'node %s: %s\n' "$node" "$1" >&3
	said=1
	exit 1
}

finish() {
	code=$?
	if [ "$code" != 0 ] && [ "$code" != 3 ] && [ ! "$said" ]; then
		said=$(tail -n1 "$work/err") || said="no temporary file could be made in $work"
		printf 'node %s: %s; each file is wholly old or new; mend this and run pulumi up again\n' "$node" "${said:-a command failed}" >&3
		# Shells give some failures of their own another number.
		code=1
	fi
	[ ! "$held" ] || rm -f "$held"
	[ ! "$work" ] || rm -rf "$work"
	exit "$code"
}
trap finish EXIT
trap 'exit 143' HUP INT TERM

case $verb in
apply | check | remove | activate) ;;
*) die "found the verb '$verb'; apply, check and remove exist; use one of them" ;;
esac
[ "$(id -u)" = 0 ] || die "found user $(id -un) instead of root; files under /etc need root; log in as root or let sudo -n run sh"
# Named by the process, so that a later run can tell what a killed one left, which may hold passwords.
work=$root/run/k3s-registry.$$
# What mkdir or the shell says of its own would be a second sentence.
exec 2>/dev/null
rm -rf "$work"
mkdir -m 700 "$work" || die "found no room for temporary files in $root/run; some is needed; free space there"
exec 2>"$work/err"

# A symbolic link is made and carries its owner in one step, so there is no moment at which a lock has no owner. A dead
# owner's lock is taken away under a second lock: otherwise two waiters could each take away the other's new one.
lock=$root/run/k3s-registry.lock n=0
# What restarts K3s goes on with the lock of the run that started it.
until [ "$verb" != activate ] || ln -sn $$ "$lock.break" || [ $n -ge 5 ]; do
	n=$((n + 1))
	sleep 1
done
if [ "$verb" = activate ]; then
	if [ "$(readlink "$lock")" = "$parent" ] && ln -sn $$ "$lock.$$"; then
		mv -f "$lock.$$" "$lock"
		held=$lock
	fi
	rm -f "$lock.break"
	n=0
fi
until [ "$held" ] || ln -sn $$ "$lock"; do
	n=$((n + 1)) pid=$(readlink "$lock") || pid=''
	if [ "$pid" ] && ! kill -0 "$pid" && ln -sn $$ "$lock.break"; then
		[ "$(readlink "$lock")" != "$pid" ] || rm -f "$lock"
		rm -f "$lock.break"
		continue
	fi
	# The second lock is held for a moment; who died in it has left it.
	[ $n != 5 ] || kill -0 "$(readlink "$lock.break")" || rm -f "$lock.break"
	[ $n -lt "${lock_seconds:-120}" ] || die "found $lock held by process $pid for $n seconds; one run at a time may change a node; let it end or remove that file"
	sleep 1
done
held=$lock
for old in "$root"/run/k3s-registry.[0-9]*; do
	kill -0 "${old##*.}" || rm -rf "$old"
done

