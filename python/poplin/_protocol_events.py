"""What the machines of `poplin.protocol` tell: a class for each kind of event."""

import enum
from typing import Final, NamedTuple, TypeAlias

from poplin._backend import Outcome
from poplin._errors import Error


class Pause(enum.Enum):
    """
    Why there is no event just now.

    >>> pop.next_event()
    <Pause.NEED_DATA: 1>
    """

    NEED_DATA = enum.auto()
    """All that was received is used up: send what there is to send, then receive more."""

    WAITING = enum.auto()
    """
    The machine waits for its host: for TLS (`tls_started`), for the answer to a question, or until `data_to_send` was
    called. Receiving more is of no use before.
    """


NEED_DATA: Final = Pause.NEED_DATA
"""No event before more is received: see `Pause`."""

WAITING: Final = Pause.WAITING
"""No event before the host has done its part: see `Pause`."""


class StartTLS(NamedTuple):
    r"""
    Begin the TLS handshake now: send what `data_to_send` gives, shake hands on the same connection, then call
    `tls_started`. Octets that came in clear behind this event belong to nobody: an error.

    >>> session = protocol.ServerConnection(tls="stls")
    >>> session.receive_data(b"STLS\r\n")
    >>> session.next_event()
    StartTLS(host=None)
    >>> session.data_to_send().splitlines()[-1]  # then shake hands
    b'+OK begin TLS'
    """

    host: str | None
    """The name that the server's certificate has to be good for, as it was given; None: not given, or a server's."""


# ---- of the client ----


class Greeting(NamedTuple):
    r"""
    The server's first words. Nothing can be asked of it before.

    >>> pop = protocol.ClientConnection(tls="never", protected=True)
    >>> pop.receive_data(b"+OK hello\r\n")
    >>> pop.next_event()
    Greeting(text='hello', line=b'+OK hello')
    """

    text: str
    """What it says."""

    line: bytes
    """The whole line, without its line end."""


class Reply(NamedTuple):
    r"""
    The first line of the answer to a command, or all of it.

    >>> tag = pop.stat()
    >>> pop.data_to_send()
    b'STAT\r\n'
    >>> pop.receive_data(b"+OK 2 320\r\n")
    >>> reply = pop.next_event()
    >>> reply.tag == tag, reply.count, reply.octets
    (True, 2, 320)
    """

    tag: int
    """What the command's method returned."""

    verb: str | None
    """The command: "RETR"; None for a `command` of one's own."""

    number: int
    """The message number that was asked about; 0: none."""

    ok: bool
    """False: the server has refused (-ERR). `error` is then what can be raised; the session goes on."""

    code: str | None
    """The response code ("IN-USE"), where the server announced that it has them."""

    text: str
    """The words behind indicator and code; the unique-id, of UIDL with a number; the tag chosen, of LANG."""

    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    """STAT: how many messages."""

    octets: int
    """STAT: of all; LIST with a number: of that message."""

    complete: bool
    """False: more follows, up to an `End`."""

    challenge: bool
    """To a `command` of one's own: "+ ...", which asks for another line, to be given as another `command`."""

    line: bytes
    """The whole line, without its line end."""

    error: Error | None
    """What to raise where it is not `ok`."""


class Listing(NamedTuple):
    r"""
    One line of LIST.

    >>> tag = pop.list()
    >>> pop.data_to_send()
    b'LIST\r\n'
    >>> pop.receive_data(b"+OK\r\n1 120\r\n.\r\n")
    >>> [event.octets for event in pop.events() if isinstance(event, protocol.Listing)]
    [120]
    """

    tag: int
    """The command: what its method returned."""

    number: int
    """The message's number."""

    octets: int
    """The message's size."""


class UniqueID(NamedTuple):
    r"""
    One line of UIDL.

    >>> tag = pop.uidl()
    >>> pop.data_to_send()
    b'UIDL\r\n'
    >>> pop.receive_data(b"+OK\r\n1 uid-1\r\n.\r\n")
    >>> [event.uid for event in pop.events() if isinstance(event, protocol.UniqueID)]
    ['uid-1']
    """

    tag: int
    """The command: what its method returned."""

    number: int
    """The message's number."""

    uid: str
    """The message's unique-id."""


class Language(NamedTuple):
    r"""
    One line of LANG.

    >>> tag = pop.lang()
    >>> pop.data_to_send()
    b'LANG\r\n'
    >>> pop.receive_data(b"+OK\r\nde Deutsch\r\n.\r\n")
    >>> [event.description for event in pop.events() if isinstance(event, protocol.Language)]
    ['Deutsch']
    """

    tag: int
    """The command: what its method returned."""

    language: str
    """The language's name for programs: "de"."""

    description: str
    """Its name for people; "" where there is none."""


