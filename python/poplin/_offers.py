"""What a server offers and allows beyond the logins, as its options say it and as the core takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from poplin import _core
from poplin._connecting import milliseconds

Lock = Literal["exclusive", "snapshot", "none"]

Languages = Mapping[str, tuple[str, Mapping[str, str]]]
"""
The languages of a server's replies besides English: for each tag the language's name, in itself, and its texts, each
behind the English one. A number in a text is written {}. The first is for who has no wish (LANG *).
"""


SECONDS = ("handshake", "stall")
"""The limits that are times."""


class ServerLimits(TypedDict, total=False):
    """
    What a client may do to a server, at most; each key may be left out.

    >>> limits: poplin.ServerLimits = {"max_messages": 1, "stall": 30.0}
    >>> with poplin.testing.Server(users={"alice": "secret"}, limits=limits) as small:
    ...     uids = [small.deliver("alice", b"Subject: hi") for _ in range(2)]
    ...     poplin.connect(small.url, user="alice", password="secret")
    Traceback (most recent call last):
    poplin.Temporary: ...
    """

    max_line: int
    """Octets of a command."""

    max_sasl_line: int
    """Octets of AUTH and of what answers its challenges."""

    max_bad_commands: int
    """Commands in a session that are none; the last one ends it."""

    max_failed_logins: int
    """Failed logins in a session; the last one ends it."""

    max_messages: int
    """Messages of a maildrop."""

    max_output: int
    """Octets of replies that are kept for a client before it has to take some."""

    handshake: float
    """Seconds for a TLS handshake."""

    stall: float
    """Seconds for which a client may take nothing of what it is sent."""


def offer_settings(
    *,
    exclusive: bool,
    lock: Lock | None,
    lock_wait: float,
    utf8: bool,
    languages: Languages | None,
    expire: int | Literal["never"] | None,
    expire_by_user: bool,
    login_delay_by_user: bool,
    limits: ServerLimits | None,
) -> dict[str, object]:
    """A server's options as the core takes them. TypeError, ValueError: they make no sense."""
    settings: dict[str, object] = {"lock": _lock(exclusive, lock), "utf8": utf8}
    if lock_wait:
        if settings["lock"] != _core.LOCK_EXCLUSIVE:
            raise ValueError("lock_wait= goes with lock='exclusive': elsewhere nobody has to wait")
        settings["lock_wait_ms"] = milliseconds("lock_wait", lock_wait)
    if languages is not None:
        settings["languages"] = _catalogue(languages)
    if expire is not None:
        settings["expire"] = days_of(expire)
    settings |= {"expire_by_user": expire_by_user, "login_delay_by_user": login_delay_by_user}
    return settings | _limits(limits or {})


def _lock(exclusive: bool, lock: Lock | None) -> int:
    locks = {"exclusive": _core.LOCK_EXCLUSIVE, "snapshot": _core.LOCK_SNAPSHOT, "none": _core.LOCK_NONE}
    if lock is None:
        return locks["exclusive" if exclusive else "none"]
    if lock not in locks:
        raise ValueError(f"lock must be 'exclusive', 'snapshot' or 'none', not {lock!r}")
    if not exclusive and lock == "exclusive":
        raise ValueError("exclusive=False and lock='exclusive': which of the two is meant?")
    return locks[lock]


def days_of(expire: object) -> int:
    """Days for which mail stays, or "never", as the core takes them. TypeError, ValueError: it is neither."""
    if expire == "never":
        return _core.EXPIRE_NEVER
    if isinstance(expire, bool) or not isinstance(expire, int):
        raise TypeError(f"expire must be a number of days or 'never', not {expire!r}")
    if not 0 <= expire < _core.EXPIRE_NEVER:
        raise ValueError("expire must be 0 or more days")
    return expire


def _catalogue(languages: object) -> str:
    """The catalogue as the core reads it: a line for each language, and one for each of its texts below it."""
    if not isinstance(languages, Mapping):
        raise TypeError(f"languages must be a dict of tags, not {type(languages).__name__}")
    lines = [line for tag, language in languages.items() for line in _language(tag, language)]
    return "".join(f"{line}\n" for line in lines)


def _language(tag: object, language: object) -> list[str]:
    if not isinstance(language, Sequence) or len(language) != 2 or not isinstance(language[1], Mapping):
        raise TypeError(f"languages: {tag!r} needs a name and texts, ('Deutsch', {{'bye': 'tschüß'}}) for 'de'")
    description, texts = language
    for words in (tag, description, *texts, *texts.values()):
        if not isinstance(words, str):
            raise TypeError(f"languages: {words!r} is not a str")
        if not words.isprintable():
            raise ValueError(f"languages: {words!r} is not one line of text")
    if " " in str(tag):  # where the core reads the language's name
        raise ValueError(f"languages: {tag!r} is no language tag, as 'de' and 'de-AT' are")
    return [f"{tag} {description}" if description else str(tag), *(f"\t{text}\t{texts[text]}" for text in texts)]


def _limits(limits: ServerLimits) -> dict[str, object]:
    if not isinstance(limits, Mapping):
        raise TypeError(f"limits must be a dict, not {type(limits).__name__}")
    known = ServerLimits.__annotations__
    settings: dict[str, object] = {}
    for name, value in limits.items():
        if name not in known:
            raise TypeError(f"unknown limit: {name!r}; there are {', '.join(known)}")
        if name not in SECONDS:
            settings[name] = value
    for name, seconds in {"handshake": limits.get("handshake"), "stall": limits.get("stall")}.items():
        if seconds is not None:
            settings[f"{name}_ms"] = milliseconds(name, seconds)
    return settings
