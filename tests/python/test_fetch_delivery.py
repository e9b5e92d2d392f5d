"""Where `fetch` delivers to: Maildirs, mboxes, LMTP servers, functions, and several of these at once."""

import calendar
import contextlib
import fcntl
import functools
import mailbox
import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drops import messages
from fetched import Account, raising
from lmtp import LMTPServer

import poplin
import poplin.testing
from poplin import _mbox
from poplin._mbox import mbox_octets

Make = Callable[..., Account]
CORPUS = sorted((Path(__file__).resolve().parents[3] / "shared/corpus").rglob("*.eml"))
AWKWARD = [
    b"",
    b"\r\n",
    b"no header, no line end",
    b"\r\nno header, but an empty line\r\n",
    b"Subject: NUL\r\n\r\n\0\0\r\n\0",
    b"\0",
    b"From someone\r\n\r\nFrom here on\r\n>From there\r\n>>>From everywhere\r\n From nowhere\r\nFrom\r\n",
    b"Subject: CR\r\n\r\na lone \r CR\r\n",
    b"Subject: empty lines\r\n\r\n\r\n\r\n",
    b"Subject: 8 bits\r\n\r\n\xff\xfe\x80\r\n",
]


def on_the_wire(message: bytes) -> bytes:
    """As POP3 brings it: the last line has its end."""
    return message if message.endswith(b"\r\n") or not message else message + b"\r\n"


def lf(mail: list[bytes]) -> list[bytes]:
    """As it stands on the disk."""
    return [message.replace(b"\r\n", b"\n") for message in mail]


def read_mbox(path: Path) -> list[bytes]:
    """What the core's reader finds, which is the other end of mboxrd."""
    with poplin.testing.Server(users={"alice": "secret"}) as server:
        server.load("alice", path)
        return [mail.data for mail in server.messages("alice")]


# ---- Maildirs ----


@pytest.mark.holds("T-DLV-6", "C")
def test_awkward_messages_into_every_place(account: Make) -> None:
    alice = account(AWKWARD)
    taken: list[poplin.Incoming] = []
    box = alice.folder / "mbox"
    report = alice.fetch(into=[alice.maildir, poplin.Mbox(box), taken.append], keep="none")
    assert (report.delivered, report.failed, alice.left()) == (len(AWKWARD), 0, [])
    wire = [on_the_wire(message) for message in AWKWARD]
    assert [message.data for message in taken] == wire
    assert [message.email().as_bytes() is not None for message in taken] == [True] * len(AWKWARD)
    assert {file.read_bytes() for file in alice.maildir.glob("new/*")} == {*lf(wire)}
    assert read_mbox(box) == lf(wire)


def test_into_several_maildirs(account: Make) -> None:
    alice = account(messages(3))
    other = alice.folder / "Other"
    report = alice.fetch(into=[alice.maildir, str(other), alice.folder / "." / "Mail"], keep="none")
    assert alice.mail() == alice.mail(other) == sorted(messages(3))
    assert [len(message.places) for message in report.messages] == [2] * 3


def test_a_message_that_was_delivered_before_the_end_came_is_the_same_file(account: Make) -> None:
    """Killed between delivery and record; by then another program had moved it on and set flags."""
    alice = account(messages(2))
    with pytest.raises(KeyboardInterrupt):
        alice.fetch(into=[alice.maildir, raising(KeyboardInterrupt(), 1)])
    assert alice.steps() == {"taken": 2}
    (file,) = alice.maildir.glob("new/*")
    file.rename(alice.maildir / "cur" / f"{file.name}:2,RS")
    report = alice.fetch(keep="none")
    assert [message.resumed for message in report.messages] == [True, True]
    assert (alice.mail(), alice.left()) == (sorted(messages(2)), [])


