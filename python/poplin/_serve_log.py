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

BREATH = 1
"""Seconds of one wait for a reader: a signal that comes an instant before it does not end it, and is heard after it."""


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
        self._left = b""  # what a KeyboardInterrupt has kept from being written
        self.patient = True

    def write(self, text: str) -> None:
        """
        Writes lines, and waits until they are taken, or where `patient` is false does without what is not taken at
        once. Problem, without words: nobody will take them.
        """
        self._left += text.encode(errors="backslashreplace")
        try:
            while self._left and self._takes():
                self._left = self._left[os.write(self._descriptor, self._left[: select.PIPE_BUF]) :]
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
        self._positions: dict[int, int] = {}  # of the sessions that are not over: up to where each was shown
        self._outcomes: Counter[str] = Counter()
        self._retrieved = 0
        self._deleted = 0

    def follow(self, stop: Stop) -> NoReturn:
        """Shows what happens as it happens, until a KeyboardInterrupt."""
        while True:
            seen = self._kit.changes()
            self.catch_up()
            with stop.allowed():
                self._kit.wait(seen, -1)

    def catch_up(self) -> None:
        """Shows what has happened since the last time."""
        newest, _ = self._kit.count()
        self._positions |= dict.fromkeys(range(self._newest + 1, newest + 1), 0)
        self._newest = newest
        for number in list(self._positions):
            self._show(number)

    def summary(self) -> str:
        """How many sessions ended how, and what they did, in one line."""
        sessions = self._outcomes.total() + len(self._positions)
        ends = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._outcomes.items()))
        return (
            f"{counted(sessions, 'session')}{f' ({ends})' if ends else ''}, "
            f"{counted(self._retrieved, 'message')} retrieved, {self._deleted} deleted"
        )

    def _show(self, number: int) -> None:
        text, position = self._kit.follow(number, self._positions[number]) or ("", None)
        if position is None:
            del self._positions[number]
            self._count(self._kit.record(number))
        else:
            self._positions[number] = position
        if self._terminal is not None and text:
            at = time.strftime("%H:%M:%S")
            self._terminal.write("".join(f"{at} [{number}] {line}\n" for line in text.split("\n")[:-1]))

    def _count(self, record: _core.Record | None) -> None:
        if record is None or record.outcome is None:  # it ended while thousands of others came and went
            self._outcomes["not seen"] += 1
            return
        self._outcomes[record.outcome] += 1
        self._retrieved += len(record.retrieved)
        self._deleted += len(record.deleted)


def counted(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
