"""`poplin.aio`: how waits, clients, servers and loops end: cancelled at any point, twice, elsewhere, or not at all."""

import asyncio
import contextlib
import contextvars
import gc
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from awaiting import LOOPS, run
from drops import mail
from test_aio_server import AsyncBackend, AsyncDrop

import poplin
import poplin.aio
import poplin.aio._hub
import poplin.testing

LOGIN: dict[str, Any] = {"user": "alice", "password": "secret", "timeout": 20}


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Any:
    yield request.param
    assert not any(hub.users for hub in poplin.aio._hub._hubs.values()), "a loop was left with clients or servers on it"


def serving(backend: AsyncBackend, **options: Any) -> poplin.aio.Server:
    return poplin.aio.Server(backend, lock="none", auth="PLAIN", **options)


class Gate:
    """A message that is there when the gate is opened, and says that somebody waits for it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self) -> AsyncIterator[bytes]:
        self.asked.set()
        await self.opened.wait()
        yield b"late\r\n"


class Sized(AsyncDrop):
    """A maildrop whose listing asks for no message."""

    async def list(self) -> "list[tuple[str, int | None]]":
        return [(uid, 6) for uid in self.backend.mail]


class Gated(AsyncBackend):
    """A backend with one message behind a gate."""

    def __init__(self) -> None:
        self.gate = Gate()
        super().__init__({"gated": lambda: self.gate.__call__()})

    async def maildrop(self, user: str) -> Any:
        return Sized(self)


# ---- cancelling ----


async def everything(pop: poplin.aio.Client) -> int:
    return len([message async for message in pop.retr_all()])


async def nowhere(piece: bytes) -> None:
    await asyncio.sleep(0)


WAITS: dict[str, Callable[[poplin.aio.Client], Any]] = {
    "stat": lambda pop: pop.stat(),
    "messages": lambda pop: pop.messages(),
    "retr": lambda pop: pop.retr(1),
    "retr into a coroutine": lambda pop: pop.retr(1, nowhere),
    "retr_all": everything,
    "capa": lambda pop: pop.capa(),
    "quit": lambda pop: pop.quit(),
}


async def cancelled(wait: Any, turns: int) -> tuple[bool, bool]:
    """Cancels a wait after so many turns of the loop: whether it was over before, and whether it was cancelled."""
    task = asyncio.ensure_future(wait)
    for _ in range(turns):
        await asyncio.sleep(0)
    over = task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return over, task.cancelled()


@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_is_cancelled_at_any_point(loop: str, wait: str) -> None:
    """The connection is over where the wait was cancelled, and goes on where that came too late."""

    async def main() -> None:
        async with serving(AsyncBackend(mail(3, 50_000))) as server:
            turns, over = 1, False
            while not over:
                pop = await poplin.aio.connect(server.url, **LOGIN)
                over, was_cancelled = await cancelled(WAITS[wait](pop), turns)
                if wait == "quit":
                    assert "closed" in repr(pop)
                elif was_cancelled:
                    with pytest.raises(poplin.Cancelled):
                        await pop.stat()
                else:
                    assert (await pop.stat()).count == 3
                pop.close()
                turns += 1
            assert turns > 2
            assert server.errors == []

    run(loop, main())


def test_connecting_is_cancelled_at_any_point(loop: str) -> None:
    async def main() -> None:
        async with serving(AsyncBackend(mail(1))) as server:
            turns, over = 1, False
            while not over:
                task = asyncio.ensure_future(poplin.aio.connect(server.url, **LOGIN))
                over, was_cancelled = await cancelled(task, turns)
                if not was_cancelled:
                    await task.result().quit()
                turns += 1
            assert turns > 2

    run(loop, main())


def test_stopping_is_cancelled_at_any_point(loop: str) -> None:
    async def main() -> None:
        turns, over = 0, False
        while not over:
            backend = AsyncBackend(mail(1))
            server = serving(backend)
            await server.start()
            pop = await poplin.aio.connect(server.url, **LOGIN)
            over, _ = await cancelled(server.stop(), turns)
            pop.close()
            await server.stop()
            assert backend.closed == 1
            turns += 1
        assert turns > 2

    run(loop, main())


def test_a_wait_is_cancelled_as_its_client_is_closed(loop: str) -> None:
    async def main() -> None:
        backend = Gated()
        async with serving(backend) as server:
            pop = await poplin.aio.connect(server.url, **LOGIN)
            task = asyncio.ensure_future(pop.retr(1))
            await backend.gate.asked.wait()
            pop.close()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            backend.gate.opened.set()

    run(loop, main())


def test_a_sink_that_is_cancelled_ends_the_connection(loop: str) -> None:
    """As every wait of a verb does: where in it the cancelling came is not for the script to find out."""

    async def main() -> None:
        begun = asyncio.Event()

        async def sink(piece: bytes) -> None:
            begun.set()
            await asyncio.Event().wait()

        async with serving(AsyncBackend(mail(1))) as server:
            pop = await poplin.aio.connect(server.url, **LOGIN)
            task = asyncio.ensure_future(pop.retr(1, sink))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(poplin.Cancelled):
                await pop.noop()
            pop.close()

    run(loop, main())


def test_a_second_loop_over_messages_ends_the_first_at_once(loop: str) -> None:
    """The first waits for a message that does not come, and the second asks for nothing."""

    async def main() -> None:
        backend = Gated()
        async with serving(backend) as server:
            pop = await poplin.aio.connect(server.url, **LOGIN)
            first = asyncio.ensure_future(everything(pop))
            await backend.gate.asked.wait()
            assert [message async for message in pop.retr_all([])] == []
            with pytest.raises(poplin.StateError, match="another retr_all"):
                await first
            pop.close()
            backend.gate.opened.set()

    run(loop, main())


# ---- servers ----


def test_stopping_that_is_given_up_and_taken_up_again(loop: str) -> None:
    """Whoever stops a server waits for its backend, the second too; and it has left the loop when that has ended."""

    async def main() -> None:
        backend = Gated()
        server = serving(backend)
        await server.start()
        pop = await poplin.aio.connect(server.url, **LOGIN)
        task = asyncio.ensure_future(pop.retr(1))
        await backend.gate.asked.wait()
        given_up, second, third = (asyncio.ensure_future(server.stop()) for _ in range(3))
        await asyncio.sleep(0)
        given_up.cancel()
        third.cancel()
        await asyncio.wait([given_up, third])
        assert not second.done()
        backend.gate.opened.set()
        await second
        assert backend.closed == 1
        pop.close()
        await asyncio.wait([task])
        assert isinstance(task.exception(), poplin.Error)

    run(loop, main())


@pytest.mark.parametrize("again", [False, True], ids=["waits for nobody", "is asked again"])
def test_a_server_whose_stopping_was_given_up_leaves_the_loop(loop: str, again: bool) -> None:
    async def main() -> None:
        backend = Gated()
        server = serving(backend)
        await server.start()
        pop = await poplin.aio.connect(server.url, **LOGIN)
        task = asyncio.ensure_future(pop.retr(1))
        await backend.gate.asked.wait()
        await cancelled(server.stop(), 1)
        pop.close()
        await asyncio.wait([task])
        assert isinstance(task.exception(), poplin.Error)
        backend.gate.opened.set()
        if again:
            await server.stop()
        while poplin.aio._hub.Hub.current().users:
            await asyncio.sleep(0)
        assert backend.closed == 1

    run(loop, main())


def test_methods_run_in_the_context_that_the_server_was_started_in(loop: str) -> None:
    """And not in that of whichever task has the loop stepped."""
    name = contextvars.ContextVar("name", default="nobody")
    seen = set[str]()

    class Looking(AsyncBackend):
        async def maildrop(self, user: str) -> Any:
            seen.add(name.get())
            return Plain(self)

    class Plain(AsyncDrop):
        def retr(self, uid: str) -> Any:
            seen.add(name.get())
            return self.backend.mail[uid]

    async def fetch(url: str) -> None:
        name.set("a client")
        async with await poplin.aio.connect(url, **LOGIN) as pop:
            assert await everything(pop) == 3

    async def main() -> None:
        name.set("the server")
        async with serving(Looking(mail(3))) as server:
            await asyncio.create_task(fetch(server.url))

    run(loop, main())
    assert seen == {"the server"}


# ---- loops ----


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_loops_that_end_with_clients_and_servers_open(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is left of them, and there is no noise but for the forgotten clients."""
    caplog.set_level("CRITICAL", "poplin")  # else it keeps, with an exception that is logged, all that was there

    async def main() -> None:
        server = serving(AsyncBackend(mail(1)))
        await server.start()
        pop = await poplin.aio.connect(server.url, **LOGIN)
        await pop.stat()
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))

    noise: list[Any] = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "unclosed <poplin.aio.Client", ResourceWarning)
        run(loop, main())
        gc.collect()
        before = descriptors()
        for _ in range(30):
            run(loop, main())
        gc.collect()
        assert [str(one.message) for one in warned] == []
        assert descriptors() == before
    assert noise == []


