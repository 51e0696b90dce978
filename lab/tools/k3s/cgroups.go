package main

import (
	"path/filepath"
	"syscall"

	"k3s-registry.lab/tools/supervision"
)

// remountCgroups makes the cgroup hierarchies writable where a container manager mounted them read-only, since the
// kubelet and runc make groups of their own below.
func remountCgroups() {
	mounts, _ := filepath.Glob("/sys/fs/cgroup/*")
	for _, mount := range append([]string{"/sys/fs/cgroup"}, mounts...) {
		var stat syscall.Statfs_t
		if syscall.Statfs(mount, &stat) != nil || stat.Flags&syscall.MS_RDONLY == 0 {
			continue
		}
		flags := uintptr(syscall.MS_REMOUNT | syscall.MS_BIND | syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC)
		if err := syscall.Mount("", mount, "", flags, ""); err != nil && mount != "/sys/fs/cgroup" {
			supervision.Logf("remounting %s writable: %v", mount, err)
		}
	}
}
