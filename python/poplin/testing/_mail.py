"""The users of a test server and their mail."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from poplin import _core
from poplin._errors import StateError

if TYPE_CHECKING:
    from email.message import EmailMessage, Message

    Deliverable = bytes | bytearray | memoryview | Message | os.PathLike[str]


class Mail(NamedTuple):
    """
    A message in a test server's maildrop.

    >>> first, second = server.messages("alice")
    >>> first.octets, first.email()["subject"]
    (23, 'one')
    """

    uid: str
    """What it is known by: the unique-id that UIDL tells."""

    octets: int
    """Its size as POP3 sends it, each line end counted as two octets."""

    data: bytes
    """Its content as it was delivered."""

    def email(self) -> EmailMessage:
        """It parsed by Python's `email` package."""
        import email
        import email.policy

        return email.message_from_bytes(self.data, policy=email.policy.default)


class Maildrops:
    """What a test server's users have; all of it may be used from any thread, before, during and after its sessions."""

    _kit: _core.Testkit

    def _set_up_maildrops(
        self, memory: _core.Memory | None, users: Mapping[str, str], tokens: Mapping[str, str], limit: int
    ) -> None:
        """memory: None where the maildrops are a backend's own."""
        self._memory = memory
        self._users: dict[str, str] = {}
        self._limit = limit
        self._home = os.getpid()
        if memory is not None:
            memory.limit(limit)
            for name, password in users.items():
                self.add_user(name, password)
            for name, token in tokens.items():
                self.set_token(name, token)

    def _maildrops(self) -> _core.Memory:
        if self._memory is None:
            raise StateError("this server's maildrops are its backend's own")
        if os.getpid() != self._home:
            raise StateError("this server belongs to the parent process: make another in this one")
        return self._memory

    # ---- users ----

    @property
    def users(self) -> dict[str, str]:
        """The users and their passwords; a copy."""
        self._maildrops()
        return dict(self._users)

    def add_user(self, name: str, password: str) -> None:
        """One more user, without mail. ValueError: there is one of this name."""
        secret = octets("a password", password)
        self._kit.add_secret(secret)
        self._maildrops().add_user(octets("a user's name", name), secret)
        self._users[name] = password

    def set_token(self, name: str, token: str | None) -> None:
        """
        The user's OAuth 2 access token from now on; None: there is none. A server that was made without tokens= does
        not take any. ValueError: there is no such user.
        """
        secret = None if token is None else octets("a token", token)
        if secret is not None:
            self._kit.add_secret(secret)
        self._maildrops().set_token(octets("a user's name", name), secret)

    def remove_user(self, name: str) -> None:
        """Removes a user and the mail. Open sessions go on, with every message gone. ValueError: there is none."""
        self._maildrops().remove_user(octets("a user's name", name))
        self._users.pop(name, None)

    # ---- mail ----

    def deliver(self, user: str, message: Deliverable) -> str:
        r"""
        Delivers a message and returns its unique-id. Sessions that are open do not see it.

        message: its octets, with LF or CRLF; a message of the `email` package; or the path of a file with one message.
        ValueError: there is no such user, or not one message at the path (`load` takes many). LimitExceeded: it is
        larger than max_message.

        >>> uid = server.deliver("alice", b"Subject: three\n\nhi\n")
        >>> [mail.uid for mail in server.messages("alice")].index(uid)
        2
        """
        name, data = octets("a user's name", user), self._content(message)
        return self._maildrops().deliver(name, data)

    def load(self, user: str, path: str | os.PathLike[str]) -> list[str]:
        """
        Delivers what is at path, all or nothing, and returns the unique-ids: a file with one message, an mbox, a
        Maildir, or a folder of messages, in the order of their names.

        ValueError: there is no such user. NetworkError, an OSError: it cannot be read. LimitExceeded: a message is
        larger than max_message.

        >>> server.load("alice", folder / "alice") == [server.messages("alice")[-1].uid]
        True
        """
        return self._maildrops().load(octets("a user's name", user), path)

    def messages(self, user: str) -> list[Mail]:
        """The user's messages, oldest first. ValueError: there is no such user."""
        return [Mail(*message) for message in self._maildrops().messages(octets("a user's name", user))]

    def remove(self, user: str, uid: str) -> None:
        """Removes a message now, whoever has it open. ValueError: there is no such user or message."""
        self._maildrops().remove(octets("a user's name", user), uid)

    def clear(self, user: str) -> None:
        """
        Removes all of the user's messages that are there now. ValueError: there is no such user.

        >>> server.clear("alice")
        >>> server.messages("alice")
        []
        """
        name, memory = octets("a user's name", user), self._maildrops()
        for uid in memory.unique_ids(name):
            try:
                memory.remove(name, uid)
            except ValueError:  # a session has deleted it meanwhile
                continue

    def _content(self, message: Deliverable) -> bytes:
        if isinstance(message, bytes | bytearray | memoryview):
            return bytes(message)
        if isinstance(message, os.PathLike):
            return self._only_message(message)
        if hasattr(message, "as_bytes"):
            return message.as_bytes()
        hint = ": encode it, or make a Path of it" if isinstance(message, str) else ""
        raise TypeError(f"a message must be bytes, of the email package, or a path, not {type(message).__name__}{hint}")

    def _only_message(self, path: os.PathLike[str]) -> bytes:
        aside = _core.Memory()
        aside.limit(self._limit)
        aside.add_user(b"", b"")
        count = len(aside.load(b"", path)) if Path(path).is_file() else None
        if count != 1:
            found = "no file" if count is None else f"a file with {count} messages"
            raise ValueError(f"{os.fspath(path)} is {found}: deliver takes one message, load takes many")
        return aside.messages(b"")[0][2]


def octets(what: str, text: str) -> bytes:
    """A name or a password as the server compares it. TypeError, ValueError: it is none."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{what} holds what UTF-8 cannot encode") from None