class Body(NamedTuple):
    r"""
    A piece of a message, or of the answer to a multi-line `command` of one's own: its dots unstuffed, CRLF kept.

    >>> tag = pop.retr(1)
    >>> pop.data_to_send()
    b'RETR 1\r\n'
    >>> pop.receive_data(b"+OK\r\nSubject: hi\r\n\r\n..\r\n.\r\n")
    >>> b"".join(event.data for event in pop.events() if isinstance(event, protocol.Body))
    b'Subject: hi\r\n\r\n.\r\n'
    """

    tag: int
    """The command: what its method returned."""

    data: bytes
    """The piece."""

    def __repr__(self) -> str:
        return f"Body(tag={self.tag}, {len(self.data)} octets)"


class End(NamedTuple):
    r"""
    The answer to a command is complete.

    >>> tag = pop.retr(1)
    >>> pop.data_to_send()
    b'RETR 1\r\n'
    >>> pop.receive_data(b"+OK\r\nSubject: hi\r\n\r\n.\r\n")
    >>> [event.octets for event in pop.events() if isinstance(event, protocol.End)]
    [15]
    """

    tag: int
    """The command: what its method returned."""

    octets: int
    """Of all its `Body` events together."""


class Opened(NamedTuple):
    r"""
    What `open` or `login` began is done.

    >>> pop = protocol.ClientConnection(tls="never", protected=True)
    >>> tag = pop.open()  # without a login
    >>> pop.receive_data(b"+OK hello\r\n")
    >>> _ = list(pop.events()), pop.data_to_send()
    >>> pop.receive_data(b"-ERR no CAPA\r\n")
    >>> [event.ok for event in pop.events() if isinstance(event, protocol.Opened)]
    [True]
    """

    tag: int
    """The command: what its method returned."""

    ok: bool
    """False: the login was refused. `error` is then what can be raised; another attempt may follow."""

    code: str | None
    """The response code, where there is one."""

    text: str
    """The server's words."""

    error: Error | None
    """What to raise where it is not `ok`."""


class Closed(NamedTuple):
    r"""
    The server closed the connection after it had answered QUIT: a good end.

    >>> tag = pop.quit()
    >>> pop.data_to_send()
    b'QUIT\r\n'
    >>> pop.receive_data(b"+OK bye\r\n")
    >>> pop.receive_eof()
    >>> list(pop.events())[-1]
    Closed(clean=True)
    """

    clean: bool
    """Whether TLS was ended properly too."""


# ---- of the server ----


class CheckPassword(NamedTuple):
    r"""
    May this user log in with this password? `accept`, `accept_as` or `refuse`.

    >>> session = protocol.ServerConnection(protected=True)
    >>> session.receive_data(b"USER alice\r\nPASS secret\r\n")
    >>> question = session.next_event()
    >>> question.user, question.password
    ('alice', 'secret')
    >>> session.accept(question)
    """

    question: int
    """Its number, by which it can be answered too."""

    user: str
    """Who wants to log in."""

    password: str
    """What the client says it is."""

    mechanism: str
    """How: "USER" or the SASL mechanism."""

    def __repr__(self) -> str:
        return f"CheckPassword(question={self.question}, user={self.user!r}, mechanism={self.mechanism!r})"


class FindSecret(NamedTuple):
    r"""
    What is this user's password, or what are the SCRAM keys? `password`, `keys`, or `refuse` with AuthError.

    >>> session = protocol.ServerConnection(protected=True, asks="password")
    >>> session.receive_data(b"USER alice\r\nPASS secret\r\n")
    >>> question = session.next_event()
    >>> session.password(question, "secret")
    >>> session.next_event().user  # the password was right
    'alice'
    """

    question: int
    """Its number, by which it can be answered too."""

    user: str
    """Who wants to log in."""

    mechanism: str
    """How: "USER" or the SASL mechanism."""


class CheckToken(NamedTuple):
    r"""
    May this user log in with this OAuth 2 token? `accept`, `accept_as` or `refuse`.

    >>> session = protocol.ServerConnection(protected=True, asks="token")
    >>> session.receive_data(b"AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB0b2tlbgEB\r\n")
    >>> question = session.next_event()
    >>> question.user, question.token
    ('alice', 'token')
    """

    question: int
    """Its number, by which it can be answered too."""

    user: str | None
    """None: the client named none, and `accept_as` has to say who it is."""

    token: str
    """What the client has sent."""

    mechanism: str
    """How: "USER" or the SASL mechanism."""

    def __repr__(self) -> str:
        return f"CheckToken(question={self.question}, user={self.user!r}, mechanism={self.mechanism!r})"


