"""One in the middle with a certificate that the client trusts: it opens TLS to both sides and passes all on."""

import asyncio
import contextlib
import ssl
import threading
from types import TracebackType
from typing import Self

from peer import Authority


class Relay:
    """Takes one connection on to the server at a port. A context manager: its end waits for the connection's."""

    def __init__(self, authority: Authority, server: int) -> None:
        self.port = 0
        self.said = b""
        """By the client."""
        self._server = server
        self._front = authority.issue().server_context()
        self._listens = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listens.wait(20)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        done = asyncio.Event()

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                await self._relay(reader, writer)
            done.set()

        async with await asyncio.start_server(meet, "127.0.0.1", 0, ssl=self._front) as listener:
            self.port = listener.sockets[0].getsockname()[1]
            self._listens.set()
            await done.wait()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        back, forth = await asyncio.open_connection("127.0.0.1", self._server, ssl=trusting)

        async def pass_on() -> None:
            while data := await reader.read(65536):
                self.said += data
                forth.write(data)
            forth.close()

        onward = asyncio.create_task(pass_on())
        while data := await back.read(65536):
            writer.write(data)
        writer.close()
        await onward
