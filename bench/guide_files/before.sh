#!/bin/sh
# On a machine: keeps what the guide's commands change, so that `after.sh` can bring it back.
set -eu
rm -rf /var/tmp/before-guide
mkdir -p /var/tmp/before-guide
cp -a /etc/ssl/certs /etc/hosts /var/tmp/before-guide/
