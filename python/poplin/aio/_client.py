"""The client of one POP3 connection: the verbs, awaited."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack, overload

from poplin import _core
from poplin._capabilities import Capabilities
from poplin._connecting import ConnectOptions, connecting
from poplin._conversation import Conversation, Sink, Steps
from poplin._results import BaseMessage, Language, Listing, Stat, UniqueID
from poplin._url import URL
from poplin.aio._hub import Hub

if TYPE_CHECKING:
    from email.message import EmailMessage

T = TypeVar("T")


class Message(BaseMessage):
    """
    A message of a client's maildrop, as `poplin.Message`; what asks the server is awaited.

    >>> async def main():
    ...     async with await poplin.aio.connect(server.url, user="alice", password="secret") as pop:
    ...         return [(await message.headers())["subject"] for message in await pop.messages()]
    >>> asyncio.run(main())
    ['one', 'two']
    """

    __slots__ = ()

    _client: Client

    @overload
    async def retr(self) -> bytes: ...
    @overload
    async def retr(self, into: Sink) -> int: ...
    async def retr(self, into: Sink | None = None) -> bytes | int:
        """Fetch it, as `Client.retr`. `data` stays as it is."""
        return (await self._client.retr(self.number)) if into is None else await self._client.retr(self.number, into)

    async def top(self, lines: int = 0) -> bytes:
        """Fetch its header and the first lines of its body, as `Client.top`."""
        return await self._client.top(self.number, lines)

    async def dele(self) -> None:
        """Mark it as deleted, as `Client.dele`: inside a `retr_all` loop this does not wait."""
        await self._client.dele(self.number)

    async def email(self) -> EmailMessage:
        """The message parsed by Python's `email` package, from `data`, or fetched first where that is None."""
        return self._parsed(await self.retr() if self.data is None else self.data)

    async def headers(self) -> EmailMessage:
        """Its header parsed, the body empty: from `data`, or fetched by TOP where that is None."""
        return self._parsed_header(await self.top() if self.data is None else self.data)


