"""How to know that the other program has read what was sent to it, without asking it and without waiting a while."""

import fcntl
import socket
import struct
import termios
from pathlib import Path


def is_taken(link: socket.socket) -> bool:
    """Whether the program at the other end of this connection has read all that was sent, or has closed."""
    if _unacknowledged(link):
        return False
    if link.family == socket.AF_UNIX:
        return True  # there, what the other side has not read still counts as unsent
    return _unread_by_other_end(link) == 0


def _unacknowledged(link: socket.socket) -> int:
    return int(struct.unpack("i", fcntl.ioctl(link.fileno(), termios.TIOCOUTQ, bytes(4)))[0])


def _unread_by_other_end(link: socket.socket) -> int:
    """The receive queue of the other end's socket, from the system's table; 0 where it is not (or no longer) there."""
    table = Path("/proc/net/tcp6" if link.family == socket.AF_INET6 else "/proc/net/tcp").read_text("ascii")
    ends = f" {_in_table(link, link.getpeername())} {_in_table(link, link.getsockname())} "
    start = table.find(ends)
    if start < 0:
        return 0
    _state, queues = table[start + len(ends) :].split(None, 2)[:2]
    return int(queues.split(":")[1], 16)


def _in_table(link: socket.socket, address: tuple[str, int]) -> str:
    """An address as the table writes it: words in the machine's byte order, in hexadecimal."""
    octets = socket.inet_pton(link.family, address[0])
    words = struct.unpack(f"={len(octets) // 4}I", octets)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"
