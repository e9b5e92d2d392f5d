"""
The seen store: the memory of what was fetched, one SQLite file for all accounts.

The schema, the statements and the words for what may be wrong with a file are the C core's, since C and Lua use the
same files; the SQLite is Python's own. See csrc/include/poplin/seen.h.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, Self, TypeVar, cast

from poplin import _core
from poplin._alone import Alone
from poplin._errors import Error, StateError, Unsupported, make
from poplin._paths import path_of

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

Step = Literal["taken", "headers", "delivered", "rejected", "deleted", "confirmed"]
Row = tuple[str, int, str | None, int | None, int, int, int | None]
"""uid, copy, step (None: forget it), octets (None: unknown), first_seen, changed, gone (None: listed last time)."""
T = TypeVar("T")

_SQL = _core.SEEN_STATEMENTS
_LIMITS = _core.SEEN_LIMITS
_TIME_MAX, _UID_MAX = _LIMITS["time"], _LIMITS["uid"]
_OPENING, _READING, _WRITING = "opening the seen store", "reading the seen store", "writing the seen store"
_CLAIMING = "claiming the account"


class SeenRecord(NamedTuple):
    """
    What is remembered of one message: see `Seen.messages`.

    >>> with poplin.seen(folder / "seen.db") as store:
    ...     store.mark("alice", ["uid-1"])
    ...     store.messages("alice")[0].uid
    'uid-1'
    """

    uid: str
    """
    The unique-id. What is not printable ASCII, and "%", stands as %XX. "sha256 " and a digest of the header where the
    server has none.
    """
    copy: int
    """0; of several messages that the server gives one unique-id the second has 1, and so on."""
    step: Step
    """
    "taken": about to be delivered, or in the middle of it when the fetch was stopped. "headers": too large, its header
    was delivered. "delivered": it is safe. "rejected": by the filter. "deleted": delivered, and marked so on the
    server. "confirmed": gone from the server.
    """
    octets: int | None
    """As the server told; None where it did not."""
    first_seen: datetime
    """In UTC."""
    changed: datetime
    """When the step was reached."""
    gone: datetime | None
    """Since when the server has not listed it any more; None: it did the last time."""


class _Unusable(Exception):
    """What is in the file cannot be used: the name of a problem."""


def _fail(path: str, doing: str, problem: str, detail: str = "") -> Error:
    reason = f"{path}: {_core.SEEN_PROBLEMS[problem]}{f' ({detail})' if detail else ''}"
    reason = reason.encode("unicode_escape").decode("ascii")
    status = {"LATER": "UNSUPPORTED", "TOO_MANY": "LIMIT"}.get(problem, "IO")
    return make(status, f"{doing}: {reason}", doing, "", reason, "", None)


def _sqlite() -> Any:
    try:
        import sqlite3
    except ImportError as failure:
        raise Unsupported("this Python was built without sqlite3, which the seen store needs") from failure
    return sqlite3


# ---- what can be on record ----


def _is_account(account: object) -> bool:
    if not isinstance(account, str) or any(character < " " or character == "\x7f" for character in account):
        return False
    return 0 < len(account.encode("utf-8", "surrogatepass")) <= _LIMITS["account"]


def _is_uid(uid: object) -> bool:
    return isinstance(uid, str) and 0 < len(uid) <= _UID_MAX and uid.isascii() and uid.isprintable()


def _is_row(row: Row) -> bool:
    uid, copy, step, octets, first_seen, changed, gone = row
    return (
        _is_uid(uid)
        and type(copy) is int
        and 0 <= copy < 1 << 32
        and (step is None or (isinstance(step, str) and step in _core.STEPS))
        and (octets is None or (type(octets) is int and 0 <= octets < 1 << 63))
        and type(first_seen) is type(changed) is int
        and 0 <= first_seen <= _TIME_MAX
        and 0 <= changed <= _TIME_MAX
        and (gone is None or (type(gone) is int and 0 <= gone <= _TIME_MAX))
    )


def _check_account(account: str) -> None:
    if not _is_account(account):
        raise ValueError(f"no account: {account!r:.80}: 1 to 1,000 octets, none of them a control character")


def _check_uids(uids: list[str]) -> None:
    for uid in uids:
        if not _is_uid(uid):
            raise ValueError(f"no unique-id as it is recorded: {uid!r:.80}: printable ASCII, %XX for other octets")


# ---- the file ----


def _find_or_make(path: str) -> None:
    """See find_or_make in csrc/fetch/seen.c: what is at the path is a file, and ours alone where it is new."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        _make(path)
        return
    for problem, found in (("A_LINK", stat.S_ISLNK(mode)), ("A_FOLDER", stat.S_ISDIR(mode))):
        if found:
            raise _Unusable(problem)
    if not stat.S_ISREG(mode):
        raise _Unusable("NO_FILE")


