"""The exceptions of poplin: one for each status of the C core, each also a built-in one where one fits."""

from __future__ import annotations


class Error(Exception):
    """
    Whatever goes wrong between poplin and a peer. `str()` gives the whole story in one line; it never holds a secret.

    Misuse of the API that is seen before anything is sent (a wrong type, a number out of range, a name that no
    command can carry) is a TypeError or ValueError instead.
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
    """The peer broke the protocol. The connection is over."""


class Refused(Error):
    """The server answered -ERR. The connection goes on. A server's backend may raise it to refuse."""


class AuthError(Refused):
    """The server did not accept the credentials. `answer` is what it said of a token that it refused."""

    answer: str | None = None
    """JSON by RFC 7628 section 3.2.2, as the server sent it, untrusted; None where it said nothing."""


class InUse(Refused):
    """Another session has the maildrop. A server's backend raises it in `maildrop`."""


class Temporary(Refused):
    """The server cannot do this just now; trying again later may help. A server's backend may raise it to refuse."""


class TLSError(Error, OSError):
    """TLS failed, or was demanded and did not come about. Nothing secret was sent."""


class CertificateError(TLSError):
    """The peer's certificate was not accepted, or one of one's own could not be read."""


class Timeout(Error, TimeoutError):
    """The time allowed ran out. The connection is over."""


class ConnectionLost(Error, ConnectionError):
    """The connection was closed in the middle of a session. What was marked as deleted is not."""


class NetworkError(Error, OSError):
    """The operating system reported an error: no such host, connection refused, address in use."""


class LimitExceeded(Error):
    """The peer sent more than a limit allows. The connection is over."""


class StateError(Error, RuntimeError):
    """The call does not fit the state: after `quit`, before a login, from a second thread, in a child after fork."""


class Cancelled(Error):
    """A wait was interrupted or cancelled, which ended the connection without QUIT."""


class Unsupported(Error):
    """The peer does not offer what is needed."""


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
