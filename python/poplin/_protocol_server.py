"""The server's machine of `poplin.protocol`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from poplin import _core
from poplin._alone import Alone
from poplin._answers import _STATUSES, _words
from poplin._conversation import secret_octets
from poplin._errors import Refused, StateError
from poplin._logins import ITERATIONS, METHODS, login_settings
from poplin._offers import SECONDS, Languages, ServerLimits, days_of, offer_settings
from poplin._protocol_client import PHASES, Phase, received
from poplin._protocol_events import (
    NEED_DATA,
    WAITING,
    BodyDone,
    CheckPassword,
    CheckToken,
    Commit,
    FailedLogin,
    FindSecret,
    Mismatch,
    OpenMaildrop,
    Pause,
    Question,
    SendBody,
    ServerEvent,
    SessionClosed,
    StartTLS,
)

Asks = Literal["authenticate", "password", "scram_keys", "token"]


class ServerConnection(Alone):
    r"""
    The server's side of one POP3 session, without the connection: what the client sends goes in by `receive_data`,
    what it asks for comes out of `events`, and what is to be sent is what `data_to_send` gives.

    Most events are questions. Each is answered by a method that takes the event, or its number, at once or later; a
    second answer is a StateError and does no harm. Numbering, deletion marks, dot-stuffing and line ends are the
    machine's business. Only `Commit` deletes.

    The rhythm of a program around it is always the same: take and answer all events, send all data, and where there was
    neither, receive; not while a question is open, since what is received then is only kept.

    >>> session = protocol.ServerConnection(greeting="hello", protected=True)
    >>> session.receive_data(b"QUIT\r\n")
    >>> list(session.events())
    [SessionClosed(outcome='left', error=None)]
    >>> session.data_to_send()
    b'+OK hello\r\n+OK bye\r\n'

    One thread at a time may use it; a second one in the middle of a call gets StateError. No call lets go of the
    interpreter's lock. It can be neither copied nor pickled.
    """

    def __init__(
        self,
        *,
        tls: Literal["implicit", "stls", "never"] = "never",
        protected: bool = False,
        allow_cleartext: bool = False,
        asks: Asks | Iterable[Asks] = ("authenticate",),
        auth: str | Iterable[str] | None = None,
        name: str | None = None,
        port: int = 0,
        iterations: int = ITERATIONS,
        pepper: bytes | None = None,
        greeting: str = "poplin ready",
        failed_logins: bool = False,
        login_delay: int = 0,
        login_delay_by_user: bool = False,
        expire: int | Literal["never"] | None = None,
        expire_by_user: bool = False,
        utf8: bool = False,
        languages: Languages | None = None,
        limits: ServerLimits | None = None,
    ) -> None:
        """
        tls: "implicit": TLS stands before the first octet, and `tls_started` is called before anything else; "stls":
            it is offered, and `StartTLS` may come; "never".
        protected: the connection needs no TLS, passwords are allowed on it: it does not leave this machine.
        allow_cleartext: they are allowed on any connection.
        asks: what can be asked about who logs in, by the names that a backend's methods have: "authenticate" (questions
            are `CheckPassword`), "password" (`FindSecret`, answered by `password`), "scram_keys" (`FindSecret`,
            answered by `keys`), "token" (`CheckToken`). What clients are offered follows from it: see
            `poplin.Backend`.
        auth, name, iterations, pepper, greeting, login_delay, login_delay_by_user, expire, expire_by_user, utf8,
            languages: as for `poplin.Server`. A login_delay is announced here, and it is the host who refuses with
            code="LOGIN-DELAY". port: the one that OAUTHBEARER takes; 0: any.
        failed_logins: `FailedLogin` events are wanted, by which a failed login can be told late.
        limits: as for `poplin.Server`, but for handshake and stall: time is the host's.
        """
        if tls not in ("implicit", "stls", "never"):
            raise ValueError(f"tls must be 'implicit', 'stls' or 'never', not {tls!r}")
        logins = login_settings(
            _asks(asks),
            auth=auth,
            name=name,
            iterations=iterations,
            pepper=pepper,
            failed_login_delay=0,
            login_delay=login_delay,
        )
        offers = offer_settings(
            exclusive=True,
            lock=None,
            lock_wait=0,
            utf8=utf8,
            languages=languages,
            expire=expire,
            expire_by_user=expire_by_user,
            login_delay_by_user=login_delay_by_user,
            limits=_limits(limits),
        )
        settings = logins | offers
        for of_the_host in ("failed_login_ms", "lock"):
            del settings[of_the_host]
        self._core = _core.SessionMachine(
            settings
            | {
                "stls": tls == "stls",
                "link_protected": protected,
                "allow_cleartext": allow_cleartext,
                "port": port,
                "greeting": greeting,
                "delays": failed_logins,
            }
        )
        self._early = tls == "implicit"
        self._over = False
        self._tls: str | None = None

    # ---- octets ----

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """
        Take in what the client sent, decrypted where there is TLS; b"" changes nothing. StateError: TLS has to stand
        first, or the session is over.
        """
        self._check_tls()
        self._core.input(received(data))

    def receive_eof(self, clean: bool = True) -> None:
        """
        The client closed the connection. clean: False where TLS was cut short. What was received before is still worked
        off, and a `Commit` that is open wants its answer.
        """
        self._core.eof(bool(clean))

    def data_to_send(self) -> bytes:
        """Take what is to be sent to the client now, all of it; b"" where there is nothing. More events may follow."""
        self._check_tls()
        return self._core.output()

    def tls_started(
        self,
        *,
        version: str | None = None,
        verified: bool = False,
        exporter: bytes | None = None,
        end_point: bytes | None = None,
        identity: str | None = None,
    ) -> None:
        """
        TLS now stands: before all else with tls="implicit", else after `StartTLS`, what was to be sent being sent.

        version: "TLSv1.3", for `tls` and for people. exporter, end_point: as for the client; end_point is the hash of
        the certificate that this side shows. verified, identity: the client has shown a certificate that was checked
        and found good, and whom it names, for EXTERNAL.

        StateError: not now.
        """
        octets = None if identity is None else secret_octets("identity", identity)
        self._core.tls(bool(verified), exporter, end_point, octets)
        self._early = False
        self._tls = version or "TLS"

    def _check_tls(self) -> None:
        if self._early:
            raise StateError("TLS has to stand first: tls='implicit' begins with tls_started()")

    # ---- how the host ends it ----

    def timeout(self) -> None:
        """The client was silent for too long (RFC 1939 wants ten minutes at least): it ends, and deletes nothing."""
        self._core.timeout()

    def abort(self, reason: str) -> None:
        """Give up, because the server stops or nothing can be sent any more: it ends, and deletes nothing."""
        self._core.abort(_core.CANCELLED, reason)

    # ---- events ----

    def next_event(self) -> ServerEvent | Pause:
        """The next event, or why there is none: NEED_DATA, WAITING. StateError: after `SessionClosed`."""
        self._check_tls()
        while True:
            raw = self._core.next()
            if raw is None:
                return NEED_DATA
            if raw is False:
                return WAITING
            try:
                return self._event(*raw)
            except UnicodeDecodeError:  # a name or password that nobody can have
                self._core.refuse(raw[1], _core.AUTH, None)

    def events(self) -> Iterator[ServerEvent]:
        """The events that there are, one after the other. None after `SessionClosed`."""
        while not self._over:
            event = self.next_event()
            if isinstance(event, Pause):
                return
            yield event

    def _event(self, kind: int, /, *fields: object) -> ServerEvent:
        if kind == _core.SESSION_CLOSED:
            self._over = True
        if kind == _core.SESSION_START_TLS:
            return StartTLS(None)
        if kind == _core.SESSION_COMMIT:
            return _commit(*fields)  # type: ignore[arg-type]
        if kind == _core.SESSION_DELAY:
            return _failed(*fields)  # type: ignore[arg-type]
        if kind in _QUESTIONS:
            return _QUESTIONS[kind]._make(field.decode() if isinstance(field, bytes) else field for field in fields)
        return _TOLD[kind]._make(fields)

    # ---- answers ----

    def accept(self, question: Question | int) -> None:
        """Yes: to `CheckPassword`, `CheckToken`, `FailedLogin`, `Commit`. StateError: it is open no more; so below."""
        self._core.accept(_number(question))

    def accept_as(self, question: CheckPassword | CheckToken | int, user: str) -> None:
        """Yes, and it is this user who logs in: where the token named none, or the name that logs in is another."""
        if not user:
            raise ValueError("user is empty")
        self._core.accept_as(_number(question), secret_octets("user", user))

    def password(self, question: FindSecret | int, password: str) -> None:
        """The user's password."""
        self._core.secret(_number(question), secret_octets("password", password))

    def keys(self, question: FindSecret | int, keys: str) -> None:
        """The user's SCRAM keys, as `poplin.scram_keys` made them. ValueError: they are none."""
        self._core.keys(_number(question), secret_octets("keys", keys))

    def refuse(
        self,
        question: Question | int,
        error: Refused | type[Refused] = Refused,
        text: str | None = None,
        *,
        code: Literal["LOGIN-DELAY"] | None = None,
    ) -> None:
        """
        No. error: AuthError (a wrong password, an unknown user), InUse, Temporary or Refused, or one of them with the
        words that the client is told; text: these words. code="LOGIN-DELAY": the user comes too soon.
        """
        kind, said = (error, text) if isinstance(error, type) else (type(error), text or _words(error))
        if code is not None:
            self._core.refuse_delay(_number(question), said)
        else:
            status = next((status for known, status in _STATUSES if issubclass(kind, known)), _core.TEMPORARY)
            self._core.refuse(_number(question), status, said)

    def open(
        self,
        question: OpenMaildrop | int,
        messages: Iterable[tuple[str, int | None] | tuple[str, int | None, bool]],
        *,
        login_delay: int | None = None,
        expire: int | Literal["never"] | None = None,
    ) -> None:
        """
        The messages, as a maildrop's `list` gives them: unique-id and octets, as on the wire, or None where they are
        not known; a third element says whether the header is more than ASCII.
        login_delay, expire: what holds for this user, where users differ.

        ValueError: a unique-id is none, or stands twice; or there are too many. The client is refused then.
        """
        entries: Iterable[Any] = messages  # tuples of two or of three
        listed = [_entry(*entry) for entry in entries]
        days = None if expire is None else days_of(expire)
        self._core.open(_number(question), listed, login_delay, days)

    def body(self, question: SendBody | int, data: bytes | bytearray | memoryview, last: bool = True) -> None:
        """
        The message, or a piece of it: last=False has another `SendBody` ask for more. Line ends may be CRLF or LF.
        Bytes are not copied.
        """
        self._core.body(_number(question), received(data), last)

    def gone(self, uids: Iterable[str]) -> None:
        """
        Somebody else has deleted these messages: they are asked for no more, and count as deleted. StateError: no
        maildrop is open.
        """
        self._core.gone([secret_octets("a unique-id", uid) for uid in uids])

    # ---- what is known ----

    @property
    def phase(self) -> Phase | None:
        """The session's state; None after its end."""
        return PHASES.get(self._core.facts()[0])

    @property
    def commands(self) -> int:
        """How many commands were read so far: a host's time-out begins anew when this changes."""
        return self._core.facts()[1]

    @property
    def tls(self) -> str | None:
        """None without TLS; else its version, as `tls_started` was told, or "TLS"."""
        return self._tls

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.phase or 'no session'}, {self._tls or 'no TLS'}>"


