"""Calls into a script's backend: at once, on a pool, or finished later by a Future."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

Settle = Callable[[Any, BaseException | None], None]
"""Takes what a call returned, or what it raised; called on the server's thread."""


class Calls:
    """How one server calls its backend."""

    def __init__(self, pool: Executor | None, post: Callable[[Callable[[], None]], None]) -> None:
        """pool: where the calls run; None: on the server's thread. post: has a function called by that thread."""
        self._pool = pool
        self._post = post

    def run(self, function: Callable[[], Any], settle: Settle) -> None:
        """Has a function called."""
        if self._pool is not None:
            try:
                self._later(self._pool.submit(function), settle)
                return
            except RuntimeError:
                pass  # the interpreter is about to exit and its pools are shut: then here
        self._finish(function, settle)

    def _finish(self, result: Callable[[], Any], settle: Settle) -> None:
        # A script's SystemExit ends a request as any exception does: the server lives on.
        try:
            value = result()
        except BaseException as error:
            settle(None, error)
            return
        if isinstance(value, Future):
            self._later(value, settle)
        else:
            settle(value, None)

    def _later(self, future: Future[Any], settle: Settle) -> None:
        future.add_done_callback(lambda done: self._post(lambda: self._finish(done.result, settle)))


class Strand:
    """One maildrop and the calls that concern it, one after the other, so that its `close` comes last."""

    def __init__(self, drop: Any, calls: Calls) -> None:
        self.drop = drop
        self._calls = calls
        self._waiting: deque[tuple[Callable[[], Any], Settle]] = deque()
        self._busy = False

    def run(self, function: Callable[[], Any], settle: Settle) -> None:
        """Has a function called when those before it are settled."""
        self._waiting.append((function, settle))
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and not self._busy:
            self._busy = True
            function, settle = self._waiting.popleft()
            self._calls.run(function, self._going_on(settle))

    def _going_on(self, settle: Settle) -> Settle:
        def settled(value: Any, error: BaseException | None) -> None:
            settle(value, error)
            self._busy = False
            self._go_on()

        return settled
