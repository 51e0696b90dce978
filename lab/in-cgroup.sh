#!/bin/sh
# Moves into the given cgroups, by which the lab finds its processes again, and becomes COMMAND.
#   in-cgroup.sh CGROUP... -- COMMAND...
set -eu
while [ "$1" != -- ]; do
	echo 0 >"$1/cgroup.procs"
	shift
done
shift
exec "$@"
