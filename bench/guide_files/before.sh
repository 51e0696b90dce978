#!/bin/sh
# Runs on a machine and saves the files that the guide's commands change, so that `after.sh` can restore them.
set -eu
rm -rf /var/tmp/before-guide
mkdir -p /var/tmp/before-guide
cp -a /etc/ssl/certs /etc/hosts /var/tmp/before-guide/
