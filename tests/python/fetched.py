"""What the tests of `fetch` share: an account, a Maildir and a seen store to fetch with, and both faces."""

import asyncio
import mailbox
from collections.abc import Callable
from pathlib import Path
from typing import Any

import poplin
import poplin.aio

FACES = ("blocking", "asyncio")


def fetch(face: str, *arguments: Any, **wishes: Any) -> poplin.Report:
    """`poplin.fetch`, or `poplin.aio.fetch` on a loop of its own."""
    if face == "blocking":
        return poplin.fetch(*arguments, **wishes)
    return asyncio.run(poplin.aio.fetch(*arguments, **wishes))


class Account:
    """Alice's account on a server, and what is fetched from it."""

    def __init__(self, server: Any, folder: Path, face: str = "blocking") -> None:
        self.server = server
        self.folder = folder
        self.maildir = folder / "Mail"
        self.store = folder / "seen.sqlite"
        self.face = face

    def wishes(self, **wishes: Any) -> dict[str, Any]:
        usual = {"user": "alice", "password": "secret", "timeout": 20, "account": "alice"}
        return {**usual, "into": self.maildir, "seen": self.store, **wishes}

    def fetch(self, **wishes: Any) -> poplin.Report:
        return fetch(self.face, self.server.url, **self.wishes(**wishes))

    def mail(self, folder: Path | None = None) -> list[bytes]:
        """What stands in the Maildir, as it was on the wire, sorted."""
        return mail_in(folder or self.maildir)

    def left(self) -> list[bytes]:
        """What is on the server, sorted."""
        return sorted(mail.data for mail in self.server.messages("alice"))

    def steps(self) -> dict[str, int]:
        """How many messages are on record at each step."""
        with poplin.seen(self.store) as store:
            steps = [record.step for record in store.messages("alice")]
        return {step: steps.count(step) for step in sorted(set(steps))}

    def age(self, days: int) -> None:
        """All that is on record was first seen so many days earlier."""
        with poplin.seen(self.store) as store:
            rows = store.recall("alice")
            store.record("alice", [(*row[:4], row[4] - days * 86400, *row[5:]) for row in rows])


def mail_in(folder: Path) -> list[bytes]:
    files = [file for part in ("new", "cur") for file in (folder / part).glob("*")]
    assert not [*folder.glob("tmp/*")]
    assert len(mailbox.Maildir(folder, create=False)) == len(files)
    return sorted(file.read_bytes().replace(b"\n", b"\r\n") for file in files)


def raising(error: BaseException, at: int) -> Callable[[object], None]:
    """A function that raises at its call of this number, from 1."""
    calls: list[object] = []

    def function(thing: object) -> None:
        calls.append(thing)
        if len(calls) == at:
            raise error

    return function
