"""`poplin.aio`: the client, on asyncio's own loop and on uvloop."""

import asyncio
import contextlib
import gc
import inspect
import resource
import warnings
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any, get_type_hints

import pytest
from awaiting import LOOPS, run
from drops import messages

import poplin
import poplin.aio
import poplin.aio._hub
import poplin.testing

Served = Callable[..., poplin.testing.Server]
LOGIN: dict[str, Any] = {"user": "alice", "password": "secret", "timeout": 20}


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Any:
    yield request.param
    assert not any(hub.users for hub in poplin.aio._hub._hubs.values()), "a loop was left with clients or servers on it"


@contextlib.asynccontextmanager
async def connected(server: Any, **options: Any) -> AsyncIterator[poplin.aio.Client]:
    async with await poplin.aio.connect(server.url, **{**LOGIN, **options}) as pop:
        yield pop


VERBS: dict[str, Callable[[Any], Any]] = {
    "stat": lambda pop: pop.stat(),
    "list": lambda pop: pop.list(),
    "list of one": lambda pop: pop.list(2),
    "uidl": lambda pop: pop.uidl(),
    "uidl of one": lambda pop: pop.uidl(2),
    "retr": lambda pop: pop.retr(1),
    "top": lambda pop: pop.top(1, 1),
    "rset": lambda pop: pop.rset(),
    "noop": lambda pop: pop.noop(),
    "capa": lambda pop: pop.capa(),
    "dele": lambda pop: pop.dele(1),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_gives_what_it_gives_elsewhere(served: Served, connect: Any, loop: str, verb: str) -> None:
    server = served(messages(3))

    async def main() -> Any:
        async with connected(server) as pop:
            answer = await VERBS[verb](pop)
            await pop.rset()
            return answer

    assert run(loop, main()) == VERBS[verb](connect(server))


def test_the_verbs_are_the_same() -> None:
    """Each public name of one face is one of the other, with the same parameters."""
    ours, others = poplin.aio.Client, poplin.Client
    public = {name for name in dir(others) if not name.startswith("_")}
    assert {name for name in dir(ours) if not name.startswith("_")} == public
    for name in public - {"capabilities", "greeting", "mechanism", "tls", "user"}:
        mine, other = (inspect.signature(getattr(kind, name)).parameters for kind in (ours, others))
        assert list(mine) == list(other), name


def test_connect_takes_the_same_arguments() -> None:
    options = [name for name in inspect.signature(poplin.connect).parameters if name != "url"]
    assert list(get_type_hints(poplin.ConnectOptions)) == options


def test_what_was_marked_is_deleted_at_the_end_of_the_block(served: Served, loop: str) -> None:
    server = served(messages(3))

    async def main() -> None:
        async with connected(server) as pop:
            assert [message.number async for message in pop] == [1, 2, 3]
            async for message in pop.retr_all():
                assert message.data is not None
                assert (await message.email())["subject"] == f"number {message.number}"
                if message.number != 2:
                    await message.dele()
            assert "closed" not in repr(pop)
        assert "closed" in repr(pop)

    run(loop, main())
    assert len(server.messages("alice")) == 1


def test_nothing_is_deleted_where_the_block_raises(served: Served, loop: str) -> None:
    server = served(messages(2))

    async def main() -> None:
        async with connected(server) as pop:
            await pop.dele(1)
            raise KeyError("the script's")

    with pytest.raises(KeyError):
        run(loop, main())
    wait_closed(server)
    assert len(server.messages("alice")) == 2


def test_a_loop_over_messages_that_is_left_early(served: Served, loop: str) -> None:
    server = served(messages(300, 5000))

    async def main() -> None:
        async with connected(server) as pop:
            loop_over = pop.retr_all()
            async for message in loop_over:
                if message.number == 3:
                    break
            await loop_over.aclose()
            assert (await pop.stat()).count == 300
            assert [message.number async for message in pop.retr_all([2, 1])] == [2, 1]

    run(loop, main())


def test_a_refused_deletion_inside_a_loop_is_raised_by_its_next_step(served: Served, loop: str) -> None:
    server = served(messages(3))
    server.fault("DELE", refuse="not that one")

    async def main() -> None:
        async with connected(server) as pop:
            async for message in pop.retr_all():
                await message.dele()

    with pytest.raises(poplin.Refused, match="not that one"):
        run(loop, main())


def test_several_tasks_use_one_client(served: Served, loop: str) -> None:
    server = served(messages(40))

    async def main() -> None:
        async with connected(server) as pop:
            tops = await asyncio.gather(*(pop.top(number) for number in range(1, 41)))
            assert [b"Subject: number %d\r\n" % number in top for number, top in enumerate(tops, 1)] == [True] * 40

    run(loop, main())


def test_a_message_goes_to_a_coroutine_function_piece_by_piece(served: Served, loop: str) -> None:
    server = served(messages(1, 1_000_000))
    whole = server.messages("alice")[0].data
    pieces: list[bytes] = []

    async def take(piece: bytes) -> None:
        await asyncio.sleep(0)
        pieces.append(piece)

    async def main() -> None:
        async with connected(server) as pop:
            assert await pop.retr(1, take) == len(whole)  # type: ignore[arg-type]

    run(loop, main())
    assert b"".join(pieces) == whole
    assert len(pieces) > 1


def test_password_and_token_may_be_coroutine_functions(served: Served, loop: str) -> None:
    server = served(messages(1), auth="PLAIN")

    async def ask(user: str) -> str:
        await asyncio.sleep(0)
        assert user == "alice"
        return "secret"

    async def main() -> None:
        async with connected(server, password=ask) as pop:
            assert (await pop.stat()).count == 1

    run(loop, main())


def test_a_token_is_renewed_by_a_coroutine_function(served: Served, loop: str) -> None:
    with poplin.testing.Server(users={"alice": "secret"}, tokens={"alice": "good"}, tls="implicit") as server:
        asked: list[str | None] = []

        async def ask(answer: str | None) -> str:
            await asyncio.sleep(0)
            asked.append(answer)
            return "stale" if answer is None else "good"

        async def main() -> str | None:
            options: dict[str, Any] = {"user": "alice", "token": ask, "ca_pem": server.ca_pem}
            async with await poplin.aio.connect(server.url, **options) as pop:
                return pop.mechanism

        assert run(loop, main()) == "OAUTHBEARER"
        assert asked[0] is None
        assert len(asked) == 2


def test_messages_newest_first_and_since_a_unique_id(served: Served, loop: str) -> None:
    server = served(messages(4))

    async def main() -> None:
        async with connected(server) as pop:
            uids = [message.uid for message in await pop.messages()]
            assert [message.uid for message in await pop.messages(newest_first=True)] == uids[::-1]
            assert [message.uid for message in await pop.messages(since_uid=uids[1])] == uids[2:]
            (newest, *_) = await pop.messages(newest_first=True, since_uid=uids[0])
            assert (await newest.headers())["subject"] == "number 4"
            assert newest.data is None

    run(loop, main())


# ---- cancelling ----


async def fired(server: poplin.testing.Server, fault: Any) -> None:
    """Returns when the fault has come about."""
    await asyncio.to_thread(server.wait_for, lambda _: fault.fired, 20)


def wait_closed(server: poplin.testing.Server) -> None:
    """Returns when all sessions are over."""
    server.wait_for(lambda it: it.sessions and not any(session.open for session in it.sessions), 20)


@pytest.mark.parametrize("verb", ["stat", "retr", "messages"])
def test_a_cancelled_wait_ends_the_connection_and_deletes_nothing(served: Served, loop: str, verb: str) -> None:
    server = served(messages(3))
    asked = {"stat": "STAT", "retr": "RETR", "messages": "UIDL"}[verb]
    stall = server.fault(asked, stall_before=True)

    async def main() -> None:
        pop = await poplin.aio.connect(server.url, **LOGIN)
        await pop.dele(1)
        task = asyncio.ensure_future(getattr(pop, verb)(*([2] if verb == "retr" else [])))
        await fired(server, stall)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(poplin.Cancelled):
            await pop.noop()
        with pytest.raises(poplin.Cancelled):
            await pop.quit()
        assert "closed" in repr(pop)

    run(loop, main())
    wait_closed(server)
    assert len(server.messages("alice")) == 3


def test_a_timeout_around_a_loop_over_messages(served: Served, loop: str) -> None:
    server = served(messages(3))
    server.fault("RETR", nth=2, stall_before=True)

    async def main() -> int:
        seen = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), connected(server) as pop:
                async for message in pop.retr_all():
                    await message.dele()
                    seen += 1
        return seen

    assert run(loop, main()) <= 1
    wait_closed(server)
    assert len(server.messages("alice")) == 3


