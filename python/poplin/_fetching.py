"""
How a fetch goes, whoever waits: the engine's events, and what is done about each. One logic for `poplin.fetch` and
`poplin.aio.fetch`.

Whatever ends it early (a dropped line, an exception of the script's, Ctrl-C, a cancelled task), what was delivered by
then is recorded before the exception leaves.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from poplin import _core
from poplin._connecting import ConnectOptions, connecting, mechanism_names
from poplin._conversation import Conversation, Steps, Wait, asking
from poplin._destinations import Route, Routes, Waiting, destinations, refuse_coroutine
from poplin._errors import Error, NetworkError, StateError
from poplin._fetch_results import FetchedMessage, Incoming, Progress, Report
from poplin._paths import is_folder, path_of
from poplin._seen import Seen
from poplin._url import URL, text_of

DAY = 86400
COUNT_MAX = 0xFFFFFFFF
KEEP_DAYS_MAX = 36500
PORTS = (110, 995)

Told = tuple[int, str | None, int | None, bool, bool]
"""What the core tells of a message: number, uid, octets, resumed, headers only."""


class Face(NamedTuple):
    """Who waits."""

    make: Callable[[_core.Link, str], Conversation[Any]]
    """Makes a client."""

    loop: _core.Loop | None
    """What its links live on; None: each on its own."""

    waiting: Waiting


class Wishes(NamedTuple):
    """The arguments of `poplin.fetch`, as they were given."""

    into: object
    seen: str | os.PathLike[str] | Seen | None
    account: str | None
    keep: object
    limit: int | None
    newest_first: bool
    max_octets: int | None
    large: str
    filter: Callable[[Incoming], Any] | None
    commit_every: int | None
    dry_run: bool
    progress: Callable[[Progress], Any] | None


class Fetching:
    """One fetch."""

    def __init__(self, face: Face, url: str | URL | None, wishes: Wishes, options: Mapping[str, Any]) -> None:
        """TypeError, ValueError: what is wished cannot be meant. Nothing is opened, nor asked."""
        _check_options(options, wishes.commit_every)
        _check_user(url, options)
        self._face = face
        self._url = url
        self._options = dict(options)
        self._filter = callable_or_none("filter", wishes.filter)
        self._progress = callable_or_none("progress", wishes.progress)
        self._seen = wishes.seen
        if not isinstance(self._seen, Seen | str | os.PathLike | None):
            raise TypeError(f"seen must be a path or a Seen, not {type(self._seen).__name__}")
        if isinstance(self._seen, str | os.PathLike):
            path_of("a seen store", self._seen)
        self._into = destinations(wishes.into)
        self._account = account_of(url, options) if wishes.account is None else wishes.account
        self._dry_run = wishes.dry_run
        self._core = _core.Fetch(self._settings_of(wishes))  # raises where it is no account
        self._route = Route((), ())
        self._store: Seen | None = None
        self._ready = False
        self._client: Conversation[Any] | None = None
        self._messages: list[FetchedMessage] = []
        self._forget_session()

    def _settings_of(self, wishes: Wishes) -> dict[str, object]:
        if wishes.large not in ("skip", "headers"):
            raise ValueError(f"large must be 'skip' or 'headers', not {wishes.large!r}")
        if wishes.large == "headers" and wishes.max_octets is None:
            raise ValueError("large='headers' says nothing without max_octets=")
        for name, value in {"newest_first": wishes.newest_first, "dry_run": wishes.dry_run}.items():
            if not isinstance(value, bool):  # "false", say, which would count as True
                raise TypeError(f"{name} must be True or False, not {value!r:.80}")
        settings: dict[str, object] = {
            "account": self._account,
            "newest_first": wishes.newest_first,
            "large_headers": wishes.large == "headers",
            "filter": self._filter is not None,
            "dry_run": wishes.dry_run,
            "tells": self._progress is not None,
            "limit": _count("limit", wishes.limit, COUNT_MAX),
            "max_octets": _count("max_octets", wishes.max_octets, (1 << 63) - 1),
            "commit_every": _count("commit_every", wishes.commit_every, COUNT_MAX),
        }
        seconds = keep_seconds(wishes.keep)
        return settings if seconds is None else {**settings, "keep": seconds}

    def _forget_session(self) -> None:
        """Numbers are a session's own."""
        self._routes_of: dict[int, Route] = {}
        self._errors: dict[int, Exception] = {}
        self._places: dict[int, tuple[str, ...]] = {}
        self._complete = 0  # the number of the message that all sinks have taken

    # ---- from the beginning to the end ----

    def steps(self) -> Steps[Report]:
        """The whole fetch."""
        with contextlib.ExitStack() as self._open:
            self._routes = Routes(self._face.waiting, not self._dry_run)
            self._open.callback(self._routes.close)
            try:
                yield from self._go_on()
                yield from self._routes.leave()
            except BaseException as error:
                self._stop()
                with contextlib.suppress(AttributeError):  # an exception of the script's may have no room for it
                    error.report = self._report()  # type: ignore[attr-defined]
                raise
            finally:
                self._close_client()
        return self._report()

    def _go_on(self) -> Steps[None]:
        while event := (yield from self._next()):
            match event:
                case ("DELIVER", message, data, names):
                    yield from self._deliver(message, data, names)
                case ("FILTER", message, header):
                    yield from self._ask_filter(message, header)
                case ("PROGRESS", numbers):
                    yield from self._tell(numbers)
                case ("CONNECT", seconds):
                    yield from self._connect(seconds)
                case _:
                    self._do(event)

    def _next(self) -> Steps[tuple[Any, ...]]:
        if self._client is None:  # it is about to be asked for
            return self._core.next(False) or ()
        event: tuple[Any, ...] = yield Wait(self._client._link, self._core.next)
        return event

    def _do(self, event: tuple[Any, ...]) -> None:
        """What needs no waiting."""
        match event:
            case ("RECALL",):
                self._core.recall([] if self._store is None else self._store.recall(self._account))
            case ("RECORD", rows):
                assert self._store is not None  # nothing is recorded in a dry run
                self._store.record(self._account, rows)
                self._core.answer(0, "")
            case ("BEGIN", (number, *_)):
                route = self._routes_of.get(number, self._route)
                self._core.begin(route.maildirs, bool(route.sinks))

    def _stop(self) -> None:
        """After an exception: has the engine record what was delivered, and tell what became of each message."""
        with contextlib.suppress(Exception):  # the one that is on its way says why
            self._core.cancel()
            event = self._core.again()
            while event := event or self._core.next(False):
                match event:
                    case ("RECORD", _):
                        self._record_in_the_end(event)
                    case ("DELIVER", (number, *_), _, _) if (
                        number == self._complete or not self._route_of(number).sinks
                    ):
                        self._core.answer(0, "")
                    case ("PROGRESS", _):
                        pass
                    case _:
                        self._core.answer(_core.CANCELLED, "the fetch was stopped")
                event = None

    def _record_in_the_end(self, event: tuple[Any, ...]) -> None:
        """Also the one that was interrupted, once more."""
        try:
            self._do(event)
        except Exception:  # the same as before, often: it is on its way already
            self._core.answer(_core.CANCELLED, "it could not be recorded")

    def _report(self) -> Report:
        self._take_results()
        return Report(self._account, self._dry_run, self._messages, Progress(*self._core.progress()))

    # ---- the connection ----

    def _connect(self, seconds: float) -> Steps[None]:
        self._close_client()
        self._take_results()
        self._forget_session()
        if self._ready and self._options.get("sock") is not None:
            raise StateError(
                "what is left, a message at which a session has ended, needs a session of its own, and sock= was one: "
                "fetch again, on a new one",
                doing="fetch",
            )
        if seconds > 0:
            yield asking(self._face.waiting.sleep, seconds)
        client = yield from connecting(self._make, self._face.loop, self._url, **self._options)
        self._core.use(client._link)

    def _make(self, link: _core.Link, where: str) -> Conversation[Any]:
        """Makes the client; it is closed in the end whatever happens to its opening."""
        self._client = client = self._face.make(link, where)
        if not self._ready:
            self._open_places()
        return client

    def _open_places(self) -> None:
        """Just before the server is asked: where an argument cannot be meant, nothing is made on the disk."""
        self._route = self._routes.of(self._into)
        self._store = self._open.enter_context(_store(self._seen, self._dry_run))
        if self._store is not None and not self._dry_run:  # which writes nothing
            self._open.enter_context(self._store.claim(self._account))
        self._core.deliver_to(self._route.maildirs, bool(self._route.sinks))
        if self._route.sinks:
            self._core.settle_each()
        self._ready = True

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    # ---- messages ----

    def _incoming(self, message: Told, data: bytes) -> Incoming:
        return Incoming(self._account, *message, data)

    def _route_of(self, number: int) -> Route:
        return self._routes_of.get(number, self._route)

    def _ask_filter(self, message: Told, header: bytes) -> Steps[None]:
        assert self._filter is not None
        number = message[0]
        try:
            said = yield asking(self._filter, self._incoming(message, header))
        except Exception as error:
            self._fail(number, error)
            return
        refuse_coroutine(said, self._filter)
        if said is False or said == "skip":
            self._core.choose(_core.CHOICE_SKIP)
        elif isinstance(said, str) and said == "delete":
            self._core.choose(_core.CHOICE_REJECT)
        elif said is True or (isinstance(said, str) and said == "take"):
            self._core.choose(_core.CHOICE_TAKE)
        else:
            self._redirect(number, said)

    def _redirect(self, number: int, said: object) -> None:
        """Takes a message to where the filter has said."""
        named = said if isinstance(said, list | tuple) else (said,)
        if any(place is None or isinstance(place, str) for place in named):
            raise TypeError(
                f"a filter returns 'take' (or True), 'skip' (or False), 'delete', or where to take the message to "
                f"(a pathlib.Path for a Maildir), not {said!r:.80}"
            )
        try:
            self._routes_of[number] = route = self._routes.of(destinations(said, "what the filter returned"))
        except Error as error:  # a Maildir or an mbox that cannot be opened
            self._fail(number, error)
            return
        if route.sinks:
            self._core.settle_each()
        self._core.choose(_core.CHOICE_TAKE)

    def _deliver(self, message: Told, data: bytes | None, names: list[str]) -> Steps[None]:
        number = message[0]
        places = names
        failure: Exception | None = None
        for sink in () if data is None else self._route_of(number).sinks:
            try:
                places.append((yield from sink.deliver(self._incoming(message, data or b""))))
            except Exception as error:  # the others get it all the same
                failure = failure or error
        self._places[number] = tuple(place for place in places if place)
        if failure is not None:
            self._fail(number, failure)
        else:
            self._complete = number
            self._core.answer(0, "")
        yield asking(self._face.waiting.pause)  # it may have taken milliseconds, and the next ones may be there

    def _fail(self, number: int, error: Exception) -> None:
        """The message stays where it is."""
        _let_go(error)
        self._errors[number] = error
        self._core.answer(_core.CANCELLED, "it could not be delivered")

    def _take_results(self) -> None:
        """What became of the session's messages. Those that went to Maildirs alone the core has seen to."""
        for (number, uid, octets, resumed, _), result, deleted, error, names in self._core.results():
            places = self._places.get(number) or tuple(names or ())
            why = self._errors.get(number, error)
            self._messages.append(FetchedMessage(number, uid, octets, result, deleted, places, resumed, why))

    def _tell(self, numbers: tuple[int, ...]) -> Steps[None]:
        assert self._progress is not None
        refuse_coroutine((yield asking(self._progress, Progress(*numbers))), self._progress)


