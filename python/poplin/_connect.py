"""`poplin.connect`: how a client comes about in the calling thread."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable

from poplin._client import Client
from poplin._connecting import TLS, Limits, connecting
from poplin._conversation import blocking
from poplin._url import URL


def connect(
    url: str | URL | None = None,
    *,
    user: str | tuple[str, ...] | None = None,
    password: str | Callable[[str], str] | None = None,
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
    user, password: who logs in; `user` overrides the URL's. A callable is called with the user, and returns the
        password. The strongest mechanism is used that the server offers and the connection permits. Two names in a
        tuple (`Candidate.users`) are tried one after the other, over verified TLS only; `Client.user` is the one that
        the server knew.
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

    >>> with poplin.connect(server.url, user="alice", password="secret") as pop:
    ...     print(pop.greeting, "|", pop.stat().count, "messages")
    poplin test server, not for production | 2 messages
    """
    return blocking(
        connecting(
            Client,
            None,
            url,
            user=user,
            password=password,
            token=token,
            authorize=authorize,
            auth=auth,
            initial_response=initial_response,
            tls=tls,
            ca_file=ca_file,
            ca_pem=ca_pem,
            verify=verify,
            client_cert=client_cert,
            pins=pins,
            trust_on_first_use=trust_on_first_use,
            mail_domain=mail_domain,
            resumption=resumption,
            key_log=key_log,
            timeout=timeout,
            total_timeout=total_timeout,
            path=path,
            sock=sock,
            pipelining=pipelining,
            utf8=utf8,
            strict=strict,
            max_message=max_message,
            limits=limits,
            loopback_protected=loopback_protected,
        )
    )
