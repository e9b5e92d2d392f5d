"""The exceptions of poplin: one for each status of the C core, each also a built-in one where one fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poplin._fetch_results import Report


class Error(Exception):
    """
    Whatever goes wrong between poplin and a peer. `str()` gives the whole story in one line; it never holds a secret.

    Misuse of the API that is seen before anything is sent (a wrong type, a number out of range, a name that no
    command can carry) is a TypeError or ValueError instead.

    >>> try:
    ...     pop.retr(7)
    ... except poplin.Error as error:
    ...     print(type(error).__name__, "|", error.doing, "|", error.peer)
    Refused | RETR 7 | no such message
    """

    doing: str
    """What was being done ("RETR 3", "TLS handshake"); empty where not known."""

    host: str
    """To whom ("mail.example.org:995"); empty where not known."""

    reason: str
    """What went wrong and, where that is known, what to do about it."""

    peer: str
    """The peer's own words, cut, with what is not printable made visible; empty where it said nothing."""

    code: str | None
    """The response code that came with an -ERR ("IN-USE", "SYS/TEMP"), or None."""

    report: Report | None = None
    """Where it ended a `fetch`: what was done before. Else None."""

    def __init__(
        self,
        message: str = "",
        *,
        doing: str = "",
        host: str = "",
        reason: str = "",
        peer: str = "",
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.doing = doing
        self.host = host
        self.reason = reason or message
        self.peer = peer
        self.code = code


class ProtocolError(Error):
    """
    The peer broke the protocol. The connection is over.

    >>> _ = server.fault("STAT", reply="hello?")
    >>> try:
    ...     pop.stat()
    ... except poplin.ProtocolError as error:
    ...     print(error.doing, "|", error.peer)
    STAT | hello?
    """


class Refused(Error):
    """
    The server answered -ERR. The connection goes on. A server's backend may raise it to refuse.

    >>> try:
    ...     pop.dele(7)
    ... except poplin.Refused as error:
    ...     print(error.peer)
    no such message
    >>> pop.stat().count  # the connection goes on
    2
    """


class AuthError(Refused):
    """
    The server did not accept the credentials. `answer` is what it said of a token that it refused.

    >>> try:
    ...     poplin.connect(server.url, user="alice", password="wrong")
    ... except poplin.AuthError as error:
    ...     print(error.code)
    AUTH
    """

    answer: str | None = None
    """JSON by RFC 7628 section 3.2.2, as the server sent it, untrusted; None where it said nothing."""


class InUse(Refused):
    """
    Another session has the maildrop. A server's backend raises it in `maildrop`.

    >>> try:  # alice's maildrop is open: `pop` has it
    ...     poplin.connect(server.url, user=pop.user, password="secret")
    ... except poplin.InUse as error:
    ...     print(error.code)
    IN-USE
    """


class Temporary(Refused):
    """
    The server cannot do this just now; trying again later may help. A server's backend may raise it to refuse.

    >>> _ = server.fault("STAT", refuse="[SYS/TEMP] the disk is busy")
    >>> try:
    ...     pop.stat()
    ... except poplin.Temporary as error:
    ...     print(error.code, error.peer)
    SYS/TEMP the disk is busy
    """


class TLSError(Error, OSError):
    """
    TLS failed, or was demanded and did not come about. Nothing secret was sent.

    >>> with poplin.testing.Server(users={"alice": "secret"}, tls="stls") as secure:
    ...     _ = secure.attack("stls-refused")
    ...     try:
    ...         poplin.connect(secure.url, ca_pem=secure.ca_pem, user="alice", password="secret", tls="stls")
    ...     except poplin.TLSError:
    ...         print(secure.sessions[0].assert_no_cleartext_secret().commands)
    ('CAPA', 'STLS')
    """


class CertificateError(TLSError):
    """
    The peer's certificate was not accepted, or one of one's own could not be read.

    >>> with poplin.testing.Server(tls="implicit") as secure:
    ...     try:
    ...         poplin.connect(secure.url)  # without ca_pem=: who made its certificate?
    ...     except poplin.CertificateError as error:
    ...         print(error.doing)
    certificate check
    """


class Timeout(Error, TimeoutError):
    """
    The time allowed ran out. The connection is over.

    >>> _ = server.fault("NOOP", stall_before=True)
    >>> with poplin.connect(server.url, user="alice", password="secret", timeout=0.1) as pop:
    ...     pop.noop()
    Traceback (most recent call last):
    poplin.Timeout: ...
    """


class ConnectionLost(Error, ConnectionError):
    """
    The connection was closed in the middle of a session. What was marked as deleted is not.

    >>> _ = server.fault("RETR", drop_after=20)
    >>> try:
    ...     pop.retr(1)
    ... except poplin.ConnectionLost as error:
    ...     print(error.doing)
    RETR 1
    """


class NetworkError(Error, OSError):
    """
    The operating system reported an error: no such host, connection refused, address in use.

    >>> try:
    ...     poplin.connect(path=folder / "no-such-socket")
    ... except OSError as error:  # as which it can be caught, too
    ...     print(type(error).__name__)
    NetworkError
    """


class LimitExceeded(Error):
    """
    The peer sent more than a limit allows. The connection is over.

    >>> with poplin.connect(server.url, user="alice", password="secret", max_message=10) as pop:
    ...     pop.retr(1)
    Traceback (most recent call last):
    poplin.LimitExceeded: ...
    """


class StateError(Error, RuntimeError):
    """
    The call does not fit the state: after `quit`, before a login, from a second thread, in a child after fork.

    >>> pop.quit()
    >>> pop.stat()
    Traceback (most recent call last):
    poplin.StateError: ...
    """


class Cancelled(Error):
    """
    A wait was interrupted or cancelled, which ended the connection without QUIT.

    >>> async def main():
    ...     async with await poplin.aio.connect(server.url, user="alice", password="secret") as pop:
    ...         server.fault("NOOP", stall_before=True)
    ...         with contextlib.suppress(TimeoutError):
    ...             await asyncio.wait_for(pop.noop(), 0.01)
    ...         await pop.stat()
    >>> asyncio.run(main())
    Traceback (most recent call last):
    poplin.Cancelled: ...
    """


class Unsupported(Error):
    """
    The peer does not offer what is needed.

    >>> try:
    ...     poplin.connect(server.url, user="alice", password="secret", auth="SCRAM-SHA-256")
    ... except poplin.Unsupported as error:
    ...     print("it offers", *pop.capabilities.sasl)
    it offers PLAIN
    """


_CLASSES: dict[str, type[Error]] = {
    "PROTOCOL": ProtocolError,
    "REFUSED": Refused,
    "AUTH": AuthError,
    "IN_USE": InUse,
    "TEMPORARY": Temporary,
    "TLS": TLSError,
    "CERTIFICATE": CertificateError,
    "TIMEOUT": Timeout,
    "CLOSED": ConnectionLost,
    "IO": NetworkError,
    "LIMIT": LimitExceeded,
    "STATE": StateError,
    "CANCELLED": Cancelled,
    "UNSUPPORTED": Unsupported,
}


def make(status: str, message: str, doing: str, host: str, reason: str, peer: str, code: str | None) -> Error:
    """The exception for a status of the core, by its name."""
    return _CLASSES[status](message, doing=doing, host=host, reason=reason, peer=peer, code=code)
