"""What a script gives to an asynchronous server: the shapes of its backend and its maildrops."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterable, Awaitable, Iterable
from concurrent.futures import Future
from typing import Any, Protocol, runtime_checkable

from poplin._backend import Body


@runtime_checkable
class Maildrop(Protocol):
    """
    A `poplin.Maildrop` whose methods, `close` too, may be coroutines or return any awaitable.

    >>> class Diary:
    ...     async def list(self):
    ...         return [("day-1", None)]
    ...     async def retr(self, uid):
    ...         yield b"Subject: today"  # an asynchronous iterator: piece by piece
    ...     async def dele(self, uids):
    ...         await asyncio.sleep(0)
    >>> isinstance(Diary(), poplin.aio.Maildrop)
    True
    """

    def list(self) -> Iterable[tuple[str, int | None] | tuple[str, int | None, bool]] | Awaitable[Any] | Future[Any]:
        """As `poplin.Maildrop.list`."""
        ...

    def retr(self, uid: str) -> Body | AsyncIterable[bytes] | Awaitable[Any] | Future[Any]:
        """As `poplin.Maildrop.retr`; the content may also come from an asynchronous iterator."""
        ...

    def dele(self, uids: builtins.list[str]) -> Awaitable[Any] | Future[Any] | None:
        """As `poplin.Maildrop.dele`."""


class Backend(Protocol):
    """
    A `poplin.Backend` whose methods may be coroutines or return any awaitable.

    >>> class Users:
    ...     async def password(self, user):
    ...         await asyncio.sleep(0)  # to ask a database, say
    ...         return {"alice": "secret"}.get(user)
    ...     async def maildrop(self, user):
    ...         return poplin.Maildir(folder / user)
    """

    def maildrop(self, user: str) -> Maildrop | Awaitable[Any] | Future[Any]:
        """As `poplin.Backend.maildrop`."""
        ...
