"""
Fetches in programs of their own, to be killed: how they are started in each language, how one is made to end at a
certain instant, and what has to be true whenever one has ended. What kills from within is tests/c/kill_at.c.
"""

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import poplin
import poplin.testing

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("POPLIN_BUILD", ROOT / "build/cmake"))
"""Where CMake has built the programs."""
CORPUS = ROOT.parent / "shared/corpus"
PATIENCE = 120
"""Seconds after which a program hangs."""
DAY = 86400
KILLED = -signal.SIGKILL

_PYTHON = """
import os, sys, poplin
url, user, seen, keep, into = sys.argv[1:]
every = int(os.environ.get("COMMIT_EVERY", "0")) or None
timeout = float(os.environ.get("TIMEOUT", "60"))
poplin.fetch(
    url, user=user, password="secret", into=into, seen=seen, keep=keep, commit_every=every, timeout=timeout
)
"""
_LUA = """
local url, user, seen, keep, into = table.unpack(arg)
assert(require("poplin").fetch(url, {
  user = user, password = "secret", into = into, seen = seen, keep = keep,
  commit_every = math.tointeger(os.getenv("COMMIT_EVERY")), timeout = tonumber(os.getenv("TIMEOUT")),
}))
"""
FACES = {
    "c": (str(BUILD / "examples/fetch_maildir"),),
    "python": (sys.executable, "-c", _PYTHON),
    "lua": ("lua5.4", "-e", _LUA, "-"),
}


def environment(face: str, faults: dict[str, Any]) -> dict[str, str]:
    """Of a fetch; faults: what kill_at.c reads; for scripts also COMMIT_EVERY and TIMEOUT, which poplin.fetch gets."""
    # What is loaded before, a sanitizer's library, is for an interpreter with a sanitized module.
    others = os.environ.get("LD_PRELOAD", "") if face == "python" else ""
    return {
        **os.environ,
        "POPLIN_PASSWORD": "secret",
        "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/lua/?/init.lua;;",
        "LUA_CPATH": f"{BUILD}/lua/?.so;;",
        "LD_PRELOAD": f"{others} {BUILD}/tests/kill_at.so".strip(),
        **{name: str(value) for name, value in faults.items()},
    }


# ---- mail ----


@cache
def samples(corpus: bool) -> tuple[bytes, ...]:
    """Mail as it looks; corpus: also what a checkout has beside it, none of it huge."""
    files = sorted((ROOT / "examples/mail").glob("*.eml"))
    if corpus:
        files += sorted(file for file in CORPUS.rglob("*.eml") if file.stat().st_size < 60_000)
    return tuple(file.read_bytes() for file in files)


def mail(count: int, lots: random.Random | None = None) -> list[bytes]:
    """As many messages, each with a header field of its own; lots draws them from all that there are."""
    chosen = itertools.cycle(samples(False)) if lots is None else lots.choices(samples(True), k=count)
    return [b"X-Number: %d\r\n" % number + message for number, message in enumerate(itertools.islice(chosen, count), 1)]


def as_file(message: bytes) -> bytes:
    """A message as it stands in a Maildir."""
    text = message.replace(b"\r\n", b"\n")
    return text if text.endswith(b"\n") else text + b"\n"


# ---- one account ----


class Account:
    """Alice's mail: on a server, in a Maildir, on record; and those who bring it from the one to the other."""

    def __init__(self, server: poplin.testing.Server, folder: Path, messages: list[bytes]) -> None:
        """folder: of the Maildir and the seen store; need not be there."""
        self.server = server
        self.folder = folder
        self.store = folder / "seen.db"
        self.before: tuple[str, ...] = ()
        """A command that runs each fetch: in another mount namespace, perhaps."""
        self.maildir = folder / "Maildir"
        """As the tests see it."""
        server.clear("alice")
        self._content_of = {server.deliver("alice", message): as_file(message) for message in messages}
        self._all = set(self._content_of.values())
        assert len(self._all) == len(messages)
        self.left: set[bytes] = set(self._all)
        """What is on the server, as `check` has found it last."""

    # ---- fetching ----

    def start(self, face: str = "c", keep: str = "none", **faults: Any) -> "Fetch":
        """Begins a fetch."""
        words = (self.server.url, "alice", str(self.store), keep, str(self.folder / "Maildir"))
        command = (*self.before, *FACES[face], *words)
        return Fetch(self.server, command, environment(face, faults))

    def run(self, face: str = "c", keep: str = "none", **faults: Any) -> int:
        """Fetches, sees that all is well, and returns how the program ended: 0, 1 or KILLED."""
        with self.start(face, keep, **faults) as fetch:
            status = fetch.wait()
        assert status in (0, 1, KILLED), fetch.said
        self.check()
        return status

    def complete(self, face: str = "c", keep: str = "none") -> None:
        """Fetches what is left, unhurt, and sees that a fetch after that finds nothing to take."""
        for _ in range(2):
            with self.start(face, keep) as fetch:
                assert fetch.wait() == 0, fetch.said
        self.expect_nothing_taken()
        assert self.check() == self._all

    def expect_nothing_taken(self) -> None:
        """The last session has downloaded no message."""
        assert not any(command.startswith("RETR") for command in self.server.sessions[-1].commands)

    # ---- what has to be true whenever no fetch is running ----

    def check(self) -> set[bytes]:
        """
        What stands in the Maildir, by its content. Each message is there, whole and once, or on the server; and
        nothing else is there.
        """
        self.left = {self._content_of[message.uid] for message in self.server.messages("alice")}
        found = Counter(file.read_bytes() for file in files_in(self.maildir))
        here = set(found)
        assert [text[:40] for text in here - self._all] == [], "a file is no message, or half of one"
        assert [text[:40] for text, times in found.items() if times > 1] == [], "a message is there twice"
        assert [text[:40] for text in self._all - here - self.left] == [], "a message is lost"
        return here

    # ---- what is on record ----

    def expect_nothing_half_done(self) -> None:
        """A fetch that ended by itself has left nothing in tmp."""
        assert list(files_in(self.maildir, "tmp")) == []

    def grow_older(self, lots: random.Random, seconds: int = 15 * DAY) -> set[bytes]:
        """Has half of the messages on record, by lot, be first seen so long before; returns them."""
        older = set()
        with poplin.seen(self.store) as store:
            for account in store.accounts():
                rows = [row for row in store.recall(account) if lots.randrange(2)]
                store.record(account, [(*row[:4], row[4] - seconds, *row[5:]) for row in rows])
                older |= {self._content_of[row[0]] for row in rows}
        return older


