"""A server on asyncio's loop: it has a script's backend answer the core's questions, and awaits what that returns."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future
from types import AsyncGeneratorType, CoroutineType
from typing import Any, cast

from poplin import _core
from poplin._calls import Calls, Settle, Workers
from poplin._errors import StateError
from poplin._serving import BaseServing
from poplin.aio._backend import Backend
from poplin.aio._hub import Hub


class AwaitingCalls(Calls):
    """Calls into a backend whose methods may be coroutines."""

    def __init__(
        self,
        workers: Workers,
        post: Callable[[Callable[[], None]], None],
        carry_out: Callable[[Callable[[], None]], None],
    ) -> None:
        """carry_out: as post, but called on the loop."""
        super().__init__(workers, post)
        self._carry_out = carry_out
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._open = 0  # calls that are not settled
        self._last: Callable[[], None] | None = None

    def run(self, function: Callable[[], Any], settle: Settle) -> None:
        """Has a function called."""

        def settled(value: Any, error: BaseException | None) -> None:
            try:
                settle(value, error)
            finally:
                self._open -= 1
                self._look_for_end()

        self._open += 1
        super().run(function, settled)

    def end(self, last: Callable[[], None]) -> None:
        """The last call was asked for: has a function called when all are settled, and those that they lead to."""
        self._last = last
        self._look_for_end()

    def is_one(self) -> bool:
        """Whether it is one of these calls that is running."""
        return asyncio.current_task() in self._tasks

    def _look_for_end(self) -> None:
        if self._open == 0 and self._last is not None:
            last, self._last = self._last, None
            last()

    def _settle(self, value: Any, error: BaseException | None, settle: Settle) -> None:
        if isinstance(value, Future) or not hasattr(type(value), "__await__"):
            super()._settle(value, error, settle)
            return
        task = asyncio.ensure_future(self._awaited(value))
        task.add_done_callback(lambda done: self._finish(done, value, settle))

    async def _awaited(self, value: Any) -> Any:
        task = asyncio.current_task()
        self._tasks.add(task)  # here, for an eager task begins before its maker knows it
        try:
            return await value
        finally:
            self._tasks.discard(task)

    def _finish(self, task: asyncio.Task[Any], awaitable: Any, settle: Settle) -> None:
        if isinstance(awaitable, CoroutineType):
            awaitable.close()  # else it warns where the task was cancelled before it began, as by the end of its loop
        try:
            value, error = task.result(), None
        except BaseException as raised:  # a task of the backend's that was cancelled, too
            value, error = None, raised
        self._carry_out(lambda: settle(value, error))


class Serving(BaseServing):
    """A server on asyncio's loop, from its start to its end."""

    def __init__(
        self,
        hub: Hub,
        core: _core.Server,
        backend: Backend,
        workers: int,
        on_error: Callable[[BaseException], object] | None,
    ) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._own = threading.local()
        self._workers = Workers(workers, self._mark_own)
        self._calls = AwaitingCalls(self._workers, self._post, self._carry_out)
        super().__init__(core, backend, self._calls, on_error)
        self._state = "listening"
        self._ended = asyncio.Event()

    @property
    def state(self) -> str:
        """A word for it."""
        return self._state

    def start(self) -> None:
        """Serves. StateError: it was started or stopped before."""
        self._hub.check()
        if self._state != "listening":
            raise StateError("this server was started or stopped before")
        self._state = "serving"
        self._context = contextvars.copy_context()  # what the backend's methods run in, whoever steps the loop
        self._hub.enter()
        self._hub.serve(self._pump)
        self._core.start()
        self._workers.start()
        self._hub.touched()
        self._lasting = cast("AsyncGeneratorType[None, None]", self._until_the_loop_ends())
        self._go_on_lasting()

    def stop(self) -> Coroutine[Any, Any, None]:
        """Ends it, and returns when the last of the backend's methods has; called by one of those, at once."""
        return self._stop(getattr(self._own, "thread", False))  # a worker would wait for itself

    async def _stop(self, by_worker: bool) -> None:
        if not self._hub.is_ours:
            self._state = "stopped"
            return
        if not self._hub.is_over:
            self._hub.check()
        before, self._state = self._state, "stopped"
        if before != "stopped":
            self._core.close()
        if before == "listening":
            self._ended.set()
        elif self._hub.is_over and not self._ended.is_set():  # nothing of the backend's can be called any more
            with contextlib.suppress(RuntimeError):  # somebody waits there for the end, for good
                self._end()
        elif before == "serving":
            self._pump()
            self._calls.end(self._end)
        if not self._hub.is_over and not by_worker and not self._calls.is_one():
            await self._ended.wait()

    def _mark_own(self) -> None:
        """Notes that this thread is one of the server's."""
        self._own.thread = True

    def _end(self) -> None:
        """All is answered: it has left the loop, also where nobody waits for that any more."""
        self._hub.unserve(self._pump)
        self._workers.stop()
        self._hub.leave()
        self._ended.set()
        self._go_on_lasting()

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        """asyncio.run() closes the asynchronous generators that are left, and with this one the server."""
        try:
            yield
        finally:
            await self.stop()

    def _go_on_lasting(self) -> None:
        # A generator that is told here that the server has ended is done. RuntimeError: it is what ends the server.
        with contextlib.suppress(StopIteration, StopAsyncIteration, RuntimeError):
            self._lasting.asend(None).send(None)

    def _pump(self) -> None:
        """Answers all that was asked."""
        self._context.copy().run(self._answer_all)

    def _answer_all(self) -> None:
        while (question := self._core.take()) is not None:
            self._answer(question)
            self._hub.touched()

    def _post(self, settle: Callable[[], None]) -> None:
        """From any thread: has something settled on the loop's."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._carry_out, settle, context=self._context)

    def _carry_out(self, settle: Callable[[], None]) -> None:
        try:
            settle()
        except BaseException as error:
            self._note(error)
        self._hub.touched()