def _let_go(error: BaseException) -> None:
    """
    The report keeps the exception, and that would keep each function's variables where it was raised: the message, too.
    The lines are kept.
    """
    some: BaseException | None = error
    for _ in range(10):  # it may be a circle
        if some is None:
            return
        while (at := some.__traceback__) is not None and not _is_over(at.tb_frame):
            some.__traceback__ = at.tb_next  # the one that has caught it
        while at is not None:
            _is_over(at.tb_frame)
            at = at.tb_next
        some = some.__cause__ or some.__context__


def _is_over(frame: FrameType) -> bool:
    """Clears it, if so."""
    try:
        frame.clear()
    except RuntimeError:
        return False
    return True


# ---- what is wished ----


def _check_options(options: Mapping[str, Any], commit_every: int | None) -> None:
    unknown = options.keys() - ConnectOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"fetch() got an unexpected keyword argument {min(unknown)!r}")
    if options.get("sock") is not None and commit_every is not None:
        raise ValueError("commit_every= connects again and again, which sock= cannot: leave one of them out")


def _check_user(url: str | URL | None, options: Mapping[str, Any]) -> None:
    """A fetch logs in, which takes a user wherever the mechanism does not say who it is."""
    text = "pop3://localhost" if not url else text_of(url)
    _, _, _, user, auth, _ = _core.parse_url(text, options.get("tls", "auto"))
    mechanisms = mechanism_names(auth if options.get("auth") is None else options["auth"])
    free = mechanisms is not None and _core.need_no_secret(mechanisms)
    if options.get("user") is None and user is None and not free:
        raise ValueError("fetch() needs a user, in the URL or as user=")


