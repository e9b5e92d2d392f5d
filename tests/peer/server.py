"""The raw peer as a server that plays one script a connection on threads of its own, and as a client."""

import os
import select
import socket
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from peer.link import DEADLINE, Failure, Link
from peer.stage import Stage
from peer.steps import Step, run, starttls


class Server:
    """
    Listens on a loopback port (or a Unix socket) and plays the scripts: the first to the first connection, the second
    to the second. As a context manager it waits, at the end, for all of them to end, and raises Failure if one went
    wrong, if a connection never came, or if one too many did. It listens from the constructor on.
    """

    def __init__(
        self,
        *scripts: Sequence[Step],
        context: ssl.SSLContext | None = None,
        implicit: bool = False,
        host: str = "127.0.0.1",
        path: str | Path | None = None,
        receive_buffer: int | None = None,
        deadline: float = DEADLINE,
        stage: Stage | None = None,
    ) -> None:
        """
        The context is for the starttls steps; implicit makes that each script's first step. receive_buffer, in octets,
        is the system's: a small one makes the other side feel early that nothing is read.
        """
        self._scripts = [[starttls(), *script] if implicit else list(script) for script in scripts]
        self._context = context
        self._deadline = deadline
        self.stage = stage or Stage()
        self.failures: list[Failure] = []
        self._cancelled, self._cancel = os.pipe()
        self._listener = self._listen(host, path, receive_buffer)
        self._threads = [threading.Thread(target=self._accept, name="peer", daemon=True)]
        self._threads[0].start()

    @property
    def host(self) -> str:
        return str(self._address[0])

    @property
    def port(self) -> int:
        return int(self._address[1])

    def wait_for(self, name: str) -> None:
        """Waits until a script has marked the name."""
        if not self.stage.wait_for(name, self._deadline):
            raise Failure(f"no script got to the mark {name}", *self.failures)

    def release(self, name: str) -> None:
        """Lets the scripts that hold at the name go on."""
        self.stage.release(name)

    def join(self) -> None:
        """Waits for the scripts to end. Raises the first failure."""
        # Each step has a deadline of its own, so this ends.
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def abandon(self) -> None:
        """Ends at once, wherever the scripts are."""
        self.stage.abandon()
        os.write(self._cancel, b"x")
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None:
                self.join()
            else:
                self.abandon()
                for failure in self.failures:
                    error.add_note(f"The raw peer: {failure}")
        finally:
            self._listener.close()
            os.close(self._cancelled)
            os.close(self._cancel)

    def _listen(self, host: str, path: str | Path | None, receive_buffer: int | None) -> socket.socket:
        if path is not None:
            listener = socket.socket(socket.AF_UNIX)
            self._address: tuple[str, int] = (str(path), 0)
            listener.bind(str(path))
        else:
            listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            if receive_buffer is not None:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            listener.bind((host, 0))
            self._address = listener.getsockname()[:2]
        listener.listen()
        return listener

    def _accept(self) -> None:
        """Gives each connection its script, in a thread; then sees that no further one has come."""
        for number, script in enumerate(self._scripts, 1):
            connection = self._next_connection(self._deadline)
            if connection is None:
                self.failures.append(Failure(f"connection {number} of {len(self._scripts)} never came"))
                return
            thread = threading.Thread(target=self._play, args=(script, connection), name=f"peer {number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        for thread in self._threads[1:]:
            thread.join()
        surplus = self._next_connection(0)
        if surplus is not None:
            surplus.close()
            self.failures.append(Failure("a connection came for which there is no script"))

    def _next_connection(self, deadline: float) -> socket.socket | None:
        ready, _, _ = select.select([self._listener, self._cancelled], [], [], deadline)
        return self._listener.accept()[0] if self._listener in ready and self._cancelled not in ready else None

    def _play(self, script: list[Step], connection: socket.socket) -> None:
        link = Link(
            connection,
            server_side=True,
            context=self._context,
            deadline=self._deadline,
            stage=self.stage,
            cancel=self._cancelled,
        )
        try:
            run(script, link)
        except Failure as failure:
            self.failures.append(failure)
            self.stage.abandon()


def connect(
    host: str,
    port: int,
    *,
    context: ssl.SSLContext | None = None,
    implicit: bool = False,
    server_name: str | None = None,
    path: str | Path | None = None,
    receive_buffer: int | None = None,
    deadline: float = DEADLINE,
    stage: Stage | None = None,
) -> Link:
    """A connection to a server under test (by path: its Unix socket); the steps are methods of what this returns."""
    family = socket.AF_UNIX if path is not None else socket.AF_INET6 if ":" in host else socket.AF_INET
    connection = socket.socket(family)
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(deadline)
    connection.connect(str(path) if path is not None else (host, port))
    link = Link(
        connection,
        server_side=False,
        context=context,
        server_name=server_name or host,
        deadline=deadline,
        stage=stage,
    )
    if implicit:
        link.starttls()
    return link
