"""What the client's verbs return, and a message as the client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, overload

from poplin import _core
from poplin._alone import Alone

if TYPE_CHECKING:
    from email.message import EmailMessage

    from poplin._client import Client
    from poplin._conversation import Sink


class Stat(NamedTuple):
    """
    The maildrop in two numbers (STAT).

    >>> count, octets = pop.stat()
    >>> count
    2
    """

    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    """Messages not marked as deleted."""

    octets: int
    """Their size together."""


class Listing(NamedTuple):
    """
    One message's size (LIST).

    >>> [(one.number, one.octets) for one in pop.list()]
    [(1, 23), (2, 23)]
    """

    number: int
    """The message's number in this session, from 1."""

    octets: int
    """Its size as the server announces it, line ends counted as two octets."""


class Language(NamedTuple):
    """
    One language of the server's (LANG).

    >>> with poplin.testing.Server(languages={"de": ("Deutsch", {})}) as polyglot:
    ...     with poplin.connect(polyglot.url) as pop:
    ...         print([one.description for one in pop.lang()])
    ['Deutsch', 'English']
    """

    tag: str
    """Its name for programs: "de", "pt-BR"."""

    description: str
    """Its name for people, in the language itself; "" where the server gives none."""


class UniqueID(NamedTuple):
    """
    One message's name (UIDL).

    >>> seen = {uid for number, uid in pop.uidl()}
    >>> [one.number for one in pop.uidl() if one.uid not in seen]
    []
    """

    number: int
    """The message's number in this session, from 1."""

    uid: str
    """What the message is known by in this and all later sessions."""


class BaseMessage(Alone, _core.Message):
    """What a message is, whoever waits."""

    __slots__ = ()

    _alone = "belongs to its connection (its data and its email() do not)"

    def __repr__(self) -> str:
        kind = f"{type(self).__module__}.{type(self).__qualname__}".replace("._results", "").replace("._client", "")
        return f"<{kind} {self.number} uid={self.uid!r} octets={self.octets}>"

    @staticmethod
    def _parsed(data: bytes) -> EmailMessage:
        import email
        import email.policy

        return email.message_from_bytes(data, policy=email.policy.default)

    @staticmethod
    def _parsed_header(data: bytes) -> EmailMessage:
        header, _, _ = data.partition(b"\r\n\r\n")
        return BaseMessage._parsed(header + b"\r\n\r\n")


class Message(BaseMessage):
    r"""
    A message of a client's maildrop: listed by `Client.messages`, or fetched by `Client.retr_all`.

    number: the message's number in this session, from 1.
    uid: what it is known by in this and all later sessions; None where the server has no UIDL.
    octets: its size as the server announced it. What comes may differ.
    data: the message, with CRLF line ends; None where it was only listed.

    It belongs to its client, and can be neither copied nor pickled; `data`, and what `email` returns, can.

    >>> message = pop.messages()[0]
    >>> message.number, message.octets, message.data
    (1, 23, None)
    >>> message.retr()
    b'Subject: one\r\n\r\nhello\r\n'
    """

    __slots__ = ()

    _client: Client

    @overload
    def retr(self) -> bytes: ...
    @overload
    def retr(self, into: Sink) -> int: ...
    def retr(self, into: Sink | None = None) -> bytes | int:
        """Fetch it, as `Client.retr`. `data` stays as it is."""
        return self._client.retr(self.number) if into is None else self._client.retr(self.number, into)

    def top(self, lines: int = 0) -> bytes:
        """Fetch its header and the first lines of its body, as `Client.top`."""
        return self._client.top(self.number, lines)

    def dele(self) -> None:
        """Mark it as deleted, as `Client.dele`: inside a `retr_all` loop this returns at once."""
        self._client.dele(self.number)

    def email(self) -> EmailMessage:
        """
        The message parsed by Python's `email` package, from `data`, or fetched first where that is None.

        >>> pop.messages()[0].email()["subject"]
        'one'
        """
        return self._parsed(self.retr() if self.data is None else self.data)

    def headers(self) -> EmailMessage:
        """
        Its header parsed, the body empty: from `data`, or fetched by TOP where that is None.

        >>> [message.headers()["subject"] for message in pop.messages()]
        ['one', 'two']
        """
        return self._parsed_header(self.top() if self.data is None else self.data)
