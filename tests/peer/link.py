"""One connection of the raw peer: exact octets both ways, TLS when told to, a deadline on each step."""

import contextlib
import os
import re
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Literal, Self

from peer.receipt import is_taken
from peer.stage import Stage
from peer.transcript import Transcript, visible

DEADLINE = float(os.environ.get("PEER_DEADLINE", "20"))
"""Seconds that a step may take, unless told otherwise."""

Cuts = Iterable[int] | Literal["each"]


class Failure(AssertionError):
    """A step did not go as the script says. The message holds the transcript."""


class Link:
    """
    A connected socket and what a script can do with it. Each method is a step: it ends when what it waits for has
    happened, or raises Failure when it cannot happen any more or the deadline has passed.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        server_side: bool,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
        deadline: float = DEADLINE,
        stage: Stage | None = None,
        cancel: int | None = None,
    ) -> None:
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._server_side = server_side
        self._context = context
        self._server_name = server_name
        self._deadline = deadline
        self._until = time.monotonic() + deadline
        self._stage = stage or Stage()
        self._cancel = cancel
        self._received = bytearray()
        self._end: Literal["", "clean", "cut", "reset"] = ""
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.transcript = Transcript()

    # ---- the steps ----

    def send(self, data: bytes, cuts: Cuts = (), layer: Literal["text", "wire"] = "text") -> None:
        """
        Sends data. With cuts (offsets, or "each" for all of them), in as many pieces, each sent when the other
        program has read the one before it. Under TLS each piece is a record; with layer="wire" it is the ciphertext
        that is cut.
        """
        self._begin()
        if layer == "wire":
            self._pieces(self._encrypted(data), cuts, self._put)
        else:
            self._pieces(data, cuts, lambda piece: self._put(self._encrypted(piece)))

    def taken(self) -> None:
        """Waits until the other program has read all that was sent, or has closed."""
        self._begin()
        self._wait_taken()

    def send_until_closed(self, data: bytes, limit: int = 1 << 26) -> int:
        """Sends data over and over until the other side has closed; more than limit octets are a failure."""
        self._begin()
        sent = 0
        try:
            while sent < limit:
                self._put(self._encrypted(data))
                sent += len(data)
        except (BrokenPipeError, ConnectionResetError):
            self.transcript.note(f"closed by the other side after {sent} octets")
            return sent
        raise self.failure(f"the other side still takes octets after {sent}")

    def expect(self, pattern: bytes | re.Pattern[bytes]) -> bytes:
        """Waits for exactly these octets; or for a line, CRLF included, that the expression matches in full."""
        self._begin()
        if isinstance(pattern, bytes):
            return self._expect_octets(pattern)
        line = self._expect_line()
        if not pattern.fullmatch(line):
            raise self.failure(f"the line {visible(line)} does not match {visible(pattern.pattern)}")
        return line

    def expect_eof(self, how: Literal["clean", "cut", "any"] = "any") -> None:
        """
        Waits until the other side has closed, having sent nothing more. Under TLS, clean means with a close_notify
        and cut without; a connection that was reset is neither.
        """
        self._begin()
        self._read_to_end()
        if self._received:
            raise self.failure(f"instead of the end there came {visible(bytes(self._received))}")
        if self._end == "reset" or how not in ("any", self._end):
            raise self.failure(f"the other side's end was {self._end}, not {how}")

    def silence(self) -> None:
        """Says nothing, lets the other side say what it likes, and waits until it has closed in whatever way."""
        self._begin()
        self._read_to_end()
        self._received.clear()

    def starttls(self, context: ssl.SSLContext | None = None, fails: bool = False) -> None:
        """Begins TLS. With fails, the handshake has to fail, by the other side's doing or by this one's."""
        self._begin()
        context = context or self._context
        assert context is not None, "TLS asked for without a context"
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # some builds set it: then an end that is cut looks clean
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=self._server_side,
            server_hostname=None if self._server_side else self._server_name,
        )
        self._incoming.write(bytes(self._received))
        self._received.clear()
        try:
            self._handshake(self._tls)
        except (ssl.SSLError, ssl.CertificateError, ConnectionError) as error:
            self.transcript.note(f"TLS handshake failed: {error}")
            if not fails:
                raise self.failure("the TLS handshake failed") from error
            return
        self.transcript.note(f"TLS handshake done: {self._tls.version()}")
        if fails:
            raise self.failure("the TLS handshake was to fail and did not")

    def shutdown(self) -> None:
        """Sends the end of the stream (under TLS a close_notify before it) and goes on reading."""
        self._begin()
        self._close_notify()
        self._socket.shutdown(socket.SHUT_WR)
        self.transcript.note("peer shuts down its sending side")

    def close(self, how: Literal["clean", "cut"] = "clean") -> None:
        """Closes; under TLS with a close_notify, or, cut, without. Once closed, does nothing."""
        if self._socket.fileno() < 0:
            return
        self._begin()
        if how == "clean":
            with contextlib.suppress(OSError):
                self._close_notify()
        self._socket.close()
        self.transcript.note("peer closes")

    def reset(self) -> None:
        """Closes with a reset (RST)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        self.transcript.note("peer resets")

    def mark(self, name: str) -> None:
        """Tells the test that the script got here (Stage.wait_for)."""
        self._stage.mark(name)
        self.transcript.note(f"mark {name}")

    def hold(self, name: str) -> None:
        """Waits until the test lets the script go on (Stage.release)."""
        if not self._stage.hold(name, self._deadline):
            raise self.failure(f"nobody released {name} within {self._deadline:g} s")

    # ---- for tests that script in Python ----

    def read_line(self) -> bytes:
        """The next line, CRLF included."""
        self._begin()
        return self._expect_line()

    def read_until(self, end: bytes) -> bytes:
        """Everything up to and with end."""
        self._begin()
        while (at := self._received.find(end)) < 0:
            if not self._receive():
                raise self.failure(f"the connection ended before {visible(end)}")
        return self._take(at + len(end))

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS side of the connection, where there is one: version, peer's certificate, protocol chosen."""
        return self._tls

    def failure(self, why: str) -> Failure:
        """A failure that shows what went over the connection."""
        return Failure(f"{why}\nThe conversation:\n{self.transcript}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # ---- octets ----

    def _begin(self) -> None:
        self._until = time.monotonic() + self._deadline

    def _pieces(self, data: bytes, cuts: Cuts, put: Callable[[bytes], None]) -> None:
        offsets = range(1, len(data)) if cuts == "each" else sorted(cuts)
        start = 0
        for offset in offsets:
            assert start < offset < len(data), f"no cut at {offset} of {len(data)}"
            put(data[start:offset])
            self._wait_taken()
            start = offset
        put(data[start:])

    def _expect_octets(self, expected: bytes) -> bytes:
        while True:
            got = bytes(self._received[: len(expected)])
            if not expected.startswith(got):
                raise self.failure(f"expected {visible(expected)} but got {visible(bytes(self._received))}")
            if got == expected:
                return self._take(len(expected))
            if not self._receive():
                raise self.failure(f"expected {visible(expected)} but got {visible(got)} and the end ({self._end})")

    def _expect_line(self) -> bytes:
        while (at := self._received.find(b"\r\n")) < 0:
            if not self._receive():
                raise self.failure(f"expected a line but got {visible(bytes(self._received))} and the end")
        return self._take(at + 2)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _read_to_end(self) -> None:
        while self._receive():
            pass

    def _receive(self) -> bool:
        """Adds what comes next to what was received; False: the other side closed."""
        if self._end:
            return False
        data = self._get() if self._tls is None else self._decrypted(self._tls)
        if data:
            self._received += data
            self.transcript.got(data)
        else:
            self._end = self._end or "clean"
            self.transcript.note(f"the other side closed: {self._end}")
        return bool(data)

    def _encrypted(self, data: bytes) -> bytes:
        self.transcript.sent(data)
        if self._tls is None:
            return data
        if data:
            self._tls.write(data)
        return self._outgoing.read()

    def _decrypted(self, tls: ssl.SSLObject) -> bytes:
        while True:
            try:
                return tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self._put(self._outgoing.read())
                self._feed()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                # Of class SSLEOFError only from Python 3.11.4 or so on.
                if error.reason == "UNEXPECTED_EOF_WHILE_READING" or isinstance(error, ssl.SSLEOFError):
                    self._end = self._end or "cut"
                    return b""
                self._put(self._outgoing.read())
                raise self.failure(f"TLS failed: {error}") from error

    def _handshake(self, tls: ssl.SSLObject) -> None:
        while True:
            try:
                tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self._put(self._outgoing.read())
                self._feed()
            finally:
                self._put(self._outgoing.read())

    def _feed(self) -> None:
        """Gives TLS what comes next, or the end."""
        data = self._get()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _close_notify(self) -> None:
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._put(self._outgoing.read())

    # ---- the socket ----

    def _put(self, data: bytes) -> None:
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                self._wait(select.POLLOUT, "the other side takes no more octets")

    def _get(self) -> bytes:
        """Octets as they come; none: the end."""
        while True:
            try:
                return self._socket.recv(1 << 16)
            except BlockingIOError:
                self._wait(select.POLLIN, "nothing came")
            except ConnectionResetError:
                self._end = "reset"
                return b""

    def _wait(self, events: int, else_say: str) -> None:
        poll = select.poll()
        poll.register(self._socket, events)
        if self._cancel is not None:
            poll.register(self._cancel, select.POLLIN)
        left = self._until - time.monotonic()
        ready = [descriptor for descriptor, _ in poll.poll(max(0.0, left) * 1000)]
        if not ready:
            raise self.failure(f"{else_say} within {self._deadline:g} s")
        if self._cancel in ready:
            raise self.failure(f"{else_say}, and the test is over")

    def _wait_taken(self) -> None:
        # The system tells no event for "the other end has read": so its table is asked again, in turn with it.
        poll = select.poll()
        if self._cancel is not None:
            poll.register(self._cancel, select.POLLIN)
        while not is_taken(self._socket):
            if time.monotonic() > self._until:
                raise self.failure(f"the other side did not read what was sent within {self._deadline:g} s")
            if poll.poll(1):
                raise self.failure("the other side did not read what was sent, and the test is over")
