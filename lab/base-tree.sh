#!/bin/sh
# Turns a freshly installed tree into the base of all lab machines; mmdebstrap calls it as a customize hook.
#   base-tree.sh TREE      MACHINE_FILES in the environment: the folder whose files go into the tree
set -eu
tree=$1

# The account has a password that no input matches: sshd would refuse a locked account.
chroot "$tree" useradd --create-home --shell /bin/sh --uid 1000 --password "*" pi
# Each machine gets its own identity before it boots, so the tree must not contain one.
rm -f "$tree"/etc/ssh/ssh_host_* "$tree"/etc/machine-id "$tree"/var/lib/dbus/machine-id
# In some releases this is a link to a file of a service that the machines do not run.
rm -f "$tree/etc/resolv.conf"
cp -R --no-preserve=ownership "$MACHINE_FILES"/. "$tree"/
# The checkout's modes follow its owner's umask.
(cd "$MACHINE_FILES" && find . -mindepth 1) | while read -r path; do
	chmod u=rwX,go=rX "$tree/$path"
done
chmod 0440 "$tree/etc/sudoers.d/pi"
mkdir -p "$tree/root/.ssh" "$tree/home/pi/.ssh" "$tree/etc/rancher/k3s" "$tree/opt/local-path-provisioner"
chmod 0700 "$tree/root/.ssh" "$tree/home/pi/.ssh"
chown -R 1000:1000 "$tree/home/pi/.ssh"

# The distribution installs CNI plugins in another directory than the one that K3s uses by default.
mkdir -p "$tree/usr/libexec" "$tree/usr/local/bin"
ln -s ../lib/cni "$tree/usr/libexec/cni"
for program in /usr/sbin/runc /usr/bin/etcd; do
	if [ ! -e "$tree/usr/local/bin/${program##*/}" ]; then
		ln -s "$program" "$tree/usr/local/bin/${program##*/}"
	fi
done

# Disables units that need an uplink, a clock or a console; unused ones that occupy inotify instances, of which a host
# allows few (logins, password prompts); and etcd, which k3s starts itself.
for unit in etcd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	fstrim.timer console-getty.service getty.target systemd-timesyncd.service systemd-resolved.service \
	systemd-networkd.service systemd-logind.service ssh.socket \
	systemd-ask-password-console.path systemd-ask-password-wall.path; do
	ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
chroot "$tree" systemctl --quiet enable ssh.service
