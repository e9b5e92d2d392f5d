"""
poplin under asyncio: the names of `poplin`, with `await`, `async for` and `async with`.

    import asyncio
    import poplin.aio

    async def main():
        async with await poplin.aio.connect("pop3s://mail.example.org", user="alice", password="…") as pop:
            async for message in pop.retr_all():
                print(message.number, message.uid, len(message.data))

    asyncio.run(main())

`fetch` brings new mail here; `connect` makes a `Client`; `Server` serves a script's objects, whose methods may be
coroutines. All run on the event loop that they were made on, any number on one loop, without a thread of their own;
asyncio's and uvloop's loops will do. Errors and results are those of `poplin`.
"""

from poplin.aio._backend import Backend, Maildrop
from poplin.aio._client import Client, Message, connect
from poplin.aio._fetch import fetch
from poplin.aio._server import Server

__all__ = ["Backend", "Client", "Maildrop", "Message", "Server", "connect", "fetch"]
