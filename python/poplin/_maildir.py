"""A Maildir as a server's maildrop."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable
from typing import BinaryIO, Literal

from poplin import _core
from poplin._alone import Alone
from poplin._backend import Outcome
from poplin._errors import Error
from poplin._offers import days_of


class Maildir(Alone):
    r"""
    A Maildir as a maildrop for one session, for a backend's `maildrop` to return:

        def maildrop(self, user):
            return poplin.Maildir(f"/home/{user}/Maildir")

    It is a snapshot: the messages that are in new and cur when it is made, by time of delivery. Other programs may
    deliver, rename and remove at any time: what is new is for the next session, a message is found under whatever name
    it has by now, and one that is gone is refused. A message's unique-id is the first part of its file's name, up to
    the ":" (or a hash of that, where it can be none). Links and files that begin with a dot are no messages.

    Its methods are called one after the other. The user's name becomes part of a path here: so let nobody log in whose
    name could lead elsewhere.

    >>> maildrop = poplin.Maildir(folder / "alice")
    >>> [(uid, _)] = maildrop.list()
    >>> with maildrop.retr(uid) as file:
    ...     file.read()
    b'Subject: one\n\nhello\n'
    >>> maildrop.close()
    """

    _alone = "holds the folders of one session open"

    def __init__(self, path: str | os.PathLike[str], *, expire: int | Literal["never"] | None = None) -> None:
        """
        expire: days after which a message is removed, before this session sees anything: its file was modified so long
            ago. 0, "never" and None remove nothing so. It does not announce anything: see `Server`'s expire=, and
            expire_by_user=, with which this one is the user's own.

        NetworkError (an OSError): there is no such Maildir, or it cannot be read; it says which and why. Where an old
        message cannot be removed it stays, and `failure` says why; a server adds that to its `errors`.
        """
        self.expire = expire
        """As it was given."""
        self._path = path
        self.failure: Error | None = None
        """What kept an old message from being removed; None: nothing."""
        if expire is not None:
            try:
                _core.Maildir.expire(path, days_of(expire))
            except Error as failure:
                self.failure = failure
        self._core = _core.Maildir(path)

    def list(self) -> builtins.list[tuple[str, None]]:
        """The messages' unique-ids. No octets: poplin reads a message and counts when a client asks."""
        return [(uid, None) for uid in self._core.unique_ids()]

    def retr(self, uid: str) -> BinaryIO:
        """A message's file. Refused: it is no longer there. ValueError: the snapshot has no such message."""
        return os.fdopen(self._core.open(uid), "rb")

    def dele(self, uids: Iterable[str]) -> None:
        """
        Delete these, so that they are gone from the disk when this returns; what is gone already counts as deleted.
        NetworkError: one could not be deleted; the others are. ValueError as for `retr`: nothing was.
        """
        self._core.remove(list(uids))

    def __repr__(self) -> str:
        return f"<poplin.Maildir {os.fsdecode(self._path)!r}>"

    def close(self, outcome: Outcome | None = None, error: Error | None = None) -> None:
        """
        Lets go of the folders; of no use afterwards. Closing twice is peaceful. What a server tells it is for those who
        override it.
        """
        del outcome, error
        self._core.close()
