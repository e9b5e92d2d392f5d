"""What the client's verbs return, and a message as the client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, overload

from poplin import _core

if TYPE_CHECKING:
    from email.message import EmailMessage

    from poplin._client import Client, Sink


class Stat(NamedTuple):
    """The maildrop in two numbers (STAT)."""

    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    """Messages not marked as deleted."""

    octets: int
    """Their size together."""


class Listing(NamedTuple):
    """One message's size (LIST)."""

    number: int
    """The message's number in this session, from 1."""

    octets: int
    """Its size as the server announces it, line ends counted as two octets."""


class Language(NamedTuple):
    """One language of the server's (LANG)."""

    tag: str
    """Its name for programs: "de", "pt-BR"."""

    description: str
    """Its name for people, in the language itself; "" where the server gives none."""


class UniqueID(NamedTuple):
    """One message's name (UIDL)."""

    number: int
    """The message's number in this session, from 1."""

    uid: str
    """What the message is known by in this and all later sessions."""


class Message(_core.Message):
    """
    A message of a client's maildrop: listed by `Client.messages`, or fetched by `Client.retr_all`.

    number: the message's number in this session, from 1.
    uid: what it is known by in this and all later sessions; None where the server has no UIDL.
    octets: its size as the server announced it. What comes may differ.
    data: the message, with CRLF line ends; None where it was only listed.
    """

    __slots__ = ()

    _client: Client

    def __repr__(self) -> str:
        return f"<poplin.Message {self.number} uid={self.uid!r} octets={self.octets}>"

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
        """The message parsed by Python's `email` package, from `data`, or fetched first where that is None."""
        import email
        import email.policy

        return email.message_from_bytes(self.retr() if self.data is None else self.data, policy=email.policy.default)
