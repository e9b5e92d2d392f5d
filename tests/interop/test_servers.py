"""
Both faces visit every foreign server that can be run: they list, take the first lines, fetch and delete, over each TLS
mode that the server has, and every octet is what that server is known to send.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop import servers
from interop.conftest import Row
from interop.messages import Message, sample_messages
from interop.servers import Server
from interop.visits import FACES, LINES, Way
from peer import Authority

HEADER = (
    b"Received: from sender.example.net by mail.example.org with ESMTP id %d\r\n"
    b"From: Sender <sender@example.net>\r\nTo: alice@example.org\r\nDate: Sat, 01 Mar 2025 12:00:00 +0000\r\n"
    b"Message-ID: <%d@special.example.net>\r\nSubject: special\r\n\r\n"
)

SPECIAL = {
    "one line": b"hello\r\n",
    "dots": b".\r\n..\r\n...\r\n.hidden\r\n. \r\n\r\n.\r\n",
    "long line": b"x" * 30_000 + b".\r\n.\r\n",
    "long lines": (b"y" * 998 + b"\r\n") * 20,
    "8-bit": bytes(octet for octet in range(0x20, 0x100) if octet != 0x7F) + b"\r\n" + "…äöü€\r\n".encode(),
    "no body": b"",
    "empty lines": b"\r\n" * 20,
    "half a megabyte": (b"%072d\r\n" % 7) * 7000,
}


def messages(server: Server) -> list[Message]:
    """Those of the special messages and the samples that the server can keep."""
    special = [Message(name, HEADER % (number, number) + body) for number, (name, body) in enumerate(SPECIAL.items())]
    return [message for message in [*special, Message("nothing", b""), *sample_messages()] if server.takes(message)]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Server]:
    with request.param(authority) as running:
        yield running


@pytest.mark.holds("POP-UPD-5", "C")
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("server", "mode"),
    [pytest.param(kind, mode, id=f"{kind.name}-{mode}") for kind in servers.ALL for mode in kind.modes],
    indirect=["server"],
)
def test_visit(server: Server, authority: Authority, mode: str, face: str, tmp_path: Path, results: list[Row]) -> None:
    mail = messages(server)
    user = f"{face}{mode}".lower()
    server.add(user, mail)
    host, port = server.address(mode)
    scheme, tls = ("pop3s", "implicit") if mode == "implicit" else ("pop3", {"plain": "never"}.get(mode, mode))
    way = Way(f"{scheme}://{host}:{port}", tls, authority.file, user, servers.PASSWORD)
    delete = tuple(range(1, len(mail) + 1, 2))
    started = time.monotonic()
    visit = FACES[face](way, tmp_path, delete)
    seconds = time.monotonic() - started
    server.rest()

    everything = set(range(1, len(mail) + 1))
    assert set(visit.sizes) == set(visit.uids) == set(visit.tops) == everything
    assert len(set(visit.uids.values())) == visit.count == len(mail)
    sent = {number: server.sent(mail[number - 1], user, number, visit.uids[number]) for number in everything}
    different = [mail[number - 1].name for number in everything if visit.bodies[number] != sent[number]]
    version = servers.version_of(server.package)
    results.append(
        Row(server.name, f"poplin ({face})", version, mode, len(mail), len(mail) - len(different), 0, seconds)
    )
    assert different == []
    assert [mail[n - 1].name for n in everything if visit.tops[n] != server.top(sent[n], LINES)] == []
    assert visit.sizes == {number: server.listed(mail[number - 1], sent[number]) for number in everything}
    assert visit.octets == sum(visit.sizes.values())

    left = FACES["Python"](way, tmp_path)
    assert list(left.uids.values()) == [visit.uids[number] for number in sorted(everything - set(delete))]
    server.rest()
