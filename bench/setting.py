"""
What is measured: the rows of the four kinds of tables, and the clients, the test servers and the shapes of messages
in them. A new one is an entry here. (The programs that fetch into a Maildir are in fetchers.py.)
"""

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
BENCH = TOP / "bench"
BUILD = TOP / "build" / "bench"
LIBRARY = TOP / "build" / "cmake" / "libpoplin.a"
PYTHON = TOP / "build" / "venv" / "bin" / "python"
LUA_MODULE = TOP / "build" / "cmake" / "lua"

KIB, MIB = 1024, 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Row:
    """One load. delay_ms is that of one way, so half a round trip."""

    key: str
    messages: int
    octets: int
    tls: bool = False
    delay_ms: int = 0
    server: str = "canned"
    large: int = 0  # so many more messages, of large_octets
    large_octets: int = 0

    @property
    def title(self) -> str:
        """For a person."""
        size = f"{self.octets // MIB} MiB" if self.octets >= MIB else f"{self.octets // KIB} KiB"
        server = "the canned server" if self.server == "canned" else "poplin's server"
        far = f", {2 * self.delay_ms} ms away" if self.delay_ms else ""
        return f"{self.messages:,} messages of {size}, {'TLS' if self.tls else 'plain'}, from {server}{far}"


@dataclasses.dataclass(frozen=True)
class Client:
    """A program that fetches (see job.h for how it is spoken to), what it needs, and what is promised of it."""

    name: str
    command: Sequence[str | Path]
    needs: Sequence[Path] = ()  # it is left out where one of them is missing
    environment: Sequence[tuple[str, str]] = ()
    promise: float | None = None  # times the bare reader, at the most
    promise_far: float | None = None  # the same where the server is far away

    def missing(self) -> str | None:
        """Name what is missing, or None."""
        return next((str(path) for path in self.needs if not path.exists()), None)


@dataclasses.dataclass(frozen=True)
class ServerRow:
    """One thing that is asked of a test server, again and again."""

    key: str
    title: str
    figure: str  # of what the server answers (see server_peers/peer.py); "session": what the visitor takes
    open: int = 0  # sessions that are open when it is stopped
    at_once: int = 1
    limit: float | None = None  # seconds: promised of poplin's


@dataclasses.dataclass(frozen=True)
class TestServer:
    """A program with a test server in it (see server_peers/peer.py for how it is spoken to)."""

    name: str
    command: Sequence[str | Path]
    requires: Sequence[str | Path]  # a command that fails where something is missing
    protocol: str = "pop3"
    environment: Sequence[tuple[str, str]] = ()
    ours: bool = False


# How a C program is compiled: the libraries that pkg-config knows, and whether it links poplin.
PROGRAMS: dict[str, tuple[Sequence[str], bool]] = {
    "canned": (["gnutls"], True),
    "server": (["gnutls", "libidn", "libuv"], True),
    "relay": ([], False),
    "bare": (["gnutls"], False),
    "poplin_client": (["gnutls", "libidn", "libuv"], True),
    "curl_client": (["libcurl"], False),
    "fetch_peers/fetch_maildir": (["gnutls", "libidn", "libuv", "sqlite3"], True),
    "fetch_peers/deliver": ([], False),
    "server_peers/background": (["gnutls", "libidn", "libuv"], True),
    "server_peers/visitor": ([], False),
}

# Whose source is not in bench.
SOURCES = {"fetch_peers/fetch_maildir": TOP / "examples" / "c" / "fetch_maildir.c"}

BARE = "bare reader, C"

LUA = shutil.which("lua5.4") or "lua5.4"
LUA_PATHS = (
    ("LUA_PATH", f"{TOP}/lua/?.lua;{TOP}/lua/?/init.lua;;"),
    ("LUA_CPATH", f"{LUA_MODULE}/?.so;;"),
)