def files_in(maildir: Path, *folders: str) -> Iterator[Path]:
    """The messages in a Maildir, which need not be there; folders: of it, others than new and cur."""
    for name in folders or ("new", "cur"):
        with contextlib.suppress(FileNotFoundError):
            yield from (maildir / name).iterdir()


# ---- disks that are full ----


class Disk:
    """A small file system for an account's folder: a tmpfs in a mount namespace of its own. A context manager."""

    SIZE = 16 << 20
    _NAMESPACES = (("-m",), ("-U", "-m"))

    def __init__(self, folder: Path) -> None:
        """folder: where it is mounted. PermissionError: neither as root nor in a user namespace may that be done."""
        mount = f'mount -t tmpfs -o size={self.SIZE} poplin "$0" && echo mounted && exec cat'
        for kinds in self._NAMESPACES:
            command = ["unshare", *kinds, *(["-r"] if "-U" in kinds else []), "sh", "-c", mount, str(folder)]
            pipe = subprocess.PIPE
            self._holder = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
            assert self._holder.stdout is not None
            if self._holder.stdout.readline() == "mounted\n":
                break
            self._holder.communicate()
        else:
            raise PermissionError("this machine lets nobody mount a tmpfs here")
        process = str(self._holder.pid)
        credentials = ["--preserve-credentials"] if "-U" in kinds else []
        self.before = ("nsenter", "-t", process, *kinds, *credentials, "--")
        """The command that runs another there."""
        self.folder = Path(f"/proc/{process}/root{folder}")
        """It, as others see it."""

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, *failure: object) -> None:
        self._holder.communicate()

    def leave_room(self, octets: int) -> None:
        """Fills it, until so much is left."""
        ballast = self.folder / "ballast"
        ballast.unlink(missing_ok=True)
        facts = os.statvfs(self.folder)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(facts.f_bavail * facts.f_frsize - octets, 1))


# ---- one fetch ----


class Fetch:
    """A fetch that runs. A context manager: it does not outlive it."""

    def __init__(self, server: poplin.testing.Server, command: tuple[str, ...], variables: dict[str, str]) -> None:
        self._server = server
        self._before = max((session.number for session in server.sessions), default=0)
        self._pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True, **self._pipes)
        self.said = ""
        """What it has complained of, when it has ended."""

    def __enter__(self) -> "Fetch":
        return self

    def __exit__(self, *failure: object) -> None:
        self.kill()

    def end(self) -> int:
        """How it ended."""
        self.said = self._process.communicate(timeout=PATIENCE)[1]
        return self._process.returncode

    def wait(self) -> int:
        """How it ended, once the server has noticed that, too."""
        status = self.end()
        self._server.wait_for(lambda server: not any(session.open for session in server.sessions), PATIENCE)
        return status

    def kill(self) -> None:
        """Ends it now; nothing where it has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self.wait()

    def kill_when(self, is_time: Callable[[poplin.testing.Session], object]) -> int:
        """Kills it as soon as its session with the server is so far, or has ended; then as wait."""

        def is_so_far(server: poplin.testing.Server) -> object:
            sessions = [session for session in server.sessions if session.number > self._before]
            return sessions and (not sessions[0].open or is_time(sessions[0]))

        until = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < until:  # it may end without a word to the server
            with contextlib.suppress(TimeoutError):
                self._server.wait_for(is_so_far, 1)
                break
        self._process.kill()
        return self.wait()


def calls_of(account: Account, face: str, **faults: Any) -> dict[str, int]:
    """How often a fetch calls what kill_at.c counts; it fetches for that."""
    path = account.folder / "calls"
    assert account.run(face, CALLS_TO=path, **faults) == 0
    return {name: int(times) for name, times in map(str.split, path.read_text().splitlines())}
