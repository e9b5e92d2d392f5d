"""poplin.seen: the memory of what was fetched, and what becomes of it in the hands of others."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from programs import program

import poplin

Row = tuple[str, int, str | None, int | None, int, int, int | None]
ALICE = "pop3s://alice@mail.example.org"
WHEN = 1763800000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seen.db"


@pytest.fixture
def store(path: Path) -> Iterator[poplin.Seen]:
    with poplin.seen(path) as opened:
        yield opened


def row(uid: str = "a", step: str | None = "taken") -> Row:
    return uid, 0, step, 120, WHEN, WHEN + 1, None


def run_sql(path: Path, sql: str) -> None:
    database = sqlite3.connect(path)
    database.executescript(f"PRAGMA ignore_check_constraints = ON; {sql}")
    database.close()


# ---- remembered ----


@pytest.mark.holds("POP-UIDL-5", "C")
def test_what_is_recorded_is_there_again(path: Path) -> None:
    rows: list[Row] = [
        ("B", 0, "delivered", None, WHEN, WHEN, None),
        ("b", 0, "taken", 0, 0, 0, 1),
        ("b", 2**32 - 1, "confirmed", 2**63 - 1, WHEN, 253402300799, None),
    ]
    with poplin.seen(path) as store:
        store.record(ALICE, rows)
        store.record("bob", [("b", 0, "rejected", 1, 0, 0, None)])
    with poplin.Seen(str(path)) as store:
        assert store.recall(ALICE) == rows
        assert store.accounts() == {ALICE: 3, "bob": 1}
        record = store.messages(ALICE)[1]
        assert record == ("b", 0, "taken", 0, *[datetime.fromtimestamp(at, UTC) for at in (0, 0, 1)])
        assert store.messages(ALICE)[0].gone is None
        store.record(ALICE, [("b", 0, None, None, 0, 0, None)])
        assert [(uid, copy) for uid, copy, *_ in store.recall(ALICE)] == [("B", 0), ("b", 2**32 - 1)]


def test_marked_and_forgotten_by_hand(store: poplin.Seen) -> None:
    store.record("alice", [row("a"), ("a", 1, "taken", 7, WHEN, WHEN, None)])
    before = datetime.now(UTC).replace(microsecond=0)
    store.mark("alice", iter(["a", "new"]))
    first, second, new = store.messages("alice")
    assert (first.step, second.step, new.step) == ("delivered",) * 3
    assert first.first_seen == datetime.fromtimestamp(WHEN, UTC)
    assert before <= first.changed <= datetime.now(UTC)
    assert (new.octets, new.first_seen) == (None, new.changed)
    assert store.forget("alice", "a") == 2
    assert store.forget("alice", "a") == 0
    store.mark("bob", [])
    assert store.accounts() == {"alice": 1}
    assert store.forget("alice") == 1
    assert store.accounts() == {}


@pytest.mark.holds("T-UID-3", "C")
@pytest.mark.parametrize("hostile", ["'); DROP TABLE seen; --", "%s%n", "../../x", "?1", '"', "-- "])
def test_what_a_server_says_is_only_ever_data(store: poplin.Seen, hostile: str) -> None:
    store.mark(hostile, [hostile])
    store.record(hostile, [row(hostile)])
    assert store.recall(hostile) == [row(hostile)]
    assert store.forget(hostile, hostile) == 1


@pytest.mark.holds("T-UID-3", "C")
@pytest.mark.parametrize("uid", ["", "a\nb", "\x1b[2J", "ö", "\x7f", "a\0b", "x" * 1601])
def test_what_can_be_no_unique_id(store: poplin.Seen, uid: str) -> None:
    with pytest.raises(ValueError, match="no unique-id as it is recorded"):
        store.mark("alice", ["good", uid])
    with pytest.raises(ValueError, match="no unique-id as it is recorded"):
        store.forget("alice", uid)
    with pytest.raises(ValueError, match="no record"):
        store.record("alice", [row("good"), row(uid)])
    assert store.accounts() == {}


def test_what_can_be_no_record(store: poplin.Seen) -> None:
    wrong: list[Row] = [
        ("a", -1, "taken", 1, 0, 0, None),
        ("a", 2**32, "taken", 1, 0, 0, None),
        ("a", 0, "stolen", 1, 0, 0, None),
        ("a", 0, "taken", 2**63, 0, 0, None),
        ("a", 0, "taken", 1, -1, 0, None),
        ("a", 0, "taken", 1, 0, 253402300800, None),
        ("a", 0, "taken", 1, 0, 0, -1),
    ]
    for one in wrong:
        with pytest.raises(ValueError, match="no record"):
            store.record("alice", [one])
    for account in ("", "a\nb", "x" * 1001, "\x7f"):
        with pytest.raises(ValueError, match="no account"):
            store.mark(account, ["a"])
    with pytest.raises(ValueError, match="no step: 'stolen': one of taken, headers, delivered"):
        store.mark("alice", ["a"], "stolen")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not one str"):
        store.mark("alice", "uid-1")
    assert store.accounts() == {}


# ---- the file ----


def test_it_is_its_owners_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        with poplin.seen(path) as store:
            store.mark("alice", ["a"])
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"seen.db": 0o600, "seen.db-wal": 0o600, "seen.db-shm": 0o600}


def test_a_file_system_needs_no_links(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    poplin.seen(path).close()
    assert [(file.name, file.stat().st_mode & 0o777) for file in path.parent.iterdir()] == [("seen.db", 0o600)]


def test_no_more_is_read_than_there_may_be(store: poplin.Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    store.mark("alice", ["a", "b"])
    monkeypatch.setitem(poplin._core.SEEN_LIMITS, "rows", 2)
    assert len(store.messages("alice")) == 2
    store.mark("alice", ["c"])
    with pytest.raises(poplin.LimitExceeded, match="forget some"):
        store.messages("alice")
    assert store.forget("alice") == 3


def test_names_that_mean_something_to_sqlite_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:x?mode=memory"):
        with poplin.seen(name) as store:
            store.mark("alice", ["a"])
        with poplin.seen(tmp_path / name) as store:
            assert store.accounts() == {"alice": 1}


def refused(path: Path, words: str, kind: type[poplin.Error] = poplin.NetworkError) -> None:
    """It is not opened, and stays what it is."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(kind) as caught:
        poplin.seen(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"opening the seen store: {path}: ")
    assert before is None or path.read_bytes() == before