class FailedLogin(NamedTuple):
    r"""
    A login failed. `accept` when the client may hear of it. Only with failed_logins=True.

    >>> session = protocol.ServerConnection(protected=True, failed_logins=True)
    >>> session.receive_data(b"USER alice\r\nPASS guess\r\n")
    >>> session.refuse(session.next_event(), poplin.AuthError)
    >>> session.next_event()  # wait a while, then accept
    FailedLogin(question=2, user='alice', failures=1, mechanism='USER')
    """

    question: int
    """Its number, by which it can be answered too."""

    user: str | None
    """Whom the client named; None: nobody."""

    failures: int
    """Of this session, this one included."""

    mechanism: str
    """How: "USER" or the SASL mechanism."""


class OpenMaildrop(NamedTuple):
    r"""
    Which messages has this user? `open` or `refuse`.

    >>> session = protocol.ServerConnection(protected=True)
    >>> session.receive_data(b"USER alice\r\nPASS secret\r\n")
    >>> session.accept(session.next_event())
    >>> session.open(session.next_event(), [("uid-1", 15)])
    >>> session.data_to_send().splitlines()[-1]
    b'+OK 1 messages'
    """

    question: int
    """Its number, by which it can be answered too."""

    user: str
    """Who has logged in."""

    mechanism: str
    """How: "USER" or the SASL mechanism."""

    read_only: bool
    """Nothing is deleted in this session: anybody may come so (ANONYMOUS)."""


class SendBody(NamedTuple):
    r"""
    The message's octets are needed, or more of them. `body` or `refuse`.

    >>> session.receive_data(b"RETR 1\r\n")
    >>> question = session.next_event()
    >>> question.index, question.uid
    (0, 'uid-1')
    >>> session.body(question, b"Subject: hi\n\n")
    >>> _ = list(session.events())
    >>> session.data_to_send().splitlines()
    [b'+OK 15 octets', b'Subject: hi', b'', b'.']
    """

    question: int
    """Its number, by which it can be answered too."""

    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    """Which it is of those that `open` was given, from 0."""

    uid: str
    """The message's unique-id."""


class BodyDone(NamedTuple):
    r"""
    No more of this message is needed: a file can be closed.

    >>> session.receive_data(b"RETR 1\r\n")
    >>> session.body(session.next_event(), b"Subject: hi\n\n")
    >>> session.next_event()
    BodyDone(index=0, uid='uid-1')
    """

    index: int  # type: ignore[assignment]
    """Which it is of those that `open` was given, from 0."""

    uid: str
    """The message's unique-id."""


class Commit(NamedTuple):
    r"""
    The client has left: delete these messages. `accept` when they are deleted, or `refuse`.

    >>> session.receive_data(b"DELE 1\r\nQUIT\r\n")
    >>> question = session.next_event()
    >>> question.uids
    ('uid-1',)
    >>> session.accept(question)
    """

    question: int
    """Its number, by which it can be answered too."""

    uids: tuple[str, ...]
    """The unique-ids of the messages that are marked."""


class Mismatch(NamedTuple):
    r"""
    A message was not of the size that `open` was given. It was sent whole.

    >>> session.receive_data(b"RETR 1\r\n")
    >>> session.body(session.next_event(), b"Subject: longer\n\n")
    >>> list(session.events())[-1]
    Mismatch(index=0, uid='uid-1', announced=15, octets=19)
    """

    index: int  # type: ignore[assignment]
    """Which it is of those that `open` was given, from 0."""

    uid: str
    """The message's unique-id."""

    announced: int
    """The size that `open` was given."""

    octets: int
    """The size that it had."""


class SessionClosed(NamedTuple):
    r"""
    The end: send what there is to send, then close.

    >>> session.receive_data(b"QUIT\r\n")
    >>> list(session.events())
    [SessionClosed(outcome='committed', error=None)]
    """

    outcome: Outcome
    """How it ended; only "committed" has deleted anything."""

    error: Error | None
    """Why it failed, where that is known."""


ClientEvent: TypeAlias = Greeting | StartTLS | Reply | Listing | UniqueID | Language | Body | End | Opened | Closed
"""What `ClientConnection.events` gives."""

ServerEvent: TypeAlias = (
    CheckPassword
    | FindSecret
    | CheckToken
    | FailedLogin
    | OpenMaildrop
    | SendBody
    | BodyDone
    | Commit
    | StartTLS
    | Mismatch
    | SessionClosed
)
"""What `ServerConnection.events` gives."""

Question: TypeAlias = CheckPassword | FindSecret | CheckToken | FailedLogin | OpenMaildrop | SendBody | Commit
"""The events of a server that want an answer."""
