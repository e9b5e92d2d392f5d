"""Where a fetch delivers to, besides Maildirs, which are the core's: an mbox, an LMTP server, a function."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from poplin import _core
from poplin._conversation import Steps, asking
from poplin._errors import Error, NetworkError, Refused, Temporary
from poplin._fetch_results import Incoming, Value
from poplin._mbox import append, mbox_octets, problem_with, sender_of
from poplin._paths import path_of

if TYPE_CHECKING:
    import smtplib


class Waiting(NamedTuple):
    """How steps wait for what is no connection of the core's."""

    sleep: Callable[[float], Any]
    """For so many seconds."""

    offload: Callable[..., Any]
    """For a function that blocks, with these arguments."""

    pause: Callable[[], Any]
    """For whatever else wants its turn."""


class Sink:
    """A destination during one fetch; with `deliver`, steps that hand it a message and give the place."""

    def leave(self) -> Steps[None]:
        """The fetch has ended well: what there is to be said behind the last message."""
        yield from ()

    def close(self) -> None:
        """Lets go of what is held, whatever happened."""


class Mbox(Value):
    r"""
    An mbox file, for `fetch` to append to: in the form mboxrd, in which a line of a message that begins with "From ",
    after any number of ">", gets one more ">". Other programs may append at the same time, where they lock it by fcntl
    or a dot lock; here it is both. The dot lock of a fetch that was killed does not hold up the next one.

    A message is on the disk when it counts as delivered, and one that cannot be written whole is taken back. Where a
    fetch is killed between the two, the next one appends the message again: unlike a Maildir, an mbox has no names by
    which it could be known.

    >>> report = poplin.fetch(
    ...     server.url, user="alice", password="secret", into=poplin.Mbox(folder / "mbox"), seen=folder / "seen.db"
    ... )
    >>> import mailbox
    >>> with contextlib.closing(mailbox.mbox(folder / "mbox")) as box:
    ...     [message["subject"] for message in box]
    ['one', 'two']
    """

    def __init__(self, path: str | os.PathLike[str], *, lock_timeout: float = 30.0) -> None:
        """
        path: made, for its owner alone, where there is none. lock_timeout: seconds to wait for another program's lock,
        after which the message counts as failed, and so does each later one of this fetch that still finds it.
        """
        self._path = path_of("an mbox", path)
        self._lock_timeout = lock_timeout
        if not _is_seconds("lock_timeout", lock_timeout) and lock_timeout != 0:
            raise ValueError("lock_timeout must be a number of seconds, up to a day, or 0")

    def __repr__(self) -> str:
        return f"<poplin.Mbox {self._path!r}>"

    def _check(self) -> None:
        """NetworkError: it cannot be used."""
        if why := problem_with(self._path):
            raise NetworkError(f"{self._path}: {why}", doing="opening an mbox")

    def _sink(self, waiting: Waiting) -> _MboxSink:
        return _MboxSink(self._path, self._lock_timeout, waiting)


class _MboxSink(Sink):
    """An mbox during one fetch."""

    EVERY = 0.1  # seconds between two attempts to lock it

    def __init__(self, path: str, lock_timeout: float, waiting: Waiting) -> None:
        self._path = path
        self._waiting = waiting
        self._most = 1 + int(lock_timeout / self.EVERY)
        self._attempts = self._most
        self._begun = False

    def deliver(self, message: Incoming) -> Steps[str]:
        octets = mbox_octets(message.data)
        for attempt in range(self._attempts):
            if attempt:
                yield asking(self._waiting.sleep, self.EVERY)
            if (yield from self._append(octets)):
                self._attempts, self._begun = self._most, True
                return self._path
        self._attempts = 1  # a lock that nobody ends holds up the fetch once, and not with each message
        lock = f"{self._path}.lock"
        hint = f", or was killed and has left {lock}: then remove it" if os.path.lexists(lock) else ""
        raise NetworkError(f"{self._path}: another program has locked it{hint}", doing="delivering a message")

    def _append(self, octets: bytes) -> Steps[bool]:
        try:
            done: bool = yield asking(self._waiting.offload, append, self._path, octets, not self._begun)
        except OSError as error:
            raise NetworkError(f"{self._path}: {error.strerror or error}", doing="delivering a message") from error
        return done


