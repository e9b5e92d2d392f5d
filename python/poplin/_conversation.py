"""
What a client's verbs do, whoever waits: one logic for `poplin.Client` and `poplin.aio.Client`.

A verb is a generator of `Steps`. It yields what it has to wait for, is sent what that gave, and has thrown into it what
that raised.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import io
import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Generic, NamedTuple, TypeVar

from poplin import _core
from poplin._alone import Alone
from poplin._capabilities import Capabilities
from poplin._errors import Refused
from poplin._results import Language, Listing, Stat, UniqueID
from poplin._tls import TLSInfo, tls_info

T = TypeVar("T")
M = TypeVar("M", bound=_core.Message)


class Wait(NamedTuple):
    """Something to wait for."""

    link: _core.Link | None
    """Where it comes from; None: from a function of the script's, which is called once."""

    ask: Callable[[bool], Any]
    """Gives it: called with True it waits, called with False it returns None where it would have to."""


Steps = Generator[Wait, Any, T]

Sink = BinaryIO | io.RawIOBase | str | os.PathLike[str] | Callable[[bytes], object]
"""Where a message can be written: a binary file, a path, or what is called with each piece."""


def blocking(steps: Steps[T]) -> T:
    """Carries the steps out, and waits in this thread."""
    try:
        wait = next(steps)
        while True:
            try:
                given = wait.ask(True)
            except BaseException as error:
                wait = steps.throw(error)
            else:
                wait = steps.send(given)
    except StopIteration as end:
        value: T = end.value
        return value


def asking(function: Callable[..., Any], *arguments: Any) -> Wait:
    """Has a function of the script's called; under `poplin.aio` it may be a coroutine's."""
    return Wait(None, lambda _: function(*arguments))


