"""Becomes an sshd of a machine, on a separate port, with the filter of `interception` on all processes it starts.

    intercepted_sshd.py LEADER SOCKET CGROUP... -- COMMAND...

The descriptor to listen by goes out through the socket. Not nsenter(1): there is no Python in the machine to put the
filter on with, so this process has to enter it.
"""

import ctypes
import os
import socket
import sys
from pathlib import Path

from tests.faults.interception import install

NAMESPACES = ("cgroup", "ipc", "uts", "net", "pid", "mnt")


def main() -> None:
    """Enter the machine and become its sshd."""
    leader, channel, *rest = sys.argv[1:]
    groups, command = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    for group in groups:
        (Path(group) / "cgroup.procs").write_text("0")
    out = socket.socket(fileno=int(channel))
    libc = ctypes.CDLL(None, use_errno=True)
    spaces = [os.open(f"/proc/{leader}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in NAMESPACES]
    for space in spaces:
        if libc.setns(space, 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    # Only children are in the new PID namespace.
    if os.fork():
        os._exit(0)
    os.setsid()
    listener = install()
    # From here on each call of CALLS waits for the supervisor, which must receive the descriptor first.
    socket.send_fds(out, [b"."], [listener])
    out.close()
    os.close(listener)
    os.execve(command[0], command, {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})  # noqa: S606 no shell is wanted


if __name__ == "__main__":
    main()
