"""One of each public object, all of them alive, for tests that go through them."""

import asyncio
import contextlib
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from drops import Backend, mail

import poplin
import poplin.aio
import poplin.poplib
import poplin.protocol
import poplin.testing
from poplin import protocol

SECRET = "opaque-pass-7Q4z"
TOKEN = "opaque-token-9K2w"
MODULES: tuple[ModuleType, ...] = (poplin, poplin.aio, poplin.protocol, poplin.testing)

_CERTIFICATE_END = datetime(2030, 1, 2, tzinfo=UTC)
_PROGRESS = poplin.Progress(1, 1, 60, 60, 1, 0, 0)
_FETCHED = poplin.FetchedMessage(1, "uid-1", 60, "delivered", False, ("1763800000.ab.mail",), False, None)

VALUES: dict[str, Any] = {
    "URL": poplin.URL("mail.example.org", user="alice@example.org", auth="PLAIN"),
    "Stat": poplin.Stat(3, 180),
    "Listing": poplin.Listing(1, 60),
    "Language": poplin.Language("de", "Deutsch"),
    "UniqueID": poplin.UniqueID(1, "uid-1"),
    "Capabilities": poplin.Capabilities.told([("UIDL", ""), ("SASL", "PLAIN SCRAM-SHA-256")]),
    "SRV": poplin.SRV(0, 1, 995, "mail.example.org."),
    "Candidate": poplin.Candidate("mail.example.org", 995, "implicit", True, ("alice",)),
    "TLSInfo": poplin.TLSInfo(
        "TLS1.3", "AES", "X25519", "pop3", "host", False, "ca", "ab", "pin", _CERTIFICATE_END, "in words"
    ),
    "SeenRecord": poplin.SeenRecord("uid-1", 0, "delivered", 60, _CERTIFICATE_END, _CERTIFICATE_END, None),
    "Mbox": poplin.Mbox("/var/mail/alice"),
    "LMTP": poplin.LMTP("localhost", ["alice"]),
    "Incoming": poplin.Incoming("alice", 1, "uid-1", 60, False, False, b"Subject: hi\r\n\r\n"),
    "Progress": _PROGRESS,
    "FetchedMessage": _FETCHED,
    "Report": poplin.Report("alice", False, [_FETCHED], _PROGRESS),
    "testing.Exchange": poplin.testing.Exchange("STAT", "+OK 1 2", "", 9, True, False, False, True, ""),
    "testing.Mail": poplin.testing.Mail("uid-1", 60, b"Subject: hi\r\n"),
    "protocol.StartTLS": protocol.StartTLS("mail.example.org"),
    "protocol.Greeting": protocol.Greeting("hello", b"+OK hello"),
    "protocol.Reply": protocol.Reply(1, "STAT", 0, True, None, "", 3, 180, True, False, b"", None),
    "protocol.Listing": protocol.Listing(1, 1, 60),
    "protocol.UniqueID": protocol.UniqueID(1, 1, "uid-1"),
    "protocol.Language": protocol.Language(1, "de", "Deutsch"),
    "protocol.Body": protocol.Body(1, b"Subject: hi\r\n"),
    "protocol.End": protocol.End(1, 13),
    "protocol.Opened": protocol.Opened(1, True, None, "", None),
    "protocol.Closed": protocol.Closed(True),
    "protocol.CheckPassword": protocol.CheckPassword(1, "alice", SECRET, "PLAIN"),
    "protocol.FindSecret": protocol.FindSecret(1, "alice", "SCRAM-SHA-256"),
    "protocol.CheckToken": protocol.CheckToken(1, "alice", TOKEN, "XOAUTH2"),
    "protocol.FailedLogin": protocol.FailedLogin(1, "alice", 2, "PLAIN"),
    "protocol.OpenMaildrop": protocol.OpenMaildrop(1, "alice", "PLAIN", False),
    "protocol.SendBody": protocol.SendBody(1, 0, "uid-1"),
    "protocol.BodyDone": protocol.BodyDone(0, "uid-1"),
    "protocol.Commit": protocol.Commit(1, ("uid-1",)),
    "protocol.Mismatch": protocol.Mismatch(0, "uid-1", 60, 61),
    "protocol.SessionClosed": protocol.SessionClosed("left", None),
    "protocol.Pause": protocol.NEED_DATA,
}
"""Objects that are nothing but data, by their names below `poplin`."""

