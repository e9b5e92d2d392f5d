"""Faults, quirks and attacks: what a test server is told to do wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self

from poplin import _core
from poplin._alone import Alone

FAULT_SETTINGS: dict[str, str] = {name: meaning for name, (_, meaning) in _core.FAULT_SETTINGS.items()}
"""What `Server.fault` takes: name and meaning."""

QUIRKS: dict[str, str] = _core.QUIRKS
"""Behaviours of real servers that `Server.quirk` plays: name and meaning."""

ATTACKS: dict[str, str] = _core.ATTACKS
"""Attacks on STLS that `Server.attack` plays: name and meaning."""


Command = Literal["STLS", "CAPA", "QUIT", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "NOOP", "RSET"]


class Fault(Alone):
    """
    A fault of a test server, or all of a quirk or an attack. As a context manager it is removed at the end.

    >>> with server.fault("RETR", refuse="the dog ate it") as fault:
    ...     try:
    ...         pop.retr(1)
    ...     except poplin.Refused:
    ...         print(fault.name, "|", fault.fired)
    RETR refuse="the dog ate it" | 1
    """

    _alone = "belongs to its server"

    def __init__(self, kit: _core.Testkit, added: tuple[int, str]) -> None:
        self._kit = kit
        self._fired: int | None = None
        self._id, self.name = added
        """What it is known by in transcripts: the setting `name`, or else its own text."""

    @property
    def fired(self) -> int:
        """How often it took effect."""
        return self._kit.fired(self._id) if self._fired is None else self._fired

    def remove(self) -> None:
        """Removes it, whatever else has its name; what it has begun goes on. Removing twice is peaceful."""
        fired = self._kit.remove(self._id)
        if fired is not None:
            self._fired = fired

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<poplin.testing.Fault {self.name}>"


class Faults:
    """How a test server is told to misbehave; from any thread, at any time."""

    _kit: _core.Testkit

    def fault(
        self,
        command: str | None = None,
        *,
        session: int | None = None,
        user: str | None = None,
        message: int | None = None,
        unique_id: str | None = None,
        tls: bool | None = None,
        pipelined: bool = False,
        initial: bool = False,
        nth: int | None = None,
        times: int | None = None,
        probability: float | None = None,
        seed: int | None = None,
        name: str | None = None,
        refuse: str | None = None,
        reply: str | None = None,
        raw: bytes | None = None,
        run: Command | None = None,
        drop_before: bool = False,
        reset_before: bool = False,
        close_before: bool = False,
        stall_before: bool = False,
        show_deleted: bool = False,
        guess_sizes: bool = False,
        miscount: int | None = None,
        no_numbers: bool = False,
        unique_ids: Literal["long", "same"] | None = None,
        status: str | None = None,
        count_header_lines: bool = False,
        strip: str | None = None,
        add: str | None = None,
        duplicate_line: int | None = None,
        omit_line: int | None = None,
        replace_line: int | None = None,
        text: str | None = None,
        long_line: int | None = None,
        unstuff: Literal["first", "all"] | None = None,
        stuff_every: int | None = None,
        abort_at: int | None = None,
        no_terminator: bool = False,
        double_cr: bool = False,
        bare_lf: bool = False,
        insert: bytes | None = None,
        garbage: int | None = None,
        at: int | None = None,
        append: bytes | None = None,
        cut: int | None = None,
        delay: float | None = None,
        jitter: float | None = None,
        trickle: int | None = None,
        every: float | None = None,
        drop_after: int | None = None,
        reset_after: int | None = None,
        close_after: int | None = None,
        stall_after: int | None = None,
    ) -> Fault:
        """
        Adds a fault, which takes effect wherever its command and all of its conditions fit. Faults that fit together
        take effect in the order in which they were added.

        command: a keyword of POP3 or any other; "GREETING"; "AUTOLOGOUT", the end of a silent session; None: any
            command.

        session: only in the session of this number, counted from 1
        user: only where this user has logged in or, before that, was named by USER
        message: only where the command names the message of this number
        unique_id: only where the command names the message with this unique-id
        tls: yes: only under TLS; no: only without
        pipelined: only where the client sent more before this command was answered
        initial: only for AUTH with an initial response
        nth: not before command and conditions have fitted so many times, counted over all sessions
        times: at most so many times; 1 with nth, else without limit
        probability: only with this probability each time, drawn from seed
        seed: where probability, jitter and garbage are drawn from; its own for each name
        name: what the fault is known by, in place of its text
        refuse: the command is not carried out but answered -ERR with this text, which may begin with a response code
        reply: the command is not carried out but answered with this line
        raw: the command is not carried out but answered with these octets as they are
        run: another command is carried out in its place, with the same message number
        drop_before: the connection is cut (FIN, no close_notify) before the command is carried out
        reset_before: the connection is reset before the command is carried out
        close_before: the connection is closed in good order before the command is carried out
        stall_before: silence from here on, and the command is not carried out
        show_deleted: LIST shows messages marked as deleted with 0 octets, and STAT counts them
        guess_sizes: sizes are rounded up to whole KiB
        miscount: announced octets are wrong by so many
        no_numbers: listing lines lack the message number
        unique_ids: long: unique-ids of 100 octets; same: one for all messages
        status: the status line is this line
        count_header_lines: TOP n k ends after k lines, those of the header counted; all is sent where k is 0
        strip: content lines whose first word is this one are left out
        add: this line is the last of the content
        duplicate_line: the content line of this number, from 1, comes twice
        omit_line: the content line of this number is left out
        replace_line: the content line of this number becomes text
        text: what replace_line puts there, as it is
        long_line: the status line, or the first content line where there is one, is padded to so many octets, CRLF
            included
        unstuff: dots at the start of a line go out unstuffed: first, only the one that begins the content; all
        stuff_every: content is stuffed in chunks of so many octets, so that a dot at the start of a chunk goes out
            unstuffed
        abort_at: the content ends behind the line that holds this octet of it, from 0; a terminator and -ERR follow
        no_terminator: the line with the dot is missing
        double_cr: content lines, or else the status line, end in CR CR LF
        bare_lf: every line ends in LF alone, status line and terminator too
        insert: these octets are put in at at
        garbage: so many random octets are put in at at
        at: the octet of the reply, from 0, before which insert and garbage go; its end
        append: these octets follow the reply
        cut: the reply is cut short after so many octets, and the session goes on
        delay: seconds before the reply leaves, to the millisecond
        jitter: up to so many seconds more, drawn from seed
        trickle: the reply leaves so many octets at a time
        every: seconds between two pieces of trickle; 0.01
        drop_after: the connection is cut after so many octets, or behind the reply
        reset_after: the connection is reset after so many octets, or behind the reply
        close_after: the connection is closed in good order after so many octets
        stall_after: silence after so many octets, or behind the reply

        ValueError: no effect is named, two exclude each other, or a value is none; it says what to do.

        >>> _ = server.fault("RETR", nth=2, drop_after=10)
        >>> [len(pop.retr(number)) for number in (1, 2)]
        Traceback (most recent call last):
        poplin.ConnectionLost: ...
        """
        values = locals()
        defaults = Faults.fault.__kwdefaults__ or {}
        given = ((key, values[key]) for key in defaults if values[key] is not defaults[key])
        return Fault(
            self._kit, self._kit.add_fault(command, tuple((key, _written(key, value)) for key, value in given))
        )

    def fault_text(self, text: str) -> Fault:
        """
        The same from text, as transcripts and the command line have it: 'RETR nth=2 drop_after=100'.

        >>> _ = server.fault_text("DELE nth=2 refuse=no")
        """
        return Fault(self._kit, self._kit.add_fault_text(text))

    def quirk(self, name: str) -> Fault:
        """
        Adds what one of `QUIRKS` does. ValueError: there is none of this name, or it was added before.

        >>> server.quirk("guessed-sizes")
        <poplin.testing.Fault guessed-sizes>
        >>> pop.list(1).octets, len(pop.retr(1))
        (1024, 23)
        """
        if name in ATTACKS:
            raise ValueError(f"{name} is no quirk but an attack: attack({name!r}) adds it")
        return Fault(self._kit, self._kit.add_profile(name))

    def attack(self, name: str) -> Fault:
        """
        Adds what one of `ATTACKS` does. ValueError: there is none of this name, or it was added before.

        >>> with poplin.testing.Server(tls="stls") as secure, secure.attack("stls-stripped"):
        ...     poplin.connect(secure.url, ca_pem=secure.ca_pem, tls="stls")
        Traceback (most recent call last):
        poplin.Unsupported: ...
        """
        if name in QUIRKS:
            raise ValueError(f"{name} is no attack but a quirk: quirk({name!r}) adds it")
        return Fault(self._kit, self._kit.add_profile(name))


def _decimal(value: float) -> bytes:
    return f"{value:.9f}".encode() if math.isfinite(value) else str(value).encode()


def _word(value: str | bool) -> bytes:
    return _text({True: "yes", False: "no"}[value] if isinstance(value, bool) else value)


def _text(value: str) -> bytes:
    return value.encode("utf-8")


_KINDS: dict[str, tuple[tuple[type, ...], Callable[[Any], bytes]]] = {
    "flag": ((bool,), lambda value: b""),
    "number": ((int,), lambda value: b"%d" % value),
    "signed": ((int,), lambda value: b"%d" % value),
    "seconds": ((float, int), _decimal),
    "share": ((float, int), _decimal),
    "text": ((str,), _text),
    "octets": ((bytes, bytearray, memoryview), bytes),
    "word": ((str, bool), _word),
}
"""For each kind of setting in the core's table: the types that its values may have, and how they are written."""


def _written(name: str, value: Any) -> bytes:
    """A setting's value as the core reads it. TypeError: it is of another type than the setting."""
    kind, _ = _core.FAULT_SETTINGS[name]
    types, write = _KINDS[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise TypeError(f"{name} must be {types[0].__name__}, not {type(value).__name__}")
    return write(value)
