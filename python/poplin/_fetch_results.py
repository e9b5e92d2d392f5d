"""What a fetch tells: each message on its way, how far it is, and in the end what became of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from poplin._errors import Error
from poplin._results import BaseMessage

if TYPE_CHECKING:
    from email.message import EmailMessage

Result = Literal[
    "delivered", "headers", "expired", "rejected", "skipped", "too large", "no unique-id", "failed", "refused"
]

_REASONS = {
    "headers": "larger than max_octets: its header was delivered",
    "expired": "delivered before, and kept on the server as long as it should be",
    "rejected": "the filter had it deleted",
    "skipped": "the filter left it",
    "too large": "larger than max_octets",
    "no unique-id": "the server told no unique-id for it, so it could not be known again",
}


class Value:
    """An object that is equal to another which holds the same."""

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(repr(self))


class Incoming(Value):
    """
    A message on its way, as a fetch's filter sees it, which has only the header to go by, and as a function gets it
    that it is delivered to.

    >>> poplin.fetch(
    ...     server.url, user="alice", password="secret", seen=folder / "seen.db",
    ...     filter=lambda message: message.headers()["subject"] != "two",
    ...     into=lambda message: print(message.number, message.account, len(message.data)),
    ... ).delivered
    1 alice@127.0.0.1:... 23
    1
    """

    account: str
    """What it was fetched from, as in the seen store."""

    number: int
    """The message's number in this session, from 1."""

    uid: str | None
    """Its unique-id, one character for each octet; None where the server has none."""

    octets: int | None
    """Its size as the server announced it; None where it did not."""

    data: bytes
    """The message, or in a filter its header, with CRLF line ends."""

    headers_only: bool
    """It is larger than max_octets, and data its header alone."""

    resumed: bool
    """An earlier fetch was stopped while it took this one: it may have been delivered already."""

    def __init__(
        self,
        account: str,
        number: int,
        uid: str | None,
        octets: int | None,
        resumed: bool,
        headers_only: bool,
        data: bytes,
    ) -> None:
        """Not for scripts: a fetch makes them."""
        self.account = account
        self.number = number
        self.uid = uid
        self.octets = octets
        self.resumed = resumed
        self.headers_only = headers_only
        self.data = data

    def email(self) -> EmailMessage:
        """`data` parsed by Python's `email` package."""
        return BaseMessage._parsed(self.data)

    def headers(self) -> EmailMessage:
        """Its header parsed, the body empty."""
        return BaseMessage._parsed_header(self.data)

    def __repr__(self) -> str:
        return f"<poplin.Incoming {self.number} uid={self.uid!r} octets={self.octets}>"


class Progress(NamedTuple):
    """
    How far a fetch is, for its progress callback. What is to do is known once the server has listed its messages.

    >>> seen = folder / "seen.db"
    >>> told = []
    >>> _ = poplin.fetch(
    ...     server.url, user="alice", password="secret", into=folder / "Mail", seen=seen, progress=told.append
    ... )
    >>> told[-1].messages_done, told[-1].octets_done
    (2, 46)
    """

    messages_done: int
    """Messages taken so far."""

    messages_to_do: int
    """Messages to take in all, those done included."""

    octets_done: int
    """Octets of messages so far."""

    octets_to_do: int
    """Octets in all, as the server announced them, and corrected by what came."""

    listed: int
    """Messages on the server when the fetch began."""

    known: int
    """Of these, those that earlier fetches have delivered; also those too large whose headers they have."""

    deleted: int
    """Messages that the server has confirmed to be gone."""


