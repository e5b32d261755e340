#!/usr/bin/env python3
"""Shares the sockets on which a running process listens: take-listeners.py PID WHERE[,WHERE…] [COMMAND…]

WHERE is a port, or the path of a unix socket. COMMAND is executed with the sockets, as systemd passes them, see sd_listen_fds(3). Without
one, in ExecStartPre= of a unit, they go into the service's descriptor store, and from there to what ExecStart= runs. Both processes then
accept from the same queue. It must be root, or of the same user as the process; Linux 5.6 and Python 3.9.
"""
import ctypes
import errno
import fcntl
import os
import socket
import sys

SYS_PIDFD_GETFD = 438  # on every architecture
FIRST = 3  # SD_LISTEN_FDS_START


def listeners(pid, wanted):
    """Copies of the stream sockets on which a process listens, as far as they are wanted."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                continue
        except FileNotFoundError:  # a connection that has just ended
            continue
        copy = libc.syscall(SYS_PIDFD_GETFD, process, int(name), 0)
        if copy < 0 and ctypes.get_errno() == errno.EBADF:  # likewise
            continue
        if copy < 0:
            sys.exit(f"copying descriptor {name} of process {pid}: {os.strerror(ctypes.get_errno())}")
        s = socket.socket(fileno=copy)
        if s.type == socket.SOCK_STREAM and s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            at = s.getsockname()
            if (at if isinstance(at, str) else str(at[1])) in wanted:
                yield s


def store(sockets):
    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):
        address = "\0" + address[1:]
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.connect(address)
    socket.send_fds(manager, [b"FDSTORE=1\nFDNAME=taken"], [s.fileno() for s in sockets])


def execute(command, sockets):
    above = FIRST + len(sockets)
    copies = [fcntl.fcntl(s, fcntl.F_DUPFD, above) for s in sockets]  # so that none is overwritten before it is moved
    for n, fd in enumerate(copies):
        os.dup2(fd, FIRST + n)
    os.closerange(above, max(copies) + 1)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(copies)))
    os.execvp(command[0], command)


def main():
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    pid, wanted, command = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
    sockets = list(listeners(pid, wanted))
    if not sockets:
        sys.exit(f"process {pid} does not listen on {' or '.join(wanted)}")
    if command:
        execute(command, sockets)
    elif "NOTIFY_SOCKET" in os.environ:
        store(sockets)
    else:
        sys.exit("without a command it needs systemd's NOTIFY_SOCKET")


main()
