"""What a script gives to a server: the shapes of its backend and its maildrops."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, BinaryIO, Literal, Protocol, runtime_checkable

Body = bytes | bytearray | memoryview | os.PathLike[str] | BinaryIO | Iterable[bytes]
"""
A message: its octets, a path, a binary file (read from where it stands, and closed) or pieces. Line ends may be LF
or CRLF. A str is none: encode it, or make a Path of it.
"""


Outcome = Literal["committed", "left", "dropped", "timed out", "failed"]
"""How a session ended. "left": with QUIT before a login. Nothing was deleted but in one that is "committed"."""


# Future[Any]: to a type checker a Future of a subclass is no Future of the class.


@runtime_checkable
class Maildrop(Protocol):
    r"""
    One user's messages during one session. A plain object with these methods will do. Where it has a method
    `close(outcome, error)` too, that is called once, last, however the session ended: as the `Outcome` says,
    "committed", "dropped", "timed out" or "failed", and with the `Error` that ended it, or None.

    Each method may return a `concurrent.futures.Future` of its result instead. What a method raises ends its request
    with -ERR and is kept in `Server.errors`; `Refused`, `InUse`, `Temporary` are answers and are not kept.

    Where the server's expire_by_user= and login_delay_by_user= say that users differ, the attributes `expire` and
    `login_delay` are this user's own; without one, or where it is None, the server's holds.

    >>> class Diary:
    ...     def list(self):
    ...         return [("day-1", None)]
    ...     def retr(self, uid):
    ...         return b"Subject: today\n\nIt rained.\n"
    ...     def dele(self, uids):
    ...         print("bye,", *uids)
    >>> isinstance(Diary(), poplin.Maildrop)
    True
    """

    def list(self) -> Iterable[tuple[str, int | None] | tuple[str, int | None, bool]] | Future[Any]:
        """
        The messages that this session sees: each one's unique-id (1 to 70 of the characters "!" to "~", each once) and
        its octets as on the wire, each line end counted as two; or None: it is read and counted when asked for.
        A third element says whether the header is more than ASCII: see `Server`'s utf8=.
        """
        ...

    def retr(self, uid: str) -> Body | Future[Any]:
        """One message's content."""
        ...

    def dele(self, uids: builtins.list[str]) -> Future[Any] | None:
        """
        Delete these, once, at QUIT. An exception tells the client that they are not deleted, and so does a maildrop
        that has no such method.
        """


class Backend(Protocol):
    """
    Who may log in and what they find. A plain object will do, with `maildrop` and at least one of the first four. Which
    are there decides what clients are offered:

    - `password(user)`: the user's password, or None where there is no such user. USER and PASS, PLAIN, SCRAM; where
      the server's `auth=` names them also APOP, CRAM-MD5 and LOGIN;
    - `scram_keys(user)`: what `poplin.scram_keys` made of the password, or None. USER and PASS, PLAIN, SCRAM-SHA-256;
      SCRAM-SHA-1 where `auth=` names it, for keys that are for it;
    - `authenticate(user, password)`: whether the password is right: True or False, where only a check is possible. USER
      and PASS, PLAIN;
    - `token(user, token)`: whether the OAuth 2 access token is good: True or False. user is None where the client has
      given no name. OAUTHBEARER, XOAUTH2;
    - `login_failed(user, address)`: if it is there, it is told of each wrong name, password or token, for a log or for
      a limit of one's own. address: the client's IP address; "" on a Unix socket.

    `authenticate` and `token` may also return a name in the place of True: whose maildrop it is, where the name
    that logs in is another, or there is none. A shown password is compared with `password`'s where that is there, else
    `authenticate` is asked, else `scram_keys`. A user without a password is looked for by `scram_keys` where both are
    there. Unknown users, wrong passwords and wrong tokens look the same to a client.

    Futures and exceptions as for `Maildrop`.

    >>> class Users:
    ...     def password(self, user):
    ...         return {"alice": "secret"}.get(user)
    ...     def maildrop(self, user):
    ...         return poplin.Maildir(folder / user)
    >>> server = poplin.Server(Users())
    """

    def maildrop(self, user: str) -> Maildrop | Future[Any]:
        """The messages of a user who has logged in. Raise `InUse` or `Temporary` to refuse."""
        ...
