"""
Conversations with a test server over a plain socket: what is said, and each octet that has to come back.

A `Case` is one conversation under a fault, a quirk or an attack; `play` has it and looks at every octet, at how the
connection ends, and at what the server noted. Time passes only by the server's clock.
"""

import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Literal, Self

import pytest

from poplin.testing import ATTACKS, Fault, Server

USERS = {"alice": "secret"}
MAIL = (b"Subject: hi\r\n\r\n.hello\r\nbye\r\n", b".first\r\nx\r\n")

CONNECT = "a new connection"
HANDSHAKE = "the TLS handshake"

GREETING = b"+OK poplin test server, not for production\r\n"
NOOP = b"+OK nothing done\r\n"
BYE = b"+OK bye\r\n"
STAT = b"+OK 2 39\r\n"
LIST = b"+OK 2 messages\r\n1 28\r\n2 11\r\n.\r\n"
RETR_1 = b"+OK 28 octets\r\nSubject: hi\r\n\r\n..hello\r\nbye\r\n.\r\n"
RETR_2 = b"+OK 11 octets\r\n..first\r\nx\r\n.\r\n"
STLS = b"+OK begin TLS\r\n"
CAPA = (
    b"+OK capabilities follow\r\nTOP\r\nUSER\r\nSASL PLAIN\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUIDL\r\n"
    b"IMPLEMENTATION poplin\r\n.\r\n"
)
CAPA_STLS = CAPA.replace(b"\r\n.\r\n", b"\r\nSTLS\r\n.\r\n")
USER = b"+OK send PASS\r\n"
PASS = b"+OK 2 messages\r\n"

End = Literal["goes on", "drop", "close", "reset", "silence"]


@dataclass(frozen=True)
class Case:
    """
    A conversation: pairs of what to say (a line, several in one piece, nothing; CONNECT, HANDSHAKE) and the octets to
    hear. It begins behind alice's login, or before the greeting is read. Unique-ids are written <1> and <2>.
    """

    fault: str
    """Its text, or the name of a quirk or an attack."""

    talk: tuple[tuple[str, bytes], ...]
    later: tuple[tuple[float, bytes], ...] = ()
    """Pairs of seconds that pass then, and the octets that come by that and not before."""

    end: End = "goes on"
    """What becomes of the connection behind it: it can be left by QUIT, or how it ends."""

    login: bool = True
    tls: Literal["never", "stls", "implicit"] = "never"
    left: int = 2
    """Messages in the maildrop afterwards."""

    outcome: str = ""
    """The last session's, where it is not the one that goes with the end."""


class Wire:
    """A client that is nothing but a socket, which says and hears octets."""

    def __init__(self, server: Server, tls: str = "never") -> None:
        """tls: "implicit" begins with the handshake."""
        self._server = server
        self._tls = tls
        self.connect()

    def connect(self) -> None:
        """A connection of its own, also where there was another before."""
        self._socket = socket.create_connection((self._server.host, self._server.port), timeout=20)
        if self._tls == "implicit":
            self.handshake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, *lines: bytes) -> None:
        """Sends lines in one piece."""
        self._socket.sendall(b"".join(line + b"\r\n" for line in lines))

    def hear(self, size: int) -> bytes:
        """So many octets; fewer where the connection ends."""
        heard = b""
        while len(heard) < size and (piece := self._socket.recv(size - len(heard))):
            heard += piece
        return heard

    def line(self) -> bytes:
        """A line with its LF."""
        heard = b""
        while not heard.endswith(b"\n") and (octet := self._socket.recv(1)):
            heard += octet
        return heard

    def rest(self) -> bytes:
        """Everything until the connection ends in good order, under TLS by close_notify."""
        heard = b""
        while piece := self._socket.recv(65536):
            heard += piece
        self._socket.close()
        return heard

    def is_silent(self) -> bool:
        """Whether nothing is there to be heard."""
        self._socket.setblocking(False)
        try:
            return self._socket.recv(1) is None
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        finally:
            self._socket.settimeout(20)

    def handshake(self) -> None:
        """TLS begins."""
        context = ssl.create_default_context(cadata=self._server.ca_pem)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # which some Pythons set by themselves
        self._socket = context.wrap_socket(self._socket, server_hostname="localhost", suppress_ragged_eofs=False)

    def login(self) -> None:
        """The greeting is heard, and alice logs in."""
        assert self.line().startswith(b"+OK")
        self.say(b"USER alice", b"PASS secret")
        assert self.line() + self.line() == USER + PASS