def _make(path: str) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    made = f"{path}.{os.urandom(6).hex()}"
    os.close(os.open(made, flags, 0o600))
    try:
        os.link(made, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        with suppress(FileExistsError):
            os.close(os.open(path, flags, 0o600))
    finally:
        Path(made).unlink()


def _ask(database: sqlite3.Connection, statement: str, *bound: str) -> Any:
    return database.execute(_SQL[statement], bound).fetchone()[0]


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute(_SQL["BEGIN"])
    try:
        yield
        database.execute(_SQL["COMMIT"])
    finally:
        if database.in_transaction:
            database.execute(_SQL["ROLLBACK"])


def _set_up(database: sqlite3.Connection) -> None:
    """Makes sure that it is a store of this version, and makes it one where it is empty."""
    import sqlite3

    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LIMITS["length"])
    database.executescript(_SQL["SETTINGS"])
    version = _ask(database, "VERSION")
    if version == 0:
        with _transaction(database):
            version = _ask(database, "VERSION")  # another program may have made it since
            if version == 0:
                for statement in ("TABLE", "VIEW", "STAMP", "STAMP_VERSION"):
                    database.execute(_SQL[statement])
                version = _LIMITS["version"]
    if version < 0:
        raise _Unusable("FOREIGN")
    if version > _LIMITS["version"]:
        raise _Unusable("LATER")
    if _ask(database, "SOUND", _SQL["TABLE"]) != 1:
        raise _Unusable("CHANGED")
    with suppress(sqlite3.Error):
        database.executescript(_SQL["JOURNAL"])
    database.executescript(_SQL["SETTINGS"])


