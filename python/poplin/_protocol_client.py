"""The client's machine of `poplin.protocol`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Literal

from poplin import _core
from poplin._alone import Alone
from poplin._capabilities import Capabilities
from poplin._connecting import Limits, mechanism_names
from poplin._conversation import secret_octets
from poplin._errors import AuthError
from poplin._protocol_events import (
    NEED_DATA,
    WAITING,
    Body,
    ClientEvent,
    Closed,
    End,
    Greeting,
    Language,
    Listing,
    Opened,
    Pause,
    Reply,
    StartTLS,
    UniqueID,
)

Phase = Literal["authorization", "transaction"]
"""Where a session is: before the login, or behind it."""

_MODES = {
    "implicit": _core.TLS_IMPLICIT,
    "stls": _core.TLS_STLS,
    "auto": _core.TLS_AUTO,
    "never": _core.TLS_NEVER,
}
PHASES: dict[int, Phase] = {1: "authorization", 2: "transaction"}


def received(data: bytes | bytearray | memoryview) -> bytes:
    """What was received as the core takes it."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data must be bytes, not {type(data).__name__}")
    return bytes(data)


class ClientConnection(Alone):
    r"""
    The client's side of one POP3 connection, without the connection: what the server sends goes in by `receive_data`,
    what it means comes out of `events`, and what is to be sent is what `data_to_send` gives.

    Each command's method queues it and returns a number, which its answer carries as `tag`. With a server that
    announces PIPELINING they go out ahead of their answers. The rhythm of a program around it is always the same:
    take all events, send all data, and where there was neither, receive.

    >>> pop = protocol.ClientConnection(tls="never", protected=True)
    >>> tag = pop.open("alice", "secret")
    >>> pop.receive_data(b"+OK ready\r\n")
    >>> list(pop.events())
    [Greeting(text='ready', line=b'+OK ready')]
    >>> pop.data_to_send()
    b'CAPA\r\n'

    Whatever ends the session badly is raised by `next_event`, and by all that is called afterwards. A refusal (-ERR) is
    none of that: see `Reply.error`.

    One thread at a time may use it; a second one in the middle of a call gets StateError. No call lets go of the
    interpreter's lock. It can be neither copied nor pickled.
    """

    def __init__(
        self,
        *,
        tls: Literal["implicit", "stls", "auto", "never"] = "implicit",
        protected: bool = False,
        auth: str | Iterable[str] | None = None,
        initial_response: bool = True,
        host: str | None = None,
        port: int = 0,
        pipelining: bool = True,
        utf8: bool = False,
        strict: bool = False,
        max_message: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        """
        tls: "implicit": TLS stands before the first octet, and `tls_started` is called before anything is received;
            "stls": it is demanded, by STLS; "auto": the same, but none where protected; "never": only where the host
            asks for it by `stls`, and passwords may go in clear.
        protected: the connection needs no TLS: it does not leave this machine.
        host, port: the server as the user named it: for errors, for `StartTLS.host`, and for OAUTHBEARER, which tells
        it. auth, initial_response, pipelining, utf8, strict, max_message, limits: as for `poplin.connect`.
        """
        if tls not in _MODES:
            raise ValueError(f"tls must be 'implicit', 'stls', 'auto' or 'never', not {tls!r}")
        mechanisms = mechanism_names(auth)
        optional = {"mechanisms": mechanisms, "host": host, "max_message": max_message}
        settings: dict[str, object] = {
            "tls": _MODES[tls],
            "link_protected": protected,
            "two_step": not initial_response,
            "port": port,
            "pipelining": pipelining,
            "utf8": utf8,
            "strict": strict,
            **(limits or {}),
            **{name: value for name, value in optional.items() if value is not None},
        }
        self._core = _core.ClientMachine(settings)
        self._host = host
        self._free = mechanisms is not None and _core.need_no_secret(mechanisms)
        self._tags = itertools.count(1)
        self._over = False
        self._tls: str | None = None

    # ---- octets ----

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """
        Take in what the server sent, decrypted where there is TLS; b"" changes nothing. StateError: TLS has to stand
        first, or the end was received. Whatever ended the session badly is raised again.
        """
        self._core.input(received(data))

    def receive_eof(self, clean: bool = True) -> None:
        """The server closed the connection. clean: False where TLS was cut short, without its own end."""
        self._core.eof(bool(clean))

    def data_to_send(self) -> bytes:
        """Take what is to be sent to the server now, all of it; b"" where there is nothing."""
        return self._core.output()

    def tls_started(
        self,
        *,
        version: str | None = None,
        verified: bool = True,
        exporter: bytes | None = None,
        end_point: bytes | None = None,
    ) -> None:
        """
        TLS now stands: before the first octet is received with tls="implicit", else after `StartTLS`.

        version: "TLSv1.3", for `tls` and for people. verified: the server's certificate and name were checked, and
        found good. exporter, end_point: channel bindings, which tie a SCRAM login to this connection: 32 octets of
        the exporter that RFC 9266 names, and the hash of the server's certificate of RFC 5929 section 4. Only with
        TLS 1.3, or with TLS 1.2 and its extended master secret. Without them SCRAM goes on without binding.

        StateError: not now.
        """
        self._core.tls(bool(verified), exporter, end_point, None)
        self._tls = version or "TLS"

    # ---- events ----

    def next_event(self) -> ClientEvent | Pause:
        """The next event, or why there is none: NEED_DATA, WAITING. StateError: after `Closed`."""
        raw = self._core.next()
        if raw is None:
            return NEED_DATA
        if raw is False:
            return WAITING
        return self._event(*raw)

    def events(self) -> Iterator[ClientEvent]:
        """The events that there are, one after the other. None after `Closed`."""
        while not self._over:
            event = self.next_event()
            if isinstance(event, Pause):
                return
            yield event

    def _event(self, kind: int, /, *fields: object) -> ClientEvent:
        if kind == _core.EVENT_LISTING:
            return _line(*fields)  # type: ignore[arg-type]
        if kind == _core.EVENT_START_TLS:
            return StartTLS(self._host)
        if kind == _core.EVENT_OPENED:
            return _opened(*fields)  # type: ignore[arg-type]
        if kind == _core.EVENT_CLOSED:
            self._over = True
        return _KINDS[kind]._make(fields)

    # ---- the beginning ----

    def open(
        self,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        *,
        authorize: str | None = None,
    ) -> int:
        """
        The opening in one, before anything was received: the greeting is waited for, the capabilities are asked for,
        TLS is started where it is demanded, and, with a user, there is a login. Ends in `Opened`.

        Without a user there is none, unless auth= names a mechanism that needs none. A policy that cannot be met is
        raised before any secret is sent (Unsupported, TLSError). ValueError: what is given cannot be sent.
        StateError: not the first call.
        """
        return self._login(True, user, password, token, authorize)

    def login(
        self,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        *,
        authorize: str | None = None,
    ) -> int:
        """
        Log in on an opened connection, where nothing is outstanding. Ends in `Opened`. The capabilities have to be
        known, by `open` or `capa`: else there is only USER and PASS.
        """
        return self._login(False, user, password, token, authorize)

    def _login(
        self, opening: bool, user: str | None, password: str | None, token: str | None, authorize: str | None
    ) -> int:
        given = {"user": user, "password": password, "token": token, "authorize": authorize}
        who, *proof = (None if value is None else secret_octets(name, value) for name, value in given.items())
        wanted = self._free or not opening or any(value is not None for value in (who, *proof))
        tag = next(self._tags)
        self._core.login(tag, opening, wanted, who, *proof)
        return tag

    # ---- commands ----

    def stat(self) -> int:
        """STAT: `Reply.count` and `Reply.octets`."""
        return self._submit("STAT")

    def list(self, number: int | None = None) -> int:
        """LIST: a `Listing` for each message; with a number `Reply.octets`."""
        return self._submit("LIST", number)

    def uidl(self, number: int | None = None) -> int:
        """UIDL: a `UniqueID` for each message; with a number `Reply.text`."""
        return self._submit("UIDL", number)

    def retr(self, number: int, octets: int = 0) -> int:
        """RETR: `Body` events. octets: the message's size, from LIST, where known: it bounds what is sent ahead."""
        return self._submit("RETR", number, octets=octets)

    def top(self, number: int, lines: int = 0, octets: int = 0) -> int:
        """TOP: `Body` events."""
        return self._submit("TOP", number, lines, octets)

    def retr_all(self, messages: Iterable[int | tuple[int, int] | Listing]) -> int:
        r"""
        RETR of message after message, as many ahead as fit the window; each `Reply` has its number. messages:
        numbers, or (number, octets), or what LIST gave. Commands that are queued meanwhile go first, so that a DELE
        does not wait for all of them. StateError: another such series is under way.

        >>> tag = pop.retr_all([1, 2])
        >>> pop.data_to_send()
        b'RETR 1\r\nRETR 2\r\n'
        """
        wanted = [_wanted(message) for message in messages]
        tag = next(self._tags)
        self._core.retr_all(tag, wanted)
        return tag

    def retr_stop(self) -> int:
        """Send no further RETR of `retr_all`; those that are under way are answered still. How many were not sent."""
        return self._core.retr_stop()

    def dele(self, number: int) -> int:
        """DELE."""
        return self._submit("DELE", number)

    def rset(self) -> int:
        """RSET."""
        return self._submit("RSET")

    def noop(self) -> int:
        """NOOP."""
        return self._submit("NOOP")

    def capa(self) -> int:
        """CAPA: a `Reply` and an `End`; then `capabilities` holds what was announced."""
        return self._submit("CAPA")

    def stls(self) -> int:
        """STLS, for who does not leave it to `open`: a `Reply`, then `StartTLS`. Ask `capa` again afterwards."""
        return self._submit("STLS")

    def utf8(self) -> int:
        """UTF8."""
        return self._submit("UTF8")

    def lang(self, language: str | None = None) -> int:
        """LANG: a `Language` for each that there is; with a tag or "*" it is chosen, and `Reply.text` is its tag."""
        return self._submit("LANG", language=None if language is None else secret_octets("language", language))

    def quit(self) -> int:
        """QUIT: the server deletes what was marked, and closes. Nothing can be queued behind it."""
        return self._submit("QUIT")

    def command(self, line: str | bytes, *, multiline: bool = False, secret: bool = False) -> int:
        r"""
        A line of one's own, in any state after the greeting: "XTND XLST Subject". It is answered by a `Reply` whose
        verb is None and whose text is all of it; where multiline, and the answer is +OK, `Body` events and an `End`
        follow. Nothing is believed of what is answered: a login by hand is not known to `phase`.

        secret: the line holds one, as PASS, APOP and AUTH with an initial response do anyway: it is hidden in errors,
        and in the reply, should the server repeat it. An answer that begins with "+ " (`Reply.challenge`) is possible
        where the line is secret or begins with AUTH, and wants one more line: it goes before all that is queued, and
        nothing but a `command` can be queued before it.

        ValueError: it holds CR, LF or NUL, is too long, or is STLS or QUIT, which have methods of their own.
        TLSError: it is secret, or AUTH, and TLS is demanded and does not stand yet.

        >>> tag = pop.command("XTND ARCHIVE", multiline=True)
        >>> pop.data_to_send()
        b'XTND ARCHIVE\r\n'
        """
        octets = line if isinstance(line, bytes) else secret_octets("line", line)
        tag = next(self._tags)
        self._core.command(tag, octets, multiline, secret)
        return tag

    def _submit(
        self, verb: str, number: int | None = None, lines: int = 0, octets: int = 0, language: bytes | None = None
    ) -> int:
        tag = next(self._tags)
        self._core.submit(tag, _core.VERBS[verb], number, lines, octets, language)
        return tag

    # ---- what is known ----

    @property
    def capabilities(self) -> Capabilities:
        """What the server announced last; empty where it does not know CAPA, or was not asked."""
        return Capabilities.told(self._core.capabilities())

    @property
    def mechanism(self) -> str | None:
        """How the login was done ("SCRAM-SHA-256", "USER" for USER and PASS); None before it."""
        return self._core.facts()[2]

    @property
    def phase(self) -> Phase | None:
        """The session's state; None before the greeting and after the end."""
        return PHASES.get(self._core.facts()[0])

    @property
    def outstanding(self) -> int:
        """How many commands wait for their answer: a time-out is of use only while there are any."""
        return self._core.facts()[1]

    @property
    def tls(self) -> str | None:
        """None without TLS; else its version, as `tls_started` was told, or "TLS"."""
        return self._tls

    def __repr__(self) -> str:
        where = f" {self._host}," if self._host else ""
        return f"<{type(self).__name__}{where} {self.phase or 'no session'}, {self._tls or 'no TLS'}>"


_KINDS: dict[int, type[Greeting | Reply | Body | End | Closed]] = {
    _core.EVENT_GREETING: Greeting,
    _core.EVENT_REPLY: Reply,
    _core.EVENT_BODY: Body,
    _core.EVENT_END: End,
    _core.EVENT_CLOSED: Closed,
}


def _line(tag: int, verb: str, number: int, octets: int, text: str) -> Listing | UniqueID | Language:
    if verb == "LIST":
        return Listing(tag, number, octets)
    if verb == "UIDL":
        return UniqueID(tag, number, text)
    language, _, description = text.partition(" ")
    return Language(tag, language, description)


def _opened(tag: int, ok: bool, code: str | None, text: str, answer: str, error: Exception | None) -> Opened:
    if isinstance(error, AuthError) and answer:
        error.answer = answer
    return Opened(tag, ok, code, text, error)  # type: ignore[arg-type]


def _wanted(message: int | tuple[int, int] | Listing) -> tuple[int, int]:
    if isinstance(message, Listing):
        return message.number, message.octets
    return message if isinstance(message, tuple) else (message, 0)
