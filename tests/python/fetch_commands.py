"""`python -m poplin fetch` as the tests run it: in a home of its own, and watched for secrets."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fetched import mail_in
from programs import Program

import poplin.testing

FETCH = [sys.executable, "-X", "dev", "-W", "error", "-m", "poplin", "fetch"]
SECRET = "open-sesame-7"


class Ran(NamedTuple):
    """How it has ended, and what it said."""

    status: int
    out: str
    said: str

    @property
    def complaint(self) -> str:
        """The one line that says why."""
        assert self.said.startswith("python -m poplin fetch: ")
        assert self.said.count("\n") == 1
        return self.said.removeprefix("python -m poplin fetch: ").rstrip("\n")


class Cron:
    """A user's home with a Maildir in it, and alice's account on a server."""

    def __init__(self, server: poplin.testing.Server, home: Path) -> None:
        self.server = server
        self.home = home
        self.maildir = home / "Mail"
        self.store = home / ".local/state/poplin/seen.sqlite"

    @property
    def into(self) -> list[object]:
        """The usual arguments."""
        return [self.server.url_for("alice"), "--into", self.maildir]

    def environment(self, **environment: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("POPLIN_", "XDG_"))}
        return {**kept, "HOME": str(self.home), **environment}

    @contextlib.contextmanager
    def running(
        self, *options: object, settings: dict[str, Any] | None = None, **environment: str
    ) -> Iterator[Program]:
        """As a program that goes on; without a password in the environment it knows none."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with Program(
            [*FETCH, *map(str, options)],
            env=self.environment(**environment),
            text=True,
            **{**streams, **(settings or {})},
        ) as child:
            yield child

    def run(self, *options: object, settings: dict[str, Any] | None = None, **environment: str) -> Ran:
        """To its end."""
        with self.running(*options, settings=settings, **environment) as child:
            return end(child)

    def fetch(self, *options: object, **settings: Any) -> Ran:
        """Into the Maildir, the password in the environment."""
        return self.run(*self.into, *options, settings=settings, POPLIN_PASSWORD=SECRET)

    def mail(self) -> list[bytes]:
        """What stands in the Maildir, sorted."""
        return mail_in(self.maildir)

    def left(self) -> list[bytes]:
        """What is on the server, sorted."""
        return sorted(mail.data for mail in self.server.messages("alice"))


def end(child: Program) -> Ran:
    """Waits for its end. It has told no secret, and shown no traceback."""
    out, said = child.communicate(timeout=60)
    told = (out or "") + (said or "")
    assert SECRET not in told
    assert "Traceback" not in told
    assert child.returncode is not None
    return Ran(child.returncode, out or "", said or "")
