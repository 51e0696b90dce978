#!/bin/sh
# Keeps a pod's namespaces alive and ends immediately on SIGTERM, which a bare sleep as process 1 would ignore.
trap 'exit 0' TERM INT
while :; do
	sleep 86400 &
	wait "$!"
done
