"""How a client comes about: the address, the credentials, the settings."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from typing import Literal, TypedDict

from poplin import _core
from poplin._client import Client, secret_octets
from poplin._errors import AuthError

TLS = Literal["auto", "implicit", "stls", "never"]


class Limits(TypedDict, total=False):
    """What a server may send, at most, and how far a client reads ahead; each key may be left out."""

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


def connect(
    url: str | None = None,
    *,
    user: str | None = None,
    password: str | Callable[[], str] | None = None,
    token: str | Callable[[str | None], str] | None = None,
    authorize: str | None = None,
    auth: str | Iterable[str] | None = None,
    initial_response: bool = True,
    tls: TLS = "auto",
    ca_file: str | os.PathLike[str] | None = None,
    ca_pem: str | None = None,
    verify: bool = True,
    client_cert: str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
    timeout: float = 60.0,
    total_timeout: float | None = None,
    path: str | os.PathLike[str] | None = None,
    sock: socket.socket | None = None,
    pipelining: bool | None = None,
    strict: bool = False,
    max_message: int | None = None,
    limits: Limits | None = None,
    loopback_protected: bool = True,
) -> Client:
    """
    Connect to a POP3 server and, with `user`, log in.

    url: "pop3s://host" (TLS from the first octet, port 995), "pop3://host" (port 110, STLS), with ":port" and "user@"
        where wanted; a bare host means pop3s.
    user, password: who logs in; `user` overrides the URL's. A callable is asked for the password. The strongest
        mechanism is used that the server offers and the connection permits.
    token: an OAuth 2 access token instead of a password, or a function that returns one. The function is called with
        None and, should the server refuse that token, once more with what the server said of it (JSON), and the login
        is repeated on a new connection.
    authorize: whose maildrop to open, where it is not the user's own.
    auth: the mechanisms that may be used, as names, in one string or several: "SCRAM-SHA-256", "PLAIN", "USER"
        (USER and PASS), "APOP" and so on. Without it those that are old or weak, APOP, LOGIN and CRAM-MD5, are not
        used, and neither are EXTERNAL (by client_cert) and ANONYMOUS, which need no password, nor even a user. The
        order does not matter: the strongest is tried, and no other after it. A URL's ;AUTH= says the same.
    initial_response: False sends the first response of AUTH in a line of its own, as some servers want it.
    tls: "auto" does what the scheme says (and for pop3:// to a loopback address or a Unix socket needs no TLS);
        "implicit", "stls" and "never" insist. Only "never" sends a password in clear over a network.
    ca_file, ca_pem: the CAs to trust, instead of the system's; a file of PEM text, or the text.
    verify: False accepts any certificate, which protects from nobody who is in the way.
    client_cert: a PEM file with certificate and key, or two files.
    timeout: seconds allowed for connecting, for the TLS handshake, and for the server's silence while it is
        waited for; total_timeout: seconds allowed for one whole wait (None: no limit).
    path: a Unix socket instead of a host; sock: a connected socket, which is taken over, also where this fails.
    pipelining: False sends one command at a time, also where the server announces PIPELINING.
    strict: forgive the server nothing that the RFCs do not.
    max_message: octets of a message, at most; 0: no limit. limits: further ones.
    loopback_protected: False treats a loopback address or Unix socket like any network.

    Raises AuthError, InUse or Temporary where the login is refused, TLSError and CertificateError, Timeout,
    NetworkError, ConnectionLost and the others of `poplin.Error`; ValueError where an argument cannot be meant.
    """
    if url is None and path is None and sock is None:
        raise TypeError("connect() needs a URL or host, path= or sock=")
    if not isinstance(sock, socket.socket | None):
        raise TypeError(f"sock must be a socket, not {type(sock).__name__}")
    with sock or contextlib.nullcontext():  # closes it where this fails before the link takes it over
        host, port, url_user, url_auth, mode = _core.parse_url("pop3://localhost" if url is None else url, tls)
        settings: dict[str, object] = {
            "host": host,
            "port": port,
            "tls": mode,
            "connect_ms": milliseconds("timeout", timeout),
            "handshake_ms": milliseconds("timeout", timeout),
            "reply_ms": milliseconds("timeout", timeout),
            "total_ms": 0 if total_timeout is None else milliseconds("total_timeout", total_timeout),
            "strict": strict,
            "pipelining": pipelining is None or pipelining,
            "two_step": not initial_response,
            "loopback_protected": loopback_protected,
            **(limits or {}),
        }
        if max_message is not None:
            settings["max_message"] = max_message
        if path is not None:
            settings["path"] = os.fsencode(path)
        if (mechanisms := _mechanisms(url_auth if auth is None else auth)) is not None:
            settings["mechanisms"] = mechanisms
        if authorize is not None:
            settings["authorize"] = secret_octets("authorize", authorize)
        free = mechanisms is not None and _core.need_no_secret(mechanisms)
        name, secret = _login(url_user if user is None else user, password, token, free)
        settings["wants_login"] = free or name is not None
        credentials = _trust(ca_file, ca_pem, verify, client_cert)
        if token is not None:
            settings["token"] = secret_octets("token", token(None) if callable(token) else token)
        link = _core.Link(settings, credentials, name, secret, -1 if sock is None else sock.detach())
    where = os.fsdecode(path) if path is not None else f"{host}:{port}"
    try:
        return _opened(link, where)
    except AuthError as error:
        if not callable(token) or error.answer is None or sock is not None:
            raise
        settings["token"] = secret_octets("token", token(error.answer))
    return _opened(_core.Link(settings, credentials, name, secret, -1), where)


def _opened(link: _core.Link, where: str) -> Client:
    client = Client(link, where)
    try:
        link.opened(True)
        client._refresh()
    except BaseException as error:
        if isinstance(error, AuthError):
            error.answer = link.answer()
        client.close()
        raise
    return client


def _mechanisms(auth: str | Iterable[str] | None) -> str | None:
    """The names as the core takes them. RFC 2384's "*" is any, and its "+" marks what is no SASL mechanism."""
    if auth is None:
        return None
    names = auth.split() if isinstance(auth, str) else list(auth)
    if not all(isinstance(name, str) for name in names):
        raise TypeError("auth= must be the names of mechanisms, in one string or several")
    if names == ["*"]:
        return None
    return " ".join(name.removeprefix("+") for name in names)


def milliseconds(name: str, seconds: float) -> int:
    """Seconds as the core counts time. ValueError: not above 0, or more than 49 days."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(seconds).__name__}")
    if not 0 < seconds <= 0xFFFFFFFF / 1000:
        raise ValueError(f"{name} must be more than 0 and at most 4294967 seconds")
    return max(1, round(seconds * 1000))


def _login(
    user: str | None, password: str | Callable[[], str] | None, token: object, free: bool
) -> tuple[bytes | None, bytes | None]:
    if user is None:
        if password is not None or token is not None:
            raise ValueError("password= or token= is given, but neither user= nor a user in the URL")
        return None, None
    if password is None and token is None and not free:
        raise ValueError("there is a user, but no password=, and no token= either")
    name = secret_octets("user", user)
    if password is None:
        return name, None
    return name, secret_octets("password", password() if callable(password) else password)


def _trust(
    ca_file: str | os.PathLike[str] | None,
    ca_pem: str | None,
    verify: bool,
    client_cert: str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]] | None,
) -> _core.Credentials | None:
    """What to trust and to show; None is the core's own default: the system's CAs."""
    settings: dict[str, object] = {}
    if not verify:
        settings["verify"] = False
    if ca_file is not None:
        settings["ca_file"] = os.fsencode(ca_file)
    if ca_pem is not None:
        settings["ca_pem"] = ca_pem
    if isinstance(client_cert, tuple):
        settings["cert_file"], settings["key_file"] = map(os.fsencode, client_cert)
    elif client_cert is not None:
        settings["cert_file"] = os.fsencode(client_cert)
    return _core.Credentials(settings) if settings else None
