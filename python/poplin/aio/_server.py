"""The server on an asyncio event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from poplin import _core
from poplin._server import BaseServer
from poplin.aio._backend import Backend
from poplin.aio._hub import Hub
from poplin.aio._serving import Serving


class Server(BaseServer[Backend, Serving]):
    """
    A POP3 server on an asyncio event loop, whose mailboxes are a script's own objects: see `poplin.Server` for the
    arguments, and `Backend` and `Maildrop` for the objects. Their methods are called on the loop and may
    be coroutines; `retr` may return an asynchronous iterator of bytes. With `workers` they are called on threads
    instead, so that one that blocks does not hold the loop up; coroutines still run on the loop.

    It listens from its construction on, which has to be inside a running loop; `start`, or entering the context, begins
    to serve; `stop`, or leaving the context, ends it: open sessions are closed and delete nothing.

    >>> class Users:
    ...     async def password(self, user):
    ...         return {"alice": "secret"}.get(user)
    ...     async def maildrop(self, user):
    ...         return poplin.Maildir(folder / user)
    >>> async def main():
    ...     async with poplin.aio.Server(Users()) as server:
    ...         async with await poplin.aio.connect(server.url, user="alice", password="secret") as pop:
    ...             return await pop.stat()
    >>> asyncio.run(main())
    Stat(count=1, octets=23)
    """

    def _loop(self) -> _core.Loop:
        self._hub = Hub.current()
        return self._hub.core

    def _make_serving(
        self, core: _core.Server, backend: Backend, workers: int, on_error: Callable[[BaseException], object] | None
    ) -> Serving:
        return Serving(self._hub, core, backend, workers, on_error)

    async def start(self) -> None:
        """Serve, on the running loop. StateError: it was started or stopped before, or was made on another loop."""
        self._serving.start()

    def stop(self) -> Coroutine[Any, Any, None]:
        """
        End the server, awaited: open sessions are closed, and what they had marked is not deleted. Returns when the
        last of the backend's methods has; called by one of those, also by way of the loop from a worker's thread, at
        once. Stopping twice is peaceful. Where its loop was closed meanwhile, any other will do: the sessions are
        closed, and no method is called any more.
        """
        return self._serving.stop()

    async def serve_forever(self) -> None:
        """Serve until this is cancelled, which ends the server."""
        if self._serving.state == "listening":
            await self.start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()
