"""Foreign clients fetch a whole maildrop of the test server and delete it, over each TLS mode they know."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop import more_peers, peers
from interop.conftest import Row
from interop.messages import Message, all_messages, sample_messages
from interop.peers import Account, Peer
from peer import Authority
from poplin.testing import Server

GENERATED = 100
USER = "alice"


def mail_for(peer: Peer) -> list[Message]:
    """The samples and some of the generated messages, as far as the client can take them."""
    return [message for message in [*sample_messages(), *all_messages()[:GENERATED]] if peer.takes(message)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may get at too, unlike pytest's."""
    made = Path(tempfile.mkdtemp(prefix="poplin-interop-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize(
    ("peer", "mode"),
    [
        pytest.param(peer, mode, id=f"{peer.name}-{mode}")
        for peer in (*peers.ALL, *more_peers.ALL)
        for mode in peer.modes
    ],
)
def test_client_takes_everything_away(
    peer: Peer, mode: str, authority: Authority, folder: Path, results: list[Row]
) -> None:
    mail = mail_for(peer)
    tls = "never" if mode == "plain" else mode
    with Server({USER: peers.PASSWORD}, tls=tls) as server:
        (folder / "ca.pem").write_text(server.ca_pem or authority.file.read_text())
        for message in mail:
            server.deliver(USER, message.stored)
        account = Account(server.port, mode, USER, folder / "ca.pem", folder, len(mail), delete=True)
        started = time.monotonic()
        delivered = Counter(peer.fetch(account))
        seconds = time.monotonic() - started
        expected = Counter(peer.delivered(message.wire) for message in mail)
        equal = (delivered & expected).total()
        left_out = len(sample_messages()) + GENERATED - len(mail)
        results.append(Row("poplin.testing", peer.name, peer.version(), mode, len(mail), equal, left_out, seconds))
        assert [message.name for message in mail if not delivered[peer.delivered(message.wire)]] == []
        assert delivered == expected
        server.wait_for(lambda server: server.sessions[-1].outcome == "committed", 30)
        assert server.messages(USER) == []
        assert server.errors == []
