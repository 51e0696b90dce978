#!/bin/sh
# Runs on a machine and undoes the changes of the guide's commands; the guide itself has no undo.
set -eu
rm -f /usr/local/share/ca-certificates/registry.crt /usr/local/share/ca-certificates/registry.key
rm -f /etc/rancher/k3s/registries.yaml
rm -rf /etc/ssl/certs
cp -a /var/tmp/before-guide/certs /etc/ssl/certs
cp -a /var/tmp/before-guide/hosts /etc/hosts