@pytest.mark.holds("T-UID-6", "C")
def test_what_is_no_store_is_told_and_left_alone(path: Path) -> None:
    path.write_bytes(b"x" * 4096)
    refused(path, "it is no SQLite file: name another, or move it away")
    path.unlink()
    run_sql(path, "CREATE TABLE theirs (x)")
    refused(path, "it is another program's")
    path.unlink()
    path.mkdir()
    refused(path, "it is a folder")
    path.rmdir()
    path.symlink_to("elsewhere.db")
    refused(path, "it is a symbolic link: name the file itself")
    path.unlink()
    os.mkfifo(path)
    refused(path, "it is no ordinary file")
    refused(path.parent / "no" / "seen.db", "see that it and its folder are there and may be written to (No such file")


def test_a_later_version_is_left_alone(path: Path) -> None:
    poplin.seen(path).close()
    run_sql(path, "PRAGMA user_version = 2")
    refused(path, "a later version of poplin", poplin.Unsupported)


@pytest.mark.holds("T-UID-6", "C")
@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE seen",
        "CREATE TRIGGER t AFTER INSERT ON seen BEGIN DELETE FROM seen; END",
        "DROP VIEW readable; DROP TABLE seen; CREATE VIEW seen AS WITH RECURSIVE n(uid) AS"
        " (SELECT 1 UNION ALL SELECT uid + 1 FROM n) SELECT * FROM n",
    ],
)
def test_a_schema_that_poplin_never_made_is_told(path: Path, change: str) -> None:
    poplin.seen(path).close()
    run_sql(path, change)
    refused(path, "another program has changed what is in it")


@pytest.mark.holds("T-UID-6", "C")
@pytest.mark.parametrize(
    "values",
    [
        "x'61', 0, 'taken', 1, 1, 1, NULL",
        "char(97, 0, 98), 0, 'taken', 1, 1, 1, NULL",
        "CAST(x'FF' AS TEXT), 0, 'taken', 1, 1, 1, NULL",
        "hex(zeroblob(5000000)), 0, 'taken', 1, 1, 1, NULL",
        "'a', -1, 'taken', 1, 1, 1, NULL",
        "'a', 0, 'stolen', 1, 1, 1, NULL",
        "'a', 0, 'taken', 1.5, 1, 1, NULL",
        "'a', 0, 'taken', 1, 'then', 1, NULL",
        "'a', 0, 'taken', 1, 1, 253402300800, NULL",
    ],
)
def test_rows_that_poplin_never_wrote_are_told(path: Path, values: str) -> None:
    poplin.seen(path).close()
    run_sql(path, f"REPLACE INTO seen VALUES ('alice', {values})")
    with poplin.seen(path) as store, pytest.raises(poplin.NetworkError, match="another program has changed") as caught:
        store.messages("alice")
    assert caught.value.doing == "reading the seen store"


