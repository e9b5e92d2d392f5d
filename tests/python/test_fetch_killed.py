"""
A fetch is killed by SIGKILL, at instants of chance and at each step, and run again: nothing is lost, nothing is twice.

What is killed are programs over the real seen store and a real Maildir, in each language. A kill does not show what a
power failure would (a missing fsync): for that see tests/c/test_fetch_stopped.c and test_delivery_group.c.

SOAK=200 in the environment (`make soak`) has as many rounds, with mail drawn from all that a checkout has.
"""

import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from killing import FACES, KILLED, Account, Disk, calls_of, mail

import poplin.testing

SOAK = int(os.environ.get("SOAK", "0"))
ROUNDS = SOAK or 2
"""Of each kind."""
MESSAGES = 300
KILLS = 6
"""In each round, at most."""

New = Callable[..., Account]


@pytest.fixture
def new(tmp_path: Path) -> Iterator[New]:
    """
    new(count, lots, **options) makes an account with so many messages, which lots draws in a soak; the options are its
    server's. The one before is removed.
    """
    with_options: dict[str, poplin.testing.Server] = {}
    folder = tmp_path / "account"

    def make(count: int, lots: random.Random | None = None, **options: Any) -> Account:
        key = repr(options)
        if key not in with_options:
            with_options[key] = poplin.testing.Server({"alice": "secret"}, keep_sessions=4, **options)
            with_options[key].start()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return Account(with_options[key], folder, mail(count, lots if SOAK else None))

    yield make
    for server in with_options.values():
        server.stop()


# ---- at instants of chance ----


def kill_somewhere(account: Account, face: str, keep: str, lots: random.Random) -> int:
    """A fetch that is killed: at one of its calls, or when the server has sent so much, of the beginning or of all."""
    if lots.randrange(2):
        half = lots.choice(["", ":half"])
        return account.run(face, keep, KILL_AT=f"any:{lots.randrange(1, 3 * len(account.left) + 100)}{half}")
    most = sum(map(len, account.left)) if lots.randrange(2) else 10_000
    octets = lots.randrange(most + 1000)
    with account.start(face, keep) as fetch:
        status = fetch.kill_when(lambda session: session.octets_out >= octets)
    account.check()
    return status


def fetch_through_kills(account: Account, face: str, keep: str, lots: random.Random) -> None:
    """Runs fetches until one comes to its end."""
    for _ in range(lots.randrange(1, KILLS + 1)):
        status = kill_somewhere(account, face, keep, lots)
        assert status in (0, KILLED)
        if status == 0:
            break
        if account.store.exists():  # what was about to be delivered gets another name: its content has to tell
            account.grow_older(lots, 1)
    account.complete(face, keep)


@pytest.mark.holds("T-DLV-1", "C")
@pytest.mark.holds("T-DLV-2", "C")
@pytest.mark.parametrize("face", FACES)
def test_killed_at_any_instant(new: New, face: str) -> None:
    for number in range(ROUNDS):
        lots = random.Random(number)
        account = new(MESSAGES, lots)
        fetch_through_kills(account, face, "none", lots)
        assert account.left == set()


@pytest.mark.holds("T-DLV-1", "C")
@pytest.mark.holds("T-DLV-2", "C")
@pytest.mark.parametrize("face", FACES)
def test_killed_at_any_instant_where_messages_are_kept_for_a_while(new: New, face: str) -> None:
    for number in range(ROUNDS):
        lots = random.Random(number)
        account = new(MESSAGES, lots)
        all_mail = account.left
        fetch_through_kills(account, face, "14d", lots)
        assert account.left == all_mail
        older = account.grow_older(lots)
        assert 0 < len(older) < MESSAGES
        fetch_through_kills(account, face, "14d", lots)
        assert account.left == all_mail - older


@pytest.mark.holds("T-DLV-1", "C")
@pytest.mark.holds("T-DLV-2", "C")
@pytest.mark.parametrize("face", ["python", "lua"])
def test_killed_where_a_fetch_has_many_sessions(new: New, face: str) -> None:
    for number in range(ROUNDS):
        lots = random.Random(number)
        account = new(MESSAGES, lots)
        for _ in range(KILLS):
            most = 3 * len(account.left) + 100
            account.run(face, KILL_AT=f"any:{lots.randrange(1, most)}", COMMIT_EVERY=20)
        account.complete(face)
        assert account.left == set()


