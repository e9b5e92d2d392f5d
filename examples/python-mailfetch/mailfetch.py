"""
Takes new mail from a POP3 account into a Maildir, and deletes on the server what is safely there.

MAILFETCH_PASSWORD=... python mailfetch.py pop3s://alice@mail.example.org ~/Maildir

Nothing is lost wherever it is interrupted: a message is deleted only after it is on the disk. What was taken is noted,
by its unique-id, until the server has confirmed that it is deleted, so that a lost connection brings nothing twice.
"""

import argparse
import mailbox
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import poplin


class Taken:
    """The unique-ids of messages that are in the Maildir, and may still be on the server: a file, one a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uids = set(path.read_text("utf-8").splitlines()) if path.exists() else set()

    def add(self, uid: str) -> None:
        """Note one more, on the disk when this returns."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{uid}\n")
            file.flush()
            os.fsync(file.fileno())
        self.uids.add(uid)

    def keep(self, uids: Iterable[str | None]) -> None:
        """Forget all but these: the server will not show the others again."""
        self.uids.intersection_update(uids)
        half = self.path.with_suffix(".new")
        half.write_text("".join(f"{uid}\n" for uid in sorted(self.uids)), "utf-8")
        half.replace(self.path)


class Fetcher:
    """Fetches from one account into one Maildir."""

    def __init__(self, connect: Callable[[], poplin.Client], folder: Path) -> None:
        self.connect = connect
        self.maildir = mailbox.Maildir(folder)
        self.taken = Taken(folder / "mailfetch-taken")
        self.saved = 0

    def fetch(self, attempts: int = 3) -> None:
        """Fetch, and come back where the connection is lost. What another attempt cannot mend is raised at once."""
        for attempt in range(1, attempts + 1):
            try:
                self._session()
            except (poplin.ConnectionLost, poplin.Timeout, poplin.Temporary, poplin.InUse):
                if attempt == attempts:
                    raise
            else:
                break

    def _session(self) -> None:
        with self.connect() as pop:  # QUIT at its end, which makes the deletions; on an exception none is made
            listed = {message.uid: message for message in pop.messages()}
            if None in listed:
                raise poplin.Unsupported("the server has no unique-ids (UIDL): new mail cannot be told from old")
            self.taken.keep(listed.keys())
            for uid in self.taken.uids:  # they came in a session that was lost before its QUIT
                listed.pop(uid).dele()
            for message in pop.retr_all(listed.values()):
                assert message.uid is not None
                assert message.data is not None
                self.maildir.add(message.data)  # on the disk when this returns
                self.taken.add(message.uid)
                self.saved += 1
                message.dele()
        self.taken.keep(())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    parser = argparse.ArgumentParser(description="Take new mail from a POP3 account into a Maildir.")
    parser.add_argument("url", help="pop3s://user@host")
    parser.add_argument("folder", type=Path, help="a Maildir, made where there is none")
    parser.add_argument("--ca-file", help="the CAs to trust, instead of the system's")
    options = parser.parse_args(arguments)

    def connect() -> poplin.Client:
        password = os.environ["MAILFETCH_PASSWORD"]
        return poplin.connect(options.url, password=password, ca_file=options.ca_file, timeout=30)

    fetcher = Fetcher(connect, options.folder)
    try:
        fetcher.fetch()
    except poplin.Error as error:
        print(f"mailfetch: {error}", file=sys.stderr)
        return 1
    finally:
        print("new messages:", fetcher.saved)
    return 0


if __name__ == "__main__":
    sys.exit(main())
