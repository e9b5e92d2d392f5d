"""
POP3 for people who script: a client and a server.

    import poplin

    with poplin.connect("pop3s://mail.example.org", user="alice", password="…") as pop:
        for message in pop.retr_all():
            print(message.number, message.uid, message.email()["subject"])

`fetch` brings new mail here, nothing lost and nothing twice, and `seen` is its memory. `connect` makes a `Client`,
`discover` finds a mail domain's servers; `Server` serves maildrops that are a script's own objects. Whatever goes wrong
with a peer is a `poplin.Error`. `poplin.testing` has a server for tests, and throw-away certificates. `poplin.aio` is
the same under asyncio, `poplin.protocol` the protocol without connections, and `poplin.poplib` a drop-in for the
standard module.

In the examples below, `server` is such a server, with two messages for alice, and `pop` a client of hers; `folder` is a
path, below which `folder / "alice"` is a Maildir of one message.
"""

import sys

if "t" in sys.abiflags:
    raise ImportError("poplin does not support free-threaded interpreters: use an ordinary Python, 3.11 or newer")

from poplin._backend import Backend, Maildrop, Outcome
from poplin._capabilities import Capabilities
from poplin._client import Client
from poplin._connect import connect
from poplin._connecting import ConnectOptions, Limits
from poplin._core import __version__
from poplin._destinations import LMTP, Mbox
from poplin._discover import SRV, Candidate, discover
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
from poplin._fetch import fetch
from poplin._fetch_results import FetchedMessage, Incoming, Progress, Report
from poplin._logins import scram_keys
from poplin._maildir import Maildir
from poplin._offers import ServerLimits
from poplin._results import Language, Listing, Message, Stat, UniqueID
from poplin._seen import Seen, SeenRecord, seen
from poplin._server import Server
from poplin._tls import TLSInfo
from poplin._url import URL

__all__ = [
    "LMTP",
    "SRV",
    "URL",
    "AuthError",
    "Backend",
    "Cancelled",
    "Candidate",
    "Capabilities",
    "CertificateError",
    "Client",
    "ConnectOptions",
    "ConnectionLost",
    "Error",
    "FetchedMessage",
    "InUse",
    "Incoming",
    "Language",
    "LimitExceeded",
    "Limits",
    "Listing",
    "Maildir",
    "Maildrop",
    "Mbox",
    "Message",
    "NetworkError",
    "Outcome",
    "Progress",
    "ProtocolError",
    "Refused",
    "Report",
    "Seen",
    "SeenRecord",
    "Server",
    "ServerLimits",
    "Stat",
    "StateError",
    "TLSError",
    "TLSInfo",
    "Temporary",
    "Timeout",
    "UniqueID",
    "Unsupported",
    "__version__",
    "connect",
    "discover",
    "fetch",
    "scram_keys",
    "seen",
]