class Seen(Alone):
    """
    A seen store, open: see `seen`. A context manager. What it writes is on the disk when the call returns, and is
    written whole or not at all; other programs, in any language, may use the file at the same time. Its methods may be
    called from any thread, one at a time, and only in the process that opened it.

    >>> with poplin.seen(folder / "seen.db") as store:
    ...     store.mark("alice", ["uid-1", "uid-2"])
    ...     store.accounts()
    {'alice': 2}
    """

    _alone = "holds a file open"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens it, as `seen` does."""
        text = path_of("a seen store", path)
        self._path = text if text.startswith("/") else f"./{text}"  # SQLite knows names that are no files
        self._place = os.path.realpath(self._path)  # wherever the process goes
        self._process = os.getpid()
        self._database: sqlite3.Connection | None = None
        sqlite3 = _sqlite()
        with self._failures(_OPENING):
            _find_or_make(self._path)
            database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            try:
                _set_up(database)
            except BaseException:
                database.close()
                raise
        self._database = database

    def __repr__(self) -> str:
        return f"<poplin.Seen {self._path!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file. Closing twice is peaceful."""
        database, self._database = self._database, None
        if database is not None and self._process == os.getpid():
            database.close()

    def accounts(self) -> dict[str, int]:
        """The accounts on file, and how many messages are remembered of each."""

        def row(account: Any, messages: Any) -> tuple[str, int]:
            if not _is_account(account):
                raise _Unusable("CHANGED")
            return account, messages

        return dict(self._rows("ACCOUNTS", (), row))

    def messages(self, account: str) -> list[SeenRecord]:
        """What is remembered of the account's messages, in the order of their unique-ids."""
        from datetime import UTC, datetime

        def at(seconds: int | None) -> Any:
            return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

        return [
            SeenRecord(uid, copy, cast("Step", step), octets, at(first_seen), at(changed), at(gone))
            for uid, copy, step, octets, first_seen, changed, gone in self.recall(account)
        ]

    def mark(self, account: str, uids: Iterable[str], step: Step = "delivered") -> None:
        """
        Have these messages count as this far: "delivered" ones are not fetched (again). Unique-ids are written as in
        `SeenRecord`; one that nothing is known of counts as seen now.

        ValueError: that is no account, unique-id or step.
        """
        if isinstance(uids, str):
            raise TypeError("uids must be several unique-ids, not one str")
        listed, now = list(uids), int(time.time())
        _check_account(account)
        _check_uids(listed)
        if step not in _core.STEPS:
            raise ValueError(f"no step: {step!r:.80}: one of {', '.join(_core.STEPS)}")
        with self._open(_WRITING) as database, _transaction(database):
            for uid in listed:
                if not database.execute(_SQL["MARK"], (account, uid, step, now)).rowcount:
                    database.execute(_SQL["RECORD"], (account, uid, 0, step, None, now, now, None))

    def forget(self, account: str, uid: str | None = None) -> int:
        """
        Forget a message, or without uid the whole account: what is on the server then is fetched (again), and never
        deleted for having been there long. Returns how many records that were. ValueError as for `mark`.
        """
        _check_account(account)
        _check_uids([] if uid is None else [uid])
        statement, bound = ("FORGET_ACCOUNT", (account,)) if uid is None else ("FORGET_UID", (account, uid))
        with self._open(_WRITING) as database:
            return database.execute(_SQL[statement], bound).rowcount

    @contextmanager
    def claim(self, account: str) -> Iterator[None]:
        """
        A context manager, as long as which nobody else claims the account, in this process or another, in any language.
        A fetch claims its account by itself, so this is for a script that does something in its place, and then not to
        both: while a claim stands, a fetch of the account fails with `InUse`, and while a fetch is under way, a claim.

        The system ends it with the process, however that ends. It is kept in the file PATH-claims, beside the store; on
        a file system without locks it keeps nobody away.

        >>> with poplin.seen(folder / "seen.db") as store, store.claim("alice"):
        ...     poplin.fetch(server.url, user="alice", password="secret", account="alice", into=print, seen=store)
        Traceback (most recent call last):
        poplin.InUse: claiming the account: another fetch of alice is under way: try again when that is done
        """
        _check_account(account)
        self._check_open(_CLAIMING)
        held = _core.Claim(self._place, account)
        try:
            yield
        finally:
            held.release()

    def recall(self, account: str) -> list[Row]:
        """For the fetch: (uid, copy, step, octets, first_seen, changed, gone) of each record, times in seconds."""

        def row(*values: Any) -> Row:
            if not _is_row(values) or values[2] is None:
                raise _Unusable("CHANGED")
            return values

        _check_account(account)
        return self._rows("RECALL", (account,), row)

    def record(self, account: str, records: Iterable[Row]) -> None:
        """For the fetch: write such records, all or none. With None for step, forget this one."""
        rows = list(records)
        _check_account(account)
        for row in rows:
            if not _is_row(row):
                raise ValueError(f"no record: {row!r:.200}")
        if not rows:
            return
        with self._open(_WRITING) as database, _transaction(database):
            for forget, some in groupby(rows, lambda row: row[2] is None):
                if forget:
                    database.executemany(_SQL["FORGET"], [(account, *row[:2]) for row in some])
                else:
                    bound = [(account, *row) if row[6] != 0 else (account, *row[:6], None) for row in some]
                    database.executemany(_SQL["RECORD"], bound)

    def _rows(self, statement: str, bound: tuple[str, ...], convert: Callable[..., T]) -> list[T]:
        """The rows that a statement brings; no more than there may be."""
        found: list[T] = []
        with self._open(_READING) as database:
            for row in database.execute(_SQL[statement], bound):
                if len(found) == _LIMITS["rows"]:
                    raise _Unusable("TOO_MANY")
                found.append(convert(*row))
        return found

    @contextmanager
    def _open(self, doing: str) -> Iterator[sqlite3.Connection]:
        """The connection, for something that may fail."""
        database = self._check_open(doing)
        with self._failures(doing):
            yield database

    def _check_open(self, doing: str) -> sqlite3.Connection:
        if self._process != os.getpid():
            raise StateError("the process that opened the seen store has forked: open it in the child", doing=doing)
        if self._database is None:
            raise StateError("the seen store is closed", doing=doing)
        return self._database

    @contextmanager
    def _failures(self, doing: str) -> Iterator[None]:
        """Turns whatever SQLite raises, and what cannot be used, into an Error."""
        import sqlite3

        try:
            yield
        except _Unusable as problem:
            raise _fail(self._path, doing, str(problem)) from None
        except OSError as failure:
            raise _fail(self._path, doing, "NOT_OPENED", failure.strerror or "") from failure
        except UnicodeDecodeError as failure:  # SQLite's words about something spoilt
            raise _fail(self._path, doing, "CHANGED") from failure
        except sqlite3.Error as failure:
            self._raise(failure, doing)

    def _raise(self, failure: sqlite3.Error, doing: str) -> NoReturn:
        code = getattr(failure, "sqlite_errorcode", None)
        if code is None and "decode" in str(failure):  # a text that is no UTF-8, which Python finds
            raise _fail(self._path, doing, "CHANGED") from failure
        problem = "OTHER" if code is None else _core.SEEN_CODES.get(code & 0xFF, "OTHER")
        raise _fail(self._path, doing, problem, str(failure) if problem == "OTHER" else "") from failure


def seen(path: str | os.PathLike[str]) -> Seen:
    """
    Opens the seen store at this path, the memory of what was fetched, and makes it, for its owner alone, where there is
    none: to look at what is remembered, or to change it.

    NetworkError (an OSError): it cannot be opened, is no such file, or damaged; Unsupported: a later version of poplin
    has made it. Each says what to do, and the file stays as it is.

    >>> with poplin.seen(folder / "seen.db") as store:
    ...     store.mark("alice", [line.uid for line in pop.uidl()])  # these are not to be fetched
    ...     store.forget("alice")
    2
    """
    return Seen(path)
