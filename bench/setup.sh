#!/bin/sh
# Installs the guide's ansible in .venv-bench, beside the project's own environment, unless nothing has changed.
set -eu
cd "$(dirname "$0")/.."
wanted=$({ cat bench/requirements.txt bench/setup.sh && pwd -P; } | sha256sum | cut -d ' ' -f 1)
if [ "$(cat .venv-bench/.requirements 2>/dev/null)" = "$wanted" ] && .venv-bench/bin/python -c '' 2>/dev/null; then
	exit 0
fi
printf 'Setting up .venv-bench (ansible, for comparison) ...\n'
rm -rf .venv-bench
# This uses the project's own Python, since lab/setup.sh has checked that it can create environments.
.venv/bin/python -m venv .venv-bench
.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
printf '%s\n' "$wanted" >.venv-bench/.requirements