def callable_or_none(name: str, value: Any) -> Any:
    """TypeError: it is something else."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable, not {type(value).__name__}")
    return value


def _count(name: str, value: int | None, most: int) -> int:
    """A number from 1, or 0 for None."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int or None, not {type(value).__name__}")
    if not 1 <= value <= most:
        raise ValueError(f"{name} must be from 1 to {most}, or None")
    return value


def keep_seconds(keep: object) -> int | None:
    """For how many seconds messages stay on the server; None: for ever."""
    from datetime import timedelta

    if keep == "forever":
        return None
    if keep == "none":
        return 0
    if isinstance(keep, timedelta):
        seconds = int(keep.total_seconds())
    elif isinstance(keep, str):
        days = keep.removesuffix("d")
        if days == keep or not (days.isascii() and days.isdigit()) or len(days) > 6:
            raise ValueError(f"keep must be 'forever', 'none', or a number of days such as '14d', not {keep!r:.80}")
        seconds = int(days) * DAY
    else:
        raise TypeError(f"keep must be 'forever', 'none', days such as '14d', or a timedelta, not {keep!r:.80}")
    if not 0 < seconds <= KEEP_DAYS_MAX * DAY:
        raise ValueError(f"keep must be more than nothing (else 'none'), and at most {KEEP_DAYS_MAX} days")
    return seconds


