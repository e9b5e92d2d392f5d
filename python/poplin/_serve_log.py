"""What `python -m poplin serve` shows while it serves: each session's conversation as it goes on, and a summary."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from poplin import _core
from poplin._command import Problem
from poplin.testing._session import Exchange

BREATH = 1
"""Seconds of one wait: a signal that comes an instant before it does not end it, and is heard after it."""


class Stop:
    """
    Makes the signals that end a program a KeyboardInterrupt, but only where it waits: nothing is shown by halves, or
    twice.
    """

    def __init__(self) -> None:
        self._asked = False
        self._waiting = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._ask)

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Where the KeyboardInterrupt may come; at once, if the signal has come before."""
        self._waiting = True
        try:
            if self._asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._waiting = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._waiting:
            raise KeyboardInterrupt


class Terminal:
    """
    A descriptor that lines are written to at once. There is no buffer: a line that nobody takes could not be flushed at
    exit either, and the program would not end.
    """

    def __init__(self, descriptor: int, stop: Stop) -> None:
        self._descriptor = descriptor
        self._stop = stop
        self.patient = True

    def write(self, text: str) -> None:
        """
        Writes lines, and waits until they are taken, or where `patient` is false does without what is not taken at
        once. Problem, without words: nobody will take them.
        """
        octets = text.encode(errors="backslashreplace")
        try:
            while octets and self._takes():
                octets = octets[os.write(self._descriptor, octets[: select.PIPE_BUF]) :]
        except OSError as error:
            raise Problem(os.EX_IOERR, "") from error

    def _takes(self) -> bool:
        """Whether so many octets can be written as a pipe takes in one piece."""
        if not self.patient:
            return bool(select.select([], [self._descriptor], [], 0)[1])
        with self._stop.allowed():
            while not select.select([], [self._descriptor], [], BREATH)[1]:
                pass
        return True


class Log:
    """Follows a server's sessions. Each line is shown once, with the time and its session's number."""

    def __init__(self, kit: _core.Testkit, terminal: Terminal | None) -> None:
        """terminal: None shows nothing; the sessions are counted all the same."""
        self._kit = kit
        self._terminal = terminal
        self._newest = 0
        self._shown: dict[int, int] = {}  # lines of each session that has not ended
        self._outcomes: Counter[str] = Counter()
        self._retrieved = 0
        self._deleted = 0

    def follow(self, stop: Stop) -> NoReturn:
        """Shows what happens as it happens, until a KeyboardInterrupt."""
        while True:
            seen = self._kit.changes()
            self.catch_up()
            with stop.allowed():
                self._kit.wait(seen, 1000 * BREATH)

    def catch_up(self) -> None:
        """Shows what has happened since the last time."""
        newest, _ = self._kit.count()
        self._shown |= dict.fromkeys(range(self._newest + 1, newest + 1), 0)
        self._newest = newest
        for number in list(self._shown):
            self._show(number)

    def summary(self) -> str:
        """How many sessions ended how, and what they did, in one line."""
        sessions = self._outcomes.total() + len(self._shown)
        ends = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._outcomes.items()))
        return (
            f"{counted(sessions, 'session')}{f' ({ends})' if ends else ''}, "
            f"{counted(self._retrieved, 'message')} retrieved, {self._deleted} deleted"
        )

    def _show(self, number: int) -> None:
        record = self._kit.record(number)
        if record is None:  # it ended while thousands of others came and went
            del self._shown[number]
            self._outcomes["not seen"] += 1
            return
        lines = _settled(record)
        if self._terminal is not None:
            at = time.strftime("%H:%M:%S")
            fresh = lines[self._shown[number] :]
            self._terminal.write("".join(f"{at} [{number}] {line}\n" for line in fresh))
        self._shown[number] = len(lines)
        if record.outcome is not None:
            del self._shown[number]
            self._outcomes[record.outcome] += 1
            self._retrieved += len(record.retrieved)
            self._deleted += len(record.deleted)


def _settled(record: _core.Record) -> list[str]:
    """
    The lines of a transcript that will not change any more. In an open session those are not the last reply, until it
    has gone out whole (or, where a fault has changed it, until something follows), and not the end.
    """
    lines: list[str] = record.transcript().splitlines()
    if not record.open:
        return lines
    exchanges = record.exchanges
    held = "S: " if exchanges and not Exchange._make(exchanges[-1]).complete else "== "
    return lines[: max(index for index, line in enumerate(lines) if line.startswith(held))]


def counted(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
