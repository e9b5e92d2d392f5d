"""The server: a script's backend behind it, on a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar

from poplin import _core
from poplin._alone import Alone
from poplin._backend import Backend
from poplin._connecting import TLS
from poplin._listening import Address, core_settings, tls_mode
from poplin._logins import ITERATIONS, asks_of, client_ca_settings, login_settings
from poplin._offers import Languages, Lock, ServerLimits, offer_settings
from poplin._serving import BaseServing, Serving
from poplin._tls import AnyPath, further_certificates

B = TypeVar("B")
S = TypeVar("S", bound=BaseServing)


class BaseServer(Alone, Generic[B, S]):
    """What a server is, whoever drives it."""

    _alone = "listens and serves"

    _serving: S

    def __init__(
        self,
        backend: B,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str | os.PathLike[str] | None = None,
        tls: TLS = "auto",
        cert_file: str | os.PathLike[str] | None = None,
        key_file: str | os.PathLike[str] | None = None,
        cert_pem: str | None = None,
        key_pem: str | None = None,
        certificates: Iterable[AnyPath | tuple[AnyPath, AnyPath]] = (),
        staple: bytes | None = None,
        resumption: bool = True,
        key_log: AnyPath | None = None,
        workers: int = 0,
        on_error: Callable[[BaseException], object] | None = None,
        exclusive: bool = True,
        lock: Lock | None = None,
        lock_wait: float = 0.0,
        greeting: str = "poplin ready",
        inactivity: float = 600.0,
        max_sessions: int | None = None,
        allow_cleartext: bool = False,
        loopback_protected: bool = True,
        auth: str | Iterable[str] | None = None,
        name: str | None = None,
        iterations: int = ITERATIONS,
        pepper: bytes | None = None,
        failed_login_delay: float = 1.0,
        login_delay: int = 0,
        expire: int | Literal["never"] | None = None,
        expire_by_user: bool = False,
        login_delay_by_user: bool = False,
        utf8: bool = False,
        languages: Languages | None = None,
        limits: ServerLimits | None = None,
        client_ca_file: str | os.PathLike[str] | None = None,
        client_ca_pem: str | None = None,
    ) -> None:
        """
        backend: an object with `maildrop` and at least one of `password`, `scram_keys`, `authenticate` and `token`.
        host, port: an IP address or "localhost" to listen on, and a port; 0: one that is free.
        path: a Unix socket instead.
        tls: "implicit" (from the first octet), "stls" (when the client asks), "never"; "auto" is implicit where there
            is a certificate, else never.
        cert_file, key_file: PEM files (the key may be in cert_file); or cert_pem, key_pem: PEM text.
        certificates: further ones for other names, each a PEM file or a pair of them: the name that the client asks for
            decides, a client that names none sees the first, and one that names another is refused.
        staple: an OCSP response (DER), handed out with the first certificate.
        resumption: False hands out no tickets by which a client can take up its TLS session again.
        key_log: a file to which the secrets of all connections are appended, for Wireshark: whoever reads it reads all.
        workers: threads on which the backend's methods run, so that a slow one holds up nobody; 0: the server's own.
            A method that is itself a client of this server needs them, one more than run at once.
        on_error: called, on the server's thread, with each exception that is also kept in `errors`.
        exclusive: one session at a time for a user (RFC 1939 demands it); others are refused as InUse.
        lock: the same in more words: "exclusive"; "snapshot": any number, and what one of them has deleted the others
            are told is gone, and the maildrop is not asked to delete it again; "none": any number, as exclusive=False.
        lock_wait: seconds for which a login waits for the session before it, in place of being refused at once.
        inactivity: seconds after which a silent client is left (RFC 1939 wants 600 at least).
        max_sessions: more at once are turned away.
        allow_cleartext: let passwords come in clear over a network.
        loopback_protected: False treats a loopback address or Unix socket like any network.
        auth: the ways to log in that may be offered, as names, in one string or several: "SCRAM-SHA-256 PLAIN", "USER"
            (USER and PASS), "APOP" and so on. Without it all that the backend can be asked about, but for APOP, LOGIN,
            CRAM-MD5, EXTERNAL and ANONYMOUS, which are used only by name. Shown passwords and tokens only under TLS.
        name: what the server is called, in the challenges of APOP and CRAM-MD5; OAUTHBEARER then takes no other.
        iterations: of SCRAM, for what `password` returns; each login takes the time of so many.
        pepper: a secret of the server's own, the same in each run: SCRAM's salt of an unknown name then stays the same,
            as that of a known one does. Without it one is made up, and lasts as long as this server.
        failed_login_delay: seconds before a failed login is told; they grow with each that fails. 0: none.
        login_delay: seconds that a user has to wait between two logins, announced and enforced. 0: none.
        expire: days for which mail stays at least, or "never" for mail that stays for ever, announced to clients. 0:
            what a client has fetched by RETR is deleted at its QUIT, as if it had been marked. With more it is the
            maildrop that keeps or deletes: `Maildir` takes an expire= too. None: no word of it.
        expire_by_user, login_delay_by_user: users differ: a maildrop's attribute `expire` or `login_delay`, where it
            has one that is not None, is the user's own, announced after the login. Before it clients are told the
            server's, and that users differ; so that has to be the smallest expire, the largest login_delay of all.
        utf8: offer UTF8 (RFC 6856), and names and passwords in UTF-8. A message that `list` gives as (unique-id,
            octets, True) is then refused to clients that have not sent UTF8, as most never do.
        languages: of the replies, besides English (RFC 6856): {"de": ("Deutsch", {"{} messages": "{} Nachrichten"})}.
        limits: what a client may do, at most: see `ServerLimits`.
        client_ca_file, client_ca_pem: the CAs whose certificates log clients in, with auth="EXTERNAL": as the user that
            the certificate names by its only e-mail address, else by its common name.

        NetworkError: the address cannot be listened on. CertificateError: certificate or key cannot be used.
        TypeError, ValueError: the arguments do not fit together, or the backend has too few methods.
        """
        logins = login_settings(
            asks_of(backend),
            auth=auth,
            name=name,
            iterations=iterations,
            pepper=pepper,
            failed_login_delay=failed_login_delay,
            login_delay=login_delay,
        )
        certified = cert_file is not None or cert_pem is not None
        clients = client_ca_settings(logins.get("mechanisms"), certified, client_ca_file, client_ca_pem)
        extras = clients | {"no_resumption": not resumption}
        if staple is not None:
            extras["staple"] = staple
        if key_log is not None:
            extras["key_log"] = os.fsencode(key_log)
        credentials = _identity(cert_file, key_file, cert_pem, key_pem, extras, further_certificates(certificates))
        mode = tls_mode(tls, credentials is not None)
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
        core = _core.Server(settings, credentials, None, self._loop())
        self._serving = self._make_serving(core, backend, workers, on_error)
        self._address = Address(host, core.port(), path, mode)

    def _loop(self) -> _core.Loop | None:
        """What it lives on; None: a loop of its own."""
        return None

    def _make_serving(
        self, core: _core.Server, backend: B, workers: int, on_error: Callable[[BaseException], object] | None
    ) -> S:
        raise NotImplementedError

    # ---- what is known of it ----

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

    @property
    def errors(self) -> list[BaseException]:
        """
        What went wrong in the backend, oldest first, the last 1,000: exceptions of its methods, wrong types, messages
        of another size than listed. The client was told [SYS/TEMP] where it waited for an answer.
        """
        return self._serving.errors

    @property
    def open_sessions(self) -> int:
        """How many sessions are open just now; none any more, once it is stopped."""
        return self._serving.open_sessions

    def __repr__(self) -> str:
        kind = f"{type(self).__module__}.{type(self).__qualname__}".replace("._server", "")
        return f"<{kind} {self._address}, {self._serving.state}>"


class Server(BaseServer[Backend, Serving]):
    """
    A POP3 server whose mailboxes are a script's own objects: see `poplin.Backend` and `poplin.Maildrop` for theirs.

    It listens from its construction on, so `port` and `url` are known at once; `start`, or entering the context, begins
    to serve, on a thread that calls the backend. `stop`, or leaving the context, ends it: open sessions are closed
    and delete nothing. A forgotten server is stopped at exit.

    >>> class Users:
    ...     def password(self, user):
    ...         return {"alice": "secret"}.get(user)
    ...     def maildrop(self, user):
    ...         return poplin.Maildir(folder / user)
    >>> with poplin.Server(Users()) as server:
    ...     with poplin.connect(server.url, user="alice", password="secret") as pop:
    ...         print(pop.stat())
    Stat(count=1, octets=23)
    """

    def _make_serving(
        self, core: _core.Server, backend: Backend, workers: int, on_error: Callable[[BaseException], object] | None
    ) -> Serving:
        return Serving(core, backend, workers, on_error)

    def start(self) -> None:
        """Serve, on a thread of its own. StateError: it was started or stopped before."""
        self._serving.start()

    def stop(self) -> None:
        """
        End the server: open sessions are closed, and what they had marked is not deleted. Returns when the last of
        the backend's methods has; called by one of those, at once. Stopping twice is peaceful.
        """
        self._serving.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _identity(
    cert_file: str | os.PathLike[str] | None,
    key_file: str | os.PathLike[str] | None,
    cert_pem: str | None,
    key_pem: str | None,
    extras: dict[str, object],
    others: tuple[tuple[bytes, bytes | None], ...],
) -> _core.Credentials | None:
    if cert_file is None and cert_pem is None:
        if key_file is not None or key_pem is not None:
            raise ValueError("a key without a certificate")
        if others or "key_log" in extras or "staple" in extras:
            raise ValueError("certificates=, staple= and key_log= go with a first certificate, cert_file= or cert_pem=")
        return None
    if cert_file is not None and (cert_pem is not None or key_pem is not None):
        raise ValueError("cert_file= with key_file=, or cert_pem= with key_pem=, not both")
    settings: dict[str, object] = {"server": True, **extras}
    files = {"cert_file": cert_file, "key_file": key_file}
    settings |= {name: os.fsencode(file) for name, file in files.items() if file is not None}
    settings |= {name: pem for name, pem in {"cert_pem": cert_pem, "key_pem": key_pem}.items() if pem is not None}
    return _core.Credentials(settings, others)
