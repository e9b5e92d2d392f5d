"""A saslauthd for Cyrus, which knows one password: a socket that is asked, connection by connection."""

import contextlib
import socket
import struct
import threading
from pathlib import Path
from typing import IO


class Saslauthd:
    def __init__(self, path: Path, password: str) -> None:
        self._password = password.encode()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o777)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # stopped
                return
            with connection, connection.makefile("rwb") as stream:
                self._answer(stream)

    def _answer(self, stream: IO[bytes]) -> None:
        """The question is user, password, service and realm, each with its length before it; so is the answer."""
        _, password, _, _ = (stream.read(struct.unpack(">H", stream.read(2))[0]) for _ in range(4))
        answer = b"OK" if password == self._password else b"NO"
        stream.write(struct.pack(">H", len(answer)) + answer)