def account_of(url: str | URL | None, options: Mapping[str, Any]) -> str:
    """The name of the maildrop in the seen store, where none is given: POP-UIDL-5."""
    user, path = options.get("user"), options.get("path")
    if url is None and path is None:
        raise ValueError("fetch() needs a URL or host, or path=; and with sock= account=, to remember the messages by")
    where, url_user = "" if path is None else os.fsdecode(path), None
    if url is not None:
        text = text_of(url)
        _, host, port, url_user, _, _ = _core.parse_url(text, options.get("tls", "auto"))
        host = f"[{host.lower()}]" if ":" in host else host.lower()
        where = where or (host if port in PORTS else f"{host}:{port}")
    if isinstance(user, tuple):  # the server knows one of them, and it is the same maildrop
        user = user[0] if user else None
    whose = options.get("authorize") or user or url_user
    return where if whose is None else f"{whose}@{where}"


# ---- the memory ----


@contextlib.contextmanager
def _store(seen: str | os.PathLike[str] | Seen | None, dry_run: bool) -> Iterator[Seen | None]:
    """The seen store that is meant; None where there is none yet and none is to be made."""
    if isinstance(seen, Seen):
        yield seen
        return
    path = default_path() if seen is None else Path(os.fsdecode(seen))
    if dry_run and not os.path.lexists(path):
        yield None
        return
    if seen is None:
        make_folders(path.parent)
    with Seen(path) as store:
        yield store


def default_path() -> Path:
    """
    Where the seen store is, by the XDG Base Directory Specification, which allows only absolute paths. NetworkError:
    nobody knows where the user's home is.
    """
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        try:
            state = Path.home() / ".local/state"
        except RuntimeError as error:
            why = "there is no home folder to remember in: say where the seen store is"
            raise NetworkError(why, doing="fetch") from error
    return state / "poplin/seen.sqlite"


def make_folders(path: Path) -> None:
    """Makes what is missing of a folder's path, for its owner alone. NetworkError: it cannot be made."""
    if is_folder(path):
        return
    make_folders(path.parent)
    try:
        path.mkdir(stat.S_IRWXU, exist_ok=True)
    except OSError as error:
        raise NetworkError(f"cannot make {path}, where fetch remembers: {error.strerror}", doing="fetch") from error