@pytest.mark.holds("T-DLV-1", "C")
def test_each_time_in_another_language(new: New) -> None:
    account, lots = new(MESSAGES), random.Random(1)
    for face in (*FACES, *FACES):
        kill_somewhere(account, face, "none", lots)
    account.complete()
    assert account.left == set()


# ---- at each step ----

FEW = 70 if SOAK else 5
"""A fetch records at the latest 64 deliveries at once."""


def kill_at_each(new: New, face: str, calls: list[str], **faults: Any) -> None:
    """Kills a fetch before each of its calls of these names, and in the middle of it."""
    times = calls_of(new(FEW), face, **faults)
    for call in calls:
        assert times[call] > 0
        kills = 0
        for number, half in itertools.product(range(1, times[call] + 1), ("", ":half")):
            account = new(FEW)
            kills += account.run(face, KILL_AT=f"{call}:{number}{half}", **faults) == KILLED
            account.run(face)
            assert (account.left, len(account.check())) == (set(), FEW), f"after {call}:{number}{half}"
        assert kills >= times[call]  # the server's pace decides how many there are of some


@pytest.mark.holds("T-DLV-1", "C")
@pytest.mark.holds("T-DLV-4", "C")
@pytest.mark.parametrize(
    "call", ["write", "sync_file_range", "fsync", "renameat2", "pwrite64", "fdatasync", "send", "unlink"]
)
def test_killed_at_each_call(new: New, call: str) -> None:
    kill_at_each(new, "c", [call])


@pytest.mark.holds("T-DLV-4", "C")
def test_killed_where_a_file_system_has_to_link(new: New) -> None:
    kill_at_each(new, "c", ["linkat", "unlinkat"], REFUSED="renameat2")


@pytest.mark.holds("T-DLV-1", "C")
@pytest.mark.parametrize("face", ["python", "lua"])
def test_killed_at_any_call_in_each_language(new: New, face: str) -> None:
    kill_at_each(new, face, ["any"] if SOAK else ["renameat2"])


def kill_where_the_server_falls_silent(account: Account, face: str, command: str, **settings: Any) -> None:
    """Kills a fetch that waits for a server which answers nothing more from this command on."""
    with account.server.fault(command, **settings, times=1) as silence:
        with account.start(face) as fetch:
            assert fetch.kill_when(lambda _: silence.fired) == KILLED
    account.check()


@pytest.mark.holds("T-DLV-2", "C")
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("nth", [1, 30, 100])
def test_killed_behind_a_deletion(new: New, face: str, nth: int) -> None:
    account = new(100)
    all_mail = account.left
    kill_where_the_server_falls_silent(account, face, "DELE", nth=nth, stall_after=0)
    assert account.left == all_mail
    account.complete(face)
    assert account.left == set()


@pytest.mark.holds("T-DLV-2", "C")
@pytest.mark.parametrize("face", FACES)
def test_killed_before_and_after_the_commit_of_the_server(new: New, face: str) -> None:
    account = new(100)
    all_mail = account.left
    kill_where_the_server_falls_silent(account, face, "QUIT", stall_before=True)
    assert account.left == all_mail
    kill_where_the_server_falls_silent(account, face, "QUIT", stall_after=0)
    account.expect_nothing_taken()
    assert account.left == set()
    account.complete(face)


# ---- a server that does not say what it has done ----


@pytest.mark.holds("T-DLV-2", "C")
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("octets", [0, 1, 4])
def test_line_is_lost_where_the_server_has_committed(new: New, face: str, octets: int) -> None:
    account = new(30)
    account.server.fault("QUIT", drop_after=octets, times=1)
    assert account.run(face) == 1
    assert account.left == set()
    account.complete(face)


@pytest.mark.holds("T-DLV-2", "C")
@pytest.mark.parametrize("face", ["python", "lua"])
def test_server_commits_and_never_answers(new: New, face: str) -> None:
    account = new(30)
    with account.server.fault("QUIT", stall_after=0):
        for _ in range(20):  # where the machine is slow, the time may be over before
            assert account.run(face, TIMEOUT=0.2) == 1
            if not account.left:
                break
    account.complete(face)
    assert account.left == set()


