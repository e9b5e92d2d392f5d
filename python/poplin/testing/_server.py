"""The test server."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, TypeVar

from poplin import _core
from poplin._alone import Alone
from poplin._backend import Backend
from poplin._connecting import TLS, milliseconds
from poplin._errors import StateError
from poplin._listening import Address, core_settings, tls_mode
from poplin._logins import ITERATIONS, asks_of, client_ca_settings, login_settings
from poplin._offers import Languages, Lock, ServerLimits, offer_settings
from poplin._serving import Serving
from poplin.testing._background import Background
from poplin.testing._certificates import CA, LOOPBACK, Certificate
from poplin.testing._faults import Faults
from poplin.testing._mail import Maildrops
from poplin.testing._session import Session, wait_for_change

if TYPE_CHECKING:
    from poplin.testing._files import Files

T = TypeVar("T")


class Clock(Alone):
    """
    A test server's clock: deadlines, delays and the autologout go by it.

    >>> with poplin.connect(server.url, user="alice", password="secret") as pop:
    ...     server.clock.advance(600)  # ten minutes pass
    ...     pop.stat()
    Traceback (most recent call last):
    poplin.ConnectionLost: ...
    """

    _alone = "belongs to its server"

    def __init__(self, running: Background | Serving, address: Address) -> None:
        self._running = running
        self._address = address

    def advance(self, seconds: float) -> None:
        """
        Moves the clock forward, and returns when what was due by then has been handled: a client that was silent for
        too long has been left. StateError: the server does not serve.
        """
        self._running.advance(milliseconds("seconds", seconds))

    def __repr__(self) -> str:
        return f"<poplin.testing.Clock of {self._address}, {self._running.state}>"


class Server(Alone, Faults, Maildrops):
    r"""
    A POP3 server for tests. It keeps its users' mail in memory, or asks a backend; it notes what happens, and it can be
    told to misbehave.

    It listens from its construction on; `start`, or entering the context, begins to serve; `stop`, or leaving the
    context, ends it. Everything may be used before, meanwhile and, but for the clock, afterwards, from any thread.

    >>> with poplin.testing.Server(users={"alice": "secret"}) as server:
    ...     uid = server.deliver("alice", b"Subject: hi\r\n\r\nhello\r\n")
    ...     with poplin.connect(server.url, user="alice", password="secret") as pop:
    ...         pop.dele(1)
    >>> server.sessions[0].assert_quit().assert_deleted(uid)
    <poplin.testing.Session 1 from 127.0.0.1:..., 'alice', committed>
    """

    _alone = "listens and serves"

    def __init__(
        self,
        users: Mapping[str, str] | None = None,
        *,
        backend: Backend | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str | os.PathLike[str] | None = None,
        tls: TLS = "auto",
        certificate: Certificate | None = None,
        quirks: Iterable[str] = (),
        exclusive: bool = True,
        lock: Lock | None = None,
        lock_wait: float = 0.0,
        greeting: str = "poplin test server, not for production",
        inactivity: float = 600.0,
        max_sessions: int | None = None,
        max_message: int = 256 << 20,
        allow_cleartext: bool = False,
        loopback_protected: bool = True,
        tokens: Mapping[str, str] | None = None,
        auth: str | Iterable[str] | None = None,
        name: str | None = None,
        iterations: int = ITERATIONS,
        pepper: bytes | None = None,
        failed_login_delay: float = 0.0,
        login_delay: int = 0,
        expire: int | Literal["never"] | None = None,
        expire_by_user: bool = False,
        login_delay_by_user: bool = False,
        utf8: bool = False,
        languages: Languages | None = None,
        limits: ServerLimits | None = None,
        client_ca_file: str | os.PathLike[str] | None = None,
        client_ca_pem: str | None = None,
        keep_sessions: int = 10_000,
        workers: int = 0,
        raise_errors: bool = True,
    ) -> None:
        """
        users: names and passwords; their mail is kept in memory, and no session runs a line of Python.
        backend: a script's own maildrops instead, as for `poplin.Server`.
        host, port: an IP address or "localhost" to listen on, and a port; 0: one that is free.
        path: a Unix socket instead.
        tls: "implicit" (from the first octet), "stls" (when the client asks), "never"; "auto" is implicit where there
            is a certificate, else never.
        certificate: of `certificate` or `CA.certificate`; for tls= "implicit" and "stls" one is made if need be.
        quirks: names from `QUIRKS` that are played from the beginning.
        exclusive: one session at a time for a user (RFC 1939 demands it).
        lock, lock_wait, utf8, languages, limits: as for `poplin.Server`. In memory, a message whose header is not plain
            ASCII is one for clients that have sent UTF8.
        expire, expire_by_user, login_delay_by_user: as for `poplin.Server`. In memory, a message that was delivered so
            many days ago, by the server's clock, is removed when a session opens the maildrop; never while another
            has it open.
        greeting: the greeting's text.
        inactivity: seconds after which a silent client is left.
        max_sessions: more at once are turned away.
        max_message: octets of the largest message that `deliver` and `load` take.
        allow_cleartext: let passwords come in clear over a network.
        loopback_protected: False treats a loopback address or Unix socket like any network.
        tokens: names and OAuth 2 access tokens, of some of `users`; with it OAUTHBEARER and XOAUTH2 are offered.
        auth: the ways to log in that are offered, as for `poplin.Server`. Without it USER and PASS, PLAIN, and what
            belongs to tokens; not SCRAM, since each of its logins takes some milliseconds.
        name, iterations, pepper, login_delay, client_ca_file, client_ca_pem: as for `poplin.Server`.
        failed_login_delay: seconds before a failed login is told, by the server's clock; none, unless a test is
            about it.
        keep_sessions: ended sessions that are kept; the oldest go first.
        workers: threads on which the backend's methods run; 0: the server's own.
        raise_errors: leaving the context raises what went wrong in the backend's methods, one exception as it is,
            several as an ExceptionGroup, unless another exception is on its way.

        NetworkError: the address cannot be listened on. ValueError, TypeError: the arguments do not fit together.
        """
        if users is not None and not isinstance(users, Mapping):
            raise TypeError(f"users must be a dict of names and passwords, not {type(users).__name__}")
        if certificate is not None and not isinstance(certificate, Certificate):
            raise TypeError(
                f"certificate must be a Certificate, not {type(certificate).__name__}: CA().certificate() makes one"
            )
        if isinstance(quirks, str):
            raise TypeError(f"quirks must be several names, not a str: quirks=[{quirks!r}]")
        if users is not None and backend is not None:
            raise ValueError("users= or backend=: which of the two is meant?")
        if workers and backend is None:
            raise ValueError("workers= is for a backend's methods, and there is no backend=")
        if tokens is not None and backend is not None:
            raise ValueError("tokens= is for users in memory: a backend has a method token()")
        if tokens is not None and not isinstance(tokens, Mapping):
            raise TypeError(f"tokens must be a dict of names and tokens, not {type(tokens).__name__}")
        for user in tokens or ():
            if user not in (users or ()):
                raise ValueError(f"tokens= has {user!r}, whom users= has not: whoever has a token has a password too")
        in_memory = _core.ASK_SECRET | (0 if tokens is None else _core.ASK_TOKEN)
        asks = in_memory if backend is None else asks_of(backend)
        logins = login_settings(
            asks,
            auth=_default_auth(asks) if auth is None else auth,
            name=name,
            iterations=iterations,
            pepper=pepper,
            failed_login_delay=failed_login_delay,
            login_delay=login_delay,
        )
        if certificate is None and tls in ("implicit", "stls"):
            certificate = CA().certificate(*dict.fromkeys((*LOOPBACK, host)))
        mode = tls_mode(tls, certificate is not None)
        certified = certificate is not None
        clients = client_ca_settings(logins.get("mechanisms"), certified, client_ca_file, client_ca_pem)
        offers = offer_settings(
            exclusive=exclusive,
            lock=lock,
            lock_wait=lock_wait,
            utf8=utf8,
            languages=languages,
            expire=expire,
            expire_by_user=expire_by_user,
            login_delay_by_user=login_delay_by_user,
            limits=limits,
        )
        settings = (
            logins
            | offers
            | core_settings(
                host=host,
                port=port,
                path=path,
                mode=mode,
                greeting=greeting,
                inactivity=inactivity,
                max_sessions=max_sessions,
                allow_cleartext=allow_cleartext,
                loopback_protected=loopback_protected,
            )
        )
        credentials = None if certificate is None else certificate._credentials(clients)
        self._kit = _core.Testkit({"keep_sessions": keep_sessions})
        for quirk in quirks:
            self.quirk(quirk)
        memory = _core.Memory() if backend is None else None
        self._set_up_maildrops(memory, users or {}, tokens or {}, max_message)
        self._running: Background | Serving
        if backend is None:
            assert memory is not None
            background = _core.Background(settings, credentials, memory, self._kit)
            self._running, bound = Background(background), background.port()
        else:
            core = _core.Server(settings, credentials, self._kit)
            self._running, bound = Serving(core, backend, workers, None), core.port()
        self._address = Address(host, bound, path, mode)
        self._certificate = certificate
        self._raise_errors = raise_errors
        self._files: Files | None = None
        self._writing = threading.Lock()
        self.clock = Clock(self._running, self._address)
        """The server's clock, which tests may move."""

    # ---- where it is ----

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._address.host

    @property
    def port(self) -> int:
        """The port that it listens on; 0 for a Unix socket."""
        return self._address.port

    @property
    def path(self) -> Path | None:
        """The Unix socket that it listens on, or None."""
        return self._address.path

    @property
    def url(self) -> str:
        """What to give to `poplin.connect`. StateError: on a Unix socket, for which there is no URL; use `path`."""
        return self._address.url()

    def url_for(self, user: str) -> str:
        """The same with a user in it."""
        return self._address.url(user)

    @property
    def certificate(self) -> Certificate | None:
        """Its certificate; None without TLS."""
        return self._certificate

    @property
    def ca_pem(self) -> str | None:
        """The certificate to trust, as PEM text; None without TLS."""
        return None if self._certificate is None else self._certificate.ca_pem

    @property
    def ca_file(self) -> Path | None:
        """The same as a file; None without TLS. It is removed when the server stops; StateError: it has stopped."""
        if self._certificate is None:
            return None
        with self._writing:
            if self._running.state == "stopped":
                raise StateError("this server has stopped, and its file is gone; ca_pem is still there")
            if self._files is None:
                from poplin.testing._files import Files

                self._files = Files({"ca.pem": self._certificate.ca_pem})
            return self._files.folder / "ca.pem"

    # ---- beginning and ending ----

    def start(self) -> None:
        """Serve. StateError: it was started or stopped before."""
        self._running.start()

    def stop(self) -> None:
        """
        End the server: open sessions are closed, and what they had marked is not deleted. What it noted stays. Stopping
        twice is peaceful.
        """
        self._running.stop()
        files, self._files = self._files, None
        if files is not None:
            files.remove()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        errors = self.errors if self._raise_errors and error is None else []
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("the test server's backend failed", errors)

    def __repr__(self) -> str:
        return f"<poplin.testing.Server {self._address}, {self._running.state}>"

    # ---- what happened ----

    @property
    def sessions(self) -> list[Session]:
        """The sessions that are kept, oldest first, those that are open too."""
        seen = self._kit.changes()
        return [Session(self._kit, record, seen) for record in self._kit.records()]

    @property
    def transcript(self) -> str:
        """All of them for a person, secrets masked."""
        return "\n".join(session.transcript for session in self.sessions)

    @property
    def errors(self) -> list[BaseException]:
        """
        What went wrong in the backend, oldest first, the last 1,000: exceptions of its methods, wrong types, messages
        of another size than listed.
        """
        return self._running.errors

    def wait_for(self, predicate: Callable[[Self], T | None], timeout: float = 5.0) -> T:
        """
        Waits until predicate(server) is true, and returns what it gave. It is looked at whenever something happens in a
        session, in the caller's thread. TimeoutError: it was not true within so many seconds; it shows what happened.

        >>> pop.dele(1)
        >>> server.wait_for(lambda server: server.sessions[0].marked) == (server.messages("alice")[0].uid,)
        True
        """
        __tracebackhide__ = True
        until = time.monotonic() + timeout
        while True:
            seen = self._kit.changes()
            result = predicate(self)
            if result:
                return result
            if not wait_for_change(self._kit, seen, until):
                break
        result = predicate(self)  # what it looks at may be none of the sessions' doing
        if not result:
            raise TimeoutError(f"not true after {timeout} seconds. What happened:\n{self.transcript or 'no session'}")
        return result

    def reset(self) -> None:
        """
        Forgets all faults and quirks, ended sessions, errors, and the mail of all users. Users stay, and open sessions
        go on.
        """
        self._kit.reset()
        self._running.forget_errors()
        if self._memory is not None:
            for name in self.users:
                self.clear(name)


def _default_auth(asks: int) -> str:
    return "USER PLAIN OAUTHBEARER XOAUTH2" if asks & _core.ASK_TOKEN else "USER PLAIN"


ServerFactory: TypeAlias = type[Server]
"""
What the fixture `pop3_server_factory` is, for annotations: a function that takes the options of `Server` and gives one
that serves.
"""