ERRORS: dict[str, type[poplin.Error]] = {
    name: kind for name, kind in vars(poplin).items() if isinstance(kind, type) and issubclass(kind, poplin.Error)
}


def error(kind: type[poplin.Error]) -> poplin.Error:
    """An exception as the core makes it."""
    made = kind(
        "STAT to mail.example.org: refused", doing="STAT", host="mail.example.org:995", peer="no", code="SYS/TEMP"
    )
    if isinstance(made, poplin.AuthError):
        made.answer = '{"status": "401"}'
    return made


def classes() -> Iterator[str]:
    """The names of all public classes but for those that only describe a script's own, and the exceptions."""
    for module in MODULES:
        for name in module.__all__:
            kind = getattr(module, name)
            described = getattr(kind, "_is_protocol", False) or hasattr(kind, "__total__") or "Mixin" in name
            if inspect.isclass(kind) and not described and not issubclass(kind, Exception):
                yield f"{module.__name__}.{name}".removeprefix("poplin.")


class Alive:
    """Objects that hold something, by their names below `poplin`."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        for name in ("new", "cur", "tmp"):
            (folder / "Maildir" / name).mkdir(parents=True)
        self.backend = Backend(mail(2))
        self.runner = stack.enter_context(asyncio.Runner())
        maildir = stack.enter_context(contextlib.closing(poplin.Maildir(folder / "Maildir")))
        tester = stack.enter_context(poplin.testing.Server({"alice": SECRET}, exclusive=False, tls="implicit"))
        tester.deliver("alice", b"Subject: hi\r\n\r\nhello\r\n")
        server = stack.enter_context(poplin.Server(self.backend, workers=1))
        client = stack.enter_context(contextlib.closing(self.connected(tester)))
        fault = tester.fault("TOP", drop_after=1)
        certificate = stack.enter_context(poplin.testing.certificate())
        self.objects: dict[str, Any] = {
            "Client": client,
            "Message": client.messages()[0],
            "Server": server,
            "Maildir": maildir,
            "Seen": stack.enter_context(poplin.seen(folder / "seen.db")),
            "testing.Server": tester,
            "testing.Clock": tester.clock,
            "testing.Session": tester.sessions[0],
            "testing.Fault": fault,
            "testing.CA": poplin.testing.CA(),
            "testing.Certificate": certificate,
            "protocol.ClientConnection": protocol.ClientConnection(host="mail.example.org"),
            "protocol.ServerConnection": protocol.ServerConnection(),
        }
        self.runner.run(self._on_a_loop(tester))

    @staticmethod
    def connected(tester: poplin.testing.Server) -> poplin.Client:
        """A client with more in it that is secret."""
        return poplin.connect(tester.url, user="alice", password=SECRET, ca_pem=tester.ca_pem, timeout=20)

    async def _on_a_loop(self, tester: poplin.testing.Server) -> None:
        client = await poplin.aio.connect(tester.url, user="alice", password=SECRET, ca_pem=tester.ca_pem, timeout=20)
        server = poplin.aio.Server(self.backend)
        await server.start()
        messages = await client.messages()
        self.objects |= {"aio.Client": client, "aio.Message": messages[0], "aio.Server": server}

    async def end(self) -> None:
        """Ends what needs its loop for that."""
        self.objects["aio.Client"].close()
        await self.objects["aio.Server"].stop()


@contextlib.contextmanager
def alive(folder: Path) -> Iterator[Alive]:
    """One of each, until the end; folder: an empty one."""
    with contextlib.ExitStack() as stack:
        made = Alive(stack, folder)
        try:
            yield made
        finally:
            made.runner.run(made.end())