def test_the_end_of_a_loop_ends_its_sessions(loop: str) -> None:
    """With a client elsewhere, so that it is the server which closes the maildrop, by a coroutine."""
    backend = AsyncBackend(mail(1))

    async def main() -> poplin.Client:
        server = serving(backend)
        await server.start()
        return await asyncio.to_thread(poplin.connect, server.url, **LOGIN)

    with contextlib.closing(run(loop, main())):
        assert backend.closed == 1


def test_a_loop_that_is_closed_over_a_task_that_waits(loop: str) -> None:
    with poplin.Server(PlainBackend(), lock="none") as server:

        async def wait() -> None:
            pop = await poplin.aio.connect(server.url, **LOGIN)
            connected.append(True)
            await pop.noop()
            await asyncio.Event().wait()

        def abandon() -> None:
            made = LOOPS[loop]()
            made.set_exception_handler(lambda loop, context: None)  # for the task that was destroyed
            task = made.create_task(wait())
            while not connected:
                made.run_until_complete(asyncio.sleep(0))
            del task
            made.close()
            connected.clear()

        connected: list[bool] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            abandon()
            gc.collect()
            before = len(poplin.aio._hub._hubs)
            for _ in range(5):
                abandon()
            gc.collect()
        assert len(poplin.aio._hub._hubs) == before == 0


