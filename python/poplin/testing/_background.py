"""A server of maildrops in memory, which runs in C, on a thread of its own."""

from __future__ import annotations

import os
import threading

from poplin import _core
from poplin._errors import StateError
from poplin._listening import stop_at_exit


class Background:
    """A core's background server, from its start to its end: what `Serving` is to a script's backend."""

    def __init__(self, core: _core.Background) -> None:
        self._core = core
        self._process = os.getpid()
        self._lock = threading.Lock()  # it is not ended while another thread moves its clock
        self._started = False
        self._stopped = False

    @property
    def errors(self) -> list[BaseException]:
        """None of it is a script's, so there are none."""
        return []

    @property
    def state(self) -> str:
        """A word for it."""
        return "stopped" if self._stopped else "serving" if self._started else "listening"

    def forget_errors(self) -> None:
        """There are none."""

    def start(self) -> None:
        """Serves. StateError: it was started or stopped before, or is the parent process's."""
        if os.getpid() != self._process:
            raise StateError("this server belongs to the parent process: make another in this one")
        if self._started or self._stopped:
            raise StateError("this server was started or stopped before")
        self._core.start()
        self._started = True
        stop_at_exit(self)

    def stop(self, patience: float | None = None) -> None:
        """Ends it; it never keeps anybody waiting."""
        del patience
        self._stopped = True
        if os.getpid() == self._process:
            with self._lock:
                self._core.close()

    def advance(self, milliseconds: int) -> None:
        """Moves the clock, and returns when what was due then has been handled. StateError: it is not serving."""
        if not self._started or self._stopped or os.getpid() != self._process:
            raise StateError("only a server that serves has a clock that can be moved")
        with self._lock:
            self._core.advance(milliseconds)