@pytest.mark.holds("T-DLV-3", "C")
def test_a_maildir_that_cannot_be_written_to(account: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others get the message all the same, and it stays on the server."""
    alice = account(messages(3))
    bad = alice.folder / "Bad"
    alice.fetch(into=bad, limit=1, seen=alice.folder / "other.sqlite")
    (bad / "tmp").rmdir()
    (bad / "tmp").write_bytes(b"")
    taken: list[poplin.Incoming] = []
    with pytest.raises(poplin.NetworkError):
        alice.fetch(into=[bad, alice.maildir])
    (bad / "tmp").unlink()

    def spoil(now: poplin.Progress) -> None:
        (bad / "tmp").rmdir()

    report = alice.fetch(
        into=[bad, alice.maildir, taken.append], keep="none", filter=lambda message: message.number < 3,
        progress=lambda now: spoil(now) if (bad / "tmp").exists() else None,
    )  # fmt: skip
    assert [message.result for message in report.messages] == ["failed", "failed", "skipped"]
    assert isinstance(report.messages[0].error, poplin.NetworkError)
    assert alice.mail() == sorted(messages(3)[:2])
    assert [message.number for message in taken] == [1, 2]
    assert len(alice.left()) == 3
    (bad / "tmp").mkdir()
    assert alice.fetch(into=[bad, alice.maildir], keep="none").deleted == 3
    assert alice.mail() == sorted(messages(3))
    assert len(alice.mail(bad)) == 3


# ---- functions ----


@pytest.mark.holds("T-DLV-3", "C")
@pytest.mark.parametrize("last", [True, False])
def test_a_function_that_raises_holds_back_that_message_only(account: Make, last: bool) -> None:
    alice = account(messages(4))
    error = OSError("no room")
    taken: list[poplin.Incoming] = []
    places: list[Any] = [raising(error, 2), taken.append]
    report = alice.fetch(into=[alice.maildir, *(reversed(places) if last else places)], keep="none")
    assert [message.result for message in report.messages] == ["delivered", "failed", "delivered", "delivered"]
    assert (report.messages[1].error, report.messages[1].reason) == (error, "OSError: no room")
    assert (report.deleted, alice.left()) == (3, [messages(4)[1]])
    assert [message.number for message in taken] == [1, 2, 3, 4]
    resumed: list[bool] = []
    assert alice.fetch(into=lambda message: resumed.append(message.resumed), keep="none").deleted == 1
    assert resumed == [True]
    assert alice.mail() == sorted(messages(4))


def test_a_function_that_is_a_coroutines(served: Any, tmp_path: Path) -> None:
    alice = Account(served(messages(2)), tmp_path)

    async def take(message: poplin.Incoming) -> None: ...

    report = alice.fetch(into=take, keep="none")
    assert "poplin.aio.fetch" in report.messages[0].reason
    assert len(alice.left()) == 2
    with pytest.raises(TypeError, match="aio"):
        alice.fetch(filter=take)
    with pytest.raises(TypeError, match="aio"):
        alice.fetch(progress=take)


def test_each_message_is_recorded_before_the_next_is_delivered(account: Make) -> None:
    """Where a repeated delivery would be a second one, no more than one can be repeated."""
    alice = account(messages(4))
    steps: list[dict[str, int]] = []
    alice.fetch(into=lambda message: steps.append(alice.steps()))
    assert [step.get("delivered", 0) for step in steps] == [0, 1, 2, 3]
    alice.fetch(seen=alice.folder / "other.sqlite")
    alice.store.unlink()
    steps.clear()
    alice.fetch(filter=lambda message: lambda message: steps.append(alice.steps()))
    assert [step.get("delivered", 0) for step in steps] == [0, 1, 2, 3]


# ---- mboxes ----


@pytest.mark.holds("MBOX-1", "C")
@pytest.mark.holds("MBOX-2", "C")
@pytest.mark.holds("T-DLV-5", "C")
def test_a_message_as_it_stands_in_an_mbox(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(time.tzset)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "XYZ+9")
        time.tzset()
        check_an_mbox_message()


def check_an_mbox_message() -> None:
    text = mbox_octets(b"Return-Path: <bob@example.org>\r\n\r\nFrom me\r\n>From you\r\n>>From\r\nnot From\r\nlast")
    line, _, rest = text.partition(b"\n")
    days, months = "Mon|Tue|Wed|Thu|Fri|Sat|Sun", "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
    form = rf"From bob@example\.org ({days}) ({months}) [ 1-3][0-9] \d\d:\d\d:\d\d \d{{4}}"
    assert re.fullmatch(form, line.decode())
    assert abs(calendar.timegm(time.strptime(line.decode()[21:])) - time.time()) < 600  # UTC
    assert rest == b"Return-Path: <bob@example.org>\n\n>From me\n>>From you\n>>From\nnot From\nlast\n\n"
    for path in (b"", b"<>", b"<a b>", b"<a\nb>", b"<" + b"x" * 300 + b">", b"bob"):
        assert mbox_octets(b"Return-Path: " + path + b"\r\n\r\n").startswith(b"From MAILER-DAEMON ")


@pytest.mark.holds("MBOX-1", "B")
@pytest.mark.skipif(not CORPUS, reason="the corpus is not here")
def test_real_mail_there_and_back(served: Any, tmp_path: Path) -> None:
    mail = [on_the_wire(re.sub(rb"\r?\n", b"\r\n", file.read_bytes())) for file in CORPUS]
    alice = Account(served(mail), tmp_path)
    report = alice.fetch(into=[alice.maildir, poplin.Mbox(tmp_path / "mbox")], keep="none")
    assert (report.delivered, alice.left()) == (len(mail), [])
    assert read_mbox(tmp_path / "mbox") == lf(mail)
    assert sorted(file.read_bytes() for file in alice.maildir.glob("new/*")) == sorted(lf(mail))


@pytest.mark.holds("MBOX-1", "B")
@pytest.mark.holds("T-DLV-5", "C")
@pytest.mark.parametrize("before", [b"", b"From a b\nSubject: was here\n\nno line end", b"From a b\n\nx\n"])
def test_messages_behind_what_was_there(account: Make, before: bytes) -> None:
    alice = account(messages(3))
    path = alice.folder / "mbox"
    path.write_bytes(before)
    alice.fetch(into=poplin.Mbox(path))
    assert read_mbox(path)[-3:] == lf(messages(3))
    assert path.read_bytes().startswith(before)
    with contextlib.closing(mailbox.mbox(path, create=False)) as box:
        assert [message["subject"] for message in box][-3:] == ["number 1", "number 2", "number 3"]


def locked_by_dot(path: Path) -> Callable[[], None]:
    lock = Path(f"{path}.lock")
    lock.touch()
    return lock.unlink


def locked_by_fcntl(path: Path) -> Callable[[], None]:
    """By another process, since one's own does not hinder."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        with path.open("ab") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            theirs.send(b".")
            ours.close()
            theirs.recv(1)
        os._exit(0)
    theirs.close()
    assert ours.recv(1) == b"."

    def unlock() -> None:
        ours.close()
        os.waitpid(child, 0)

    return unlock


@pytest.mark.holds("MBOX-3", "C")
@pytest.mark.holds("T-DLV-5", "C")
@pytest.mark.parametrize("lock", [locked_by_dot, locked_by_fcntl])
def test_an_mbox_that_another_program_has_locked(
    account: Make, monkeypatch: pytest.MonkeyPatch, lock: Callable[[Path], Callable[[], None]]
) -> None:
    alice = account(messages(2))
    path = alice.folder / "mbox"
    path.touch()
    unlock = lock(path)
    report = alice.fetch(into=poplin.Mbox(path, lock_timeout=0), keep="none")
    assert [message.result for message in report.messages] == ["failed"] * 2
    assert "locked" in report.messages[0].reason
    assert path.read_bytes() == b""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            unlock()

    async def sleep_asyncio(seconds: float) -> None:
        if seconds:
            sleep(seconds)

    face = "time.sleep" if alice.face == "blocking" else "asyncio.sleep"
    monkeypatch.setattr(face, sleep if alice.face == "blocking" else sleep_asyncio)
    assert alice.fetch(into=poplin.Mbox(path), keep="none").deleted == 2
    assert len(waits) == 3
    assert read_mbox(path) == lf(messages(2))
    assert [file.name for file in alice.folder.glob("mbox*")] == ["mbox"]


@pytest.mark.holds("MBOX-3", "C")
def test_an_mbox_that_is_replaced_while_its_lock_is_waited_for(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a mail program does that deletes messages: what is written to the old file would be lost."""
    alice = Account(served(messages(2)), tmp_path)
    path, new = tmp_path / "mbox", tmp_path / "new"
    path.write_bytes(b"From a b\n\nold\n\n")
    lock = _mbox._lock_by_fcntl

    def replaced(file: int) -> bool:
        if b"old" in path.read_bytes():
            new.write_bytes(b"From a b\n\nother\n\n")
            new.replace(path)
        return lock(file)

    monkeypatch.setattr(_mbox, "_lock_by_fcntl", replaced)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert alice.fetch(into=poplin.Mbox(path), keep="none").deleted == 2
    assert read_mbox(path) == [b"\nother\n", *lf(messages(2))]


@pytest.mark.holds("MBOX-3", "C")
def test_an_mbox_is_locked_and_flushed_while_it_is_written(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = Account(served(messages(1)), tmp_path)
    path = tmp_path / "mbox"
    seen: list[tuple[str, bool]] = []
    append, flush = _mbox._append_whole, os.fsync

    def look(name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        child = os.fork()
        if child == 0:
            with path.open("ab") as file:
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os._exit(Path(f"{path}.lock").exists())
            os._exit(2)
        seen.append((name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1))
        return call(*arguments)

    def flushed(file: int) -> None:
        if Path(f"/proc/self/fd/{file}").resolve() == path:
            look("flush", lambda: None)
        flush(file)

    monkeypatch.setattr(_mbox, "_append_whole", functools.partial(look, "append", append))
    monkeypatch.setattr(os, "fsync", flushed)
    alice.fetch(into=poplin.Mbox(path))
    assert seen == [("append", True), ("flush", True)]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.holds("MBOX-3", "C")
@pytest.mark.holds("T-DLV-3", "C")
@pytest.mark.parametrize("function", ["write", "fsync"])
def test_what_cannot_be_written_whole_is_taken_back(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    alice = Account(served(messages(3)), tmp_path)
    path = tmp_path / "mbox"
    system = getattr(os, function)
    failed: list[int] = []

    def full(file: int, *octets: bytes) -> Any:
        ours = not failed and Path(f"/proc/self/fd/{file}").resolve() == path
        if ours and b"number 2" in path.read_bytes() + b"".join(octets):
            failed.append(1)
            if octets:
                os.pwrite(file, octets[0][:50], path.stat().st_size)
            raise OSError(28, "No space left on device")
        return system(file, *octets)

    monkeypatch.setattr(os, function, full)
    report = alice.fetch(into=poplin.Mbox(path), keep="none")
    assert [message.result for message in report.messages] == ["delivered", "failed", "delivered"]
    assert "No space left" in str(report)
    assert read_mbox(path) == lf([messages(3)[0], messages(3)[2]])
    assert alice.left() == [messages(3)[1]]


def test_an_mbox_that_cannot_be_one(account: Make) -> None:
    alice = account(messages(1))
    (alice.folder / "folder").mkdir()
    os.mkfifo(alice.folder / "pipe")
    report = alice.fetch(into=poplin.Mbox(alice.folder / "pipe", lock_timeout=0), keep="none")
    assert [message.result for message in report.messages] == ["failed"]
    for name, why in {"folder": "it is a folder", "nowhere/mbox": "there is no folder"}.items():
        place = poplin.Mbox(alice.folder / name, lock_timeout=0)
        with pytest.raises(poplin.NetworkError, match=f"{name}: {why}"):
            alice.fetch(into=place, keep="none")
        report = alice.fetch(into=alice.maildir, filter=lambda _, place=place: place, keep="none")
        assert [(message.result, why in message.reason) for message in report.messages] == [("failed", True)]
        assert alice.fetch(into=place, dry_run=True).delivered == 1
    assert len(alice.left()) == 1
    with pytest.raises(ValueError, match="path"):
        poplin.Mbox("")


# ---- LMTP ----


@pytest.mark.parametrize("unix", [True, False])
def test_messages_over_lmtp(account: Make, unix: bool) -> None:
    path = Path(os.path.relpath(account().folder / "lmtp")).absolute() if unix else None
    mail = [
        b"Return-Path: <bob@example.org>\r\nSubject: dots\r\n\r\n.a\r\n..b\r\n.\r\n",
        b"Subject: lone\r\n\r\na\rb\r\n",
    ]
    alice = account(mail)
    with LMTPServer(path) as server:
        place = poplin.LMTP(path or "127.0.0.1", ["alice", "carol@example.org"], port=server.port or 24, timeout=20)
        report = alice.fetch(into=place, keep="none")
        assert (report.deleted, server.connections) == (2, 1)
        assert server.received == [mail[0], b"Subject: lone\r\n\r\na\r\nb\r\n"]
        assert report.messages[0].places == ("alice has it; carol@example.org has it",)
        verbs = [command.partition(" ")[0].upper() for command in server.commands]
        assert verbs == ["LHLO", *["MAIL", "RCPT", "RCPT", "DATA"] * 2, "QUIT"]
        assert "from:<bob@example.org>" in server.commands[1].lower()
        assert "from:<>" in server.commands[5].lower()


@pytest.mark.holds("T-DLV-3", "C")
@pytest.mark.parametrize(
    ("answers", "error", "words"),
    [
        ({"greeting": "421 busy"}, poplin.Temporary, "421 busy"),
        ({"LHLO": "500 what?"}, poplin.Refused, "500"),
        ({"MAIL": "550 not you"}, poplin.Refused, "550 not you"),
        ({"RCPT carol": "550 no such user\x1b[2J"}, poplin.Refused, r"550 no such user\x1b[2J"),
        ({"DATA": "451 later"}, poplin.Temporary, "451 later"),
        ({"end alice": "452 full"}, poplin.Temporary, "delivery to alice: 452 full"),
        ({"end carol": "552 too large"}, poplin.Refused, "delivery to carol: 552 too large"),
        ({"end carol": ""}, poplin.NetworkError, "closed"),
        ({"end alice": "452-full\r\n452 today"}, poplin.Temporary, "452 full today"),
        ({"DATA": "nonsense"}, poplin.NetworkError, "DATA: what it said is no LMTP"),
        ({"greeting": ""}, poplin.NetworkError, "closed"),
    ],
)
def test_an_lmtp_server_that_does_not_take_it(
    account: Make, answers: dict[str, str], error: type[Exception], words: str
) -> None:
    """For one of several recipients is enough. The next message has a new connection."""
    alice = account(messages(2))
    with LMTPServer(None, **answers) as server:
        place = poplin.LMTP("127.0.0.1", ["alice", "carol"], port=server.port, timeout=20)
        report = alice.fetch(into=[place, alice.maildir], keep="none")
        assert [message.result for message in report.messages] == ["failed"] * 2
        assert isinstance(report.messages[0].error, error)
        assert words in report.messages[0].reason
        assert (server.connections, len(alice.left())) == (2, 2)
        assert alice.mail() == sorted(messages(2))
        server.answers = {}
        assert alice.fetch(into=[place, alice.maildir], keep="none").deleted == 2
        assert server.received[-2:] == messages(2)
    assert alice.mail() == sorted(messages(2))


def test_no_lmtp_server(account: Make) -> None:
    alice = account(messages(1))
    report = alice.fetch(into=poplin.LMTP(alice.folder / "no-such-socket", "alice"), keep="none")
    assert isinstance(report.messages[0].error, poplin.NetworkError)


@pytest.mark.parametrize(
    ("error", "arguments", "options"),
    [
        (ValueError, ("", "alice"), {}),
        (ValueError, ("host", []), {}),
        (ValueError, ("host", "alice>\r\nDATA"), {}),
        (ValueError, ("host", "al ice"), {}),
        (ValueError, ("host", ""), {}),
        (ValueError, ("host", "alice"), {"sender": "<a>"}),
        (TypeError, ("host", [b"alice"]), {}),
    ],
)
def test_what_lmtp_cannot_say(error: type[Exception], arguments: Any, options: Any) -> None:
    with pytest.raises(error):
        poplin.LMTP(*arguments, **options)