_QUESTIONS: dict[int, type[CheckPassword | FindSecret | CheckToken | OpenMaildrop]] = {
    _core.SESSION_CHECK: CheckPassword,
    _core.SESSION_SECRET: FindSecret,
    _core.SESSION_TOKEN: CheckToken,
    _core.SESSION_MAILDROP: OpenMaildrop,
}
_TOLD: dict[int, type[SendBody | BodyDone | Mismatch | SessionClosed]] = {
    _core.SESSION_BODY: SendBody,
    _core.SESSION_BODY_DONE: BodyDone,
    _core.SESSION_MISMATCH: Mismatch,
    _core.SESSION_CLOSED: SessionClosed,
}


def _commit(question: int, marked: list[tuple[int, str]]) -> Commit:
    return Commit(question, tuple(uid for _, uid in marked))


def _failed(question: int, user: bytes | None, failures: int, mechanism: str) -> FailedLogin:
    """Who failed may have called himself anything."""
    name = None if user is None else user.decode("utf-8", "backslashreplace")
    return FailedLogin(question, name, failures, mechanism)


def _number(question: Question | int) -> int:
    return question if isinstance(question, int) else question.question


def _entry(uid: str, octets: int | None, utf8: bool = False) -> tuple[bytes, int | None, bool]:
    return secret_octets("a unique-id", uid), octets, utf8


def _asks(asks: str | Iterable[str]) -> int:
    names = {asks} if isinstance(asks, str) else set(asks)
    if not names <= METHODS.keys():
        raise ValueError(f"asks= takes {', '.join(METHODS)}, not {', '.join(sorted(names - METHODS.keys()))}")
    return sum(METHODS[name] for name in names)


def _limits(limits: ServerLimits | None) -> ServerLimits | None:
    if limits and any(name in limits for name in SECONDS):
        raise TypeError(f"the limits {' and '.join(SECONDS)} are times, which are the host's here")
    return limits
