"""The client of one POP3 connection: the verbs, waiting in the calling thread."""

from __future__ import annotations

import builtins
import contextlib
import functools
import io
import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, overload

from poplin import _core
from poplin._capabilities import Capabilities
from poplin._errors import Refused
from poplin._results import Language, Listing, Message, Stat, UniqueID
from poplin._tls import TLSInfo, tls_info

Sink = BinaryIO | io.RawIOBase | str | os.PathLike[str] | Callable[[bytes], object]
"""Where a message can be written: a binary file, a path, or what is called with each piece."""


def secret_octets(name: str, value: str) -> bytes:
    """A user name or password as it goes out. The message of the ValueError does not show it, nor does its context."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        pass  # the exception holds the text, and would be the context of one raised here
    raise ValueError(f"{name} cannot be written in UTF-8")


class Client:
    """
    A connection to a POP3 server; `poplin.connect` makes it. One thread at a time may use it.

    As a context manager it leaves with QUIT, which is when the server deletes what was marked; where the block raises,
    the connection is dropped instead and nothing is deleted. A client that is forgotten warns (ResourceWarning), and
    deletes nothing either.

    Every verb that goes to the server can raise the exceptions of `poplin.Error`: `Refused` and its kinds for an
    -ERR, after which the connection goes on; the others end it. Ctrl-C interrupts a wait and ends the connection.
    """

    def __init__(self, link: _core.Link, where: str) -> None:
        """Not for scripts: use `poplin.connect`."""
        self._link = link
        self._where = where
        self._open = True
        self._series: _core.Series[Message] | None = None
        self._greeting = ""
        self._tls: TLSInfo | None = None
        self._mechanism: str | None = None
        self._user: str | None = None

    # ---- what is known without asking ----

    @property
    def greeting(self) -> str:
        """The server's words when the connection was made."""
        return self._greeting

    @property
    def tls(self) -> TLSInfo | None:
        """What was negotiated, and what was verified of the server; None where there is no TLS."""
        return self._tls

    @property
    def mechanism(self) -> str | None:
        """How the login was done ("SCRAM-SHA-256", "USER" for USER and PASS); None before it."""
        return self._mechanism

    @property
    def user(self) -> str | None:
        """The name given for the login: of two to try, the one that the server knew. None without a login."""
        return self._user

    @property
    def capabilities(self) -> Capabilities:
        """What the server announced last, as `capa` returns it, without asking again. StateError: closed."""
        return Capabilities((name, tuple(parameters.split())) for name, parameters in self._link.capabilities())

    # ---- the verbs ----

    def stat(self) -> Stat:
        """How many messages there are, and their octets together (STAT)."""
        _, _, count, octets = self._run("STAT").reply()
        return Stat(count, octets)

    @overload
    def list(self) -> builtins.list[Listing]: ...
    @overload
    def list(self, number: int) -> Listing: ...
    def list(self, number: int | None = None) -> builtins.list[Listing] | Listing:
        """The size of each message, or of one (LIST). Messages marked as deleted are left out, or refused."""
        call = self._run("LIST", number)
        if number is None:
            return [Listing(*line) for line in call.sizes()]
        return Listing(number, call.reply()[3])

    @overload
    def uidl(self) -> builtins.list[UniqueID]: ...
    @overload
    def uidl(self, number: int) -> UniqueID: ...
    def uidl(self, number: int | None = None) -> builtins.list[UniqueID] | UniqueID:
        """The unique-id of each message, or of one (UIDL). Refused where the server has none."""
        call = self._run("UIDL", number)
        if number is None:
            return [UniqueID(*line) for line in call.unique_ids()]
        return UniqueID(number, call.reply()[0])

    @overload
    def retr(self, number: int) -> bytes: ...
    @overload
    def retr(self, number: int, into: Sink) -> int: ...
    def retr(self, number: int, into: Sink | None = None) -> bytes | int:
        """
        One message, CRLF line ends kept (RETR).

        Without `into`, its octets. With it, they go piece by piece, in constant memory, to a binary file, to a path
        (the file is replaced, and removed again should the message not come whole) or to a callable, and what is
        returned is their number. What `into` raises comes through; the rest of the message is then dropped.
        """
        if into is None:
            return self._run("RETR", number).body()
        sink = _sink(into)
        call = self._link.call(_core.VERBS["RETR"], number, 0, 0, True)
        try:
            piece = call.piece()
            if piece is None:
                call.reply()
            with sink as write:
                while piece is not None:
                    write(piece)
                    piece = call.piece()
            return call.reply()[3]
        except BaseException:
            del call  # else the traceback keeps it, and with it all that still comes of the message
            raise

    def top(self, number: int, lines: int = 0) -> bytes:
        """A message's header, the empty line, and the first lines of its body (TOP)."""
        return self._run("TOP", number, lines).body()

    def dele(self, number: int) -> None:
        """
        Mark a message as deleted (DELE); QUIT deletes it.

        Inside a `retr_all` loop this is queued and returns at once; a refusal is then raised by the loop's next step,
        or at the latest by `quit`.
        """
        if self._series is None:
            self._run("DELE", number)
        else:
            self._link.dele(number)

    def rset(self) -> None:
        """Take back all marks (RSET)."""
        self._run("RSET")

    def noop(self) -> None:
        """Do nothing, but hear from the server (NOOP)."""
        self._run("NOOP")

    def utf8(self) -> None:
        """
        Ask for mail with UTF-8 in its headers as it is (UTF8), on a connection made without login. `connect(utf8=True)`
        does so before its login.
        """
        self._run("UTF8")

    @overload
    def lang(self) -> builtins.list[Language]: ...
    @overload
    def lang(self, language: str) -> str: ...
    def lang(self, language: str | None = None) -> builtins.list[Language] | str:
        """
        The languages that the server's messages can be had in; or choose one: a tag ("de", "pt-BR"), or "*" for the
        server's own choice. Returned is the tag of the language chosen (LANG). Refused where there is none like that.
        """
        if language is None:
            lines = self._run("LANG").texts()
            return [Language(tag, description) for tag, _, description in (line.partition(" ") for line in lines)]
        call = self._link.call(_core.VERBS["LANG"], None, 0, 0, False, secret_octets("language", language))
        call.done(True)
        return call.reply()[0]

    def capa(self) -> Capabilities:
        """Ask what the server can do (CAPA): each capability with its parameters. Refused where it cannot tell."""
        self._run("CAPA")
        return self.capabilities

    def stls(self) -> None:
        """
        Start TLS (STLS), on a connection made with tls="never" and without login, and ask for the capabilities again.

        TLSError, CertificateError: the connection is over. Refused: the server does not want to.
        """
        self._run("STLS")
        with contextlib.suppress(Refused):
            self.capa()
        self._refresh()

    def login(self, user: str, password: str) -> None:
        """
        Log in, on a connection made without user=.

        AuthError, InUse, Temporary: refused; the connection goes on and another attempt may follow. ValueError: user
        or password cannot be sent.
        """
        call = self._link.login(secret_octets("user", user), secret_octets("password", password))
        call.done(True)
        call.reply()
        self._user = user
        self._refresh()

    def quit(self) -> None:
        """
        Leave with QUIT: the server deletes what was marked. The client is closed afterwards, whatever happens.

        Refused: the server could not delete all that was marked. Any other error: it may or may not have.
        """
        try:
            self._run("QUIT")
        finally:
            self.close()

    def close(self) -> None:
        """Drop the connection without QUIT, so that nothing is deleted. Closing twice is peaceful."""
        self._link.close()
        self._open = False
        self._series = None

    # ---- messages ----

    def messages(self) -> builtins.list[Message]:
        """All messages with their sizes and unique-ids (LIST and UIDL in one go); nothing is fetched."""
        sizes = self._call("LIST")
        names = self._call("UIDL")
        sizes.done(True)
        sizes.reply()
        names.done(True)
        try:
            names.reply()
        except Refused:
            return sizes.messages(None, Message, self)
        return sizes.messages(names, Message, self)

    def retr_all(self, numbers: Iterable[int | Message] | None = None) -> Generator[Message, None, None]:
        """
        Fetch message after message, with `data` filled, the pipeline kept full: all, or those of `numbers`, each once.

        No more is read ahead than the window. Other verbs may be used inside the loop: `dele` is queued; one that
        waits holds the fetching up meanwhile. Leaving the loop early is fine. A refused message raises
        Refused and ends the loop. Beginning another loop ends this one: its next step, if more was to come, raises
        StateError. Nothing is sent, or checked, before the first step.
        """
        wanted = self._wanted(numbers)
        if self._series is not None:
            self._series.close()
        series = self._link.retr_all(wanted)
        del wanted  # the series lets go of each message as it hands it over, and its data with it
        self._series = series
        try:
            yield from series
        finally:
            series.close()
            if self._series is series:
                self._series = None

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

    def __repr__(self) -> str:
        state = self._tls or "no TLS"
        return f"<poplin.Client {self._where}, {state if self._open else 'closed'}>"

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            warnings.warn(f"unclosed {self!r}: nothing was deleted", ResourceWarning, source=self, stacklevel=2)
            self._link.close()

    def _call(self, verb: str, number: int | None = None, lines: int = 0) -> _core.Call:
        return self._link.call(_core.VERBS[verb], number, lines, 0, False)

    def _run(self, verb: str, number: int | None = None, lines: int = 0) -> _core.Call:
        """Sends a command and waits; an -ERR is raised."""
        call = self._call(verb, number, lines)
        call.done(True)
        call.reply()
        return call

    def _wanted(self, numbers: Iterable[int | Message] | None) -> builtins.list[Message]:
        """The messages to fetch; those given by number are looked up in a listing."""
        if numbers is None:
            return self.messages()
        given = [*numbers]
        messages = [one if isinstance(one, Message) else Message(self, one, None, 0) for one in given]
        if any(message._client is not self for message in messages):
            raise ValueError("a message of another connection: here its number may be another message's")
        chosen = {message.number: message for message in messages}
        if all(isinstance(one, Message) for one in given):
            return [Message(self, message.number, message.uid, message.octets) for message in chosen.values()]
        listed = {message.number: message for message in self.messages()}
        return [listed.get(number, message) for number, message in chosen.items()]

    def _refresh(self) -> None:
        """Notes what an opening, a login or TLS has changed."""
        greeting, _, _, self._mechanism = self._link.facts()
        self._tls = tls_info(self._link)
        self._greeting = greeting or ""


def _sink(into: Sink) -> contextlib.AbstractContextManager[Callable[[bytes], object]]:
    """What opens a sink and gives what writes one piece into it. TypeError: it is none."""
    if isinstance(into, str | os.PathLike):
        return _replaced(Path(into))
    if isinstance(into, io.RawIOBase):
        return contextlib.nullcontext(functools.partial(_write_whole, into))
    write = into if callable(into) else getattr(into, "write", None)
    if not callable(write):
        raise TypeError(f"into must be a binary file, a path or a callable, not {type(into).__name__}")
    return contextlib.nullcontext(write)


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Writes a file, which is removed again should that fail."""
    file = path.open("wb")
    try:
        with file:
            yield file.write
    except BaseException:
        if path.is_file():  # and not /dev/stdout
            path.unlink(missing_ok=True)
        raise


def _write_whole(file: io.RawIOBase, piece: bytes) -> None:
    """Writes all of a piece to a file that may take only a part at a time."""
    rest = memoryview(piece)
    while rest:
        written = file.write(rest)
        if written is None:
            raise BlockingIOError("into is a file that does not wait until it can be written to")
        rest = rest[written:]
