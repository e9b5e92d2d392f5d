"""
Counts the mail of several accounts at once, under trio, by poplin's client machine.

POPLIN_PASSWORD=... python protocol_trio.py [--ca CA_FILE] pop3s://alice@mail.example.org [URL ...]

pop3:// means STLS, and pop3s:// TLS from the first octet. All accounts have the same password here.
"""

import os
import ssl
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

import trio

import poplin
from poplin import protocol

TIMEOUT = 60.0  # a server may be silent for so long


class Mailbox:
    """One account: the machine, and the stream that it talks over."""

    def __init__(self, url: poplin.URL, tls: ssl.SSLContext) -> None:
        self._url = url
        self._tls = tls
        self._implicit = url.scheme == "pop3s"
        self._pop = protocol.ClientConnection(
            tls="implicit" if self._implicit else "stls", host=url.host, port=url.port
        )
        self._stream: trio.abc.Stream

    async def count(self, password: str) -> tuple[int, int]:
        """Messages and octets."""
        result = (0, 0)
        self._stream = await trio.open_tcp_stream(self._url.host, self._url.port)
        try:
            if self._implicit:
                await self._start_tls()
            self._pop.open(self._url.user, password)
            async with aclosing(self._events()) as events:
                async for event in events:
                    match event:
                        case protocol.Reply(error=Exception() as error) | protocol.Opened(error=Exception() as error):
                            raise error
                        case protocol.Opened():
                            self._pop.stat()
                            self._pop.quit()
                        case protocol.Reply(verb="STAT"):
                            result = event.count, event.octets
        finally:
            await trio.aclose_forcefully(self._stream)
        return result

    async def _events(self) -> AsyncGenerator[protocol.ClientEvent, None]:
        """The events of the session, one after the other; each step of the network has a limit in time."""
        while True:
            for event in self._pop.events():
                if isinstance(event, protocol.StartTLS):
                    await self._start_tls()
                    continue
                yield event
                if isinstance(event, protocol.Closed):
                    return
            await self._exchange()

    async def _exchange(self) -> None:
        data = self._pop.data_to_send()
        with trio.fail_after(TIMEOUT):
            if data:
                await self._stream.send_all(data)
                return
            try:
                received = bytes(await self._stream.receive_some())
            except trio.BrokenResourceError:  # TLS was cut short, or the connection reset
                self._pop.receive_eof(clean=False)
                return
        if received:
            self._pop.receive_data(received)
        else:
            self._pop.receive_eof()

    async def _start_tls(self) -> None:
        stream = trio.SSLStream(self._stream, self._tls, server_hostname=self._url.host)
        with trio.fail_after(TIMEOUT):
            await stream.do_handshake()
        self._stream = stream
        self._pop.tls_started()


async def main(urls: list[str], ca_file: str | None) -> bool:
    """Asks all servers at once and tells each answer as it comes. False: not all have answered."""
    tls = ssl.create_default_context(cafile=ca_file)
    good = True

    async def tell(text: str) -> None:
        nonlocal good
        try:
            count, octets = await Mailbox(poplin.URL.parse(text), tls).count(os.environ["POPLIN_PASSWORD"])
            print(f"{text}: {count} messages, {octets} octets", flush=True)
        except (poplin.Error, OSError, trio.TooSlowError, trio.BrokenResourceError) as error:
            good = False
            print(f"{text}: {error.__cause__ or error!r}", file=sys.stderr)

    async with trio.open_nursery() as nursery:
        for url in urls:
            nursery.start_soon(tell, url)
    return good


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--ca", ca_file, _, *_]:
            sys.exit(not trio.run(main, sys.argv[3:], ca_file))
        case [_, *_]:
            sys.exit(not trio.run(main, sys.argv[1:], None))
        case _:
            sys.exit(__doc__)