CLIENTS = [
    Client(BARE, [BUILD / "bare"]),
    Client("poplin, C", [BUILD / "poplin_client"], promise=1.5, promise_far=1.2),
    Client("poplin, Python", [PYTHON, BENCH / "poplin_client.py"], needs=[PYTHON], promise=2.5, promise_far=1.2),
    Client(
        "poplin, Lua",
        [LUA, BENCH / "poplin_client.lua"],
        needs=[LUA_MODULE, TOP / "lua" / "poplin"],
        environment=LUA_PATHS,
        promise=2.5,
        promise_far=1.2,
    ),
    Client("poplib", [PYTHON if PYTHON.exists() else "python3", BENCH / "poplib_client.py"]),
    Client("libcurl, one handle, C", [BUILD / "curl_client"], needs=[BUILD / "curl_client"]),
    Client("mpop", ["mpop"], needs=[Path(shutil.which("mpop") or "/usr/bin/mpop")]),
]

ROWS = [
    Row("small", 10_000, 4 * KIB),
    Row("small-tls", 10_000, 4 * KIB, tls=True),
    Row("large", 40, 5 * MIB),
    Row("large-tls", 40, 5 * MIB, tls=True),
    Row("far", 500, 4 * KIB, delay_ms=20),
    Row("server-small", 10_000, 4 * KIB, server="server"),
    Row("server-small-tls", 10_000, 4 * KIB, tls=True, server="server"),
    Row("server-large", 40, 5 * MIB, server="server"),
    Row("server-large-tls", 40, 5 * MIB, tls=True, server="server"),
]


FETCH_LOAD = Row("fetch", 300, 4 * KIB, large=6, large_octets=200 * KIB)
FETCH_LOAD_FAR = Row("fetch-far", 20, 4 * KIB, large=2, large_octets=200 * KIB)


@dataclasses.dataclass(frozen=True)
class FetchRow:
    """One maildrop to be fetched into a Maildir, with a memory of what was taken."""

    key: str
    tls: bool = False
    delay_ms: int = 0
    keep: str = "forever"
    again: bool = False  # all was fetched before, and there is nothing new
    disk: bool = False  # on the disk, not in memory, where nothing has to be flushed

    @property
    def load(self) -> Row:
        """What lies on the server."""
        load = FETCH_LOAD_FAR if self.delay_ms else FETCH_LOAD
        return dataclasses.replace(load, tls=self.tls, delay_ms=self.delay_ms)

    @property
    def messages(self) -> int:
        """How many there are."""
        return self.load.messages + self.load.large

    @property
    def octets(self) -> int:
        """How many they have in all."""
        load = self.load
        return load.messages * load.octets + load.large * load.large_octets

    @property
    def title(self) -> str:
        """For a person."""
        what = f"{self.messages} new messages ({self.octets / 1e6:.1f} MB), keep {self.keep}"
        if self.again:
            what = f"Nothing new among {self.messages} messages"
        far = f", {2 * self.delay_ms} ms away" if self.delay_ms else ""
        return f"{what}, {'TLS' if self.tls else 'plain'}{far}, Maildir {'on the disk' if self.disk else 'in memory'}"


FETCH_BASE = "poplin, C"  # what the other programs that fetch are compared with

FETCH_ROWS = [
    FetchRow("fetch"),
    FetchRow("fetch-tls", tls=True),
    FetchRow("fetch-none", keep="none"),
    FetchRow("fetch-none-tls", keep="none", tls=True),
    FetchRow("fetch-disk", disk=True),
    FetchRow("fetch-none-disk", keep="none", disk=True),
    FetchRow("fetch-again", again=True),
    FetchRow("fetch-again-tls", again=True, tls=True),
    FetchRow("fetch-again-disk", again=True, disk=True),
    FetchRow("fetch-far", delay_ms=20),
    FetchRow("fetch-far-tls", delay_ms=20, tls=True),
    FetchRow("fetch-none-far", delay_ms=20, keep="none"),
    FetchRow("fetch-none-far-tls", delay_ms=20, keep="none", tls=True),
    FetchRow("fetch-again-far", delay_ms=20, again=True),
    FetchRow("fetch-again-far-tls", delay_ms=20, again=True, tls=True),
]


