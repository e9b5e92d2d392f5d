"""`poplin.aio.fetch`: coroutines, several at once, and what is left where the task is cancelled."""

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from awaiting import LOOPS, run
from drops import messages
from fetched import Account
from lmtp import LMTPServer

import poplin
import poplin.aio
import poplin.aio._hub
import poplin.testing

Make = Callable[..., Account]


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Any:
    yield request.param
    assert not any(hub.users for hub in poplin.aio._hub._hubs.values()), "a loop was left with clients on it"


@pytest.fixture
def account(served: Any, tmp_path: Path) -> Make:
    return lambda mail=(), **options: Account(served(mail, **options), tmp_path)


async def fetch(alice: Account, **wishes: Any) -> poplin.Report:
    return await poplin.aio.fetch(alice.server.url, **alice.wishes(**wishes))


async def nothing(_: object = None) -> None:
    await asyncio.sleep(0)


def test_both_faces_take_the_same_arguments() -> None:
    ours, others = (inspect.signature(function).parameters for function in (poplin.aio.fetch, poplin.fetch))
    assert [*ours] == [*others]
    assert [one.default for one in ours.values()] == [one.default for one in others.values()]


def test_functions_may_be_coroutines(account: Make, loop: str) -> None:
    alice = account(messages(3))
    taken: list[poplin.Incoming] = []
    told: list[poplin.Progress] = []

    async def take(message: poplin.Incoming) -> None:
        await asyncio.sleep(0)
        taken.append(message)

    async def choose(message: poplin.Incoming) -> Any:
        await asyncio.sleep(0)
        return {1: "take", 2: take, 3: "skip"}[message.number]

    async def tell(now: poplin.Progress) -> None:
        await asyncio.sleep(0)
        told.append(now)

    async def password(user: str) -> str:
        await asyncio.sleep(0)
        return "secret"

    into = [alice.maildir, take]
    report = run(loop, fetch(alice, into=into, filter=choose, progress=tell, password=password, keep="none"))
    assert (report.delivered, report.skipped, report.deleted) == (2, 1, 2)
    assert [message.number for message in taken] == [1, 2]
    assert alice.mail() == messages(3)[:1]
    assert (told[-1].messages_done, told[-1].deleted) == (2, 2)


def test_others_have_their_turn_meanwhile(account: Make, loop: str) -> None:
    """A fetch that has much to do at once does not keep the loop to itself."""
    alice = account(messages(300, 100))
    turns = 0

    async def main() -> poplin.Report:
        nonlocal turns
        task = asyncio.ensure_future(fetch(alice))
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        return task.result()

    assert run(loop, main()).delivered == 300
    assert turns > 300


def test_several_accounts_at_once(served: Any, tmp_path: Path, loop: str) -> None:
    accounts = [Account(served(messages(20)), tmp_path) for _ in range(4)]

    async def main() -> list[poplin.Report]:
        fetches = [fetch(one, account=f"{number}", keep="none") for number, one in enumerate(accounts)]
        reports = await asyncio.gather(*fetches)
        assert poplin.aio._hub.Hub.current().users == 0
        return reports

    assert [report.deleted for report in run(loop, main())] == [20] * 4
    assert len(accounts[0].mail()) == 80
    assert [one.left() for one in accounts] == [[]] * 4


def test_two_of_one_account_at_once(account: Make, loop: str) -> None:
    alice = account(messages(20), exclusive=False)

    async def main() -> list[Any]:
        with poplin.seen(alice.store) as store:
            both = [fetch(alice, into=[alice.maildir, nothing], seen=store) for _ in range(2)]
            return await asyncio.gather(*both, return_exceptions=True)

    report, refused = run(loop, main())
    assert report.delivered == 20
    assert isinstance(refused, poplin.InUse)
    assert len(alice.server.sessions) == 1


def test_two_of_one_account_that_nobody_keeps_apart(account: Make, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the server nor the file system: they get in each other's way, and nothing is lost or there twice."""
    monkeypatch.setattr(poplin.Seen, "claim", lambda *_: contextlib.nullcontext())
    alice = account(messages(20), exclusive=False)

    async def main() -> None:
        with poplin.seen(alice.store) as store:
            await asyncio.gather(*(fetch(alice, into=[alice.maildir, nothing], seen=store) for _ in range(2)))

    run(loop, main())
    assert alice.mail() == sorted(messages(20))
    assert alice.steps() == {"delivered": 20}


PLACES: dict[str, Callable[[Account], Any]] = {
    "Maildir": lambda alice: alice.maildir,
    "coroutine": lambda alice: [nothing, alice.maildir],
    "mbox": lambda alice: [poplin.Mbox(alice.folder / "mbox"), alice.maildir],
}


@pytest.mark.parametrize("place", PLACES)
def test_a_fetch_is_cancelled_at_any_point(served: Any, tmp_path: Path, loop: str, place: str) -> None:
    """What was delivered by then is recorded; the next fetch goes on from there, and nothing is there twice."""

    async def main() -> None:
        over, turns = False, 0
        while not over:
            server = served(messages(4, 2000), login_delay=0)
            alice = Account(server, tmp_path / f"{turns}")
            alice.folder.mkdir()
            chooses = {"filter": lambda message: "take"} if turns % 2 else {}
            wishes = {"into": PLACES[place](alice), "keep": "none", "commit_every": 3, **chooses}
            task = asyncio.ensure_future(fetch(alice, **wishes))
            for _ in range(turns):
                await asyncio.sleep(0)
            over = task.done()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if task.cancelled() and alice.store.exists():
                delivered = len([*alice.maildir.glob("new/*")])
                steps = alice.steps()
                recorded = sum(steps.get(step, 0) for step in ("delivered", "deleted", "confirmed"))
                assert delivered - 1 <= recorded <= delivered  # one may be in the hands of another destination
                assert place != "Maildir" or recorded == delivered
            server.wait_for(lambda server: all(session.outcome for session in server.sessions))
            assert (await fetch(alice, keep="none")).failed == 0
            assert (alice.mail(), alice.left()) == (sorted(messages(4, 2000)), [])
            turns += 1 + turns // 30 * (turns // 4)
        assert turns > 10

    run(loop, main())


def test_a_cancelled_fetch_tells_what_it_did(account: Make, loop: str) -> None:
    alice = account(messages(4))

    async def main() -> None:
        begun = asyncio.Event()

        async def take(message: poplin.Incoming) -> None:
            if message.number == 3:
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.ensure_future(fetch(alice, into=[alice.maildir, take], keep="none"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await task
        assert raised.value.report.delivered == 2  # type: ignore[attr-defined]

    run(loop, main())
    assert alice.steps() == {"delivered": 2, "taken": 2}
    assert len(alice.left()) == 4


def test_lmtp_holds_nobody_up(account: Make, loop: str) -> None:
    alice = account(messages(2))

    async def main(server: LMTPServer) -> poplin.Report:
        place = poplin.LMTP("127.0.0.1", "alice", port=server.port, timeout=20)
        task = asyncio.ensure_future(fetch(alice, into=place, keep="none"))
        await asyncio.to_thread(server.arrived.wait)
        server.may_answer.set()  # which this loop would not come to if it waited for the answer
        return await task

    with LMTPServer() as server:
        server.may_answer.clear()
        assert run(loop, main(server)).deleted == 2
        assert server.received == messages(2)


def test_outside_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        poplin.aio.fetch("pop3://127.0.0.1:1", into="Mail").send(None)
