#!/bin/sh
# Starts a stand-in plugin. A copy of this file is installed as the plugin's program; the file `stand-in` beside it sets
# python, checkout and plugin.
set -eu
# shellcheck source=/dev/null
. "${0%/*}/stand-in"
# -P: the engine starts plugins in the program's directory, whose files must not be imported as modules.
# shellcheck disable=SC2154
PYTHONPATH=$checkout exec "$python" -P -m "lab.plugins.$plugin" "$@"
