"""
What others make of the places that a fetch delivers to: its Maildir and its mbox are read by foreign programs, and a
foreign LMTP server takes its mail. Every message is what came from Dovecot.
"""

import mailbox
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import poplin
from interop import servers
from interop.conftest import ReadBack
from interop.dovecot import Dovecot
from interop.fetching import as_file, mail_in
from interop.messages import Message, on_the_wire, sample_messages
from interop.more_peers import Mutt, run_in_terminal
from interop.peers import run
from interop.servers import Cyrus, OfMboxes, version_of
from peer import Authority

HEADER = (
    "From: Sender <sender@example.net>\nTo: alice@example.org\nDate: Sat, 01 Mar 2025 12:00:00 +0000\n"
    "Subject: {0}\nMessage-ID: <{0}@special.example.net>\n\n"
)
SPECIAL = {
    "from": b"From me to you\n>From you to me\n>>From both\n\nFrom the end\n",
    "dots": b".\n..\n.hidden\n",
    "long": b"x" * 30_000 + b".\n",
    "8-bit": bytes(octet for octet in range(0x20, 0x100) if octet != 0x7F) + b"\n",
    "empty-lines": b"\n\n\n",
    "no-body": b"",
}


def messages() -> list[Message]:
    special = [Message(name, HEADER.format(name).encode() + body) for name, body in SPECIAL.items()]
    return [*special, *sample_messages()]


