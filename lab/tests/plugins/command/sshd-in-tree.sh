#!/bin/sh
# Runs the sshd of a root file system that is not this machine's: sshd-in-tree.sh TREE FOLDER. sshd sees FOLDER as /mnt.
# The caller starts it in a mount namespace of its own, whose end removes the mounts; TREE itself does not change.
set -eu
tree=$1
folder=$2
mount --bind "$folder" "$tree/mnt"
mount --rbind /dev "$tree/dev"
mount --rbind /proc "$tree/proc"
mount -t tmpfs -o mode=0755 tmpfs "$tree/run"
mkdir "$tree/run/sshd"
exec chroot "$tree" /usr/sbin/sshd -D -e -f /mnt/sshd_config