def test_connecting_is_cancelled(served: Served, loop: str) -> None:
    server = served()
    stall = server.fault("GREETING", stall_before=True)

    async def main() -> None:
        task = asyncio.ensure_future(poplin.aio.connect(server.url, **LOGIN))
        await fired(server, stall)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(wait_closed, server)

    run(loop, main())


def test_a_client_that_is_closed_while_a_task_waits(served: Served, loop: str) -> None:
    server = served(messages(1))
    stall = server.fault("NOOP", stall_before=True)

    async def main() -> None:
        pop = await poplin.aio.connect(server.url, **LOGIN)
        task = asyncio.ensure_future(pop.noop())
        await fired(server, stall)
        pop.close()
        pop.close()
        with pytest.raises(poplin.StateError):
            await task

    run(loop, main())


def test_a_silent_server_times_out(served: Served, loop: str) -> None:
    server = served(messages(1))
    server.fault("STAT", stall_before=True)

    async def main() -> None:
        async with connected(server, timeout=0.2) as pop:
            await pop.stat()

    with pytest.raises(poplin.Timeout):
        run(loop, main())


# ---- loops ----


def test_a_thousand_clients_on_one_loop(served: Served, loop: str) -> None:
    count = 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * count), hard))
    server = served(messages(2), lock="none", auth="PLAIN", max_sessions=2 * count)
    together = asyncio.Event()
    here = 0

    async def one() -> int:
        nonlocal here
        async with connected(server) as pop:
            here += 1
            if here == count:
                together.set()
            await together.wait()
            return len([message async for message in pop.retr_all()])

    async def main() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(count)))

    try:
        assert run(loop, main()) == [2] * count
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_belongs_to_its_loop(served: Served) -> None:
    server = served(messages(1))

    async def make() -> poplin.aio.Client:
        return await poplin.aio.connect(server.url, **LOGIN)

    async def use(pop: poplin.aio.Client) -> None:
        await pop.stat()

    with asyncio.Runner() as first, asyncio.Runner() as second:
        pop = first.run(make())
        with pytest.raises(poplin.StateError, match="another event loop"):
            second.run(use(pop))
        assert first.run(pop.stat()).count == 1
        first.run(pop.quit())