def secret_octets(name: str, value: str) -> bytes:
    """A user name or password as it goes out. The message of the ValueError does not show it, nor does its context."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        pass  # the exception holds the text, and would be the context of one raised here
    raise ValueError(f"{name} cannot be written in UTF-8")


class Conversation(Alone, Generic[M]):
    """One connection: what is known of it without asking, and the verbs as steps. M: the type of its messages."""

    _message_type: type[M]

    def __init__(self, link: _core.Link, where: str) -> None:
        """Not for scripts: use `connect`."""
        self._link = link
        self._where = where
        self._open = True
        self._series: _core.Series[M] | None = None
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
        """
        What the server announced last, as `capa` returns it, without asking again. StateError: closed.

        >>> pop.capabilities.uidl
        True
        """
        return Capabilities.told(self._link.capabilities())

    def close(self) -> None:
        """
        Drop the connection without QUIT, so that nothing is deleted. Closing twice is peaceful.

        >>> pop.dele(1)
        >>> pop.close()
        >>> len(server.messages("alice"))
        2
        """
        self._link.close()
        self._open = False
        self._series = None

    def __repr__(self) -> str:
        state = self._tls or "no TLS"
        kind = f"{type(self).__module__}.{type(self).__qualname__}".replace("._client", "")
        return f"<{kind} {self._where}, {state if self._open else 'closed'}>"

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            try:
                warnings.warn(f"unclosed {self!r}: nothing was deleted", ResourceWarning, source=self, stacklevel=2)
            finally:  # also where warnings are errors
                self.close()

    # ---- the verbs ----

    def _call(self, verb: str, number: int | None = None, lines: int = 0) -> _core.Call:
        return self._link.call(_core.VERBS[verb], number, lines, 0, False)

    def _run(self, verb: str, number: int | None = None, lines: int = 0) -> Steps[_core.Call]:
        """Sends a command; an -ERR is raised."""
        call = self._call(verb, number, lines)
        yield Wait(self._link, call.done)
        call.reply()
        return call

    def _stat(self) -> Steps[Stat]:
        call = yield from self._run("STAT")
        _, _, count, octets = call.reply()
        return Stat(count, octets)

    def _list(self, number: int | None) -> Steps[builtins.list[Listing] | Listing]:
        call = yield from self._run("LIST", number)
        if number is None:
            return [Listing(*line) for line in call.sizes()]
        return Listing(number, call.reply()[3])

    def _uidl(self, number: int | None) -> Steps[builtins.list[UniqueID] | UniqueID]:
        call = yield from self._run("UIDL", number)
        if number is None:
            return [UniqueID(*line) for line in call.unique_ids()]
        return UniqueID(number, call.reply()[0])

    def _retr(self, number: int, into: Sink | None) -> Steps[bytes | int]:
        if into is None:
            return (yield from self._run("RETR", number)).body()
        sink = _sink(into)
        call = self._link.call(_core.VERBS["RETR"], number, 0, 0, True)
        try:
            piece = yield Wait(self._link, call.piece)
            if not piece:
                call.reply()
            with sink as write:
                while piece:
                    yield asking(write, piece)
                    piece = yield Wait(self._link, call.piece)
            return call.reply()[3]
        except BaseException:
            del call  # else the traceback keeps it, and with it all that still comes of the message
            raise

    def _top(self, number: int, lines: int) -> Steps[bytes]:
        return (yield from self._run("TOP", number, lines)).body()

    def _dele(self, number: int) -> Steps[None]:
        if self._series is None:
            yield from self._run("DELE", number)
        else:
            self._link.dele(number)

    def _lang(self, language: str | None) -> Steps[builtins.list[Language] | str]:
        if language is None:
            lines = (yield from self._run("LANG")).texts()
            return [Language(tag, description) for tag, _, description in (line.partition(" ") for line in lines)]
        call = self._link.call(_core.VERBS["LANG"], None, 0, 0, False, secret_octets("language", language))
        yield Wait(self._link, call.done)
        return call.reply()[0]

    def _capa(self) -> Steps[Capabilities]:
        yield from self._run("CAPA")
        return self.capabilities

    def _stls(self) -> Steps[None]:
        yield from self._run("STLS")
        with contextlib.suppress(Refused):
            yield from self._run("CAPA")
        self._refresh()

    def _login(self, user: str, password: str) -> Steps[None]:
        call = self._link.login(secret_octets("user", user), secret_octets("password", password))
        yield Wait(self._link, call.done)
        call.reply()
        self._user = user
        self._refresh()

    def _quit(self) -> Steps[None]:
        try:
            yield from self._run("QUIT")
        finally:
            self.close()

    # ---- messages ----

    def _messages(self, newest_first: bool = False, since_uid: str | None = None) -> Steps[builtins.list[M]]:
        if not isinstance(since_uid, str | None):  # a number, say, would be none that the server has: all would be new
            raise TypeError(f"since_uid must be a str or None, not {type(since_uid).__name__}")
        sizes = self._call("LIST")
        asked = self._call("UIDL")
        yield Wait(self._link, sizes.done)
        sizes.reply()
        yield Wait(self._link, asked.done)
        names: _core.Call | None = asked
        try:
            asked.reply()
        except Refused:
            if since_uid is not None:
                raise
            names = None
        messages = sizes.messages(names, self._message_type, self)
        if since_uid is not None:
            known = next((index for index, message in enumerate(messages) if message.uid == since_uid), -1)
            del messages[: known + 1]
        if newest_first:
            messages.reverse()
        return messages

    def _wanted(self, numbers: Iterable[int | M] | None) -> Steps[builtins.list[M]]:
        """The messages to fetch; those given by number are looked up in a listing."""
        if numbers is None:
            return (yield from self._messages())
        kind = self._message_type
        given = [*numbers]
        messages = [one if isinstance(one, _core.Message) else kind(self, one, None, 0) for one in given]
        if any(message._client is not self for message in messages):
            raise ValueError("a message of another connection: here its number may be another message's")
        chosen = {message.number: message for message in messages}
        if all(isinstance(one, _core.Message) for one in given):
            return [kind(self, message.number, message.uid, message.octets) for message in chosen.values()]
        listed = {message.number: message for message in (yield from self._messages())}
        return [listed.get(number, message) for number, message in chosen.items()]

    def _begin_series(self, wanted: builtins.list[M]) -> _core.Series[M]:
        """Another loop over messages, which ends the one before."""
        if self._series is not None:
            self._series.close()
        self._series = series = self._link.retr_all(wanted)
        return series

    def _end_series(self, series: _core.Series[M]) -> None:
        series.close()
        if self._series is series:
            self._series = None

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
