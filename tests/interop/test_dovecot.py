"""
Both faces fetch everything from a private Dovecot, over each TLS mode, and every message is the stored one.

What Dovecot does otherwise than RFC 1939 says, and how these tests treat it:
- A dot in the very first octet of a message is not stuffed. A client that un-stuffs loses it, and a first line that is
  only a dot ends the message. So messages that begin with a dot are in a mailbox of their own, below.
- The size in the scan listing leaves out the line end that is added to a message that lacks it: sizes are not compared.
"""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import poplin
from interop.conftest import Row
from interop.dovecot import Dovecot
from interop.messages import ROOT, Message, all_messages
from interop.servers import version_of
from peer import Authority

Fetched = dict[int, str]
"""The SHA-256 of each message by number."""


@pytest.fixture(scope="module")
def dovecot(authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(authority.issue()) as running:
        running.add("everything", messages())
        yield running


def messages() -> list[Message]:
    return [message for message in all_messages() if not message.stored.startswith(b".")]


def expected(mail: list[Message]) -> Fetched:
    return {number: hashlib.sha256(message.wire).hexdigest() for number, message in enumerate(mail, 1)}


def address(dovecot: Dovecot, mode: str) -> tuple[str, str]:
    """URL and tls= for each mode."""
    if mode == "implicit":
        return f"pop3s://localhost:{dovecot.tls_port}", "implicit"
    return f"pop3://localhost:{dovecot.port}", {"plain": "never", "stls": "stls"}[mode]


class Face:
    """One language's way to fetch a mailbox: name, version, and what is deleted how."""

    def __init__(self, dovecot: Dovecot, authority: Authority, folder: Path) -> None:
        self._dovecot = dovecot
        self._authority = authority
        self._folder = folder

    def python(self, mode: str, user: str, delete: tuple[int, ...] = (), drop: bool = False) -> Fetched:
        url, tls = address(self._dovecot, mode)
        fetched = {}
        pop = poplin.connect(
            url,
            tls=tls,
            ca_file=self._authority.file,
            user=user,
            password=Dovecot.PASSWORD,  # type: ignore[arg-type]
        )
        for message in pop.retr_all():
            fetched[message.number] = hashlib.sha256(message.data).hexdigest()
            if message.number in delete:
                message.dele()
        if drop:
            pop.noop()  # every DELE has been answered
            pop.close()
        else:
            pop.quit()
        return fetched

    def lua(self, mode: str, user: str, delete: tuple[int, ...] = (), drop: bool = False) -> Fetched:
        url, tls = address(self._dovecot, mode)
        ending = ["drop" if drop else "commit", *map(str, delete)]
        command = [str(Path(__file__).with_name("fetch.lua")), url, tls, str(self._authority.file), user]
        environment = {
            **os.environ,
            "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/lua/?/init.lua",
            "LUA_CPATH": f"{ROOT}/build/cmake/lua/?.so",
        }
        subprocess.run(
            ["lua5.4", *command, Dovecot.PASSWORD, str(self._folder), *ending], env=environment, check=True, timeout=300
        )
        files = list(self._folder.iterdir())
        return {int(file.name): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def fetch(self, language: str) -> Callable[..., Fetched]:
        return {"python": self.python, "lua": self.lua}[language]


@pytest.fixture
def face(dovecot: Dovecot, authority: Authority, tmp_path: Path) -> Face:
    return Face(dovecot, authority, tmp_path)


@pytest.mark.parametrize("mode", ["plain", "stls", "implicit"])
@pytest.mark.parametrize("language", ["python", "lua"])
def test_fetches_everything(face: Face, language: str, mode: str, results: list[Row]) -> None:
    mail = messages()
    started = time.monotonic()
    fetched = face.fetch(language)(mode, "everything")
    seconds = time.monotonic() - started
    wanted = expected(mail)
    equal = sum(fetched.get(number) == wanted[number] for number in wanted)
    left_out = len(all_messages()) - len(mail)
    results.append(
        Row(
            "Dovecot",
            f"poplin ({language.title()})",
            version_of("dovecot-pop3d"),
            mode,
            len(mail),
            equal,
            left_out,
            seconds,
        )
    )
    assert [mail[number - 1].name for number in wanted if fetched.get(number) != wanted[number]] == []
    assert len(fetched) == len(mail)


@pytest.mark.holds("POP-UPD-5", "C")
@pytest.mark.parametrize("language", ["python", "lua"])
def test_quit_deletes(dovecot: Dovecot, face: Face, language: str) -> None:
    user = f"{language}-commits"
    dovecot.add(user, messages()[:20])
    face.fetch(language)("stls", user, delete=(2, 3, 5, 20))
    assert dovecot.stored(user) == 16


@pytest.mark.holds("POP-UPD-6", "C")
@pytest.mark.parametrize("language", ["python", "lua"])
def test_a_drop_deletes_nothing(dovecot: Dovecot, face: Face, language: str) -> None:
    user = f"{language}-drops"
    dovecot.add(user, messages()[:20])
    face.fetch(language)("stls", user, delete=(2, 3, 5, 20), drop=True)
    assert dovecot.stored(user) == 20


def test_dovecot_does_not_stuff_a_first_dot(dovecot: Dovecot, face: Face) -> None:
    """Should this fail one day, Dovecot has been mended: messages that begin with a dot can go with the others."""
    first = Message("first dot", b".Subject: hidden\r\n\r\n..twice\r\n")
    dovecot.add("dots", [first])
    assert face.python("plain", "dots") == {1: hashlib.sha256(first.wire[1:]).hexdigest()}