@pytest.fixture(scope="module")
def dovecot(authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(authority.issue()) as running:
        running.add("alice", messages())
        yield running


def fetch(dovecot: Dovecot, folder: Path, into: Any) -> poplin.Report:
    url = f"pop3://localhost:{dovecot.port}"
    login = {"user": "alice", "password": Dovecot.PASSWORD}
    report = poplin.fetch(url, into=into, seen=folder / "seen.sqlite", **login)  # type: ignore[arg-type]
    assert (report.delivered, report.failed) == (len(messages()), 0)
    return report


def quoted(wire: bytes) -> bytes:
    """As a message stands in an mbox (mboxrd); many a reader leaves it at that."""
    return re.sub(rb"(?m)^(>*From )", rb">\1", wire)


class Reader:
    """A program that copies a folder of mail, a Maildir or an mbox, into a Maildir."""

    name = ""
    unquotes = False
    """Whether it takes away the marks in an mbox."""

    def version(self) -> str:
        raise NotImplementedError

    def copy(self, source: Path, maildir: Path) -> None:
        raise NotImplementedError

    def bare(self, file: bytes) -> bytes:
        """A message without the fields that it adds."""
        return file


class MuttReader(Reader):
    name = "mutt"

    def version(self) -> str:
        return Mutt().version()

    def copy(self, source: Path, maildir: Path) -> None:
        rules = maildir.parent / "rules"
        rules.write_text(
            f'set mbox_type=Maildir spoolfile="{source}" folder="{maildir.parent}" move=no wait_key=no quit=yes\n'
            "set confirmappend=no confirmcreate=no header_cache='' maildir_trash=no\n"
            f"push '<tag-pattern>~A<enter><tag-prefix><copy-message>{maildir}<enter><quit>'\n"
        )
        run_in_terminal(["mutt", "-n", "-F", rules, "-f", source], maildir.parent)

    def bare(self, file: bytes) -> bytes:
        header, gap, body = file.partition(b"\n\n")
        return re.sub(rb"(?m)^(Status|Content-Length|Lines):.*\n", b"", header + b"\n") + gap[1:] + body


class MailutilsReader(Reader):
    name = "GNU Mailutils"
    unquotes = True

    def version(self) -> str:
        return run("movemail", "--version").splitlines()[0].split()[-1]

    def copy(self, source: Path, maildir: Path) -> None:
        for part in ("cur", "new", "tmp"):
            (maildir / part).mkdir(parents=True)
        kind = "maildir" if source.is_dir() else "mbox"
        run("movemail", "--preserve", f"{kind}:{source}", f"maildir:{maildir}")


@pytest.mark.parametrize("reader", [MuttReader(), MailutilsReader()], ids=lambda reader: reader.name)
@pytest.mark.parametrize("place", ["Maildir", "mbox"])
def test_others_read_it(dovecot: Dovecot, folder: Path, place: str, reader: Reader, read_back: list[ReadBack]) -> None:
    source = folder / place
    fetch(dovecot, folder, source if place == "Maildir" else poplin.Mbox(source))
    reader.copy(source, folder / "copied")
    change = quoted if place == "mbox" and not reader.unquotes else bytes
    expected = Counter(reader.bare(as_file(change(message.wire))) for message in messages())
    found = Counter(map(reader.bare, mail_in(folder / "copied").elements()))
    assert found == expected
    read_back.append(ReadBack(reader.name, place, reader.version(), found.total()))


def test_dovecot_reads_the_maildir(dovecot: Dovecot, folder: Path, read_back: list[ReadBack]) -> None:
    fetch(dovecot, folder, folder / "Maildir")
    dovecot.link("again", folder / "Maildir")
    url = f"pop3://localhost:{dovecot.port}"
    with poplin.connect(url, user="again", password=Dovecot.PASSWORD) as pop:
        found = Counter(message.data for message in pop.retr_all())
    assert found == Counter(message.wire for message in messages())
    read_back.append(ReadBack("Dovecot", "Maildir", version_of("dovecot-pop3d"), found.total()))


@pytest.mark.holds("T-DLV-5", "C")
def test_python_reads_the_mbox(dovecot: Dovecot, folder: Path) -> None:
    fetch(dovecot, folder, poplin.Mbox(folder / "mbox"))
    box = mailbox.mbox(folder / "mbox", create=False)
    try:
        found = [on_the_wire(box.get_bytes(key)) for key in box.iterkeys()]
    finally:
        box.close()
    assert found == [quoted(message.wire) for message in messages()]


@pytest.mark.holds("T-DLV-5", "C")
@pytest.mark.parametrize(
    "kind", [kind for kind in servers.ALL if issubclass(kind, OfMboxes)], ids=lambda kind: kind.name
)
def test_servers_read_the_mbox(
    dovecot: Dovecot, authority: Authority, folder: Path, kind: type[OfMboxes], read_back: list[ReadBack]
) -> None:
    fetch(dovecot, folder, poplin.Mbox(folder / "mbox"))
    with kind(authority) as server:
        server.add_mbox("alice", (folder / "mbox").read_bytes())
        host, port = server.address("plain")
        with poplin.connect(f"pop3://{host}:{port}", tls="never", user="alice", password=servers.PASSWORD) as pop:
            uids = {entry.number: entry.uid for entry in pop.uidl()}
            found = [message.data for message in pop.retr_all()]
    change = bytes if kind.unquotes else quoted
    stored = [Message(message.name, change(message.wire)) for message in messages()]
    assert found == [server.sent(message, "alice", number, uids[number]) for number, message in enumerate(stored, 1)]
    read_back.append(ReadBack(server.name, "mbox", version_of(server.package), len(found)))


def test_cyrus_takes_it_by_lmtp(
    dovecot: Dovecot, authority: Authority, folder: Path, read_back: list[ReadBack]
) -> None:
    with Cyrus(authority) as server:
        fetch(dovecot, folder, poplin.LMTP(server.lmtp, "alice"))
        host, port = server.address("plain")
        with poplin.connect(f"pop3://{host}:{port}", tls="never", user="alice", password=servers.PASSWORD) as pop:
            found = [message.data for message in pop.retr_all()]
        taken = [message for message in messages() if server.takes(message)]
        assert found == [server.sent(message, "alice", at, f"0.{at}") for at, message in enumerate(taken, 1)]
    read_back.append(ReadBack(server.name, "LMTP", version_of(server.package), len(found)))
