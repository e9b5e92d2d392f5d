"""
Serves the files of a folder, one message each, to one user; deleted messages are deleted from the folder.

POPLIN_PASSWORD=... python serve.py FOLDER USER [PORT [CERTIFICATE_AND_KEY]]
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import poplin


class Folder:
    """A maildrop: a file is a message, its name the unique-id."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def list(self) -> Iterator[tuple[str, None]]:
        """Every file; None: poplin counts the octets when a client asks."""
        return ((file.name, None) for file in sorted(self.path.iterdir()) if file.is_file())

    def retr(self, uid: str) -> Path:
        """A path will do: poplin reads it piece by piece."""
        return self.path / uid

    def dele(self, uids: Iterable[str]) -> None:
        """Called once, when the client leaves with QUIT."""
        for uid in uids:
            (self.path / uid).unlink()


class OneUser:
    """A backend: who may log in, and what they find."""

    def __init__(self, user: str, password: str, folder: Path) -> None:
        self.user = user
        self.secret = password
        self.folder = folder

    def password(self, user: str) -> str | None:
        """The password that the client has to know."""
        return self.secret if user == self.user else None

    def maildrop(self, user: str) -> Folder:
        """What the user finds."""
        if not self.folder.is_dir():
            raise poplin.Temporary("the mail is not there just now")
        return Folder(self.folder)


def main(folder: str, user: str, port: str = "0", certificate: str | None = None) -> None:
    """Serves until Ctrl-C."""
    backend = OneUser(user, os.environ["POPLIN_PASSWORD"], Path(folder))
    with poplin.Server(backend, port=int(port), cert_file=certificate, on_error=print) as server:
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
