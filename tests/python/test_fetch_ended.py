"""A fetch that is ended early, by the server, the script, Ctrl-C or another fetch: what was delivered is recorded."""

import contextlib
import functools
import linecache
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drops import messages
from fetched import Account, raising
from programs import program

import poplin

Make = Callable[..., Account]


def test_a_dropped_line_costs_little(account: Make) -> None:
    alice = account(messages(20, 3000))
    alice.server.fault("RETR", message=11, drop_after=500, times=1)
    with pytest.raises(poplin.ConnectionLost) as raised:
        alice.fetch(keep="none")
    report = raised.value.report
    assert report is not None
    assert (report.delivered, report.deleted) == (10, 0)
    assert alice.steps() == {"delivered": 10, "taken": 1}
    report = alice.fetch(keep="none")
    assert (report.delivered, report.deleted) == (10, 20)
    assert alice.mail() == sorted(messages(20, 3000))


def test_a_deletion_that_is_refused(account: Make) -> None:
    """The message is safe, and the next fetch deletes it."""
    alice = account(messages(2))
    alice.server.fault("DELE", message=1, refuse="not today", times=1)
    report = alice.fetch(keep="none")
    assert [(message.result, message.deleted) for message in report.messages] == [
        ("delivered", False),
        ("delivered", True),
    ]
    assert isinstance(report.messages[0].error, poplin.Refused)
    assert report.messages[0].reason.startswith("not deleted: DELE 1")
    assert (report.failed, report.messages[1].reason) == (0, "")
    assert [message.result for message in alice.fetch(keep="none").messages] == ["expired"]
    assert alice.mail() == sorted(messages(2))


def test_a_login_that_fails(account: Make) -> None:
    alice = account(messages(1))
    with pytest.raises(poplin.AuthError) as raised:
        alice.fetch(password="not hers")
    assert raised.value.report is not None
    assert (raised.value.report.messages, raised.value.report.account) == ([], "alice")
    with pytest.raises(ValueError, match="no password="):
        alice.fetch(password=None)