# ---- a full disk ----

ROOMS = (0, 100_000, 200_000, 400_000)
"""Octets that one fetch after the other can write; for all of the mail together they are too few."""


def fetch_from_a_full_disk(account: Account, face: str, leave_room: Callable[[int], dict[str, Any]]) -> None:
    """Where the seen store cannot be written either, it is soon over, and what is not here is not deleted."""
    all_mail, counts = account.left, []
    for room in ROOMS:
        assert account.run(face, **leave_room(room)) == 1
        account.expect_nothing_half_done()
        here = account.check()
        assert account.left | here == all_mail
        counts.append(len(here))
    assert counts[0] == 0
    assert sorted(set(counts)) == counts
    leave_room(Disk.SIZE // 2)
    account.complete(face)
    assert account.left == set()


def fetch_where_mail_does_not_fit(account: Account, face: str, leave_room: Callable[[int], dict[str, Any]]) -> None:
    """Each message that fits is delivered and deleted, the others stay where they are."""
    everything = account.left
    for room in ROOMS:
        assert account.run(face, **leave_room(room)) == 0
        account.expect_nothing_half_done()
        here = account.check()
        assert account.left == everything - here
    assert 0 < len(account.left) < MESSAGES
    leave_room(Disk.SIZE // 2)
    account.complete(face)
    assert account.left == set()


@pytest.mark.holds("T-DLV-3", "C")
@pytest.mark.holds("T-DLV-4", "C")
@pytest.mark.parametrize("face", FACES)
def test_writing_fails_for_want_of_room(new: New, face: str) -> None:
    fetch_from_a_full_disk(new(MESSAGES), face, lambda room: {"DISK_ROOM": room})
    fetch_where_mail_does_not_fit(new(MESSAGES), face, lambda room: {"MAIL_ROOM": room})


@pytest.mark.holds("T-DLV-3", "C")
@pytest.mark.holds("T-DLV-4", "C")
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("fetch", [fetch_from_a_full_disk, fetch_where_mail_does_not_fit])
def test_small_disk_is_full(new: New, face: str, fetch: Callable[..., None]) -> None:
    """Where nobody may mount one, as in many containers, writing fails as above, and a kill comes on top."""
    account = new(MESSAGES)
    try:
        disk = Disk(account.folder)
    except PermissionError:
        assert account.run(face, DISK_ROOM=300_000, KILL_AT="write:50:half") == KILLED
        account.complete(face)
        return
    with disk:

        def leave_room(octets: int) -> dict[str, Any]:
            disk.leave_room(octets)
            return {}

        account.before, account.maildir = disk.before, disk.folder / "Maildir"
        if fetch is fetch_where_mail_does_not_fit:
            account.store = account.folder.with_suffix(".db")
        fetch(account, face, leave_room)


# ---- two fetches at once ----


@pytest.mark.holds("T-DLV-1", "C")
@pytest.mark.holds("T-DLV-2", "C")
@pytest.mark.parametrize(
    ("lock", "faults"),
    [("none", {}), ("none", {"LOCKS": "none"}), ("snapshot", {"LOCKS": "none"})],
    ids=["claims", "no claims", "no claims, snapshots"],
)
def test_two_at_once_killed_in_turn(new: New, lock: str, faults: dict[str, str]) -> None:
    """Also where neither the server nor the seen store's file system keeps them apart."""
    for number in range(ROUNDS):
        lots = random.Random(number)
        account = new(MESSAGES, lots, lock=lock)
        for _ in range(lots.randrange(1, KILLS + 1)):
            at = [f"any:{lots.randrange(1, 3 * len(account.left) + 100)}" for _ in range(2)]
            faces = lots.choices(list(FACES), k=2)
            with (
                account.start(faces[0], KILL_AT=at[0], **faults) as one,
                account.start(faces[1], KILL_AT=at[1], **faults) as other,
            ):
                one.wait()
                other.wait()
            account.check()
        account.complete()
        assert account.left == set()
