"""What happened in a session, as values, and assertions on it that explain themselves."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import NamedTuple, Self

from poplin import _core
from poplin._alone import Alone
from poplin._backend import Outcome
from poplin._errors import StateError

LONGEST_WAIT = 0x7FFFFFFF  # milliseconds that the core waits at most


class Exchange(NamedTuple):
    """
    A command and its reply, as they crossed the wire; secrets are masked.

    >>> with poplin.connect(server.url, user="alice", password="secret") as pop:
    ...     _ = pop.stat()
    >>> exchange = server.sessions[0].exchanges[-2]
    >>> exchange.command, exchange.reply
    ('STAT', '+OK 2 46')
    """

    command: str
    """What the client said; empty for the greeting, and for the server's words at the end."""

    reply: str
    """The reply's first line; empty before it was sent."""

    text: str
    """The lines behind it, cut at 4 KiB; mail is left out."""

    octets: int
    """Octets of the reply that went out."""

    tls: bool
    """It crossed under TLS."""

    secret: bool
    """The command held a secret."""

    leaked: bool
    """And it crossed in clear."""

    complete: bool
    """All of the reply went out as the session gave it."""

    fault: str
    """The names of the faults that took effect, by ", "; empty where none did."""


class Session(Alone):
    """
    One connection to a test server. Each property shows it as it is at that moment.

    An assertion that does not hold waits until it does, until the session has ended, or for `settle` seconds: a client
    that has just returned may be ahead of the server's books. It returns the session, so that several can follow each
    other.

    >>> with poplin.connect(server.url, user="alice", password="secret") as pop:
    ...     _ = pop.retr(1)
    >>> session = server.sessions[0].assert_order("RETR 1", "QUIT")
    >>> session.user, session.outcome, len(session.retrieved)
    ('alice', 'committed', 1)
    """

    _alone = "belongs to its server"

    settle: float = 5.0
    """Seconds that an assertion waits at most."""

    def __init__(self, kit: _core.Testkit, record: _core.Record, seen: int) -> None:
        """seen: the kit's changes() just before the record was made."""
        self._kit = kit
        self._record = record
        self._seen = seen

    def _look(self) -> _core.Record:
        if (changes := self._kit.changes()) != self._seen:
            # None: it has ended and is kept no more. What was seen last has to do.
            self._record = self._kit.record(self._record.number) or self._record
            self._seen = changes
        return self._record

    # ---- what happened ----

    @property
    def number(self) -> int:
        """1 for the first that connected."""
        return self._record.number

    @property
    def peer(self) -> str:
        """Where the client came from: "127.0.0.1:40000", "unix"."""
        return self._record.peer

    @property
    def open(self) -> bool:
        """It has not ended."""
        return self._look().open

    @property
    def outcome(self) -> Outcome | None:
        """
        How it ended: "committed" (QUIT, and what was marked is deleted), "left" (QUIT before a login), "dropped",
        "timed out" or "failed"; None while it is open.
        """
        return self._look().outcome

    @property
    def error(self) -> str:
        """Why it failed or was dropped, where that is known."""
        return self._look().error

    @property
    def tls(self) -> str:
        """What TLS was negotiated; empty without."""
        return self._look().tls

    @property
    def user(self) -> str:
        """Who logged in; empty: nobody."""
        return self._look().user

    @property
    def mechanism(self) -> str:
        """How: "USER" for USER and PASS, or the SASL mechanism; empty: nobody logged in."""
        return self._look().mechanism

    @property
    def octets_in(self) -> int:
        """Octets of commands, without TLS."""
        return self._look().octets_in

    @property
    def octets_out(self) -> int:
        """Octets of replies, without TLS."""
        return self._look().octets_out

    @property
    def retrieved(self) -> tuple[str, ...]:
        """Unique-ids of the messages that were sent whole, in order."""
        return self._look().retrieved

    @property
    def deleted(self) -> tuple[str, ...]:
        """Unique-ids of the messages that the commit removed."""
        return self._look().deleted

    @property
    def marked(self) -> tuple[str, ...]:
        """Unique-ids of the messages that were marked as deleted last, whatever became of it."""
        return self._look().marked

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Commands and replies, in order; the first is the greeting."""
        return tuple(map(Exchange._make, self._look().exchanges))

    @property
    def commands(self) -> tuple[str, ...]:
        """What the client said, secrets masked."""
        return tuple(exchange.command for exchange in self.exchanges if exchange.command)

    @property
    def replies(self) -> tuple[str, ...]:
        """The first lines of what it was told, the greeting's first."""
        return tuple(exchange.reply for exchange in self.exchanges if exchange.reply)

    @property
    def transcript(self) -> str:
        """The conversation for a person, secrets masked."""
        return self._look().transcript()

    def __repr__(self) -> str:
        with contextlib.suppress(StateError):  # in a child after fork: what was seen last has to do
            self._look()
        record = self._record
        user = f", {record.user!r}" if record.user else ""
        return f"<poplin.testing.Session {record.number} from {record.peer}{user}, {record.outcome or 'open'}>"

    # ---- what should have ----

    def assert_quit(self) -> Self:
        """The client said QUIT and was answered +OK."""
        __tracebackhide__ = True
        return self._assert(lambda record: record.check_quit())

    def assert_deleted(self, *uids: str) -> Self:
        """The commit removed these messages, and no other."""
        __tracebackhide__ = True
        return self._assert(lambda record: record.check_deleted(*uids))

    def assert_retrieved(self, *uids: str) -> Self:
        """Each of these messages was sent whole."""
        __tracebackhide__ = True
        return self._assert(lambda record: record.check_retrieved(*uids))

    def assert_no_cleartext_secret(self) -> Self:
        """
        No password, digest or authentication exchange has crossed without TLS.

        >>> with poplin.connect(server.url, user="alice", password="secret"):
        ...     pass
        >>> server.sessions[0].assert_no_cleartext_secret()
        Traceback (most recent call last):
        AssertionError: ...
        """
        __tracebackhide__ = True
        return self._assert(lambda record: record.check_no_cleartext_secret())

    def assert_order(self, *commands: str) -> Self:
        """These commands came in this order, with others between them or not: "DELE", or the beginning: "DELE 2"."""
        __tracebackhide__ = True
        return self._assert(lambda record: record.check_order(*commands))

    def assert_outcome(self, outcome: Outcome) -> Self:
        """It has ended so: see `outcome`. ValueError: there is no such outcome."""
        __tracebackhide__ = True
        if outcome not in _core.OUTCOMES:
            raise ValueError(f"an outcome is one of {', '.join(map(repr, _core.OUTCOMES))}, not {outcome!r}")

        def judge(record: _core.Record) -> str | None:
            if record.outcome == outcome:
                return None
            ended = "is open" if record.outcome is None else f"ended as {record.outcome!r}"
            return f"session {record.number} {ended}, expected {outcome!r}\n{record.transcript()}"

        return self._assert(judge)

    def _assert(self, judge: Callable[[_core.Record], str | None]) -> Self:
        __tracebackhide__ = True
        until = time.monotonic() + self.settle
        while True:
            record = self._look()
            explanation = judge(record)
            if explanation is None:
                return self
            if not record.open or not wait_for_change(self._kit, self._seen, until):
                raise AssertionError(explanation)


def wait_for_change(kit: _core.Testkit, seen: int, until: float) -> bool:
    """Waits until something was logged after `seen`; False: nothing was, and the monotonic clock shows `until`."""
    left = max(0.0, until - time.monotonic())
    return left > 0 and kit.wait(seen, min(max(1, round(left * 1000)), LONGEST_WAIT))
