"""
10,000 messages at Dovecot, fetched into a Maildir in each language: all arrive, once; a second fetch asks a few
questions and takes nothing; one that keeps none empties the maildrop; after one that is killed the next takes the rest.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.conftest import Fetched
from interop.counting import CountingRelay
from interop.dovecot import Dovecot
from interop.fetching import FACES, KILLED, Fetcher, as_file
from interop.messages import sample_messages
from interop.servers import version_of
from peer import Authority

MESSAGES = 10_000
LARGEST = 3000
LF = b"\n"
LINE = 64
"""Octets of the lines that LIST and UIDL have for a message, at most: Dovecot's ids take 16."""
RECORDED_AT_ONCE = 64
"""So many messages may be delivered, and not yet on record, when a fetch is killed: they are taken once more."""
QUESTIONS = ["CAPA", "AUTH", "LIST", "UIDL", "QUIT"]
"""All that a fetch says where there is nothing new."""


@pytest.fixture(scope="module")
def mail() -> Iterator[Path]:
    """A Maildir of small messages, no two of them the same, with their sizes in their names, as Dovecot has it."""
    samples = [text for text in (as_file(message.wire) for message in sample_messages()) if len(text) < LARGEST]
    with tempfile.TemporaryDirectory(prefix="poplin-") as name:
        folder = Path(name)
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir()
        for number in range(MESSAGES):
            text = b"X-Number: %d\n" % number + samples[number % len(samples)]
            sizes = f"S={len(text)},W={len(text) + text.count(LF)}"
            (folder / "new" / f"{1_700_000_000 + number}.M{number}P1.localhost,{sizes}").write_bytes(text)
        yield folder


@pytest.fixture(scope="module")
def wanted(mail: Path) -> Counter[bytes]:
    return Counter(file.read_bytes() for file in (mail / "new").iterdir())


@pytest.fixture(scope="module")
def dovecot(authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(authority.issue()) as running:
        yield running


@pytest.fixture
def relay(dovecot: Dovecot) -> Iterator[CountingRelay]:
    with CountingRelay(("127.0.0.1", dovecot.port)) as running:
        yield running


@pytest.mark.holds("T-DLV-1", "C")
@pytest.mark.parametrize("face", FACES)
def test_all_arrive_once(
    dovecot: Dovecot, relay: CountingRelay, authority: Authority, mail: Path, wanted: Counter[bytes], face: str,
    folder: Path, fetched: list[Fetched],
) -> None:  # fmt: skip
    user, url = f"{face}-keeps".lower(), f"pop3://localhost:{relay.port}"
    dovecot.link(user, mail)
    fetcher = Fetcher(face, user, folder, authority.file)
    fetcher.run(url, "forever")
    assert fetcher.mail() == wanted
    assert relay.count("RETR") == MESSAGES

    relay.forget()
    fetcher.run(url, "forever")
    assert relay.commands == QUESTIONS
    assert relay.octets < MESSAGES * LINE
    assert dovecot.stored(user) == MESSAGES

    relay.forget()
    fetcher.run(url, "none")
    assert (relay.count("RETR", "TOP"), relay.count("DELE")) == (0, MESSAGES)
    assert dovecot.stored(user) == 0
    assert fetcher.mail() == wanted
    fetched.append(Fetched("Dovecot", version_of("dovecot-pop3d"), face, True, MESSAGES, len(QUESTIONS)))


@pytest.mark.holds("T-DLV-1", "C")
@pytest.mark.holds("T-DLV-2", "C")
@pytest.mark.parametrize("face", FACES)
def test_one_that_is_killed_is_made_up_for(
    dovecot: Dovecot, relay: CountingRelay, authority: Authority, mail: Path, wanted: Counter[bytes], face: str,
    folder: Path,
) -> None:  # fmt: skip
    user, url = f"{face}-dies".lower(), f"pop3://localhost:{relay.port}"
    dovecot.link(user, mail)
    fetcher = Fetcher(face, user, folder, authority.file)
    octets = sum(map(len, wanted))
    with fetcher.start(url, "none") as process:
        relay.at(octets // 2, process.kill)
        said, _ = process.communicate()
    assert process.returncode == KILLED, said[-4000:]
    relay.rest()
    here = fetcher.mail()
    assert 0 < len(here) < MESSAGES
    assert here <= wanted
    assert dovecot.stored(user) == MESSAGES
    assert relay.count("DELE") > 0

    relay.forget()
    fetcher.run(url, "none")
    assert relay.count("RETR") <= MESSAGES - len(here) + RECORDED_AT_ONCE
    assert fetcher.mail() == wanted
    assert dovecot.stored(user) == 0
