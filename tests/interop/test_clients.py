"""Foreign clients fetch everything from poplin's server, which Python objects back, over each TLS mode they know."""

import hashlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import poplin
from interop import peers
from interop.conftest import Row
from interop.messages import SAMPLES, Message, all_messages
from interop.peers import Account, Peer
from peer import Authority


class Maildrop:
    """What one client is to fetch. Every second size is left for the server to find out."""

    def __init__(self, mail: list[Message]) -> None:
        self._mail = {f"m{number}": message for number, message in enumerate(mail, 1)}

    def list(self) -> Iterable[tuple[str, int | None]]:
        for number, (uid, message) in enumerate(self._mail.items()):
            yield uid, len(message.wire) if number % 2 else None

    def retr(self, uid: str) -> bytes | Path:
        message = self._mail[uid]
        sample = SAMPLES.parent / message.name
        return sample if sample.exists() else message.stored

    def dele(self, uids: Iterable[str]) -> None:
        raise AssertionError("no client was told to delete")


class Backend:
    """A user for each client: its messages are those that it can take."""

    def password(self, user: str) -> str:
        return peers.PASSWORD

    def maildrop(self, user: str) -> Maildrop:
        return Maildrop(for_peer(next(peer for peer in peers.ALL if user_of(peer) == user)))


def user_of(peer: Peer) -> str:
    return peer.name.replace(":", "").lower()


def for_peer(peer: Peer) -> list[Message]:
    return [message for message in all_messages() if peer.takes(message)]


@pytest.fixture(scope="module")
def servers(authority: Authority) -> Iterator[dict[str, poplin.Server]]:
    """A server for each TLS mode."""
    file = authority.issue(common_name="localhost").file  # fetchmail wants a common name
    with (
        poplin.Server(Backend(), tls="never") as plain,
        poplin.Server(Backend(), tls="stls", cert_file=file) as stls,
        poplin.Server(Backend(), tls="implicit", cert_file=file) as implicit,
    ):
        yield {"plain": plain, "stls": stls, "implicit": implicit}


@pytest.fixture
def folder(authority: Authority) -> Iterator[Path]:
    """A folder that other users may get at too, unlike pytest's, with the authority's certificate in it."""
    made = Path(tempfile.mkdtemp(prefix="poplin-interop-"))
    made.chmod(0o755)
    shutil.copy(authority.file, made / "ca.pem")
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize(
    ("peer", "mode"),
    [pytest.param(peer, mode, id=f"{peer.name}-{mode}") for peer in peers.ALL for mode in peer.modes],
)
def test_client_fetches_everything(
    peer: Peer, mode: str, servers: dict[str, poplin.Server], folder: Path, results: list[Row]
) -> None:
    server = servers[mode]
    mail = for_peer(peer)
    account = Account(server.port, mode, user_of(peer), folder / "ca.pem", folder, len(mail))
    started = time.monotonic()
    delivered = Counter(hashlib.sha256(message).hexdigest() for message in peer.fetch(account))
    seconds = time.monotonic() - started
    different = []
    for message in mail:
        digest = hashlib.sha256(peer.delivered(message.wire)).hexdigest()
        if not delivered[digest]:
            different.append(message.name)
        delivered[digest] -= 1
    left_out = len(all_messages()) - len(mail)
    results.append(
        Row("poplin", peer.name, peer.version(), mode, len(mail), len(mail) - len(different), left_out, seconds)
    )
    assert different == []
    assert sum(delivered.values()) == 0, "more messages than there were"
    assert server.errors == []
