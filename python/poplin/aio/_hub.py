"""
Where asyncio's loop and the core's meet: one core loop for each of asyncio's, watched by descriptor and time-out.

Whatever touches the core's loop may leave it something to do that its descriptor does not show, so each such call is
followed by `Hub.touched`, which has the loop stepped soon, once for any number of calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from poplin import _core
from poplin._conversation import Steps
from poplin._errors import StateError

T = TypeVar("T")

# By id() of the loop, which a hub keeps. Weak, so that a loop that ends with clients or servers on it can be collected.
_hubs: weakref.WeakValueDictionary[int, Hub] = weakref.WeakValueDictionary()


class Hub:
    """All clients and servers of one asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Not for use: see `Hub.current`."""
        self.core = _core.Loop()
        self.users = 0
        self._loop = loop
        self._process = os.getpid()
        self._thread = threading.get_ident()
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._waiting: dict[_core.Link, list[asyncio.Future[None]]] = {}
        self._servers: set[Callable[[], None]] = set()

    @staticmethod
    def current() -> Hub:
        """The running loop's. RuntimeError: no loop is running. StateError: it is the parent process's."""
        loop = asyncio.get_running_loop()
        hub = _hubs.get(id(loop))
        if hub is None:
            hub = _hubs[id(loop)] = Hub(loop)
        hub.check()
        return hub

    @property
    def is_over(self) -> bool:
        """Whether the event loop is closed, over the head of whoever used it."""
        return self._loop.is_closed()

    @property
    def is_ours(self) -> bool:
        """
        Whether this process has made it. A child after fork has a copy, but what watches the descriptors is the
        parent's: whatever was changed there would be changed for both.
        """
        return os.getpid() == self._process

    # ---- who uses it ----

    def enter(self) -> None:
        """One more client or server: the first has the core's loop watched."""
        if self.users == 0:
            self._loop.add_reader(self.core.fileno(), self._step)
        self.users += 1

    def leave(self) -> None:
        """One less."""
        self.users -= 1
        if self.users == 0:
            if not self._loop.is_closed() and self.is_ours:
                self._loop.remove_reader(self.core.fileno())
            self._cancel_handles()
        else:
            self.touched()

    def closed(self, link: _core.Link) -> None:
        """A client was closed, on any thread, for it may be collected on any: who waits for it is told; one less."""
        if threading.get_ident() == self._thread or self._loop.is_closed() or not self.is_ours:
            self._closed(link)
        else:
            with contextlib.suppress(RuntimeError):  # closed in between
                self._loop.call_soon_threadsafe(self._closed, link)

    def _closed(self, link: _core.Link) -> None:
        self.wake(link)
        self.leave()

    def serve(self, pump: Callable[[], None]) -> None:
        """Has a server's questions looked at after each step."""
        self._servers.add(pump)

    def unserve(self, pump: Callable[[], None]) -> None:
        """No more."""
        self._servers.discard(pump)

    def check(self) -> None:
        """StateError: called outside the loop or the process that this belongs to."""
        if not self.is_ours:
            raise StateError("this event loop belongs to the parent process: make another in this one")
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if not here and self._loop.is_closed():
            raise StateError("the event loop that this was made on is closed: all that is left is to close this too")
        if not here:
            raise StateError("this belongs to another event loop: it is used where it was made")

    # ---- stepping ----

    def touched(self) -> None:
        """Has the core's loop stepped, soon."""
        if self._soon is None and self.users > 0 and not self._loop.is_closed() and self.is_ours:
            self._soon = self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._cancel_handles()
        try:
            for link in self.core.step():
                self._wake(link)
            for pump in tuple(self._servers):
                pump()
        except BaseException as error:  # no memory, say: nobody waits for what will not come
            for link in tuple(self._waiting):
                self._wake(link, error)
            raise
        finally:
            self._arm()

    def _arm(self) -> None:
        """Has the core's loop stepped when something of it is due."""
        timeout = self.core.timeout() if self.users > 0 else -1
        if timeout == 0:
            self.touched()
        elif timeout > 0:
            self._later = self._loop.call_later(timeout / 1000, self._step)

    def _cancel_handles(self) -> None:
        for handle in (self._soon, self._later):
            if handle is not None:
                handle.cancel()
        self._soon = self._later = None

    # ---- waiting ----

    async def carry_out(self, steps: Steps[T]) -> T:
        """Carries the steps of a verb out."""
        try:
            wait = next(steps)
            while True:
                try:
                    if wait.link is None:
                        given = await awaited(wait.ask(False))
                    else:
                        given = await self._given(wait.link, wait.ask)
                except BaseException as error:
                    wait = steps.throw(error)
                else:
                    wait = steps.send(given)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _given(self, link: _core.Link, ask: Callable[[bool], Any]) -> Any:
        while True:
            given = ask(False)
            self.touched()
            if given is not None:
                return given
            await self.ready(link)

    async def ready(self, link: _core.Link) -> None:
        """Waits until it may be worth while to ask a link again."""
        waiting = self._loop.create_future()
        self._waiting.setdefault(link, []).append(waiting)
        await waiting

    def wake(self, link: _core.Link) -> None:
        """Has all who wait for a link ask again."""
        self._wake(link)
        self.touched()

    def _wake(self, link: _core.Link, error: BaseException | None = None) -> None:
        for waiting in self._waiting.pop(link, ()):
            if waiting.done() or self._loop.is_closed():
                continue
            if error is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(error)


async def awaited(value: Any) -> Any:
    """What a function of the script's gave, or what its coroutine gives."""
    return (await value) if hasattr(type(value), "__await__") else value
