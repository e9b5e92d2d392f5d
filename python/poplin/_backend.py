"""What a script gives to a server: the shapes of its backend and its maildrops."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, BinaryIO, Protocol, runtime_checkable

Body = bytes | bytearray | memoryview | os.PathLike[str] | BinaryIO | Iterable[bytes]
"""
A message: its octets, a path, a binary file (read from where it stands, and closed) or pieces. Line ends may be LF
or CRLF. A str is none: encode it, or make a Path of it.
"""


# Future[Any]: to a type checker a Future of a subclass is no Future of the class.


@runtime_checkable
class Maildrop(Protocol):
    """
    One user's messages during one session. A plain object with these methods will do. Where it has a method `close`
    too, that is called once, last, however the session ended.

    Each method may return a `concurrent.futures.Future` of its result instead. What a method raises ends its request
    with -ERR and is kept in `Server.errors`; `Refused`, `InUse`, `Temporary` are answers and are not kept.
    """

    def list(self) -> Iterable[tuple[str, int | None]] | Future[Any]:
        """
        The messages that this session sees: each one's unique-id (1 to 70 of the characters "!" to "~", each once) and
        its octets as on the wire, each line end counted as two; or None: it is read and counted when asked for.
        """

    def retr(self, uid: str) -> Body | Future[Any]:
        """One message's content."""

    def dele(self, uids: builtins.list[str]) -> Future[Any] | None:
        """Delete these, once, at QUIT. An exception tells the client that they are not deleted."""


class Backend(Protocol):
    """
    Who may log in and what they find. A plain object will do, with `maildrop` and at least one of

    - `password(user)`: the user's password, or None where there is no such user;
    - `authenticate(user, password)`: True or False, where only a check is possible.

    The first is asked where both are there. Futures and exceptions as for `Maildrop`.
    """

    def maildrop(self, user: str) -> Maildrop | Future[Any]:
        """The messages of a user who has logged in. Raise `InUse` or `Temporary` to refuse."""
