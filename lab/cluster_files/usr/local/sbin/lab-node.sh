#!/bin/sh
# Gives K3s what a machine of its own would have.
set -eu

# K3s creates cgroups, in hierarchies that nspawn has mounted read-only. A failure at the top is harmless: with cgroup
# v1 it holds nothing but the hierarchies' mount points.
awk '$5 ~ "^/sys/fs/cgroup(/|$)" && $6 ~ /^ro(,|$)/ { print $5 }' /proc/self/mountinfo | while read -r mount; do
	mount -o remount,rw,bind,nosuid,nodev,noexec "$mount" || [ "$mount" = /sys/fs/cgroup ]
done

# The kubelet always sets these kernel settings. They are not per namespace, so it would change the host's. Files of the
# machine's own are mounted over them, which already contain the values that the kubelet sets.
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
