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
from poplin._tls import trust
from poplin._url import URL

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
    url: str | URL | None = None,
    *,
    user: str | tuple[str, ...] | None = None,
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
) -> Client:
    """
    Connect to a POP3 server and, with `user`, log in.

    url: "pop3s://host" (TLS from the first octet, port 995), "pop3://host" (port 110, STLS), with ":port" and "user@"
        where wanted; a bare host means pop3s. Or a `URL`.
    user, password: who logs in; `user` overrides the URL's. A callable is asked for the password. The strongest
        mechanism is used that the server offers and the connection permits. Two names in a tuple (`Candidate.users`)
        are tried one after the other, over verified TLS only; `Client.user` is the one that the server knew.
    token: an OAuth 2 access token instead of a password, or a function that returns one. The function is called with
        None and, should the server refuse that token, once more with what the server said of it (JSON), and the login
        is repeated on a new connection.
    authorize: whose maildrop to open, where it is not the user's own.
    auth: the mechanisms that may be used, as names, in one string or several: "SCRAM-SHA-256", "PLAIN", "USER"
        (USER and PASS), "APOP" and so on. Without it those that are old or weak, APOP, LOGIN and CRAM-MD5, are not
        used, and neither are EXTERNAL (by client_cert) and ANONYMOUS, which need no password, nor even a user. The
        order does not matter: the strongest is tried, and no other after it. A URL's ;AUTH= says the same; where both
        are given they have to agree.
    initial_response: False sends the first response of AUTH in a line of its own, as some servers want it.
    tls: "auto" does what the scheme says (and for pop3:// to a loopback address or a Unix socket needs no TLS);
        "implicit", "stls" and "never" insist. Only "never" sends a password in clear over a network.
    ca_file, ca_pem: the CAs to trust, instead of the system's; a file of PEM text, or the text.
    verify: False accepts any certificate, which protects from nobody who is in the way.
    client_cert: a PEM file with certificate and key, or two files.
    pins: keys of which the server must have one, besides what else is verified: each as `TLSInfo.pin` tells it, the
        base64 form of the SHA-256 of the key (RFC 7469). With verify=False nothing but the pin is looked at.
    trust_on_first_use: a file that keeps the servers' keys, in place of CAs: at the first contact a server is believed,
        and a line added; from then on it must have the same key. Neither its name nor its dates are looked at.
    mail_domain: of the user's address: a certificate for its POP3 server is good too, whatever the host is called.
    resumption: False shakes hands in full each time. Else the TLS session of an earlier connection to the same server,
        with the same trust, is taken up again where the server allows it, except with client_cert or key_log.
    key_log: a file to which the secrets of the connection are appended, for Wireshark: whoever reads it reads the mail.
    timeout: seconds allowed for connecting, for the TLS handshake, and for the server's silence while it is
        waited for; total_timeout: seconds allowed for one whole wait (None: no limit).
    path: a Unix socket instead of a host; sock: a connected socket, which is taken over, also where this fails.
    pipelining: False sends one command at a time, also where the server announces PIPELINING.
    utf8: ask for mail with UTF-8 in its headers as it is (UTF8), before the login, where the server offers that.
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
        _, host, port, url_user, url_auth, mode = _core.parse_url(
            "pop3://localhost" if url is None else str(url) if isinstance(url, URL) else url, tls
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
        secret = _secret(bool(names), password, token, free)
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
            settings["token"] = secret_octets("token", token(None) if callable(token) else token)
        link = _core.Link(
            settings, credentials, names[0] if names else None, secret, -1 if sock is None else sock.detach()
        )

    def again(name: bytes | None, answer: str | None = None) -> _core.Link:
        """Another connection: for the next name, or with a token that fits the server's answer."""
        if answer is not None and callable(token):
            settings["token"] = secret_octets("token", token(answer))
        return _core.Link(settings, credentials, name, secret, -1)

    renewed = again if callable(token) and sock is None else None
    where = os.fsdecode(path) if path is not None else f"{host}:{port}"
    for other in names[1:]:  # there is one, or none
        try:
            return _logged_in(link, where, names[0], renewed)
        except AuthError:  # what else the server may say is no reason to guess
            link = again(other)
    return _logged_in(link, where, names[-1] if names else None, renewed)


def _logged_in(
    link: _core.Link, where: str, name: bytes | None, renewed: Callable[[bytes | None, str | None], _core.Link] | None
) -> Client:
    try:
        return _opened(link, where, name)
    except AuthError as error:
        if renewed is None or error.answer is None:
            raise
        answer = error.answer
    return _opened(renewed(name, answer), where, name)


def _opened(link: _core.Link, where: str, user: bytes | None) -> Client:
    client = Client(link, where)
    client._user = None if user is None else user.decode()
    try:
        link.opened(True)
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
    names = auth.split() if isinstance(auth, str) else list(auth)
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


def _secret(named: bool, password: str | Callable[[], str] | None, token: object, free: bool) -> bytes | None:
    if not named:
        if password is not None or token is not None:
            raise ValueError("password= or token= is given, but neither user= nor a user in the URL")
        return None
    if password is None and token is None and not free:
        raise ValueError("there is a user, but no password=, and no token= either")
    return None if password is None else secret_octets("password", password() if callable(password) else password)
