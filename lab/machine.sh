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

reboot=133
status=$reboot
while [ "$status" -eq "$reboot" ]; do
    status=0
    (
        for cgroup in $cgroups; do
            echo 0 >"$cgroup/system/cgroup.procs"
        done
        exec systemd-nspawn "$@"
    ) || status=$?
    # What the last boot's services and pods left; a machine of metal starts without it too.
    for cgroup in $cgroups; do
        find "$cgroup/system" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || :
    done
done
exit "$status"
