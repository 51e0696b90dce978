#!/bin/sh
# Runs the sshd of a root file system that is not this machine's: sshd-in-tree.sh TREE FOLDER. sshd sees FOLDER as /mnt.
# The caller gives it a mount namespace of its own, which takes the mounts away in the end; TREE itself stays as it is.
set -eu
tree=$1
folder=$2
mount --bind "$folder" "$tree/mnt"
mount --rbind /dev "$tree/dev"
mount --rbind /proc "$tree/proc"
mount -t tmpfs -o mode=0755 tmpfs "$tree/run"
mkdir "$tree/run/sshd"
exec chroot "$tree" /usr/sbin/sshd -D -e -f /mnt/sshd_config