PEERS = BENCH / "server_peers"
VISITOR = BUILD / "server_peers" / "visitor"
BASE = "poplin, Python"  # what the test servers are compared with


def _in_python(name: str, script: str, module: str, **options: Any) -> TestServer:
    return TestServer(name, [PYTHON, PEERS / script], [PYTHON, "-c", f"import {module}"], **options)


TEST_SERVERS = [
    _in_python(BASE, "poplin_server.py", "poplin.testing", ours=True),
    TestServer("poplin, C", [BUILD / "server_peers" / "background"], ["true"], ours=True),
    TestServer(
        "poplin, Lua",
        [LUA, PEERS / "poplin_server.lua"],
        [LUA, "-e", "require 'socket' require 'poplin.testing'"],
        environment=LUA_PATHS,
        ours=True,
    ),
    _in_python("CPython's dummy server", "dummy_server.py", "test.test_poplib"),
    _in_python("Twisted's POP3", "twisted_server.py", "twisted.mail.pop3"),
    _in_python("aiosmtpd's controller", "aiosmtpd_server.py", "aiosmtpd.controller", protocol="smtp"),
]

SERVER_ROWS = [
    ServerRow("start", "Start", "start", limit=1e-3),
    ServerRow("greeting", "Start, until a client has been greeted", "greeting"),
    ServerRow("stop", "Stop", "stop", limit=5e-3),
    ServerRow("stop-open", "Stop with 10 sessions open", "stop", open=10, limit=5e-3),
    ServerRow("sessions", "Sessions, one after the other", "session"),
    ServerRow("sessions-16", "Sessions, 16 at once", "session", at_once=16),
]


@dataclasses.dataclass(frozen=True)
class Shape:
    """What `retr` gives for a message (see server_peers/callback_server.py), and whether the main thread computes."""

    key: str
    title: str
    computing: bool = False

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.title}, main computes" if self.computing else self.title


@dataclasses.dataclass(frozen=True)
class CallbackRow:
    """One server with a backend in Python, and one load."""

    face: str  # "thread": poplin.Server; "aio": poplin.aio.Server
    workers: int
    load: Row

    @property
    def key(self) -> str:
        """For the command line."""
        workers = "-workers" if self.workers else ""
        return f"callbacks-{self.face}{workers}-{self.load.key}"

    @property
    def title(self) -> str:
        """For a person."""
        server = "poplin.aio.Server" if self.face == "aio" else "poplin.Server"
        load = self.load.title.partition(",")[0]
        return f"{load} by the callbacks of {server}, workers={self.workers}"

    @property
    def command(self) -> Sequence[str | Path]:
        """What Python is to run."""
        return [PEERS / "callback_server.py", self.face, str(self.workers), BUILD]


CALLBACK_BASE = "bytes"  # what the other shapes are compared with
CALLBACK_CLIENT = CLIENTS[0]  # takes the least of the machine

SHAPES = [
    Shape("bytes", CALLBACK_BASE),
    Shape("path", "path"),
    Shape("file", "file"),
    Shape("pieces", "64 KiB a piece"),
    Shape("lines", "a line a piece"),
]
ASYNC_SHAPES = [
    Shape("async-pieces", "64 KiB, async"),
    Shape("async-lines", "a line, async"),
]

CALLBACK_ROWS = [
    CallbackRow(face, workers, load)
    for face in ("thread", "aio")
    for workers in (0, 2)
    for load in (Row("small", 50, 4 * KIB), Row("large", 5, 4 * MIB))
]


def shapes_of(row: CallbackRow) -> list[Shape]:
    """Give what is measured in a row. The main thread of an asynchronous server is the one that serves."""
    if row.face == "aio":
        return SHAPES + ASYNC_SHAPES
    return SHAPES + [dataclasses.replace(shape, computing=True) for shape in SHAPES]


def environment_of(program: Client | TestServer) -> dict[str, str]:
    """Give the environment that the program runs in."""
    return {**os.environ, **dict(program.environment)}