@pytest.mark.holds("T-UID-6", "C")
def test_accounts_that_poplin_never_wrote_are_told(path: Path, store: poplin.Seen) -> None:
    run_sql(path, "REPLACE INTO seen VALUES (char(27), 'a', 0, 'taken', 1, 1, 1, NULL)")
    with pytest.raises(poplin.NetworkError, match="another program has changed"):
        store.accounts()


@pytest.mark.holds("T-UID-6", "C")
def test_a_file_that_is_cut_or_spoilt_is_told(path: Path) -> None:
    with poplin.seen(path) as store:
        store.mark("alice", [f"{number:040}" for number in range(200)])
    whole = path.read_bytes()
    told = 0
    for at in range(0, len(whole), 997):
        for text in (whole[:at], whole[:at] + b"\xa5" * 64 + whole[at + 64 :]):
            path.write_bytes(text)
            try:
                with poplin.seen(path) as store:
                    assert len(store.messages("alice")) <= 1000
            except (poplin.NetworkError, poplin.Unsupported):
                told += 1
    assert told > len(whole) // 997


def test_a_file_that_another_program_holds_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = poplin._core.SEEN_STATEMENTS
    monkeypatch.setitem(statements, "SETTINGS", statements["SETTINGS"].replace("30000", "1"))
    with poplin.seen(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(poplin.NetworkError, match="another program has been writing to it for half a minute"):
            store.mark("alice", ["a"])
        assert store.accounts() == {}
        other.execute("ROLLBACK")
        other.close()
        store.mark("alice", ["a"])


def test_a_batch_that_is_broken_off_is_taken_back(path: Path, store: poplin.Seen) -> None:
    abort = "BEGIN SELECT RAISE(ABORT, 'no'); END"
    run_sql(path, f"CREATE TRIGGER t BEFORE INSERT ON seen WHEN new.uid = 'bad' {abort}")
    with pytest.raises(poplin.NetworkError, match="another program has changed what is in it"):
        store.mark("alice", ["good", "bad"])
    assert store.accounts() == {}
    store.mark("alice", ["good"])


# ---- its life ----


def test_closed_and_forked(path: Path) -> None:
    store = poplin.seen(path)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.accounts()
        except poplin.StateError:
            status = 0
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    store.mark("alice", ["a"])
    store.close()
    store.close()
    with pytest.raises(poplin.StateError, match="the seen store is closed"):
        store.accounts()


def test_sqlite_is_loaded_only_where_a_store_is_opened() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import poplin, sys; print('sqlite3' in sys.modules)"], capture_output=True, check=True
    )
    assert done.stdout == b"False\n"


def test_several_programs_make_it_and_write_at_once(path: Path) -> None:
    text = """
    import sys, poplin
    with poplin.seen(sys.argv[1]) as store:
        for i in range(25):
            store.mark("all", [f"{sys.argv[2]}-{i}"])
    """
    programs = [program(text, str(path), str(number)) for number in range(3)]
    for one in programs:
        assert (one.communicate(timeout=60)[1], one.returncode) == ("", 0)
    with poplin.seen(path) as store:
        assert store.accounts() == {"all": 75}


@pytest.mark.holds("T-DLV-1", "C")
def test_a_program_that_is_killed_leaves_whole_transactions(path: Path) -> None:
    text = """
    import sys, poplin
    with poplin.seen(sys.argv[1]) as store:
        for batch in range(10**6):
            store.mark("alice", [f"{batch:07}-{i}" for i in range(10)])
            print(batch, flush=True)
    """
    with program(text, str(path)) as one:
        assert one.stdout
        for _ in range(20):
            last = int(one.stdout.readline())
        one.kill()
        last = int((one.stdout.read().splitlines() or [str(last)])[-1])
    with poplin.seen(path) as store:
        count = store.accounts()["alice"]
        assert count % 10 == 0
        assert count >= 10 * (last + 1)
