"""How a client comes about, whoever waits: the address, the credentials, the settings, the opening."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypedDict, TypeVar

from poplin import _core
from poplin._conversation import Conversation, Steps, Wait, asking, secret_octets
from poplin._errors import AuthError
from poplin._tls import trust
from poplin._url import URL, text_of

C = TypeVar("C", bound=Conversation[Any])

TLS = Literal["auto", "implicit", "stls", "never"]


class Limits(TypedDict, total=False):
    """
    What a server may send, at most, and how far a client reads ahead; each key may be left out.

    >>> limits: poplin.Limits = {"max_listings": 1000}
    >>> with poplin.connect(server.url, user="alice", password="secret", limits=limits) as pop:
    ...     len(pop.list())
    2
    """

    max_line: int
    """Octets of a reply's first line or of a capability."""

    max_listing: int
    """Octets of one line of LIST or UIDL."""

    max_listings: int
    """Lines of one LIST or UIDL."""

    max_capabilities: int
    """Lines of CAPA."""

    window_commands: int
    """Commands sent ahead of their replies."""

    window_octets: int
    """Octets of content that they may bring."""


class ConnectOptions(TypedDict, total=False):
    """
    The arguments of `poplin.connect` but for its URL, which are those of `poplin.aio.connect` too.

    >>> alice: poplin.ConnectOptions = {"user": "alice", "password": "secret", "timeout": 10}
    >>> with poplin.connect(server.url, **alice) as pop:
    ...     pop.stat().count
    2
    """

    user: str | tuple[str, ...] | None
    password: str | Callable[[str], Any] | None
    token: str | Callable[[str | None], Any] | None
    authorize: str | None
    auth: str | Iterable[str] | None
    initial_response: bool
    tls: TLS
    ca_file: str | os.PathLike[str] | None
    ca_pem: str | None
    verify: bool
    client_cert: str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]] | None
    pins: str | Iterable[str] | None
    trust_on_first_use: str | os.PathLike[str] | None
    mail_domain: str | None
    resumption: bool
    key_log: str | os.PathLike[str] | None
    timeout: float
    total_timeout: float | None
    path: str | os.PathLike[str] | None
    sock: socket.socket | None
    pipelining: bool | None
    utf8: bool
    strict: bool
    max_message: int | None
    limits: Limits | None
    loopback_protected: bool


def connecting(
    make: Callable[[_core.Link, str], C],
    loop: _core.Loop | None,
    url: str | URL | None,
    *,
    user: str | tuple[str, ...] | None = None,
    password: str | Callable[[str], Any] | None = None,
    token: str | Callable[[str | None], Any] | None = None,
    authorize: str | None = None,
    auth: str | Iterable[str] | None = None,
    initial_response: bool = True,
    tls: TLS = "auto",
    ca_file: str | os.PathLike[str] | None = None,
    ca_pem: str | None = None,
    verify: bool = True,
    client_cert: str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
    pins: str | Iterable[str] | None = None,
    trust_on_first_use: str | os.PathLike[str] | None = None,
    mail_domain: str | None = None,
    resumption: bool = True,
    key_log: str | os.PathLike[str] | None = None,
    timeout: float = 60.0,
    total_timeout: float | None = None,
    path: str | os.PathLike[str] | None = None,
    sock: socket.socket | None = None,
    pipelining: bool | None = None,
    utf8: bool = False,
    strict: bool = False,
    max_message: int | None = None,
    limits: Limits | None = None,
    loopback_protected: bool = True,
) -> Steps[C]:
    """
    The steps of `poplin.connect`, whose arguments the last ones are.

    make: makes a client from a link and the words for where it leads. loop: what the link lives on, None for its own.
    """
    if url is None and path is None and sock is None:
        raise TypeError("connect() needs a URL or host, path= or sock=")
    if not isinstance(sock, socket.socket | None):
        raise TypeError(f"sock must be a socket, not {type(sock).__name__}")
    if sock is not None and sock.fileno() < 0:
        raise ValueError("sock is closed, or was handed over to a client before")
    with sock or contextlib.nullcontext():  # closes it where this fails before the link takes it over
        _, host, port, url_user, url_auth, mode = _core.parse_url(
            "pop3://localhost" if url is None else text_of(url), tls
        )
        names = _names(user, url_user)
        if len(names) > 1:
            mode = _guessing(mode, verify and trust_on_first_use is None, sock)
        settings: dict[str, object] = {
            "host": host,
            "port": port,
            "tls": mode,
            "connect_ms": milliseconds("timeout", timeout),
            "handshake_ms": milliseconds("timeout", timeout),
            "reply_ms": milliseconds("timeout", timeout),
            "total_ms": 0 if total_timeout is None else milliseconds("total_timeout", total_timeout),
            "strict": strict,
            "utf8": utf8,
            "pipelining": pipelining is None or pipelining,
            "two_step": not initial_response,
            "loopback_protected": loopback_protected,
            **(limits or {}),
            **({} if mail_domain is None else {"mail_domain": mail_domain}),
        }
        if max_message is not None:
            settings["max_message"] = max_message
        if path is not None:
            settings["path"] = os.fsencode(path)
        mechanisms = mechanism_names(url_auth if auth is None else auth)
        _agree(url_auth, None if auth is None else mechanisms or "*", mode)
        if mechanisms is not None:
            settings["mechanisms"] = mechanisms
        if authorize is not None:
            settings["authorize"] = secret_octets("authorize", authorize)
        free = mechanisms is not None and _core.need_no_secret(mechanisms)
        _check_secret(bool(names), password, token, free)
        secret = yield from _asked(names, password)
        settings["wants_login"] = free or bool(names)
        credentials = trust(
            ca_file=ca_file,
            ca_pem=ca_pem,
            verify=verify,
            client_cert=client_cert,
            pins=pins,
            trust_on_first_use=trust_on_first_use,
            resumption=resumption,
            key_log=key_log,
        )
        if token is not None:
            given = (yield asking(token, None)) if callable(token) else token
            settings["token"] = secret_octets("token", given)
        link = _core.Link(
            settings, credentials, names[0] if names else None, secret, -1 if sock is None else sock.detach(), loop
        )

    def again(name: bytes | None) -> _core.Link:
        """Another connection, for the next name or with another token."""
        return _core.Link(settings, credentials, name, secret, -1, loop)

    def logged_in(link: _core.Link, name: bytes | None) -> Steps[C]:
        try:
            return (yield from _opened(make(link, where), link, name))
        except AuthError as error:
            if error.answer is None or not callable(token) or sock is not None:
                raise
            answer = error.answer
        settings["token"] = secret_octets("token", (yield asking(token, answer)))
        link = again(name)
        return (yield from _opened(make(link, where), link, name))

    where = os.fsdecode(path) if path is not None else f"{host}:{port}"
    for other in names[1:]:  # there is one, or none
        try:
            return (yield from logged_in(link, names[0]))
        except AuthError:  # what else the server may say is no reason to guess
            pass
        secret = yield from _asked([other], password)
        link = again(other)
    return (yield from logged_in(link, names[-1] if names else None))


