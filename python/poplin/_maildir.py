"""A Maildir as a server's maildrop."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable
from typing import BinaryIO

from poplin import _core


class Maildir:
    """
    A Maildir as a maildrop for one session, for a backend's `maildrop` to return:

        def maildrop(self, user):
            return poplin.Maildir(f"/home/{user}/Maildir")

    It is a snapshot: the messages that are in new and cur when it is made, by time of delivery. Other programs may
    deliver, rename and remove at any time: what is new is for the next session, a message is found under whatever name
    it has by now, and one that is gone is refused. A message's unique-id is the first part of its file's name, up to
    the ":" (or a hash of that, where it can be none). Links and files that begin with a dot are no messages.

    Its methods are called one after the other. The user's name becomes part of a path here: so let nobody log in whose
    name could lead elsewhere.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """NetworkError (an OSError): there is no such Maildir, or it cannot be read; it says which and why."""
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

    def close(self) -> None:
        """Lets go of the folders; of no use afterwards. Closing twice is peaceful."""
        self._core.close()
