"""
Serves a Maildir to one user, while other programs deliver to it and read it; deleted messages are deleted from it.

POPLIN_PASSWORD=... python maildir.py MAILDIR USER [PORT [CERTIFICATE_AND_KEY]]
"""

import contextlib
import os
import sys
import threading

import poplin


class OneUser:
    """A backend: who may log in, and what they find."""

    def __init__(self, user: str, password: str, path: str) -> None:
        self.user = user
        self.secret = password
        self.path = path

    def password(self, user: str) -> str | None:
        """The password that the client has to know."""
        return self.secret if user == self.user else None

    def maildrop(self, user: str) -> poplin.Maildir:
        """What the user finds: the messages that are there now. With more users: f"/home/{user}/Maildir"."""
        return poplin.Maildir(self.path)


def main(path: str, user: str, port: str = "0", certificate: str | None = None) -> None:
    """Serves until Ctrl-C."""
    backend = OneUser(user, os.environ["POPLIN_PASSWORD"], path)
    with poplin.Server(backend, port=int(port), cert_file=certificate, on_error=print) as server:
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