def _opened(client: C, link: _core.Link, user: bytes | None) -> Steps[C]:
    client._user = None if user is None else user.decode()
    try:
        yield Wait(link, link.opened)
        client._refresh()
    except BaseException as error:
        if isinstance(error, AuthError):
            error.answer = link.answer()
        client.close()
        raise
    return client


def mechanism_names(auth: str | Iterable[str] | None) -> str | None:
    """The names as the core takes them. RFC 2384's "*" is any, and its "+" marks what is no SASL mechanism."""
    if auth is None:
        return None
    names = auth.split() if isinstance(auth, str) else list(auth) if isinstance(auth, Iterable) else [auth]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("auth= must be the names of mechanisms, in one string or several")
    if names == ["*"]:
        return None
    return " ".join(name.removeprefix("+") for name in names)


def _agree(url_auth: str | None, given: str | None, mode: int) -> None:
    """ValueError where auth= (given) or tls= (mode) permits what the URL's ;AUTH= does not."""
    if url_auth == "*" and mode == _core.TLS_NEVER:
        raise ValueError(
            "the URL's ;AUTH=* never means a password in clear, and tls='never' does: leave one of them out"
        )
    if url_auth is None or url_auth == "*" or given is None:
        return
    if set(given.upper().split()) != {url_auth.removeprefix("+")}:
        raise ValueError(f"the URL says ;AUTH={url_auth}, and auth= something else: leave one of them out")


def milliseconds(name: str, seconds: float) -> int:
    """Seconds as the core counts time. ValueError: not above 0, or more than 49 days."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(seconds).__name__}")
    if not 0 < seconds <= 0xFFFFFFFF / 1000:
        raise ValueError(f"{name} must be more than 0 and at most 4294967 seconds")
    return max(1, round(seconds * 1000))


def _names(user: str | tuple[str, ...] | None, url_user: str | None) -> list[bytes]:
    """Who logs in: the names to try."""
    if user is None:
        user = url_user or ()
    names = [secret_octets("user", name) for name in (user if isinstance(user, tuple) else (user,))]
    if len(names) > 2:
        raise ValueError("user= is one name, or two to try: more would be guessing")
    return names


def _guessing(mode: int, verify: bool, sock: socket.socket | None) -> int:
    """The TLS mode where a second name may be tried: the password goes out twice, so the server has to be known."""
    if mode == _core.TLS_NEVER or not verify or sock is not None:
        raise ValueError(
            "two names are tried only over TLS with a verified certificate, each on a connection of its own: "
            "not with tls='never', verify=False, trust_on_first_use= or sock="
        )
    return _core.TLS_STLS if mode == _core.TLS_AUTO else mode


def _check_secret(named: bool, password: object, token: object, free: bool) -> None:
    """ValueError: who logs in, and by what, do not go together."""
    if not named and (password is not None or token is not None):
        raise ValueError("password= or token= is given, but neither user= nor a user in the URL")
    if named and password is None and token is None and not free:
        raise ValueError("there is a user, but no password=, and no token= either")


def _asked(names: list[bytes], password: str | Callable[[str], Any] | None) -> Steps[bytes | None]:
    """The password of the first of these names; None: there is no name, or no password."""
    if not names or password is None:
        return None
    return secret_octets("password", (yield asking(password, names[0].decode())) if callable(password) else password)
