"""Calls into a script's backend: at once, on workers, or finished later by a Future."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from types import CoroutineType
from typing import Any

Settle = Callable[[Any, BaseException | None], None]
"""Takes what a call returned, or what it raised; called on the server's thread."""


_COROUTINE = (
    "{}() is an async function, and this server has no event loop to await it on: return the Future of "
    "asyncio.run_coroutine_threadsafe() from an ordinary method"
)


class Workers:
    """Threads that run tasks. Unlike an executor's they are daemons: one that is stuck does not hang the exit."""

    def __init__(self, count: int, begin: Callable[[], None]) -> None:
        """begin: called first by each thread. ValueError: count is less than 0."""
        if count < 0:
            raise ValueError("workers must be 0 or more")
        self.threads = [
            threading.Thread(target=self._work, args=(begin,), name=f"poplin-worker-{number}", daemon=True)
            for number in range(count)
        ]
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._running = False

    def start(self) -> None:
        """Begins to run tasks."""
        self._running = bool(self.threads)
        for thread in self.threads:
            thread.start()

    def submit(self, task: Callable[[], None]) -> bool:
        """Has a task run. False: there are no workers, or no more; whoever asks does it."""
        with self._lock:
            if self._running:
                self._tasks.put(task)
            return self._running

    def stop(self) -> None:
        """Lets the threads end when they have run what was submitted."""
        with self._lock:
            if self._running:
                for _ in self.threads:
                    self._tasks.put(None)
            self._running = False

    def _work(self, begin: Callable[[], None]) -> None:
        begin()
        while (task := self._tasks.get()) is not None:
            task()


class Calls:
    """How one server calls its backend."""

    def __init__(self, workers: Workers, post: Callable[[Callable[[], None]], None]) -> None:
        """workers: where the calls run; without any, on the server's thread. post: has a function called by that."""
        self._workers = workers
        self._post = post

    def run(self, function: Callable[[], Any], settle: Settle) -> None:
        """Has a function called."""

        def work() -> None:
            outcome = _outcome(function)
            self._post(lambda: self._settle(*outcome, settle))

        if not self._workers.submit(work):
            self._settle(*_outcome(function), settle)

    def _settle(self, value: Any, error: BaseException | None, settle: Settle) -> None:
        if isinstance(value, CoroutineType):
            value.close()  # else it warns, somewhere and sometime, that nobody awaited it
            value, error = None, TypeError(_COROUTINE.format(value.__qualname__))
        if isinstance(value, Future):
            value.add_done_callback(lambda done: self._post(lambda: self._settle(*_outcome(done.result), settle)))
        else:
            settle(value, error)


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
            try:
                settle(value, error)
            finally:
                self._busy = False
                self._go_on()

        return settled


class Held:
    """
    What the core knows by a number: maildrops and messages in pieces. In the core's own hands they would be out of the
    collector's sight, and a server that was forgotten with its sessions would stay for ever.
    """

    def __init__(self) -> None:
        self._things: dict[int, Any] = {}
        self._numbers = itertools.count(1)

    def put(self, thing: Any) -> int:
        """Keeps it, and returns its number."""
        number = next(self._numbers)
        self._things[number] = thing
        return number

    def __getitem__(self, number: int) -> Any:
        return self._things[number]

    def take(self, number: int) -> Any:
        """What the core does not ask for any more."""
        return self._things.pop(number)


def _outcome(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    # A script's SystemExit ends a request as any exception does: the server lives on.
    try:
        return function(), None
    except BaseException as error:
        return None, error
