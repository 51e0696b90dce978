#!/bin/sh
# Installs packages of Debian or Ubuntu, as root.
#   apt-install.sh PACKAGE...
# On a fresh machine the system's own updates hold apt's locks for minutes, so this waits for up to ten minutes.
set -eu
deadline=$(($(date +%s) + 600))
said=$(mktemp)
trap 'rm -f "$said"' EXIT
# needrestart would restart services of this computer.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C

# apt's own option waits for only one of its locks, not for those of lists and archives.
patient() {
	told=
	until apt-get -q -q -o DPkg::Lock::Timeout=600 "$@" >"$said" 2>&1; do
		if ! grep -q -e 'Could not get lock' -e 'Unable to lock' "$said" || [ "$(date +%s)" -ge "$deadline" ]; then
			printf 'apt-get %s failed: %s\n' "$*" "$(tail -n 20 "$said")" >&2
			exit 1
		fi
		[ -n "$told" ] || printf 'apt is busy with other updates of this computer, waiting ...\n' >&2
		told=yes
		sleep 2
	done
}

patient update
# Recommended packages would bring services that start on this computer.
patient install --yes --no-install-recommends "$@"
