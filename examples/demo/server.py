"""
The demonstration's server: a script's own objects behind POP3 over TLS, with a certificate made on the spot.

python server.py [FOLDER]

Prints its URL and the file of the CA to trust, a line each, and serves the folder's *.eml to user "demo", password
"demo", until it is told to end (SIGTERM, Ctrl-C).
"""

import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import poplin
import poplin.testing

SAMPLES = Path(__file__).resolve().parent.parent / "mail"


class Samples:
    """A maildrop over the sample messages. What a client deletes is gone until the end; the files stay."""

    def __init__(self, folder: Path) -> None:
        self.files = {file.stem: file for file in sorted(folder.glob("*.eml"))}

    def list(self) -> list[tuple[str, None]]:
        """The unique-ids are the files' names; poplin counts the octets."""
        return [(uid, None) for uid in self.files]

    def retr(self, uid: str) -> Path:
        """A message is a file."""
        return self.files[uid]

    def dele(self, uids: Iterable[str]) -> None:
        """At QUIT."""
        for uid in uids:
            del self.files[uid]


class Demo:
    """A backend with one user."""

    def __init__(self, folder: Path) -> None:
        self.samples = Samples(folder)

    def password(self, user: str) -> str | None:
        """What the client has to know."""
        return "demo" if user == "demo" else None

    def maildrop(self, user: str) -> Samples:
        """What the client finds."""
        return self.samples


def main(folder: Path) -> None:
    """Serves until a signal comes."""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with (
        poplin.testing.certificate("localhost", "127.0.0.1") as certificate,
        poplin.Server(Demo(folder), cert_file=certificate.cert_file, key_file=certificate.key_file) as server,
    ):
        print(server.url, certificate.ca_file, sep="\n", flush=True)
        signal.sigwait(ends)
    for error in server.errors:
        print("server:", error, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES)
