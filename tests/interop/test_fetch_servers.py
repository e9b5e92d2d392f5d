"""
Fetches from every foreign server that can be run, a few dozen messages, in each language: all arrive, once; a second
fetch takes nothing; one that keeps none empties the maildrop. The same where the server has no UIDL, which a relay sees
to; and copies of one message, which some of these servers give one unique-id, are as many as they were.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import poplin
from interop import servers
from interop.conftest import Fetched
from interop.counting import CountingRelay
from interop.fetching import FACES, Fetcher, as_file
from interop.messages import Message, sample_messages
from interop.servers import Server
from peer import Authority

HEADER = (
    b"From: Sender <sender@example.net>\r\nTo: alice@example.org\r\nDate: Sat, 01 Mar 2025 12:00:00 +0000\r\n"
    b"Subject: %s\r\nMessage-ID: <%s@special.example.net>\r\n\r\n"
)
COPIES = 3
MOST_QUESTIONS = 8
"""That a second fetch may ask: what the server can do, the login, the two listings, QUIT."""


NUMBERS = itertools.count(1)


def special(name: str, body: bytes) -> Message:
    return Message(name, HEADER % (name.encode(), name.replace(" ", ".").encode()) + body)


SPECIAL = [
    special("dots", b".\r\n..\r\n.hidden\r\n\r\n.\r\n"),
    special("long line", b"x" * 30_000 + b".\r\n.\r\n"),
    special("8-bit", bytes(octet for octet in range(0x20, 0x100) if octet != 0x7F) + b"\r\n"),
    special("no body", b""),
    special("half a megabyte", (b"%072d\r\n" % 7) * 7000),
]


def messages(server: Server) -> list[Message]:
    """Those of the samples and the special messages that the server can keep; between them copies of one message."""
    copies = [special("copied", b"the same\r\n")] * (COPIES if server.keeps_copies else 1)
    mail = [*copies[1:], *sample_messages(), *SPECIAL, *copies[:1]]
    return [message for message in mail if server.takes(message)]


class Maildrop:
    """A user's, and one who fetches it through a relay that makes the server one without the hidden commands."""

    def __init__(self, server: Server, authority: Authority, face: str, folder: Path, *hidden: bytes) -> None:
        self.server = server
        user = f"{face}-{next(NUMBERS)}".lower()
        mail = messages(server)
        server.add(user, mail)
        sent = (server.sent(message, user, number, f"0.{number}") for number, message in enumerate(mail, 1))
        self._all = Counter(server.bare(as_file(octets)) for octets in sent)
        self.count = len(mail)
        self._user = user
        self._fetcher = Fetcher(face, user, folder, authority.file)
        self.relay = CountingRelay(server.address("plain"), hidden)
        self._url = f"pop3://127.0.0.1:{self.relay.port}"

    def fetch(self, keep: str, url: str | None = None, expected: int = 0) -> str:
        """Returns what is said about it, once the server is at rest again."""
        self.relay.forget()
        said = self._fetcher.run(url or self._url, keep, expected)
        self.rest()
        return said

    def all_is_there(self) -> bool:
        """And nothing twice."""
        return Counter(map(self.server.bare, self._fetcher.mail().elements())) == self._all

    def left(self) -> int:
        """How many messages are on the server."""
        with poplin.connect(self._url, tls="never", user=self._user, password=servers.PASSWORD) as pop:
            count = pop.stat()[0]
        self.rest()
        return count

    def rest(self) -> None:
        self.relay.rest()
        self.server.rest()


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Server]:
    with request.param(authority) as running:
        yield running


every_server = pytest.mark.parametrize(
    "server", [pytest.param(kind, id=kind.name) for kind in servers.ALL], indirect=["server"]
)


@pytest.mark.holds("T-UID-4", "C")
@every_server
@pytest.mark.parametrize(
    ("face", "hidden"),
    [*(pytest.param(face, (), id=face) for face in FACES), pytest.param("C", (b"UIDL",), id="C-without-UIDL")],
)
def test_all_arrive_once(
    server: Server, authority: Authority, face: str, hidden: tuple[bytes, ...], folder: Path, fetched: list[Fetched]
) -> None:
    maildrop = Maildrop(server, authority, face, folder, *hidden)
    count, relay = maildrop.count, maildrop.relay
    with relay:
        maildrop.fetch("forever")
        assert maildrop.all_is_there()
        assert relay.count("RETR") == count

        maildrop.fetch("forever")
        again = COPIES if server.rewrites and hidden else 0  # copies have one digest, and are told apart by their sizes
        assert (relay.count("RETR"), relay.count("DELE")) == (again, 0)
        assert len(relay.commands) <= MOST_QUESTIONS + again + count * len(hidden)  # by TOP headers are asked for
        assert maildrop.all_is_there()
        commands = len(relay.commands)
        assert maildrop.left() == count

        maildrop.fetch("none")
        again = count - again if server.rewrites else 0  # what has another size is no more known to have been delivered
        assert (relay.count("RETR"), relay.count("DELE")) == (again, count)
        assert maildrop.left() == 0
        assert maildrop.all_is_there()
    version = servers.version_of(server.package)
    fetched.append(Fetched(server.name, version, face, not hidden, count, commands))


@pytest.mark.holds("T-UID-4", "C")
@every_server
@pytest.mark.parametrize("face", FACES)
def test_nothing_is_kept(server: Server, authority: Authority, face: str, folder: Path) -> None:
    """Over TLS, where the server has it."""
    maildrop = Maildrop(server, authority, face, folder)
    secure = "pop3s://{}:{}".format(*server.address("implicit")) if "implicit" in server.modes else None
    with maildrop.relay:
        maildrop.fetch("none", secure)
        assert maildrop.all_is_there()
        assert maildrop.left() == 0


@every_server
def test_without_unique_ids_and_headers(server: Server, authority: Authority, folder: Path) -> None:
    """Messages cannot be told from each other: who would keep them is told so, who keeps none has them all."""
    maildrop = Maildrop(server, authority, "C", folder, b"UIDL", b"TOP")
    with maildrop.relay:
        assert "neither UIDL nor TOP" in maildrop.fetch("forever", expected=1)
        assert maildrop.relay.count("RETR", "DELE") == 0
        maildrop.fetch("none")
        assert maildrop.all_is_there()
        assert maildrop.left() == 0
