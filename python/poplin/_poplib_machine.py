"""
The client's machine as `poplin.poplib` drives it. There a line may be sent, and its reply be read, by calls of their
own, by subclasses too, and only the reader says whether more lines follow. So the machine learns of a command when its
reply is read: the line has gone out by then, and what the machine would send is dropped.
"""

from __future__ import annotations

import io
import re
import socket
from collections import deque

from poplin import protocol

_MASK = b"***"
_BEFORE_SECRET = re.compile(rb"(?i)(?:PASS|APOP +\S+|AUTH +\S+) +")
_WITH_SECRETS = (b"PASS", b"APOP", b"AUTH")
LINE_MAX = 65536
"""Octets that the machine takes for a command, without CRLF."""

# What a caller sent by the socket is not known. The machine is told of this line, which any server may answer.
_UNKNOWN = b"NOOP"


class Machine:
    """One connection: the machine, and the lines that were sent and whose replies nobody has read."""

    def __init__(self, secure: bool, max_reply: int) -> None:
        # The link counts as protected, since the caller decides what it sends and where, and how long a line may be.
        self._machine = protocol.ClientConnection(
            tls="implicit" if secure else "never",
            protected=True,
            pipelining=False,
            max_message=max_reply,
            limits={"max_line": max_reply},
        )
        if secure:
            self._machine.tls_started()
        self._due: deque[bytes] = deque()
        self._secret = b""  # of the line whose reply is being read
        self._challenged = False
        self.last = False  # nothing was sent, as far as is known, behind the line whose reply is being read
        self.starting_tls = False
        self.greeted = False
        self.in_content = False
        self.broken = False

    @property
    def due(self) -> int:
        """How many lines were sent whose replies nobody has read."""
        return len(self._due)

    def masked(self, line: bytes) -> bytes:
        """The line as it may be shown: without a password, digest or token."""
        begun = any(due[:5].upper() == b"AUTH " for due in self._due)  # what follows may be its responses
        secret = line if begun else self._secret_in(line)
        return line[: len(line) - len(secret)] + _MASK if secret else line

    def hidden(self, line: bytes) -> bytes:
        """A line of the server's, where it repeats the secret that it answers."""
        indicator, space, words = line.partition(b" ")
        return indicator + space + (words.replace(self._secret, _MASK) if self._secret else words)

    def sending(self, line: bytes, unasked: bytes) -> None:
        """A line is about to be sent. unasked: what the server has sent by now, though all its replies were read."""
        if self.greeted and not self._due:
            self._machine.receive_data(unasked)
            self._drain()
        self._due.append(line)

    def greeting(self, line: bytes) -> None:
        """The server's greeting, of which only the plus sign is asked for."""
        self.greeted = True
        self._machine.receive_data((b"+OK " + line[1:] if line.startswith(b"+") else line) + b"\r\n")
        self._machine.next_event()

    def asking(self, multiline: bool) -> None:
        """The reply to the oldest line is going to be read."""
        if not self.greeted:  # the caller has read it by other means, or takes the greeting for this reply
            self.greeting(b"+OK")
        if self.starting_tls:  # the caller has done it by now
            self._machine.tls_started()
        line = self._due.popleft() if self._due else _UNKNOWN
        self.last = line is not _UNKNOWN and not self._due
        verb = b"" if self._challenged else line.partition(b" ")[0].upper()
        self.starting_tls = verb == b"STLS"
        if self.starting_tls:
            self._machine.stls()
        elif verb == b"QUIT":
            self._machine.quit()
        else:
            self._secret = self._secret_in(line)
            secret = line is _UNKNOWN or self._challenged or verb in _WITH_SECRETS
            self._machine.command(line, multiline=multiline, secret=secret)
        self._machine.data_to_send()

    def reply(self, line: bytes, unasked: bytes = b"") -> tuple[bool, bytes]:
        """
        The first line of a reply: whether it is a good one, and the line, in which no secret is repeated. unasked: what
        came behind it before TLS.
        """
        self._machine.receive_data(line + b"\r\n" + unasked)
        event = self._machine.next_event()
        assert isinstance(event, protocol.Reply)
        if self.starting_tls:
            self.starting_tls = event.ok
            self._drain()
        line = self.hidden(line)
        self._secret = b""
        self._challenged = event.challenge
        self.in_content = event.ok and not event.complete
        return event.ok, line

    def content(self, data: bytes) -> list[bytes]:
        """What data holds of a reply's further lines, without the dots put before dots. `in_content` tells the end."""
        self._machine.receive_data(data)
        pieces = []
        while self.in_content and (event := self._machine.next_event()) is not protocol.NEED_DATA:
            if isinstance(event, protocol.Body):
                pieces.append(event.data)
            else:
                self.in_content = False
        return pieces

    def _drain(self) -> None:
        """Fails where the machine has octets that nothing asked for."""
        for _ in self._machine.events():
            pass

    def _secret_in(self, line: bytes) -> bytes:
        """What of a line nobody is to see: its end, or nothing."""
        if self._challenged:
            return b"" if line == b"*" else line
        found = _BEFORE_SECRET.match(line)
        return line[found.end() :] if found else b""


class Lines:
    """Content, cut into lines at each LF, a CR before it removed."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.octets = 0
        self._rest = bytearray()  # of a line whose end is still to come

    def add(self, piece: bytes) -> None:
        """The next piece. An endless line costs no more than its length."""
        self.octets += len(piece)
        first, found, others = piece.partition(b"\n")
        self._rest += first
        if not found:
            return
        lines = others.split(b"\n")
        lines.insert(0, bytes(self._rest))
        self._rest = bytearray(lines.pop())
        self.lines += [line[:-1] if line.endswith(b"\r") else line for line in lines]


def waiting(sock: object, file: object) -> bytes:
    """What has come and was not read, as far as it can be told without waiting. It stays where it is."""
    if not (isinstance(sock, socket.socket) and isinstance(file, io.BufferedReader)):
        return b""
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        return file.peek(1)
    except (OSError, ValueError):  # nothing whole has come under TLS, or the end is near, which the next read tells
        return b""
    finally:
        sock.settimeout(timeout)
