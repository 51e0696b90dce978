#!/bin/sh
# The kubelet always sets these kernel settings. They are not per namespace, so it would change the host's. This script
# mounts files of the machine's own over them, which already contain the values that the kubelet sets.
set -eu
copies=/run/private-sysctl
mkdir -p "$copies"

cover() {
	if [ -e "/proc/sys/$1" ] && [ ! -e "$copies/$2" ]; then
		printf '%s\n' "$3" >"$copies/$2"
		mount --bind "$copies/$2" "/proc/sys/$1"
	fi
}

cover vm/overcommit_memory overcommit_memory 1
cover vm/panic_on_oom panic_on_oom 0
cover kernel/panic panic 10
cover kernel/panic_on_oops panic_on_oops 1
cover kernel/keys/root_maxkeys root_maxkeys 1000000
cover kernel/keys/root_maxbytes root_maxbytes 25000000
