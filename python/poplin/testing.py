"""For tests: throw-away certificates."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from poplin import _core


class Certificate:
    """
    A server certificate for some names, signed by a CA of its own, both thrown away with this object: PEM text, and as
    a context manager files too, in a temporary folder that is removed at the end.
    """

    ca_pem: str
    """The CA's certificate: what a client has to trust."""

    cert_pem: str
    """The server's certificate."""

    key_pem: str
    """The server's private key."""

    def __init__(self, *names: str) -> None:
        self.ca_pem, self.cert_pem, self.key_pem = _core.throwaway(*names)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="poplin-")
        for path, pem in ((self.ca_file, self.ca_pem), (self.cert_file, self.cert_pem), (self.key_file, self.key_pem)):
            path.write_text(pem)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def ca_file(self) -> Path:
        """The file of `ca_pem`, inside the context. RuntimeError: outside."""
        return self._file("ca.pem")

    @property
    def cert_file(self) -> Path:
        """The file of `cert_pem`, inside the context. RuntimeError: outside."""
        return self._file("cert.pem")

    @property
    def key_file(self) -> Path:
        """The file of `key_pem`, inside the context. RuntimeError: outside."""
        return self._file("key.pem")

    def __repr__(self) -> str:
        return "<poplin.testing.Certificate>"

    def _file(self, name: str) -> Path:
        if self._folder is None:
            raise RuntimeError("a certificate has files only inside its context: with certificate(...) as it")
        return Path(self._folder.name, name)


def certificate(*names: str) -> Certificate:
    """
    A throw-away CA and a server certificate for these host names and IP addresses; for "localhost" and the loopback
    addresses where there are none.
    """
    return Certificate(*(names or ("localhost", "127.0.0.1", "::1")))
