#!/bin/sh
# Runs one machine until it powers itself off, and boots it again when it reboots.
#   machine.sh CGROUP... -- NSPAWN_ARGUMENT...
# CGROUP is the machine's cgroup in one hierarchy, with the children `supervisor` (for this script) and `system` (for the
# machine): on cgroup v2 a cgroup with processes cannot hand controllers to its children.
set -eu
cgroups=
while [ "$1" != -- ]; do
	cgroups="$cgroups $1"
	shift
done
shift

# 0 names the writing process, which a subshell cannot learn from $$.
for cgroup in $cgroups; do
	echo 0 >"$cgroup/supervisor/cgroup.procs"
done

# What the last boot's services and pods left; a machine of metal starts without it too.
renew() {
	find "$1" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || :
	# cgroup v2: one that has handed controllers down takes no process again.
	if [ -e "$1/cgroup.subtree_control" ]; then
		tries=50
		until rmdir "$1" || [ "$tries" -eq 0 ]; do
			tries=$((tries - 1))
			sleep 0.1
		done
		mkdir "$1"
	fi
}

reboot=133
status=$reboot
while [ "$status" -eq "$reboot" ]; do
	status=0
	for cgroup in $cgroups; do
		renew "$cgroup/system"
	done
	(
		for cgroup in $cgroups; do
			# Else it would boot among its supervisors; and `set -e` does not count on the left of ||.
			echo 0 >"$cgroup/system/cgroup.procs" || exit 1
		done
		exec systemd-nspawn "$@"
	) || status=$?
done
exit "$status"