def test_a_forgotten_client_warns_and_leaves_nothing(served: Served, loop: str) -> None:
    server = served(messages(1))

    async def main() -> None:
        pop = await poplin.aio.connect(server.url, **LOGIN)
        await pop.dele(1)
        gone = weakref.ref(pop)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            del pop
            gc.collect()
        assert [True for one in warned if "unclosed <poplin.aio.Client" in str(one.message)]
        warned.clear()  # a warning holds what it is about
        assert gone() is None

    run(loop, main())
    wait_closed(server)
    assert len(server.messages("alice")) == 1


def test_the_loop_turns_while_a_client_waits(served: Served, loop: str) -> None:
    server = served(messages(2))
    server.fault("STAT", stall_before=True)

    async def main() -> None:
        async with connected(server) as stuck, connected(server, user="bob") as pop:
            task = asyncio.ensure_future(stuck.stat())
            for _ in range(20):
                await pop.noop()
            assert not task.done()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            stuck.close()

    server.add_user("bob", "secret")
    run(loop, main())


def test_connecting_over_tls(served: Served, loop: str) -> None:
    with poplin.testing.Server(users={"alice": "secret"}, tls="implicit") as server:
        server.deliver("alice", messages(1)[0])

        async def main() -> poplin.TLSInfo | None:
            async with connected(server, ca_pem=server.ca_pem) as pop:
                assert (await pop.stat()).count == 1
                return pop.tls

        info = run(loop, main())
        assert info is not None
        assert info.version == "TLS1.3"


def test_connecting_to_where_nobody_listens(loop: str) -> None:
    async def main() -> None:
        await poplin.aio.connect("pop3://127.0.0.1:1", **LOGIN)

    with pytest.raises(poplin.NetworkError):
        run(loop, main())