class LMTP(Value):
    """
    An LMTP server (RFC 2033), for `fetch` to hand messages to: Dovecot's, say, which then files them.

    A message counts as delivered once the server has answered for every recipient that it has it. Where it has refused
    one of several, or the fetch is killed before the answers are recorded, the next fetch hands it over again, to all.
    A CR or LF that stands alone goes out as CRLF, since SMTP has no other.

        poplin.fetch("pop3s://alice@mail.example.org", password=ask, into=poplin.LMTP("/run/dovecot/lmtp", "alice"))

    >>> poplin.LMTP("localhost", ["alice", "bob"])
    <poplin.LMTP localhost:24 for alice, bob>
    """

    def __init__(
        self,
        address: str | os.PathLike[str],
        recipients: str | Iterable[str],
        *,
        port: int = 24,
        sender: str | None = None,
        timeout: float = 60.0,
        answer_timeout: float = 600.0,
    ) -> None:
        """
        address: the server's host, or the path of its Unix socket, which begins with "/".
        recipients: who gets it, one or several.
        sender: where the server may send what it cannot deliver; "" nowhere. None: what the message's Return-Path says.
        timeout: seconds for connecting, and for each answer but those to a message. A server that lets them pass is
            left alone for the rest of the fetch.
        answer_timeout: seconds for the server to file a message, and to answer for each recipient. RFC 5321 wants ten
            minutes, since a message that it has taken when they are over is handed to it again.
        """
        self._address = os.fsdecode(address)
        self._port = port
        self._recipients = [recipients] if isinstance(recipients, str) else list(recipients)
        self._sender = sender
        self._timeout = timeout
        self._answer_timeout = answer_timeout
        if not self._address or not self._recipients:
            raise ValueError("LMTP needs a host or a path, and a recipient")
        if "/" in self._address[1:] and not self._address.startswith("/"):
            raise ValueError(f"the path of an LMTP server's socket begins with '/', unlike {self._address!r:.80}")
        if re.search(r"^[^:]*:[^:]*$|\s", self._address) and not self._address.startswith("/"):
            raise ValueError(f"no host: {self._address!r:.80}; a port is given as port=")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise ValueError(f"no port: {port!r:.80}")
        for name, seconds in {"timeout": timeout, "answer_timeout": answer_timeout}.items():
            if not _is_seconds(name, seconds):
                raise ValueError(f"{name} must be a number of seconds, more than 0 and up to a day")
        for name in (*self._recipients, sender or "sender"):
            if not isinstance(name, str):
                raise TypeError(f"an address must be a str, not {type(name).__name__}")
            if not re.fullmatch(r"[!-;=?-~]{1,254}", name):
                raise ValueError(f"this is no address for LMTP: {name!r:.80}")

    def __repr__(self) -> str:
        return f"<poplin.LMTP {self._where} for {', '.join(self._recipients)}>"

    @property
    def _where(self) -> str:
        return self._address if self._address.startswith("/") else f"{self._address}:{self._port}"

    def _sink(self, waiting: Waiting) -> _LMTPSink:
        return _LMTPSink(self, waiting)