def serve(tls: Any = "never", **options: Any) -> Server:
    """A test server with alice and her two messages."""
    server = Server(USERS, tls=tls, **options)
    for message in MAIL:
        server.deliver("alice", message)
    return server


def with_uids(server: Server, octets: bytes) -> bytes:
    """<1> becomes the first message's unique-id, <1:30> the same with as many x behind it as make 30 octets."""
    uids = [mail.uid.encode() for mail in server.messages("alice")]

    def uid(found: re.Match[bytes]) -> bytes:
        return uids[int(found[1]) - 1].ljust(int(found[2] or b"0"), b"x")

    return re.sub(rb"<([12])(?::(\d+))?>", uid, octets)


def converse(wire: Wire, server: Server, case: Case) -> None:
    """Says and hears what the case has."""
    for says, hears in case.talk:
        if says == CONNECT:
            wire.say(b"QUIT")
            assert wire.rest() == BYE
            wire.connect()
        elif says == HANDSHAKE:
            wire.handshake()
        elif says:
            wire.say(*with_uids(server, says.encode()).split(b"\r\n"))
        expected = with_uids(server, hears)
        assert wire.hear(len(expected)) == expected


def end(wire: Wire, server: Server, case: Case) -> None:
    """The connection ends as it should, and in no other way."""
    if case.end == "goes on":
        wire.say(b"QUIT")
        assert wire.rest() == BYE
    elif case.end == "close" or (case.end == "drop" and case.tls == "never"):
        assert wire.rest() == b""
    elif case.end == "drop":
        with pytest.raises(ssl.SSLError, match=r"(?i)eof"):  # SSLEOFError, but in older Pythons
            wire.rest()
    elif case.end == "reset":
        with pytest.raises(ConnectionResetError):
            wire.rest()
    else:
        server.clock.advance(24 * 3600)
        assert wire.is_silent()
        wire.say(b"NOOP")
        server.clock.advance(24 * 3600)
        assert wire.is_silent()


def pass_time(wire: Wire, server: Server, fault: Fault, case: Case) -> None:
    if not case.talk or not case.talk[-1][1]:  # nothing that was heard says that the server is there yet
        server.wait_for(lambda _: fault.fired)
    for seconds, hears in case.later:
        assert wire.is_silent()
        server.clock.advance(seconds)
        assert wire.hear(len(hears)) == hears


def add(server: Server, fault: str) -> Fault:
    """A fault by its text, a quirk or an attack by its name."""
    if " " in fault:
        return server.fault_text(with_uids(server, fault.encode()).decode())
    return server.attack(fault) if fault in ATTACKS else server.quirk(fault)


def play(case: Case) -> None:
    """Has the conversation, and looks into the server's books."""
    with serve(case.tls) as server:
        fault = None if case.login else add(server, case.fault)
        with Wire(server, case.tls) as wire:
            if fault is None:
                wire.login()
                fault = add(server, case.fault)
            converse(wire, server, case)
            pass_time(wire, server, fault, case)
            end(wire, server, case)
        check_books(server, fault, case)


def check_books(server: Server, fault: Fault, case: Case) -> None:
    """The end that was seen is the end that was noted, and the transcript names the fault at each place it was met."""
    session = server.wait_for(lambda server: server.sessions)[-1]
    expected = case.outcome or ("dropped" if case.end != "goes on" else "committed" if case.login else "left")
    session.assert_outcome(expected)
    assert len(server.messages("alice")) == case.left
    met = [exchange.fault for session in server.sessions for exchange in session.exchanges if exchange.fault]
    assert set(met) == {fault.name}
    assert 1 <= len(met) <= fault.fired
    assert server.transcript.count(f"!! {fault.name}\n") == len(met)
