"""
POP3 for people who script: a client and a server.

    import poplin

    with poplin.connect("pop3s://mail.example.org", user="alice", password="…") as pop:
        for message in pop.retr_all():
            print(message.number, message.uid, message.email()["subject"])

`connect` makes a `Client`; `Server` serves maildrops that are a script's own objects. Whatever goes wrong with a peer
is a `poplin.Error`. `poplin.testing` has a server for tests, and throw-away certificates.
"""

from poplin._backend import Backend, Maildrop
from poplin._client import Client
from poplin._connect import Limits, connect
from poplin._core import __version__
from poplin._errors import (
    AuthError,
    Cancelled,
    CertificateError,
    ConnectionLost,
    Error,
    InUse,
    LimitExceeded,
    NetworkError,
    ProtocolError,
    Refused,
    StateError,
    Temporary,
    Timeout,
    TLSError,
    Unsupported,
)
from poplin._results import Listing, Message, Stat, UniqueID
from poplin._server import Server

__all__ = [
    "AuthError",
    "Backend",
    "Cancelled",
    "CertificateError",
    "Client",
    "ConnectionLost",
    "Error",
    "InUse",
    "LimitExceeded",
    "Limits",
    "Listing",
    "Maildrop",
    "Message",
    "NetworkError",
    "ProtocolError",
    "Refused",
    "Server",
    "Stat",
    "StateError",
    "TLSError",
    "Temporary",
    "Timeout",
    "UniqueID",
    "Unsupported",
    "__version__",
    "connect",
]
