#!/usr/bin/env python3
"""Shares the sockets on which a running process listens: take-listeners.py PID WHERE[,WHERE…] [COMMAND…]
Then has that process accept nobody from them any more:   take-listeners.py --stop-accepting PID WHERE[,WHERE…]

WHERE is a port, or the path of a unix socket. COMMAND is executed with the sockets, as systemd passes them, see sd_listen_fds(3). Without
one, in ExecStartPre= of a unit, they go into the service's descriptor store, and from there to what ExecStart= runs. Both processes then
accept from the same queue, until --stop-accepting takes the sockets out of the set of epoll(7) on which the process waits. All else that
it does goes on. It must be root, or of the same user as the process; Linux 5.6 and Python 3.9.
"""
import ctypes
import errno
import fcntl
import os
import select
import socket
import sys

SYS_PIDFD_GETFD = 438  # on every architecture
FIRST = 3  # SD_LISTEN_FDS_START
EPOLL = "anon_inode:[eventpoll]"


def copies(pid):
    """The descriptors of a process: the number of each there, what it is, and a copy of it, if it is a socket or a set of epoll(7)."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        sys.exit(f"there is no process {pid}")
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            what = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:  # a connection that has just ended
            continue
        if not what.startswith("socket:") and what != EPOLL:
            continue
        copy = libc.syscall(SYS_PIDFD_GETFD, process, int(name), 0)
        if copy < 0 and ctypes.get_errno() == errno.EBADF:  # likewise
            continue
        if copy < 0:
            sys.exit(f"copying descriptor {name} of process {pid}: {os.strerror(ctypes.get_errno())}")
        yield int(name), what, copy


def listens(s, wanted):
    """Whether a socket listens at one of the wanted places."""
    if s.type != socket.SOCK_STREAM or not s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    at = s.getsockname()
    return (at if isinstance(at, str) else str(at[1])) in wanted


def listeners(pid, wanted):
    """The stream sockets on which a process listens, as far as they are wanted: the number of each there, and a copy."""
    sockets = [(number, socket.socket(fileno=copy)) for number, what, copy in copies(pid) if what != EPOLL]
    found = [(number, s) for number, s in sockets if listens(s, wanted)]
    if not found:
        sys.exit(f"process {pid} does not listen on {' or '.join(wanted)}")
    return found


def stop_accepting(pid, wanted):
    """Takes the sockets out of every set on which the process waits: one is named there by its file and its number in that process."""
    found = listeners(pid, wanted)
    above = 1 + max(number for number, _ in found)
    sockets = [(number, fcntl.fcntl(s, fcntl.F_DUPFD, above)) for number, s in found]
    sets = [select.epoll.fromfd(fcntl.fcntl(copy, fcntl.F_DUPFD, above)) for _, what, copy in copies(pid) if what == EPOLL]
    for number, copy in sockets:
        os.dup2(copy, number)
        if not [s for s in sets if is_out_of(s, number)]:
            sys.exit(f"process {pid} does not wait by epoll(7) for descriptor {number}, at which it listens; perhaps it has stopped already")


def is_out_of(a_set, number):
    """Takes a descriptor out of a set, and tells whether it was there."""
    try:
        a_set.unregister(number)
    except FileNotFoundError:
        return False
    return True


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
    try:
        os.execvp(command[0], command)
    except OSError as err:
        sys.exit(f"executing {command[0]}: {err.strerror}")


def main():
    stop = sys.argv[1:2] == ["--stop-accepting"]
    arguments = sys.argv[2:] if stop else sys.argv[1:]
    if len(arguments) < 2 or not arguments[0].isdigit() or stop and len(arguments) > 2:
        sys.exit(__doc__)
    pid, wanted, command = int(arguments[0]), arguments[1].split(","), arguments[2:]
    if stop:
        return stop_accepting(pid, wanted)
    sockets = [s for _, s in listeners(pid, wanted)]
    if command:
        execute(command, sockets)
    elif "NOTIFY_SOCKET" in os.environ:
        store(sockets)
    else:
        sys.exit("without a command it needs systemd's NOTIFY_SOCKET")


main()
