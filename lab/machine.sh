#!/bin/sh
# Runs one machine until it powers itself off, and boots it again when it reboots.
#   machine.sh CGROUP... -- NSPAWN_ARGUMENT...
# CGROUP is the machine's cgroup in one hierarchy, with the children `supervisor` (for this script) and `system` (for
# the machine): on cgroup v2 a cgroup with processes cannot hand controllers to its children.
set -eu
cgroups=
while [ "$1" != -- ]; do
	cgroups="$cgroups $1"
	shift
done
shift

# Writing 0 moves the writing process; in a subshell, $$ would name its parent.
for cgroup in $cgroups; do
	echo 0 >"$cgroup/supervisor/cgroup.procs"
done

# Removes the cgroups that services and pods of the last boot have left, since a real machine starts without them.
renew() {
	find "$1" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || :
	# With cgroup v2, a cgroup whose controllers are enabled for its children accepts no process any more.
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
			# The exit is explicit because `set -e` has no effect on the left of ||; without it, the machine would
			# boot in the supervisor's cgroup.
			echo 0 >"$cgroup/system/cgroup.procs" || exit 1
		done
		exec systemd-nspawn "$@"
	) || status=$?
done
exit "$status"
