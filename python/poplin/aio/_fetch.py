"""`fetch` under asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

from poplin._connecting import ConnectOptions
from poplin._destinations import Waiting
from poplin._fetch import Destination
from poplin._fetch_results import Incoming, Progress, Report
from poplin._fetching import Face, Fetching, Wishes
from poplin._seen import Seen
from poplin._url import URL
from poplin.aio._client import Client
from poplin.aio._hub import Hub

if TYPE_CHECKING:
    from datetime import timedelta


async def fetch(
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
    filter: Callable[[Incoming], Any] | None = None,  # noqa: A002
    commit_every: int | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], Any] | None = None,
    **options: Unpack[ConnectOptions],
) -> Report:
    """
    As `poplin.fetch`. The functions of into, filter and progress, password and token may also be coroutine functions.

    Where the task is cancelled, what was delivered by then is recorded before CancelledError leaves. Maildirs and the
    seen store are written in the loop's thread, which an fsync holds up for milliseconds, and for longer where another
    program writes to the same store; mboxes and LMTP have threads of their own, and what one of these has begun when
    the task is cancelled it brings to its end.

    >>> async def main():
    ...     return await poplin.aio.fetch(
    ...         server.url, user="alice", password="secret", into=folder / "Mail", seen=folder / "seen.db"
    ...     )
    >>> print(asyncio.run(main()))
    2 messages fetched, 46 octets
    """
    wishes = Wishes(
        into, seen, account, keep, limit, newest_first, max_octets, large, filter, commit_every, dry_run, progress
    )
    hub = Hub.current()
    waiting = Waiting(asyncio.sleep, asyncio.to_thread, lambda: asyncio.sleep(0))
    fetching = Fetching(Face(Client, hub.core, waiting), url, wishes, options)
    hub.enter()
    try:
        return await hub.carry_out(fetching.steps())
    finally:
        hub.leave()
