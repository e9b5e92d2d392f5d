"""
One in the middle that only listens: it hands connections without TLS on to a server, notes the client's commands,
counts the server's octets, and does something at a certain one of them. It can also make the server older than it is.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self


class CountingRelay:
    """
    Takes connections on loopback to a server's address. hidden: commands that the server shall not have: it is asked
    for ones that nobody has, and its capabilities leave them out. A context manager.
    """

    def __init__(self, server: tuple[str, int], hidden: tuple[bytes, ...] = ()) -> None:
        self.commands: list[str] = []
        """What clients have said, without the words that follow a command's first."""
        self.octets = 0
        """That the server has sent."""
        self._server = server
        self._hidden = hidden
        self._event: tuple[int, Callable[[], object]] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        self.rest()

    def rest(self) -> None:
        """Waits until both sides of each connection have closed it."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a connection does not end"
        self._threads.clear()

    def forget(self) -> None:
        """Counts from nothing again."""
        self.commands.clear()
        self.octets = 0

    def count(self, *commands: str) -> int:
        """How often one of these was said."""
        return sum(command in commands for command in self.commands)

    def at(self, octets: int, action: Callable[[], object]) -> None:
        """Once the server has sent so many octets, does this, before any more goes on to the client."""
        self._event = (octets, action)

    # ---- connections ----

    def _accept(self) -> None:
        while True:
            try:
                front, _ = self._listener.accept()
            except OSError:  # stopped
                return
            thread = threading.Thread(target=self._meet, args=(front, socket.create_connection(self._server)))
            thread.start()
            self._threads.append(thread)

    def _meet(self, front: socket.socket, back: socket.socket) -> None:
        with front, back:
            front.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            forth = threading.Thread(target=pass_on, args=(self._forth, front, back))
            forth.start()
            pass_on(self._back, back, front)
            forth.join()

    def _forth(self, front: socket.socket, back: socket.socket) -> None:
        for lines in whole_lines(front):
            self.commands += [line.split()[0].decode("ascii", "replace").upper() for line in lines if line.split()]
            for command in self._hidden:
                lines = [b"X" + line[1:] if line.upper().startswith(command) else line for line in lines]
            back.sendall(b"".join(lines))

    def _back(self, back: socket.socket, front: socket.socket) -> None:
        hidden = {command + b"\r\n" for command in self._hidden}
        chunks = (b"".join(line for line in lines if line not in hidden) for lines in whole_lines(back))
        for chunk in chunks if hidden else as_it_comes(back):
            # Several servers send an answer in pieces, and wait for the first to be acknowledged.
            back.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            self.octets += len(chunk)
            if self._event is not None and self.octets >= self._event[0]:
                _, action = self._event
                self._event = None
                action()
            front.sendall(chunk)


def pass_on(
    direction: Callable[[socket.socket, socket.socket], None], one: socket.socket, other: socket.socket
) -> None:
    """One direction of a connection; where it ends, the other side is told."""
    with contextlib.suppress(OSError):
        direction(one, other)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


def as_it_comes(connection: socket.socket) -> Iterator[bytes]:
    while chunk := connection.recv(1 << 16):
        yield chunk


def whole_lines(connection: socket.socket) -> Iterator[list[bytes]]:
    """Those that have come, as soon as they are whole."""
    rest = b""
    for chunk in as_it_comes(connection):
        *lines, rest = (rest + chunk).split(b"\n")
        yield [line + b"\n" for line in lines]
