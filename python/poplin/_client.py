"""The client of one POP3 connection: the verbs, waiting in the calling thread."""

from __future__ import annotations

import builtins
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Self, overload

from poplin._capabilities import Capabilities
from poplin._conversation import Conversation, Sink, blocking
from poplin._results import Language, Listing, Message, Stat, UniqueID


class Client(Conversation[Message]):
    """
    A connection to a POP3 server; `poplin.connect` makes it. One thread at a time may use it.

    As a context manager it leaves with QUIT, which is when the server deletes what was marked; where the block raises,
    the connection is dropped instead and nothing is deleted. A client that is forgotten warns (ResourceWarning), and
    deletes nothing either.

    Every verb that goes to the server can raise the exceptions of `poplin.Error`: `Refused` and its kinds for an
    -ERR, after which the connection goes on; the others end it. Ctrl-C interrupts a wait and ends the connection.

    >>> with poplin.connect(server.url, user="alice", password="secret") as pop:
    ...     for message in pop.retr_all():
    ...         print(message.number, message.email()["subject"])
    ...         message.dele()
    1 one
    2 two
    """

    _message_type = Message

    # ---- the verbs ----

    def stat(self) -> Stat:
        """
        How many messages there are, and their octets together (STAT).

        >>> pop.stat()
        Stat(count=2, octets=46)
        """
        return blocking(self._stat())

    @overload
    def list(self) -> builtins.list[Listing]: ...
    @overload
    def list(self, number: int) -> Listing: ...
    def list(self, number: int | None = None) -> builtins.list[Listing] | Listing:
        """
        The size of each message, or of one (LIST). Messages marked as deleted are left out, or refused.

        >>> pop.list()
        [Listing(number=1, octets=23), Listing(number=2, octets=23)]
        >>> pop.list(2).octets
        23
        """
        return blocking(self._list(number))

    @overload
    def uidl(self) -> builtins.list[UniqueID]: ...
    @overload
    def uidl(self, number: int) -> UniqueID: ...
    def uidl(self, number: int | None = None) -> builtins.list[UniqueID] | UniqueID:
        """
        The unique-id of each message, or of one (UIDL). Refused where the server has none.

        >>> {uid: number for number, uid in pop.uidl()} == {pop.uidl(1).uid: 1, pop.uidl(2).uid: 2}
        True
        """
        return blocking(self._uidl(number))

    @overload
    def retr(self, number: int) -> bytes: ...
    @overload
    def retr(self, number: int, into: Sink) -> int: ...
    def retr(self, number: int, into: Sink | None = None) -> bytes | int:
        r"""
        One message, CRLF line ends kept (RETR).

        Without `into`, its octets. With it, they go piece by piece, in constant memory, to a binary file, to a path
        (the file is replaced, and removed again should the message not come whole) or to a callable, and what is
        returned is their number. What `into` raises comes through; the rest of the message is then dropped.

        >>> pop.retr(1)
        b'Subject: one\r\n\r\nhello\r\n'
        >>> pop.retr(1, into=folder / "1.eml")
        23
        """
        return blocking(self._retr(number, into))

    def top(self, number: int, lines: int = 0) -> bytes:
        r"""
        A message's header, the empty line, and the first lines of its body (TOP).

        >>> pop.top(2)
        b'Subject: two\r\n\r\n'
        """
        return blocking(self._top(number, lines))

    def dele(self, number: int) -> None:
        """
        Mark a message as deleted (DELE); QUIT deletes it.

        Inside a `retr_all` loop this is queued and returns at once; a refusal is then raised by the loop's next step,
        or at the latest by `quit`.

        >>> pop.dele(1)
        >>> pop.stat().count
        1
        >>> pop.quit()
        >>> len(server.messages("alice"))
        1
        """
        blocking(self._dele(number))

    def rset(self) -> None:
        """
        Take back all marks (RSET).

        >>> pop.dele(1)
        >>> pop.rset()
        >>> pop.stat().count
        2
        """
        blocking(self._run("RSET"))

    def noop(self) -> None:
        """Do nothing, but hear from the server (NOOP)."""
        blocking(self._run("NOOP"))

    def utf8(self) -> None:
        """
        Ask for mail with UTF-8 in its headers as it is (UTF8), on a connection made without login. `connect(utf8=True)`
        does so before its login.
        """
        blocking(self._run("UTF8"))

    @overload
    def lang(self) -> builtins.list[Language]: ...
    @overload
    def lang(self, language: str) -> str: ...
    def lang(self, language: str | None = None) -> builtins.list[Language] | str:
        """
        The languages that the server's messages can be had in; or choose one: a tag ("de", "pt-BR"), or "*" for the
        server's own choice. Returned is the tag of the language chosen (LANG). Refused where there is none like that.

        >>> with poplin.testing.Server(languages={"de": ("Deutsch", {"bye": "bis bald"})}) as polyglot:
        ...     with poplin.connect(polyglot.url) as pop:
        ...         print(pop.lang("de-AT"))
        de
        """
        return blocking(self._lang(language))

    def capa(self) -> Capabilities:
        """
        Ask what the server can do (CAPA): each capability with its parameters. Refused where it cannot tell.

        >>> pop.capa().top
        True
        """
        return blocking(self._capa())

    def stls(self) -> None:
        """
        Start TLS (STLS), on a connection made with tls="never" and without login, and ask for the capabilities again.

        TLSError, CertificateError: the connection is over. Refused: the server does not want to.

        >>> with poplin.testing.Server(tls="stls") as secure:
        ...     with poplin.connect(secure.url, ca_pem=secure.ca_pem, tls="never") as pop:
        ...         print(pop.capa().stls, pop.tls)
        ...         pop.stls()
        ...         print(pop.tls.version)
        True None
        TLS1.3
        """
        blocking(self._stls())

    def login(self, user: str, password: str) -> None:
        """
        Log in, on a connection made without user=.

        AuthError, InUse, Temporary: refused; the connection goes on and another attempt may follow. ValueError: user
        or password cannot be sent.

        >>> with poplin.connect(server.url) as pop:
        ...     pop.login("alice", "secret")
        ...     print(pop.mechanism)
        PLAIN
        """
        blocking(self._login(user, password))

    def quit(self) -> None:
        """
        Leave with QUIT: the server deletes what was marked. The client is closed afterwards, whatever happens.

        Refused: the server could not delete all that was marked. Any other error: it may or may not have.
        """
        blocking(self._quit())

    # ---- messages ----

    def messages(self, newest_first: bool = False, since_uid: str | None = None) -> builtins.list[Message]:
        """
        All messages with their sizes and unique-ids (LIST and UIDL in one go); nothing is fetched.

        newest_first: the last number first, which is the newest on all servers that are known.
        since_uid: only those behind the message of that unique-id; all, where the server does not have it any more.
        Refused: there is a since_uid, and the server has no UIDL.

        >>> pop.messages(newest_first=True)[0].headers()["subject"]
        'two'
        >>> seen = pop.uidl(1).uid
        >>> [message.number for message in pop.messages(since_uid=seen)]
        [2]
        """
        return blocking(self._messages(newest_first, since_uid))

    def retr_all(self, numbers: Iterable[int | Message] | None = None) -> Generator[Message, None, None]:
        """
        Fetch message after message, with `data` filled, the pipeline kept full: all, or those of `numbers`, each once.

        No more is read ahead than the window. Other verbs may be used inside the loop: `dele` is queued; one that
        waits holds the fetching up meanwhile. Leaving the loop early is fine. A refused message raises
        Refused and ends the loop. Beginning another loop ends this one: its next step, if more was to come, raises
        StateError. Nothing is sent, or checked, before the first step.

        >>> for message in pop.retr_all():
        ...     print(message.number, len(message.data))
        1 23
        2 23
        """
        series = self._begin_series(blocking(self._wanted(numbers)))
        try:
            yield from series
        finally:
            self._end_series(series)

    def __iter__(self) -> Iterator[Message]:
        """The same as `retr_all()`."""
        return self.retr_all()

    # ---- the rest ----

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self.close()
        elif self._open:
            self.quit()
