"""Places of a `fetch` that make trouble: locks that nobody ends, servers that say nothing, paths that cannot be."""

import errno
import fcntl
import gc
import os
import resource
import signal
import smtplib
import socket
import traceback
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drops import messages
from fetched import Account
from lmtp import LMTPServer

import poplin
from poplin import _destinations, _mbox

Make = Callable[..., Account]


def by_another(function: Callable[[], object]) -> int:
    """Called in another process; how that has ended, 1 being True."""
    child = os.fork()
    if child == 0:
        os._exit(int(bool(function())))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# ---- mboxes ----


def append_and_be_killed(path: Path) -> None:
    def killed(file: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = killed
    _mbox.append(str(path), b"From a b\n\nhalf", False)


@pytest.mark.holds("MBOX-3", "C")
@pytest.mark.holds("T-DLV-1", "C")
def test_the_lock_of_a_fetch_that_was_killed_holds_up_no_other(account: Make) -> None:
    alice = account(messages(2))
    path = alice.folder / "mbox"
    assert by_another(lambda: append_and_be_killed(path)) == -signal.SIGKILL
    assert Path(f"{path}.lock").exists()
    report = alice.fetch(into=poplin.Mbox(path, lock_timeout=0), keep="none")
    assert (report.deleted, report.failed) == (2, 0)
    assert path.read_bytes().startswith(b"From a b\n\nhalf\n\nFrom ")
    assert sorted(file.name for file in alice.folder.glob("mbox*")) == ["mbox"]


@pytest.mark.holds("MBOX-3", "C")
@pytest.mark.parametrize("left", [b"", b"123\n", b"poplin"])
def test_a_lock_that_nobody_ends_holds_up_a_fetch_once(
    account: Make, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    """Another program's; it stays, since it may be alive. The complaint says what to remove."""
    alice = account(messages(3))
    path = alice.folder / "mbox"
    lock = Path(f"{path}.lock")
    lock.write_bytes(left)
    waits: list[float] = []

    async def sleep_asyncio(seconds: float) -> None:
        if seconds:
            waits.append(seconds)

    if alice.face == "blocking":
        monkeypatch.setattr("time.sleep", waits.append)
    else:
        monkeypatch.setattr("asyncio.sleep", sleep_asyncio)
    report = alice.fetch(into=poplin.Mbox(path, lock_timeout=1), keep="none")
    assert (report.failed, len(waits)) == (3, 10)
    assert f"{lock}: then remove it" in report.messages[0].reason
    assert (lock.read_bytes(), path.read_bytes()) == (left, b"")


@pytest.mark.holds("MBOX-3", "C")
def test_two_of_one_process_do_not_append_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock by fcntl does not keep threads apart, and one of them ends it for both when it closes the file."""
    path = tmp_path / "mbox"
    append_whole = _mbox._append_whole
    seen: list[tuple[bool, int, bool]] = []

    def is_free() -> bool:
        with path.open("ab") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return True

    def second(file: int, octets: bytes) -> None:
        another = _mbox.append(str(tmp_path / "." / "mbox"), b"From c d\n\nsecond\n\n", False)
        seen.append((another, by_another(is_free), Path(f"{path}.lock").exists()))
        append_whole(file, octets)

    monkeypatch.setattr(_mbox, "_append_whole", second)
    assert _mbox.append(str(path), b"From a b\n\nfirst\n\n", True)
    assert seen == [(False, 0, True)]
    monkeypatch.undo()
    assert _mbox.append(str(path), b"From c d\n\nsecond\n\n", False)
    assert path.read_bytes() == b"From a b\n\nfirst\n\nFrom c d\n\nsecond\n\n"


@pytest.mark.holds("MBOX-3", "C")
@pytest.mark.parametrize("error", [PermissionError(13, "no"), OSError(30, "read-only")])
def test_a_spool_without_dot_locks(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """Where no other file may be made, as in many a /var/mail, the lock by fcntl is all there is."""
    alice = Account(served(messages(1)), tmp_path)

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(_mbox._DotLock, "_make", refuse)
    assert alice.fetch(into=poplin.Mbox(tmp_path / "mbox"), keep="none").deleted == 1


@pytest.mark.holds("MBOX-3", "C")
def test_an_mbox_where_there_are_no_links(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = Account(served(messages(1)), tmp_path)
    path = tmp_path / "mbox"

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    Path(f"{path}.lock").touch()
    assert alice.fetch(into=poplin.Mbox(path, lock_timeout=0), keep="none").failed == 1
    Path(f"{path}.lock").unlink()
    assert alice.fetch(into=poplin.Mbox(path), keep="none").deleted == 1
    assert sorted(file.name for file in tmp_path.glob("mbox*")) == ["mbox"]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 86401])
def test_how_long_a_lock_cannot_be_waited_for(seconds: float) -> None:
    with pytest.raises(ValueError, match="lock_timeout"):
        poplin.Mbox("mbox", lock_timeout=seconds)
    with pytest.raises(TypeError, match="lock_timeout"):
        poplin.Mbox("mbox", lock_timeout=str(seconds))


def test_a_disk_that_is_full_leaves_no_lock(account: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = account(messages(1))

    def full(file: int, octets: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(_mbox.os, "write", full)
        report = alice.fetch(into=poplin.Mbox(alice.folder / "mbox"))
    assert report.messages[0].reason == f"{alice.folder / 'mbox'}: No space left on device"
    assert [file.name for file in alice.folder.glob("mbox*")] == ["mbox"]


# ---- LMTP ----


@pytest.mark.holds("T-DLV-3", "C")
def test_a_server_that_says_nothing_holds_up_a_fetch_once(account: Make) -> None:
    alice = account(messages(3))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = poplin.LMTP("127.0.0.1", "alice", port=listener.getsockname()[1], timeout=0.2)
        report = alice.fetch(into=[place, alice.maildir], keep="none")
        assert [message.result for message in report.messages] == ["failed"] * 3
        assert "said nothing for 0.2 seconds" in report.messages[2].reason
        listener.accept()[0].close()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert alice.mail() == sorted(messages(3))
    assert len(alice.left()) == 3


def test_a_server_that_a_filter_names_anew_has_one_connection(account: Make) -> None:
    alice = account(messages(3))
    with LMTPServer() as server:
        report = alice.fetch(
            filter=lambda _: poplin.LMTP("127.0.0.1", "alice", port=server.port, timeout=5), keep="none"
        )
        assert (report.deleted, server.connections) == (3, 1)
        assert server.received == messages(3)


def test_an_lmtp_server_is_told_of_8_bits(account: Make) -> None:
    mail = [b"Subject: 7\r\n\r\nbits\r\n", b"Subject: 8\r\n\r\n\xe4\r\n"]
    with LMTPServer(LHLO="250-hello\r\n250 8BITMIME") as server:
        assert account(mail).fetch(into=poplin.LMTP("127.0.0.1", "alice", port=server.port)).delivered == 2
        sender = [command.upper() for command in server.commands if command.upper().startswith("MAIL")]
    assert ["BODY=8BITMIME" in command for command in sender] == [False, True]


@pytest.mark.holds("T-DLV-6", "C")
def test_what_goes_out_in_pieces_arrives_whole(account: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each within the timeout; all of a large message would not go out in time on a slow line."""
    monkeypatch.setattr(_destinations._LMTPSink, "PIECE", 7)
    sent: list[int] = []
    send = smtplib.LMTP.send

    def watched(self: smtplib.LMTP, octets: Any) -> None:
        sent.append(len(octets))
        send(self, octets)

    monkeypatch.setattr(smtplib.LMTP, "send", watched)
    mail = [
        b"",
        b".\r\n",
        b"Subject: dots\r\n\r\n..\r\n.\r\n\r\n.a\r\n" + b"x.\r\n.y" * 50 + b"\r\n",
        b"\r\n",
        b"\0\r\n",
    ]
    alice = account(mail)
    with LMTPServer() as server:
        place = poplin.LMTP("127.0.0.1", "alice", port=server.port, timeout=5)
        assert alice.fetch(into=place, keep="none").deleted == len(mail)
        assert server.received == mail
    assert sent.count(7) > 30


@pytest.mark.holds("T-DLV-3", "C")
def test_an_lmtp_server_has_ten_minutes_to_file_a_message(account: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    patience: list[float | None] = []
    getreply = smtplib.LMTP.getreply

    def watched(self: smtplib.LMTP) -> tuple[int, bytes]:
        assert self.sock is not None
        patience.append(self.sock.gettimeout())
        return getreply(self)

    monkeypatch.setattr(smtplib.LMTP, "getreply", watched)
    with LMTPServer() as server:
        for options in ({}, {"answer_timeout": 40}):
            place = poplin.LMTP("127.0.0.1", ["alice", "bob"], port=server.port, timeout=20, **options)
            assert account(messages(1)).fetch(into=place).delivered == 1
    for longest in (600, 40):
        dialogue, patience = patience[:9], patience[9:]
        assert dialogue == [20] * 6 + [longest] * 2 + [5]  # greeting, LHLO, MAIL, RCPT, RCPT, DATA; two answers; QUIT


@pytest.mark.parametrize("answers", [{}, {"RCPT": "550 no"}, {"end alice": "452 full"}, {"greeting": "521 no"}])
def test_an_lmtp_server_is_left_with_quit(account: Make, answers: dict[str, str]) -> None:
    with LMTPServer(None, **answers) as server:
        account(messages(1)).fetch(into=poplin.LMTP("127.0.0.1", "alice", port=server.port, timeout=20))
    assert server.commands[-1].upper() == "QUIT"
    assert server.connections == 1


def test_an_lmtp_server_is_left_with_quit_by_a_fetch_that_fails(account: Make) -> None:
    def fail(now: poplin.Progress) -> None:
        if now.messages_done:
            raise OSError("enough")

    alice = account(messages(2))
    with LMTPServer() as server:
        with pytest.raises(OSError, match="enough"):
            alice.fetch(into=poplin.LMTP("127.0.0.1", "alice", port=server.port, timeout=20), progress=fail)
    assert server.commands[-1].upper() == "QUIT"


def test_a_connection_that_is_in_use_when_the_fetch_ends_is_closed_then() -> None:
    """A task was cancelled, and its thread is in the middle of a message."""
    with LMTPServer() as server:
        place = poplin.LMTP("127.0.0.1", "alice", port=server.port)
        sink = place._sink(_destinations.Waiting(*[lambda: None] * 3))
        sink.close()
        said = sink._send(b"Subject: a\r\n\r\n")
        left = sink._connection
        if left is not None:
            left.close()
    assert (said, left) == ("alice has it", None)


@pytest.mark.parametrize(
    ("error", "address", "options"),
    [
        (ValueError, "host", {"port": 0}),
        (ValueError, "host", {"port": 65536}),
        (ValueError, "host", {"port": "24"}),
        (ValueError, "host", {"timeout": 0}),
        (ValueError, "host", {"timeout": float("nan")}),
        (TypeError, "host", {"timeout": None}),
        (ValueError, "host", {"answer_timeout": 0}),
        (ValueError, "run/lmtp", {}),
        (ValueError, "~/lmtp", {}),
        (ValueError, "localhost:24", {}),
        (ValueError, "local host", {}),
    ],
)
def test_an_lmtp_server_that_cannot_be(error: type[Exception], address: str, options: Any) -> None:
    with pytest.raises(error):
        poplin.LMTP(address, "alice", **options)


# ---- failures ----


def variables(error: BaseException | None) -> list[object]:
    """All that is kept by an exception, its cause, and so on."""
    found: list[object] = []
    while error is not None:
        at = error.__traceback__
        while at is not None:
            found += at.tb_frame.f_locals.values()
            at = at.tb_next
        error = error.__cause__ or error.__context__
    return found


def test_what_failed_is_not_kept_in_memory(account: Make) -> None:
    """A report would hold all messages that could not be delivered, several times."""
    alice = account(messages(5))
    seen: list[weakref.ref[poplin.Incoming]] = []

    def fail(message: poplin.Incoming) -> None:
        seen.append(weakref.ref(message))
        try:
            raise ValueError("first")
        except ValueError as error:
            raise RuntimeError("then") from error

    lock = alice.folder / "mbox.lock"
    lock.touch()
    os.mkfifo(alice.folder / "pipe")
    with LMTPServer(DATA="550 no") as server:
        for place in (
            fail,
            poplin.Mbox(alice.folder / "mbox", lock_timeout=0),
            poplin.Mbox(alice.folder / "pipe"),
            poplin.LMTP("127.0.0.1", "alice", port=server.port),
            poplin.LMTP(alice.folder / "no-such-socket", "alice"),
        ):
            report = alice.fetch(into=place)
            assert report.failed == 5
            kept = [thing for message in report.messages for thing in variables(message.error)]
            large = [thing for thing in kept if isinstance(thing, bytes) and b"number" in thing]
            assert not large, place
            assert not [thing for thing in kept if isinstance(thing, poplin.Incoming)], place
    gc.collect()
    assert [ref() for ref in seen] == [None] * 5


def test_what_failed_tells_where(account: Make) -> None:
    def fail(message: poplin.Incoming) -> None:
        raise RuntimeError("here")

    report = account(messages(1)).fetch(into=fail)
    shown = "".join(traceback.format_exception(report.messages[0].error))
    assert 'raise RuntimeError("here")' in shown


# ---- Maildirs ----


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_descriptors")
def test_more_maildirs_than_descriptors(account: Make) -> None:
    alice = account(messages(400))
    folders = [alice.folder / f"Mail{number}" for number in range(400)]
    report = alice.fetch(filter=lambda message: folders[message.number - 1], keep="none")
    assert (report.delivered, report.deleted, report.failed) == (400, 400, 0)
    for folder, message in zip(folders, messages(400), strict=True):
        assert alice.mail(folder) == [message]


@pytest.mark.holds("T-DLV-3", "C")
def test_what_does_not_get_into_its_maildir_fails_alone(account: Make) -> None:
    """Nor do those that wait with it to be flushed fail."""
    alice = account(messages(3))
    lost = alice.folder / "Lost"

    def lose(progress: poplin.Progress) -> None:
        if progress.messages_done == 3 and (lost / "new").exists():
            (lost / "new").rmdir()

    route = {"filter": lambda message: lost if message.number == 2 else True, "keep": "none"}
    report = alice.fetch(**route, progress=lose)
    assert [message.result for message in report.messages] == ["delivered", "failed", "delivered"]
    assert isinstance(report.messages[1].error, FileNotFoundError | poplin.NetworkError)
    assert report.deleted == 2
    assert alice.mail(alice.maildir) == [messages(3)[0], messages(3)[2]]
    report = alice.fetch(keep="none")
    assert (report.delivered, report.deleted) == (1, 1)


# ---- paths ----


def test_a_home_that_only_a_shell_knows(account: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be a folder of the name ~."""
    alice = account(messages(1))
    monkeypatch.chdir(alice.folder)
    for wishes in ({"into": "~/Mail"}, {"into": [alice.maildir, Path("~bob/Mail")]}, {"seen": "~/seen.sqlite"}):
        with pytest.raises(ValueError, match=r"os\.path\.expanduser\('~"):
            alice.fetch(**wishes)
    with pytest.raises(ValueError, match="~"):
        alice.fetch(filter=lambda _: Path("~/Mail"))
    for function in (poplin.seen, poplin.Mbox):
        with pytest.raises(ValueError, match=r"os\.path\.expanduser"):
            function("~/file")
    assert not [*alice.folder.glob("~*")]
    assert alice.fetch(into="./~").delivered == 1


def test_a_store_that_has_no_place(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = Account(served(messages(1)), tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ("x" * 300)))
    with pytest.raises(poplin.NetworkError, match="File name too long"):
        alice.fetch(seen=None)
    monkeypatch.delenv("XDG_STATE_HOME")

    def home(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    with pytest.raises(poplin.NetworkError, match="no home folder"):
        alice.fetch(seen=None)