def test_a_client_whose_loop_was_closed_says_so(loop: str) -> None:
    """It is closed in peace, and deletes nothing."""

    async def begin(url: str) -> poplin.aio.Client:
        pop = await poplin.aio.connect(url, **LOGIN)
        await pop.dele(1)
        return pop

    with poplin.testing.Server(users={"alice": "secret"}) as server:
        server.deliver("alice", b"Subject: one\r\n\r\n")
        made = LOOPS[loop]()
        pop = made.run_until_complete(begin(server.url))
        made.close()
        with pytest.raises(poplin.StateError, match="the event loop that this was made on is closed"):
            run(loop, pop.quit())
        assert server.sessions[0].open
        pop.close()
        pop.close()
        server.sessions[0].assert_outcome("dropped").assert_deleted()


@pytest.mark.parametrize("waits", [False, True])
def test_a_server_whose_loop_was_closed_is_stopped_on_another(loop: str, waits: bool) -> None:
    """Its clients are told. A task that waited for its end waits for good."""

    async def begin() -> tuple[poplin.aio.Server, poplin.Client]:
        server = serving(AsyncBackend(mail(1)))
        await server.start()
        return server, await asyncio.to_thread(poplin.connect, server.url, **LOGIN)

    made = LOOPS[loop]()
    made.set_exception_handler(lambda loop, context: None)  # for the task that was destroyed
    server, pop = made.run_until_complete(begin())
    if waits:
        waiting = made.create_task(server.stop())
        made.run_until_complete(asyncio.sleep(0))
        assert not waiting.done()
        del waiting
    made.close()
    with contextlib.closing(pop):
        run(loop, server.stop())
        run(loop, server.stop())
        with pytest.raises(poplin.ConnectionLost):
            pop.noop()
    assert ("stopped" in repr(server), server.open_sessions) == (True, 0)


class PlainBackend:
    """A backend of a server with a thread; its maildrops are empty."""

    def password(self, user: str) -> str:
        return "secret"

    def maildrop(self, user: str) -> Any:
        return Empty()


class Empty:
    def list(self) -> Any:
        return []

    def retr(self, uid: str) -> bytes:
        raise AssertionError("there is none")

    def dele(self, uids: "list[str]") -> None:
        raise AssertionError("there is none")


def test_a_step_that_fails_is_told_to_those_who_wait(loop: str) -> None:
    class Failing:
        def __init__(self, core: Any) -> None:
            self.core = core

        def __getattr__(self, name: str) -> Any:
            return getattr(self.core, name)

        def step(self) -> None:
            raise MemoryError("none is left")

    async def main() -> None:
        async with serving(AsyncBackend(mail(1))) as server:
            pop = await poplin.aio.connect(server.url, **LOGIN)
            told: list[Any] = []
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
            hub = poplin.aio._hub.Hub.current()
            core, hub.core = hub.core, Failing(hub.core)  # type: ignore[assignment]
            with pytest.raises(MemoryError):
                await pop.stat()
            hub.core = core
            assert isinstance(told[0], MemoryError)
            pop.close()

    run(loop, main())


def test_a_client_that_is_collected_on_another_thread(loop: str) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)  # so that it looks at the threads
        async with serving(AsyncBackend(mail(1))) as server:
            hub = poplin.aio._hub.Hub.current()
            held = [await poplin.aio.connect(server.url, **LOGIN)]
            while hub._soon is not None:
                await asyncio.sleep(0)
            await asyncio.to_thread(held.clear)
            while hub.users > 1:
                await asyncio.sleep(0)

    with pytest.warns(ResourceWarning, match="unclosed"):
        run(loop, main())


def test_a_forgotten_client_goes_where_warnings_are_errors(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[str] = []
    monkeypatch.setattr("sys.unraisablehook", lambda it: raised.append(it.exc_type.__name__))

    async def main() -> None:
        async with serving(AsyncBackend(mail(1))) as server:
            held = [await poplin.aio.connect(server.url, **LOGIN)]
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                held.clear()
            assert poplin.aio._hub.Hub.current().users == 1

    run(loop, main())
    assert raised == ["ResourceWarning"]


def test_a_server_and_the_clients_made_before_its_start_share_one_core_loop(loop: str) -> None:
    async def main() -> None:
        server = serving(AsyncBackend(mail(1)))
        async with serving(AsyncBackend(mail(1))) as other:
            pop = await poplin.aio.connect(other.url, **LOGIN)
            await server.start()
            assert server._hub is pop._hub is other._hub
            await pop.quit()
            await server.stop()

    run(loop, main())
