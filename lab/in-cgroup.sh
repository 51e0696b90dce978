#!/bin/sh
# Becomes COMMAND inside the given cgroups, so that the lab finds it again by them.
#   in-cgroup.sh CGROUP... -- COMMAND...
set -eu
while [ "$1" != -- ]; do
	echo 0 >"$1/cgroup.procs"
	shift
done
shift
exec "$@"