class FetchedMessage(NamedTuple):
    """
    What became of one message of which a fetch had something to decide; see `Report.messages`.

    >>> report = poplin.fetch(
    ...     server.url, user="alice", password="secret", into=folder / "Mail", seen=folder / "seen.db", max_octets=20
    ... )
    >>> [(message.number, message.result, message.reason) for message in report.messages]
    [(1, 'too large', 'larger than max_octets'), (2, 'too large', 'larger than max_octets')]
    """

    number: int
    """Its number in the session in which it was seen to; with commit_every another message may have had it before."""

    uid: str | None
    """Its unique-id; None where the server has none."""

    octets: int | None
    """Its size as the server announced it; None where it did not."""

    result: Result
    """
    "delivered". "headers": too large, its header was delivered. "expired": delivered by an earlier fetch, and the time
    to keep it is over. "rejected" and "skipped": by the filter. "too large". "no unique-id": it could not be known
    again. "failed": it could not be delivered, or the filter raised, and it stays. "refused": the server did not give
    it.
    """

    deleted: bool
    """The server has confirmed that it is gone; in a dry run: it would be."""

    places: tuple[str, ...]
    """Where it stands: the names of files in Maildirs, the paths of mboxes, what LMTP servers said."""

    resumed: bool
    """An earlier fetch was stopped while it took this one: where it did not go to a Maildir, it may be there twice."""

    error: Exception | None
    """Why it failed or was refused, or could not be deleted."""

    @property
    def reason(self) -> str:
        """Why it was not delivered as it is, or not deleted, for a person; "" where there is nothing to say."""
        if self.error is None:
            return _REASONS.get(self.result, "")
        words = _words_of(self.error)
        return words if self.result in ("failed", "refused") else f"not deleted: {words}"


class Report(Value):
    """
    What a fetch has done. Printed, it says so in a line, and a line more for each message with a problem.

    >>> report = poplin.fetch(
    ...     server.url, user="alice", password="secret", into=folder / "Mail", seen=folder / "seen.db", keep="none"
    ... )
    >>> print(report)
    2 messages fetched, 46 octets; 2 deleted on the server
    >>> report.delivered, report.failed, report.messages[0].places != ()
    (2, 0, True)
    """

    def __init__(self, account: str, dry_run: bool, messages: list[FetchedMessage], progress: Progress) -> None:
        """Not for scripts: a fetch makes it."""
        self.account = account
        """Under which the messages are remembered in the seen store."""
        self.dry_run = dry_run
        """Whether nothing was done, and this is what would have been."""
        self.messages = messages
        """What became of each message that was new, or to be deleted. Those known from before are left out."""
        self.listed = progress.listed
        """Messages on the server."""
        self.known = progress.known
        """Of these, those that earlier fetches had delivered."""
        self.octets = progress.octets_done
        """Octets of messages that came."""

    def _count(self, *results: Result) -> int:
        return sum(message.result in results for message in self.messages)

    @property
    def delivered(self) -> int:
        """Messages delivered, those included of which it was the header alone."""
        return self._count("delivered", "headers")

    @property
    def deleted(self) -> int:
        """Messages that the server has confirmed to be gone; in a dry run: that would be."""
        return sum(message.deleted for message in self.messages)

    @property
    def skipped(self) -> int:
        """Messages left on the server: by the filter, for their size, or since they have no unique-id."""
        return self._count("skipped", "too large", "no unique-id")

    @property
    def failed(self) -> int:
        """Messages that could not be delivered, or that the server did not give; the next fetch tries them again."""
        return self._count("failed", "refused")

    def __str__(self) -> str:
        would = "would be " if self.dry_run else ""
        parts = [f"{_messages(self.delivered)} {would}fetched, {self.octets} octets"]
        if self.dry_run:
            parts = [f"{_messages(self.delivered)} would be fetched"]
        if self.deleted:
            parts.append(f"{self.deleted} {would}deleted on the server")
        parts += [f"{count} {words}" for count, words in ((self.skipped, "skipped"), (self.failed, "failed")) if count]
        if self.known:
            parts.append(f"{self.known} known from before")
        return "\n".join(["; ".join(parts), *problems(self)])

    def __repr__(self) -> str:
        counts = " ".join(f"{name}={getattr(self, name)}" for name in ("delivered", "deleted", "skipped", "failed"))
        return f"<poplin.Report of {self.account}: {counts}>"


def _words_of(error: Exception) -> str:
    """As a person reads it. Poplin's errors are whole stories; others, a KeyError, say, need their name to be one."""
    kind, text = type(error).__name__, str(error)
    if isinstance(error, Error):
        return text
    return f"{kind}: {text}" if text else kind


def problems(report: Report) -> list[str]:
    """A line for each message that nobody wished to stay, and that will not come by itself."""
    messages = (message for message in report.messages if message.error or message.result == "no unique-id")
    return [f"message {message.number}: {message.reason}" for message in messages]


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"
