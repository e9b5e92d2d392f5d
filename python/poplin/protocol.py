r"""
The protocol by itself: both ends of a POP3 connection as objects that do no input or output.

Octets go in, events come out, and octets to send; the connection, its TLS and the waiting are the host's, whatever
that is
made of: sockets, trio, an event loop of its own, a test. It is the same machine that `poplin.connect` and
`poplin.Server` drive.

`ClientConnection` is the client. A whole session with a server that is a few bytes here:

>>> from poplin import protocol
>>> pop = protocol.ClientConnection(tls="never", protected=True)
>>> _ = pop.open("alice", "secret")
>>> server = {b"": b"+OK hello\r\n", b"CAPA\r\n": b"-ERR no CAPA\r\n", b"USER alice\r\n": b"+OK\r\n",
...           b"PASS secret\r\n": b"+OK\r\n", b"STAT\r\n": b"+OK 2 320\r\n"}
>>> while pop.outstanding:
...     pop.receive_data(server[pop.data_to_send()])
...     for event in pop.events():
...         if isinstance(event, protocol.Opened):
...             _ = pop.stat()
...         elif isinstance(event, protocol.Reply):
...             print(event.count, "messages,", event.octets, "octets")
2 messages, 320 octets

`ServerConnection` is the server's side of one session. Its events are questions, and each is answered at once or later:

>>> session = protocol.ServerConnection(protected=True)
>>> session.receive_data(b"USER alice\r\nPASS secret\r\nRETR 1\r\n")
>>> for event in session.events():
...     if isinstance(event, protocol.CheckPassword):
...         session.accept(event)
...     elif isinstance(event, protocol.OpenMaildrop):
...         session.open(event, [("uid-1", 15)])
...     elif isinstance(event, protocol.SendBody):
...         session.body(event, b"Subject: hi\n\n")
>>> session.data_to_send().splitlines()[-4:]
[b'+OK 15 octets', b'Subject: hi', b'', b'.']

In the examples below alice has logged in already: at `pop`, a client, or `session`, a server.
"""

from poplin._protocol_client import ClientConnection, Phase
from poplin._protocol_events import (
    NEED_DATA,
    WAITING,
    Body,
    BodyDone,
    CheckPassword,
    CheckToken,
    ClientEvent,
    Closed,
    Commit,
    End,
    FailedLogin,
    FindSecret,
    Greeting,
    Language,
    Listing,
    Mismatch,
    Opened,
    OpenMaildrop,
    Pause,
    Question,
    Reply,
    SendBody,
    ServerEvent,
    SessionClosed,
    StartTLS,
    UniqueID,
)
from poplin._protocol_server import ServerConnection

__all__ = [
    "NEED_DATA",
    "WAITING",
    "Body",
    "BodyDone",
    "CheckPassword",
    "CheckToken",
    "ClientConnection",
    "ClientEvent",
    "Closed",
    "Commit",
    "End",
    "FailedLogin",
    "FindSecret",
    "Greeting",
    "Language",
    "Listing",
    "Mismatch",
    "OpenMaildrop",
    "Opened",
    "Pause",
    "Phase",
    "Question",
    "Reply",
    "SendBody",
    "ServerConnection",
    "ServerEvent",
    "SessionClosed",
    "StartTLS",
    "UniqueID",
]
