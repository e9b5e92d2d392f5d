"""`fetch`: mail from a server to here, nothing lost and nothing twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

from poplin._client import Client
from poplin._connecting import ConnectOptions
from poplin._conversation import blocking
from poplin._destinations import LMTP, Mbox, Waiting
from poplin._fetch_results import Incoming, Progress, Report
from poplin._fetching import Face, Fetching, Wishes
from poplin._seen import Seen
from poplin._url import URL

if TYPE_CHECKING:
    from datetime import timedelta

Destination = str | os.PathLike[str] | Mbox | LMTP | Callable[[Incoming], object]
"""Where messages go: the path of a Maildir, an `Mbox`, an `LMTP`, or a function."""

Choice = bool | Literal["take", "skip", "delete"] | os.PathLike[str] | Mbox | LMTP | Callable[[Incoming], object]
"""What a filter returns."""


def fetch(
    url: str | URL | None = None,
    *,
    into: Destination | Sequence[Destination],
    seen: str | os.PathLike[str] | Seen | None = None,
    account: str | None = None,
    keep: str | timedelta = "forever",
    limit: int | None = None,
    newest_first: bool = False,
    max_octets: int | None = None,
    large: Literal["skip", "headers"] = "skip",
    filter: Callable[[Incoming], Choice | Sequence[Any]] | None = None,  # noqa: A002
    commit_every: int | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], object] | None = None,
    **options: Unpack[ConnectOptions],
) -> Report:
    """
    Fetch what was not fetched before: deliver it, make it durable, remember it, and only then delete it on the server,
    where it is not to stay. Stopped at any instant, by a dropped line or by SIGKILL, it has lost nothing, and the next
    fetch goes on from there.

    url, and all arguments not named here: as for `connect`. password= and token= may be callables.
    into: where to: the path of a Maildir, which is made where there is none; an `Mbox`; an `LMTP`; a function, which is
        called with each message (an `Incoming`), and raises where it could not do its work; or several of these in a
        list, all of which get each message. Into Maildirs nothing is delivered twice, since a file's name comes from
        account and unique-id. The others get a message again where a fetch was stopped between its delivery and its
        record, which follows at once; it is marked as `Incoming.resumed` then.
    seen: the seen store, what is remembered of earlier fetches: a path, or a `Seen`. By default it is
        poplin/seen.sqlite below $XDG_STATE_HOME, or else below ~/.local/state.
    account: the maildrop's name in it, the same for each fetch of it. By default USER@HOST, with :PORT where that is
        neither 110 nor 995.
    keep: how long messages stay on the server: "forever"; "none": until they are delivered; "14d", or a timedelta: so
        long after they were first seen.
    limit: messages to take, at most. newest_first: the highest numbers first.
    max_octets: what is larger is left where it is (large="skip"), or its header is delivered (large="headers"), once.
    filter: a function that is called with each new message, `data` being its header, and returns "take" or True; "skip"
        or False, to leave it, and be asked again by the next fetch; "delete", to have it deleted on the server,
        undelivered; or where to take it instead, as for into (a Maildir's path as a `pathlib.Path`).
    commit_every: after so many messages leave by QUIT and connect again, so that deletions are made and a dropped line
        costs little. A server's LOGIN-DELAY is waited for.
    dry_run: take, record and delete nothing; the report tells what would be done.
    progress: a function that is called with a `Progress` as it goes on, once at least.

    Where one message cannot be delivered, or the filter raises, that one stays on the server, the others go on, and the
    report tells; another destination of the same message gets it again next time, unless it is a Maildir.

    Raises what `connect` does, and whatever ends the session: `ConnectionLost`, `Timeout` and the others of
    `poplin.Error`. What was delivered by then is recorded, and `error.report` tells of it. The same holds for what
    progress raises, for a filter that returns something else (TypeError), and for Ctrl-C. NetworkError (an OSError): a
    Maildir, an mbox or the seen store cannot be used; it says which and why. `InUse`: the server's, or at once, before
    it is asked, where another fetch of this account is under way with the same seen store (see `Seen.claim`).

    >>> def mail():
    ...     return poplin.fetch(
    ...         server.url, user="alice", password="secret", into=folder / "Mail", seen=folder / "seen.db"
    ...     )
    >>> print(mail())
    2 messages fetched, 46 octets
    >>> print(mail())
    0 messages fetched, 0 octets; 2 known from before
    """
    wishes = Wishes(
        into, seen, account, keep, limit, newest_first, max_octets, large, filter, commit_every, dry_run, progress
    )
    return blocking(Fetching(_FACE, url, wishes, options).steps())


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


_FACE = Face(Client, None, Waiting(_sleep, _call, lambda: None))