@pytest.mark.parametrize("where", ["into", "filter", "progress"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_was_delivered_is_recorded_when_a_function_ends_it(
    account: Make, where: str, error: type[BaseException]
) -> None:
    alice = account(messages(4))
    function = raising(error(), 3)
    given: dict[str, Any] = {
        "into": {"into": [alice.maildir, function]},
        "filter": {"filter": lambda message: function(message) or "take"},
        "progress": {"progress": function},
    }[where]
    with pytest.raises(error) as raised:
        alice.fetch(keep="none", **given)
    count = 2 if where == "into" else alice.steps().get("delivered", 0)
    assert raised.value.report.delivered == count  # type: ignore[attr-defined]
    assert alice.steps().get("delivered", 0) == count
    assert len(alice.left()) == 4
    assert alice.fetch(keep="none").deleted == 4
    assert alice.mail() == sorted(messages(4))


def test_progress_that_raises_ends_it(account: Make) -> None:
    alice = account(messages(3))

    def progress(now: poplin.Progress) -> None:
        if now.messages_done == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as raised:
        alice.fetch(progress=progress)
    assert raised.value.report.delivered == 2  # type: ignore[attr-defined]
    assert alice.steps() == {"delivered": 2, "taken": 1}


def test_a_record_that_is_interrupted_is_written_all_the_same(account: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = account(messages(2))
    record = poplin.Seen.record
    calls: list[Any] = []

    def interrupted(self: poplin.Seen, name: str, rows: Any) -> None:
        calls.append(rows)
        if len(calls) == 2:
            raise KeyboardInterrupt
        record(self, name, rows)

    monkeypatch.setattr(poplin.Seen, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        alice.fetch()
    assert alice.steps() == {"delivered": 2}


def test_a_store_that_fails_ends_it(account: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = account(messages(2))
    full = poplin.NetworkError("the disk is full")
    record = poplin.Seen.record
    calls: list[Any] = []

    def full_from_the_second(self: poplin.Seen, name: str, rows: Any) -> None:
        calls.append(rows)
        if len(calls) > 1:
            raise full
        record(self, name, rows)

    monkeypatch.setattr(poplin.Seen, "record", full_from_the_second)
    with pytest.raises(poplin.NetworkError) as raised:
        alice.fetch(keep="none")
    assert raised.value is full
    assert full.report is not None
    assert [message.deleted for message in full.report.messages] == [False, False]
    assert len(alice.left()) == 2
    monkeypatch.setattr(poplin.Seen, "record", record)
    alice.fetch(keep="none")
    assert (alice.mail(), alice.left()) == (sorted(messages(2)), [])


def test_an_interrupt_in_the_middle_of_a_wait(served: Any, tmp_path: Path) -> None:
    server = served(messages(6))
    server.fault("RETR", message=4, stall_after=30)
    waiting = """
        import sys, poplin
        try:
            url, folder, seen = sys.argv[1:]
            def tell(now):
                if now.messages_done == 3:
                    print("three", flush=True)
            poplin.fetch(url, user="alice", password="secret", account="alice", into=folder, seen=seen, progress=tell)
        except KeyboardInterrupt as interrupt:
            print(interrupt.report)
        """
    alice = Account(server, tmp_path)
    with program(waiting, server.url, str(alice.maildir), str(alice.store)) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "three\n"
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=60)
    assert (output.splitlines()[0][:18], errors) == ("3 messages fetched", "")
    assert alice.steps() == {"delivered": 3, "taken": 1}


class Interrupt:
    """Raises KeyboardInterrupt, as Ctrl-C may anywhere, at a line of the driver: the nth, or one that holds a text."""

    def __init__(self, nth: int = 0, text: str = "", message: int = 0) -> None:
        self.nth = nth
        self.text = text
        self.message = message
        self.raised = False
        self.lines = 0

    def __enter__(self) -> "Interrupt":
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: types.FrameType, event: str, _: object) -> Any:
        ours = frame.f_code.co_filename.endswith(("/_fetching.py", "/_destinations.py"))
        return self._line if ours and frame.f_code.co_name not in ("_stop", "close") else None

    def _line(self, frame: types.FrameType, event: str, _: object) -> Any:
        if event != "line" or self.raised or any(self._stopping(frame)):
            return self._line
        self.lines += 1
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        by_text = self.text and self.text in text and frame.f_locals.get("number") == self.message
        if by_text or self.lines == self.nth:
            self.raised = True
            raise KeyboardInterrupt
        return self._line

    @staticmethod
    def _stopping(frame: types.FrameType | None) -> Iterator[bool]:
        while frame is not None:
            yield frame.f_code.co_name == "_stop"
            frame = frame.f_back


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # where the closing itself was interrupted
def test_an_interrupt_at_any_line(served: Any, tmp_path: Path) -> None:
    """Ctrl-C is heard between any two lines of Python, not only where something waits."""

    def take(taken: list[bytes], message: poplin.Incoming) -> None:
        taken.append(message.data)

    server = served(exclusive=False)
    over, nth = False, 1
    while not over:
        server.clear("alice")
        for message in messages(3):
            server.deliver("alice", message)
        folder = tmp_path / f"{nth}"
        folder.mkdir()
        alice = Account(server, folder)
        taken: list[bytes] = []
        wishes: dict[str, Any] = {"into": [alice.maildir, functools.partial(take, taken)], "keep": "none"}
        with Interrupt(nth) as interrupt, contextlib.suppress(KeyboardInterrupt):
            alice.fetch(**wishes)
        over = not interrupt.raised
        recorded = sum(alice.steps().values()) - alice.steps().get("taken", 0) if alice.store.exists() else 0
        assert len(taken) - 1 <= recorded <= len(taken)
        alice.fetch(**wishes)
        assert (alice.mail(), alice.left(), {*taken}) == (sorted(messages(3)), [], {*messages(3)})
        assert len(taken) <= 4
        nth += 7
    assert nth > 100


def test_an_interrupt_when_a_function_has_done_its_work(served: Any, tmp_path: Path) -> None:
    alice = Account(served(messages(3)), tmp_path)
    taken: list[poplin.Incoming] = []
    with pytest.raises(KeyboardInterrupt), Interrupt(text="self._core.answer(0", message=2):
        alice.fetch(into=[alice.maildir, taken.append])
    assert [message.number for message in taken] == [1, 2]
    assert alice.steps() == {"delivered": 2, "taken": 1}


def test_a_fetch_within_a_fetch_of_the_same_account(account: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once, where neither server nor file system prevents it: into a Maildir each message is delivered once."""
    monkeypatch.setattr(poplin.Seen, "claim", lambda *_: contextlib.nullcontext())
    alice = account(messages(4), exclusive=False)
    inner: list[poplin.Report] = []

    def fetch_within(message: poplin.Incoming) -> None:
        if message.number == 2:
            thread = threading.Thread(target=lambda: inner.append(Account(alice.server, alice.folder).fetch()))
            thread.start()
            thread.join()

    report = alice.fetch(into=[alice.maildir, fetch_within])
    assert (report.delivered, inner[0].delivered, inner[0].known) == (4, 3, 1)
    assert alice.mail() == sorted(messages(4))
    assert alice.fetch(keep="none").deleted == 4


def test_two_fetches_where_the_server_lets_in_one(account: Make) -> None:
    alice = account(messages(1))
    raised: list[BaseException] = []

    def fetch_within(message: poplin.Incoming) -> None:
        def other() -> None:
            try:
                Account(alice.server, alice.folder).fetch(account="whose claim is its own")
            except poplin.InUse as error:
                raised.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    assert alice.fetch(into=fetch_within).delivered == 1
    assert len(raised) == 1