class Client(Conversation[Message]):
    """
    A connection to a POP3 server on an asyncio event loop; `poplin.aio.connect` makes it.

    It is `poplin.Client` with `await`, `async for` and `async with`, and has the same verbs, properties and errors.
    Leaving the `async with` block sends QUIT, and the server deletes what was marked; where the block raises, the
    connection is dropped and nothing is deleted.

    Several tasks may use one client: their commands go out one behind the other, as the server allows. Where a wait is
    cancelled, by `task.cancel()` or `asyncio.timeout`, the connection is over: every later verb raises Cancelled, and
    nothing that was marked is deleted. It is used on the event loop that it was made on, and on no other.

    >>> async def main():
    ...     async with await poplin.aio.connect(server.url, user="alice", password="secret") as pop:
    ...         async for message in pop.retr_all():
    ...             print(message.number, len(message.data))
    ...             await message.dele()
    >>> asyncio.run(main())
    1 23
    2 23
    """

    _message_type = Message

    def __init__(self, link: _core.Link, where: str) -> None:
        """Not for scripts: use `poplin.aio.connect`."""
        super().__init__(link, where)
        self._hub = Hub.current()
        self._hub.enter()

    # ---- the verbs ----

    async def stat(self) -> Stat:
        """As `poplin.Client.stat`."""
        return await self._carry_out(self._stat())

    @overload
    async def list(self) -> builtins.list[Listing]: ...
    @overload
    async def list(self, number: int) -> Listing: ...
    async def list(self, number: int | None = None) -> builtins.list[Listing] | Listing:
        """As `poplin.Client.list`."""
        return await self._carry_out(self._list(number))

    @overload
    async def uidl(self) -> builtins.list[UniqueID]: ...
    @overload
    async def uidl(self, number: int) -> UniqueID: ...
    async def uidl(self, number: int | None = None) -> builtins.list[UniqueID] | UniqueID:
        """As `poplin.Client.uidl`."""
        return await self._carry_out(self._uidl(number))

    @overload
    async def retr(self, number: int) -> bytes: ...
    @overload
    async def retr(self, number: int, into: Sink) -> int: ...
    async def retr(self, number: int, into: Sink | None = None) -> bytes | int:
        """As `poplin.Client.retr`; a callable may be a coroutine's. Files are written in the loop's thread."""
        return await self._carry_out(self._retr(number, into))

    async def top(self, number: int, lines: int = 0) -> bytes:
        """As `poplin.Client.top`."""
        return await self._carry_out(self._top(number, lines))

    async def dele(self, number: int) -> None:
        """As `poplin.Client.dele`: inside a `retr_all` loop this does not wait."""
        await self._carry_out(self._dele(number))
        self._hub.touched()

    async def rset(self) -> None:
        """As `poplin.Client.rset`."""
        await self._carry_out(self._run("RSET"))

    async def noop(self) -> None:
        """As `poplin.Client.noop`."""
        await self._carry_out(self._run("NOOP"))

    async def utf8(self) -> None:
        """As `poplin.Client.utf8`."""
        await self._carry_out(self._run("UTF8"))

    @overload
    async def lang(self) -> builtins.list[Language]: ...
    @overload
    async def lang(self, language: str) -> str: ...
    async def lang(self, language: str | None = None) -> builtins.list[Language] | str:
        """As `poplin.Client.lang`."""
        return await self._carry_out(self._lang(language))

    async def capa(self) -> Capabilities:
        """As `poplin.Client.capa`."""
        return await self._carry_out(self._capa())

    async def stls(self) -> None:
        """As `poplin.Client.stls`."""
        await self._carry_out(self._stls())

    async def login(self, user: str, password: str) -> None:
        """As `poplin.Client.login`."""
        await self._carry_out(self._login(user, password))

    async def quit(self) -> None:
        """As `poplin.Client.quit`: the client is closed afterwards, whatever happens."""
        await self._carry_out(self._quit())

    def close(self) -> None:
        """Drop the connection without QUIT, so that nothing is deleted. Closing twice is peaceful."""
        was_open = self._open
        super().close()
        if was_open:
            self._hub.closed(self._link)

    # ---- messages ----

    async def messages(self, newest_first: bool = False, since_uid: str | None = None) -> builtins.list[Message]:
        """As `poplin.Client.messages`."""
        return await self._carry_out(self._messages(newest_first, since_uid))

    async def retr_all(self, numbers: Iterable[int | Message] | None = None) -> AsyncGenerator[Message, None]:
        """As `poplin.Client.retr_all`, for `async for`."""
        series = self._begin_series(await self._carry_out(self._wanted(numbers)))
        self._hub.wake(self._link)  # for the loop that this one ends
        try:
            while True:
                try:
                    message = series.poll()
                except StopIteration:
                    return
                self._hub.touched()
                if message is None:
                    await self._hub.ready(self._link)
                else:
                    yield message
        except asyncio.CancelledError:
            self._cancel()
            raise
        finally:
            self._end_series(series)
            self._hub.touched()

    def __aiter__(self) -> AsyncIterator[Message]:
        """The same as `retr_all()`."""
        return self.retr_all()

    # ---- the rest ----

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if error is not None:
            self.close()
        elif self._open:
            await self.quit()

    async def _carry_out(self, steps: Steps[T]) -> T:
        self._hub.check()
        try:
            return await self._hub.carry_out(steps)
        except asyncio.CancelledError:
            self._cancel()
            raise

    def _cancel(self) -> None:
        """A wait was cancelled: the connection ends, so that nothing is deleted of which the script does not know."""
        if self._open:
            self._link.cancel()
            self._hub.wake(self._link)


async def connect(url: str | URL | None = None, **options: Unpack[ConnectOptions]) -> Client:
    """
    Connect to a POP3 server and, with `user`, log in. The arguments, and what is raised, are those of `poplin.connect`;
    password and token may also be coroutine functions.

    >>> async def main():
    ...     async with asyncio.timeout(30):
    ...         async with await poplin.aio.connect(server.url, user="alice", password="secret") as pop:
    ...             return await pop.stat()
    >>> asyncio.run(main())
    Stat(count=2, octets=46)
    """
    hub = Hub.current()
    hub.enter()
    try:
        return await hub.carry_out(connecting(Client, hub.core, url, **options))
    finally:
        hub.leave()
