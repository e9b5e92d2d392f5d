"""One fetch of an account at a time: who fetches claims it in the seen store, in each language, and until the end."""

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import killing
import pytest
from drops import messages
from fetch_commands import SECRET, Cron
from fetched import FACES, Account

import poplin
import poplin.testing

WORDS = "claiming the account: another fetch of alice is under way: try again when that is done"
Make = Callable[..., Account]


@pytest.fixture(params=FACES)
def account(request: pytest.FixtureRequest, served: Any, tmp_path: Path) -> Make:
    return lambda mail=(), **options: Account(served(mail, exclusive=False, **options), tmp_path, request.param)


def is_claimed(alice: Account) -> bool:
    try:
        with poplin.seen(alice.store) as store, store.claim("alice"):
            return False
    except poplin.InUse:
        return True


# ---- fetches ----


def test_a_fetch_of_an_account_that_is_claimed_does_nothing(account: Make) -> None:
    alice = account(messages(2))
    with poplin.seen(alice.store) as store, store.claim("alice"):
        for seen in (alice.store, store):
            with pytest.raises(poplin.InUse) as raised:
                alice.fetch(seen=seen, keep="none")
            assert str(raised.value) == WORDS
            assert raised.value.code is None
            assert raised.value.report is not None
            assert (raised.value.report.account, raised.value.report.messages) == ("alice", [])
        assert store.accounts() == {}
        assert alice.fetch(account="another").delivered == 2
        assert str(alice.fetch(dry_run=True)) == "2 messages would be fetched"
    assert len(alice.server.sessions) == 2
    assert alice.fetch(keep="none").deleted == 2


def test_an_account_is_claimed_from_before_the_login_until_the_fetch_is_over(account: Make) -> None:
    alice = account(messages(3), login_delay=0)
    seen: list[bool] = []

    def note(_: object) -> None:
        seen.append(is_claimed(alice))

    def choose(message: poplin.Incoming) -> Any:
        note(message)
        return "take"

    alice.fetch(into=[alice.maildir, note], filter=choose, progress=note, commit_every=1)
    assert set(seen) == {True}
    assert len(seen) > 8
    assert not is_claimed(alice)


def test_a_fetch_in_another_thread_does_not_get_it(account: Make) -> None:
    alice = account(messages(4))
    raised: list[BaseException] = []

    def fetch_within(message: poplin.Incoming) -> None:
        def other() -> None:
            with contextlib.suppress(poplin.InUse):
                Account(alice.server, alice.folder).fetch()
                return
            raised.append(poplin.InUse("as it has to be"))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    assert alice.fetch(into=fetch_within).delivered == 4
    assert len(raised) == 4
    assert len(alice.server.sessions) == 1


def interrupt(now: poplin.Progress) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "wishes", [{"password": "not hers"}, {"progress": interrupt}, {"filter": lambda message: "nonsense"}]
)
def test_a_fetch_that_fails_lets_go(account: Make, wishes: dict[str, Any]) -> None:
    alice = account(messages(1))
    with pytest.raises((poplin.AuthError, KeyboardInterrupt, TypeError)):
        alice.fetch(**wishes)
    assert alice.store.exists()
    assert not is_claimed(alice)


def test_claims_that_cannot_be_kept(account: Make) -> None:
    alice = account(messages(1))
    claims = alice.folder / "seen.sqlite-claims"
    claims.mkdir()
    with pytest.raises(poplin.NetworkError, match=r"seen\.sqlite-claims: it is a folder: name a file") as raised:
        alice.fetch()
    assert raised.value.doing == "opening the seen store"
    claims.rmdir()
    before = os.umask(0)
    try:
        assert alice.fetch().delivered == 1
    finally:
        os.umask(before)
    assert (claims.stat().st_mode & 0o777, claims.read_bytes()) == (0o600, b"")


# ---- claims of a script's ----


def test_a_script_claims_an_account(tmp_path: Path) -> None:
    with poplin.seen(tmp_path / "seen.db") as store, poplin.seen(tmp_path / "seen.db") as other:
        with store.claim("älice"):
            for each in (store, other):
                with pytest.raises(poplin.InUse), each.claim("älice"):
                    pass
            with other.claim("alice"):
                store.mark("älice", ["a"])
        with pytest.raises(ZeroDivisionError), other.claim("älice"):
            raise ZeroDivisionError
        for wrong in ("", "a\nb", "x" * 1001):
            with pytest.raises(ValueError, match="no account"), store.claim(wrong):
                pass
        with store.claim("älice"):
            store.close()
        with pytest.raises(poplin.StateError, match="closed"), store.claim("älice"):
            pass
        with other.claim("älice"):
            pass


def test_a_claim_is_where_the_store_is_wherever_the_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(".")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with poplin.seen("link/seen.db") as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        with store.claim("alice"), poplin.seen(tmp_path / "seen.db") as other:
            with pytest.raises(poplin.InUse), other.claim("alice"):
                pass
    assert [*(tmp_path / "elsewhere").iterdir()] == []


# ---- programs, in each language ----


@pytest.fixture
def server() -> Iterator[poplin.testing.Server]:
    with poplin.testing.Server({"alice": "secret"}, exclusive=False) as started:
        yield started


@pytest.mark.parametrize(("first", "second"), [*itertools.pairwise((*killing.FACES, "c"))])
def test_a_program_keeps_others_away_until_it_is_killed(
    server: poplin.testing.Server, tmp_path: Path, first: str, second: str
) -> None:
    alice = killing.Account(server, tmp_path, killing.mail(3))
    fault = server.fault("RETR", nth=2, stall_before=True, times=1)
    with alice.start(first) as holder:
        server.wait_for(lambda _: fault.fired, killing.PATIENCE)
        for other in (first, second):
            with alice.start(other) as refused:
                assert refused.end() == 1
                assert " is under way: try again" in refused.said
        assert len(server.sessions) == 1
        holder.kill()
    alice.complete(second)


@pytest.fixture
def cron(served: Any, tmp_path: Path) -> Cron:
    return Cron(served(messages(2), users={"alice": SECRET}, exclusive=False), tmp_path)


def test_the_command_tells_of_claims_that_cannot_be_kept(cron: Cron, tmp_path: Path) -> None:
    (tmp_path / "seen-claims").symlink_to("elsewhere")
    ran = cron.fetch("--seen", tmp_path / "seen")
    assert ran.status == os.EX_CANTCREAT
    assert "seen-claims: it is a symbolic link: name the file itself" in ran.complaint