class _LMTPSink(Sink):
    """A connection to an LMTP server, made for the first message of a fetch, and again after a failure."""

    PIECE = 1 << 16  # octets of a message that go out within the timeout
    FAREWELL = 5.0  # seconds, at most, for which the answer to QUIT is waited for

    def __init__(self, server: LMTP, waiting: Waiting) -> None:
        self._server = server
        self._waiting = waiting
        self._connection: smtplib.LMTP | None = None
        self._patience = server._timeout  # with the answer that is waited for
        self._silent: Error | None = None
        self._closed = False

    def leave(self) -> Steps[None]:
        if self._connection is not None:
            yield asking(self._waiting.offload, self._quit)

    def _quit(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._bid_farewell(connection)

    def _bid_farewell(self, connection: smtplib.LMTP) -> None:
        """QUIT, which is to come before a client closes (RFC 5321, 4.1.1.10). What it is answered changes nothing."""
        with contextlib.suppress(OSError):
            if connection.sock is not None:
                connection.sock.settimeout(min(self._server._timeout, self.FAREWELL))
            connection.quit()
        connection.close()

    def close(self) -> None:
        self._closed = True  # a thread may still be at it, whose task was cancelled
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                if connection.sock is not None:
                    connection.sock.settimeout(0)  # an event loop may be in this thread
                connection.putcmd("QUIT")
            connection.close()

    def deliver(self, message: Incoming) -> Steps[str]:
        if self._silent is not None:  # it holds up the fetch once, and not with each message
            raise self._silent.with_traceback(None)
        said: str = yield asking(self._waiting.offload, self._send, message.data)
        return said

    def _send(self, data: bytes) -> str:
        import smtplib

        connection, self._connection = self._connection, None  # not to be used again where this fails
        try:
            if connection is None:
                connection = self._connect()
            said = self._hand_over(connection, data)
            if not self._closed:
                self._connection, connection = connection, None
            return said
        except (Refused, Temporary):  # it has answered, and is there
            if connection is not None:
                self._bid_farewell(connection)
            raise
        except smtplib.SMTPResponseException as error:
            words = error.smtp_error
            raise self._failure(
                error.smtp_code, words if isinstance(words, bytes) else words.encode(), "DATA"
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            if isinstance(error, Error):
                raise
            silent = isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)  # smtplib hides it
            words = f"it said nothing for {self._patience:g} seconds" if silent else _why(error)
            failure = NetworkError(f"LMTP server {self._server._where}: {words}", doing="LMTP")
            if silent:
                self._silent = failure
            raise failure from error
        finally:
            if connection is not None:
                connection.close()

    def _connect(self) -> smtplib.LMTP:
        import smtplib
        import socket

        self._patience = self._server._timeout
        connection = smtplib.LMTP(local_hostname=socket.gethostname(), timeout=self._server._timeout)
        try:
            self._expect(connection.connect(self._server._address, self._server._port), 220, "greeting")
            self._expect(connection.ehlo(), 250, "LHLO")
        except (Refused, Temporary):
            self._bid_farewell(connection)
            raise
        except BaseException:
            connection.close()
            raise
        return connection

    def _hand_over(self, connection: smtplib.LMTP, data: bytes) -> str:
        server = self._server
        sender = sender_of(data) if server._sender is None else server._sender
        eight_bits = connection.has_extn("8bitmime") and not data.isascii()
        self._expect(connection.mail(sender, ["BODY=8BITMIME"] if eight_bits else []), 250, "MAIL")
        for recipient in server._recipients:
            self._expect(connection.rcpt(recipient), 250, f"RCPT {recipient}")
        self._expect(connection.docmd("DATA"), 354, "DATA")
        self._send_octets(connection, data)
        answers = self._answers(connection)
        for recipient, answer in zip(server._recipients, answers, strict=True):
            self._expect(answer, 250, f"delivery to {recipient}")
        return "; ".join(_visible(text.decode("latin-1")) for _, text in answers)

    def _answers(self, connection: smtplib.LMTP) -> list[tuple[int, bytes]]:
        """What the server says to a message: for each recipient, and when it is through with it."""
        self._wait_for(connection, self._server._answer_timeout)
        answers = [connection.getreply() for _ in self._server._recipients]
        self._wait_for(connection, self._server._timeout)
        return answers

    def _wait_for(self, connection: smtplib.LMTP, seconds: float) -> None:
        assert connection.sock is not None
        connection.sock.settimeout(seconds)
        self._patience = seconds

    def _send_octets(self, connection: smtplib.LMTP, data: bytes) -> None:
        """As a whole it would have to go out within one timeout, which a large one on a slow line does not."""
        text = re.sub(rb"^\.", b"..", re.sub(rb"\r\n|\r|\n", b"\r\n", data), flags=re.MULTILINE)
        for place in range(0, len(text), self.PIECE):
            connection.send(text[place : place + self.PIECE])
        connection.send(b".\r\n" if not text or text.endswith(b"\r\n") else b"\r\n.\r\n")

    def _expect(self, answer: tuple[int, bytes], wanted: int, doing: str) -> None:
        if answer[0] // 10 != wanted // 10:
            raise self._failure(*answer, doing)

    def _failure(self, code: int, text: bytes, doing: str) -> Error:
        words = _visible(f"{code} {text.decode('latin-1')}") if code >= 0 else "what it said is no LMTP"
        kind = Temporary if 400 <= code < 500 else Refused if code >= 500 else NetworkError
        peer = words if code >= 0 else ""
        return kind(f"LMTP server {self._server._where}: {doing}: {words}", doing=f"LMTP {doing}", peer=peer)


def _why(error: OSError) -> str:
    """What the system or smtplib says."""
    hint = " (nothing listens there)" if isinstance(error, ConnectionRefusedError) else ""
    return _visible(error.strerror or str(error)) + hint


def _visible(text: str) -> str:
    """A peer's words in one line, cut, and what is not printable made visible."""
    return text.replace("\n", " ").encode("unicode_escape").decode("ascii")[:300]


class FunctionSink(Sink):
    """A function of the script's that gets each message."""

    def __init__(self, function: Callable[[Incoming], Any]) -> None:
        self._function = function

    def deliver(self, message: Incoming) -> Steps[str]:
        refuse_coroutine((yield asking(self._function, message)), self._function)
        return ""


def refuse_coroutine(value: Any, function: object) -> None:
    """TypeError: a coroutine's result, where nobody waits for it."""
    if hasattr(type(value), "__await__"):
        if hasattr(value, "close"):
            value.close()
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(f"{name} is a coroutine's: use poplin.aio.fetch, or a plain function")


class Route(NamedTuple):
    """Where one message goes."""

    maildirs: tuple[_core.Delivery, ...]
    sinks: tuple[Any, ...]
    """Each a `Sink`."""


class Routes:
    """The destinations of one fetch, each opened once."""

    def __init__(self, waiting: Waiting, open_them: bool) -> None:
        """open_them: False makes none, for a dry run."""
        self._waiting = waiting
        self._open_them = open_them
        self._maildirs: dict[str, _core.Delivery] = {}
        self._sinks: dict[Any, tuple[Any, Any]] = {}

    def of(self, into: object) -> Route:
        """The route to one destination or several. TypeError: it is none. NetworkError: one of them cannot be used."""
        maildirs, sinks = [], []
        for place in destinations(into):
            if isinstance(place, str | os.PathLike):
                maildirs += self._maildir(os.fsdecode(place))
            else:
                sinks.append(self._sink(place))
        return Route(tuple(dict.fromkeys(maildirs)), tuple(dict.fromkeys(sinks)))

    def _maildir(self, path: str) -> list[_core.Delivery]:
        if not self._open_them:
            return []
        found = self._maildirs.get(os.path.realpath(path))
        if found is None:
            found = self._maildirs[os.path.realpath(path)] = _core.Delivery(path, False)
        return [found]

    def _sink(self, place: Any) -> Any:
        """A filter may name the same mbox or server anew with each message. A function is known by its id."""
        known = isinstance(place, Mbox | LMTP)
        key = place if known else id(place)
        if key not in self._sinks:  # with the place, so that no other has its id
            if isinstance(place, Mbox) and self._open_them:
                place._check()
            self._sinks[key] = (place, place._sink(self._waiting) if known else FunctionSink(place))
        return self._sinks[key][1]

    def leave(self) -> Steps[None]:
        """The fetch has ended well."""
        for _, sink in tuple(self._sinks.values()):
            yield from sink.leave()

    def close(self) -> None:
        """Lets go of connections."""
        for _, sink in self._sinks.values():
            sink.close()


def _is_seconds(name: str, value: float) -> bool:
    """Whether it is more than nothing, and up to a day."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    return 0 < value <= 86400


def destinations(into: object, what: str = "into=") -> list[Any]:
    """One destination or several, as a list of them, each of which can be one. TypeError, ValueError: what is none."""
    places = list(into) if isinstance(into, list | tuple) else [into]
    if not places:
        raise ValueError(f"{what} names no place")
    for place in places:
        if isinstance(place, str | os.PathLike):
            path_of("a Maildir", place)
        elif not isinstance(place, Mbox | LMTP) and not callable(place):
            raise TypeError(
                f"a destination is the path of a Maildir, an Mbox, an LMTP or a callable, not {type(place).__name__}"
            )
    return places
