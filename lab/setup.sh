#!/bin/sh
# Creates the Python environment .venv of program, lab and tests. Does nothing if the requirements have not changed.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }
fail() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

# The digest includes the directory's name, which the programs in .venv contain. Python itself is checked too, since an
# upgrade of the system may have removed it.
wanted=$({ cat requirements*.txt policy/requirements.txt lab/setup.sh && pwd -P; } | sha256sum | cut -d ' ' -f 1)
if [ "$(cat .venv/.requirements 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
	exit 0
fi

suitable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=
for candidate in python3 python3.13 python3.12 python3.11; do
	if suitable "$candidate"; then
		python=$candidate
		break
	fi
done
if [ -z "$python" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		fail "no Python 3.11 or newer with venv found; it runs program and tests; install python3 and python3-venv"
	fi
	say "Installing Debian packages python3 and python3-venv: they run the program and its tests."
	lab/apt-install.sh python3 python3-venv
	# The first Python on PATH may be another one without venv, so this one is named by its path.
	python=/usr/bin/python3
	suitable "$python" || fail "$python is older than 3.11, the oldest that the program runs on; install a newer one"
fi

say "Setting up .venv (usually half a minute) ..."
started=$(date +%s)
rm -f .venv/.requirements
# --clear removes an environment of another Python, or an incomplete one.
"$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
printf '%s\n' "$wanted" >.venv/.requirements
say "Set up .venv in $(($(date +%s) - started)) s."
