"""`poplin.aio`: the server, on asyncio's own loop and on uvloop."""

import asyncio
import concurrent.futures
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from awaiting import LOOPS, run
from drops import Drop, mail

import poplin
import poplin.aio
import poplin.aio._hub
from poplin.testing import Certificate

LOGIN: dict[str, Any] = {"user": "alice", "password": "secret", "timeout": 20}


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Any:
    yield request.param
    assert not any(hub.users for hub in poplin.aio._hub._hubs.values()), "a loop was left with clients or servers on it"


class AsyncDrop:
    """A maildrop of coroutines."""

    def __init__(self, backend: "AsyncBackend") -> None:
        self.backend = backend

    async def list(self) -> list[tuple[str, int | None]]:
        await asyncio.sleep(0)
        return [(uid, None) for uid in self.backend.mail]

    async def retr(self, uid: str) -> Any:
        await asyncio.sleep(0)
        body = self.backend.mail[uid]
        return body() if callable(body) else body

    async def dele(self, uids: "list[str]") -> None:
        await asyncio.sleep(0)
        for uid in uids:
            del self.backend.mail[uid]

    async def close(self, outcome: poplin.Outcome, error: poplin.Error | None) -> None:
        await asyncio.sleep(0)
        self.backend.closed += 1


class AsyncBackend:
    """One of coroutines."""

    def __init__(self, mail: dict[str, Any]) -> None:
        self.mail = mail
        self.closed = 0

    async def password(self, user: str) -> str | None:
        await asyncio.sleep(0)
        return "secret" if user == "alice" else None

    async def maildrop(self, user: str) -> Any:
        await asyncio.sleep(0)
        return AsyncDrop(self)


async def fetched(server: poplin.aio.Server, **options: Any) -> list[bytes | None]:
    """Everything that is in alice's maildrop."""
    async with await poplin.aio.connect(server.url, **{**LOGIN, **options}) as pop:
        return [message.data async for message in pop.retr_all()]


def test_a_backend_of_coroutines(loop: str) -> None:
    backend = AsyncBackend(mail(3))
    everything = list(backend.mail.values())

    async def main() -> None:
        async with poplin.aio.Server(backend) as server:
            assert await fetched(server) == everything
            async with await poplin.aio.connect(server.url, **LOGIN) as pop:
                await pop.dele(2)
            assert server.errors == []
            assert repr(server) == f"<poplin.aio.Server {server.url}, serving>"
        assert repr(server).endswith("stopped>")

    run(loop, main())
    assert list(backend.mail) == ["uid-1", "uid-3"]
    assert backend.closed == 2


def test_a_client_in_another_thread(loop: str) -> None:
    backend = AsyncBackend(mail(30))

    def fetch(url: str) -> int:
        with poplin.connect(url, **LOGIN) as pop:
            return len([message.data for message in pop])

    async def main() -> int:
        async with poplin.aio.Server(backend) as server:
            return await asyncio.to_thread(fetch, server.url)

    assert run(loop, main()) == 30


def test_tls_on_both_sides_of_one_loop(loop: str, certificate: Certificate) -> None:
    async def main() -> list[bytes | None]:
        pem = {"cert_pem": certificate.cert_pem, "key_pem": certificate.key_pem}
        async with poplin.aio.Server(AsyncBackend(mail(2, 300_000)), **pem) as server:
            return await fetched(server, ca_pem=certificate.ca_pem)

    assert run(loop, main()) == list(mail(2, 300_000).values())


@pytest.mark.parametrize("kind", ["bytes", "path", "file", "iterator", "asynchronous iterator", "future"])
def test_what_retr_may_return(loop: str, tmp_path: Path, kind: str) -> None:
    content = next(iter(mail(1, 3_000_000).values()))
    path = tmp_path / "message"
    path.write_bytes(content)
    cuts = [content[at : at + 100_000] for at in range(0, len(content), 100_000)]

    async def pieces() -> AsyncIterator[bytes]:
        for cut in cuts:
            await asyncio.sleep(0)
            yield cut

    def future() -> Any:
        made = asyncio.get_running_loop().create_future()
        made.set_result(content)
        return made

    bodies: dict[str, Any] = {
        "bytes": content,
        "path": path,
        "file": lambda: path.open("rb"),
        "iterator": lambda: iter(cuts),
        "asynchronous iterator": pieces,
        "future": content,
    }
    backend: Any = AsyncBackend({"one": bodies[kind]})
    if kind == "future":
        backend.maildrop = lambda user: _FutureDrop(future)

    async def main() -> list[bytes | None]:
        async with poplin.aio.Server(backend) as server:
            got = await fetched(server)
            assert server.errors == []
            return got

    assert run(loop, main()) == [content]


class _FutureDrop:
    def __init__(self, future: Any) -> None:
        self.future = future

    def list(self) -> Any:
        return [("one", None)]

    def retr(self, uid: str) -> Any:
        return self.future()

    def dele(self, uids: "list[str]") -> None:
        raise AssertionError("nothing is deleted")


def test_an_asynchronous_iterator_that_is_not_read_to_its_end_is_closed(loop: str) -> None:
    ended = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"and on it goes\r\n" * 70_000
        finally:
            ended.set()

    async def main() -> None:
        async with poplin.aio.Server(AsyncBackend({"endless": pieces})) as server:
            pop = await poplin.aio.connect(server.url, **LOGIN, max_message=0)
            seen = 0

            def take(piece: bytes) -> None:
                nonlocal seen
                seen += len(piece)
                if seen > 3_000_000:
                    raise KeyError("enough")

            with pytest.raises(KeyError):
                await pop.retr(1, take)
            pop.close()
            await ended.wait()

    run(loop, main())


def test_an_exception_in_a_coroutine_is_told_and_kept(loop: str) -> None:
    def fails() -> Any:
        raise OSError("the disk is on fire")

    backend = AsyncBackend({"bad": fails, "good": b"Subject: good\r\n\r\nyes\r\n"})

    async def main() -> None:
        async with poplin.aio.Server(backend) as server:
            async with await poplin.aio.connect(server.url, **LOGIN) as pop:
                with pytest.raises(poplin.Temporary):
                    await pop.retr(1)
                assert await pop.retr(2) == backend.mail["good"]
            assert [str(error) for error in server.errors] == ["the disk is on fire"] * len(server.errors)
            assert server.errors

    run(loop, main())


def test_refusing_from_a_coroutine(loop: str) -> None:
    backend = AsyncBackend({})

    async def maildrop(user: str) -> Any:
        await asyncio.sleep(0)
        raise poplin.InUse("somebody else reads it")

    backend.maildrop = maildrop  # type: ignore[method-assign]

    async def main() -> None:
        async with poplin.aio.Server(backend) as server:
            with pytest.raises(poplin.InUse, match="somebody else"):
                await fetched(server)
            assert server.errors == []

    run(loop, main())


def test_a_slow_coroutine_holds_nobody_up(loop: str) -> None:
    gate = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        await gate.wait()
        yield b"late\r\n"

    backend = AsyncBackend({"slow": slowly, "fast": b"early\r\n"})

    async def main() -> None:
        async with poplin.aio.Server(backend, lock="none") as server:
            async with (
                await poplin.aio.connect(server.url, **LOGIN) as waiting,
                await poplin.aio.connect(server.url, **LOGIN) as other,
            ):
                task = asyncio.ensure_future(waiting.retr(1))
                for _ in range(10):
                    assert await other.retr(2) == b"early\r\n"
                assert not task.done()
                gate.set()
                assert await task == b"late\r\n"

    run(loop, main())


def test_workers_keep_blocking_methods_off_the_loop(loop: str) -> None:
    gate, threads = threading.Event(), set[int]()

    class Blocking:
        def password(self, user: str) -> str:
            threads.add(threading.get_ident())
            assert gate.wait(20)
            return "secret"

        def maildrop(self, user: str) -> Any:
            return AsyncDrop(AsyncBackend(mail(1)))

    async def main() -> None:
        async with poplin.aio.Server(Blocking(), workers=2) as server:
            task = asyncio.ensure_future(fetched(server))
            while not threads:
                await asyncio.sleep(0)  # the loop turns, though the method blocks
            assert threading.get_ident() not in threads
            gate.set()
            assert len(await task) == 1

    run(loop, main())


def test_a_future_of_another_thread_is_an_answer(loop: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:

        class Pooled:
            def authenticate(self, user: str, password: str) -> Any:
                return pool.submit(lambda: password == "secret")

            def maildrop(self, user: str) -> Any:
                return AsyncDrop(AsyncBackend(mail(2)))

        async def main() -> int:
            async with poplin.aio.Server(Pooled()) as server:
                return len(await fetched(server))

        assert run(loop, main()) == 2


# ---- beginning and ending ----


def test_stop_waits_for_what_the_backend_is_at(loop: str) -> None:
    began, gate, done = asyncio.Event(), asyncio.Event(), []
    backend = AsyncBackend(mail(1))

    class Slow(AsyncDrop):
        async def dele(self, uids: "list[str]") -> None:
            began.set()
            await gate.wait()
            done.append(uids)

    async def maildrop(user: str) -> Any:
        return Slow(backend)

    backend.maildrop = maildrop  # type: ignore[method-assign]

    async def main() -> None:
        server = poplin.aio.Server(backend)
        await server.start()
        pop = await poplin.aio.connect(server.url, **LOGIN)
        await pop.dele(1)
        leaving = asyncio.ensure_future(pop.quit())
        await began.wait()
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        gate.set()
        await stopping
        assert done == [["uid-1"]]
        assert backend.closed == 1
        with pytest.raises(poplin.Error):
            await leaving

    run(loop, main())


def test_stop_waits_for_what_a_worker_is_at(loop: str) -> None:
    """The maildrop's close is called on a worker, and what it returns is awaited on the loop, all before the end."""
    backend = AsyncBackend(mail(1))
    began, gate = threading.Event(), threading.Event()

    class Slow(AsyncDrop):
        def close(self, outcome: poplin.Outcome, error: poplin.Error | None) -> Any:
            began.set()
            assert gate.wait(20)
            return super().close(outcome, error)

    class Backend:
        def password(self, user: str) -> str:
            return "secret"

        def maildrop(self, user: str) -> Any:
            return Slow(backend)

    async def main() -> None:
        server = poplin.aio.Server(Backend(), workers=1)
        await server.start()
        assert len(await fetched(server)) == 1
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.to_thread(began.wait, 20)
        await asyncio.sleep(0)
        assert not stopping.done()
        gate.set()
        await stopping
        assert backend.closed == 1

    run(loop, main())


def test_a_backend_may_stop_its_server(loop: str) -> None:
    class Stopping(AsyncBackend):
        async def password(self, user: str) -> str:
            await servers[0].stop()
            return "secret"

    servers: list[poplin.aio.Server] = []

    async def main() -> None:
        server = poplin.aio.Server(Stopping(mail(1)))
        servers.append(server)
        await server.start()
        with pytest.raises(poplin.Error):
            await fetched(server)
        await server.stop()

    run(loop, main())


def test_starting_and_stopping_in_the_wrong_order(loop: str) -> None:
    async def main() -> None:
        server = poplin.aio.Server(AsyncBackend({}))
        assert "listening" in repr(server)
        await server.start()
        with pytest.raises(poplin.StateError):
            await server.start()
        await server.stop()
        await server.stop()
        with pytest.raises(poplin.StateError):
            await server.start()
        never_started = poplin.aio.Server(AsyncBackend({}))
        await never_started.stop()

    run(loop, main())


def test_a_worker_stops_its_own_server(loop: str) -> None:
    """By way of the loop; it would wait there for itself."""

    class Stopping:
        def password(self, user: str) -> str:
            return "secret"

        def maildrop(self, user: str) -> Any:
            asyncio.run_coroutine_threadsafe(server.stop(), here).result(20)
            stopped.set()
            raise poplin.Refused("enough")

    async def main() -> None:
        nonlocal server, here
        here, server = asyncio.get_running_loop(), poplin.aio.Server(Stopping(), workers=1)
        await server.start()
        with pytest.raises(poplin.ConnectionLost):
            await fetched(server)
        await server.stop()  # which waits for the worker
        assert stopped.is_set()

    stopped = threading.Event()
    server: Any = None
    here: Any = None
    run(loop, main())


def test_serving_until_cancelled(loop: str) -> None:
    async def main() -> None:
        server = poplin.aio.Server(AsyncBackend(mail(1)))
        task = asyncio.ensure_future(server.serve_forever())
        assert len(await fetched(server)) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "stopped" in repr(server)

    run(loop, main())


def test_a_server_belongs_to_its_loop() -> None:
    async def make() -> poplin.aio.Server:
        return poplin.aio.Server(AsyncBackend({}))

    async def start(server: poplin.aio.Server) -> None:
        await server.start()

    with asyncio.Runner() as first, asyncio.Runner() as second:
        server = first.run(make())
        with pytest.raises(poplin.StateError, match="another event loop"):
            second.run(start(server))


def test_a_server_is_made_inside_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        poplin.aio.Server(AsyncBackend({}))


def test_a_forgotten_server_that_was_not_started_goes(loop: str) -> None:
    async def main() -> None:
        server = poplin.aio.Server(AsyncBackend({}))
        gone = weakref.ref(server)
        del server
        gc.collect()
        assert gone() is None

    run(loop, main())


def test_plain_methods_will_do(loop: str) -> None:
    class Plain:
        mail = mail(2)
        closed = threading.Semaphore(0)

        def password(self, user: str) -> str:
            return "secret"

        def maildrop(self, user: str) -> Any:
            return Drop(self)  # type: ignore[arg-type]

    async def main() -> int:
        async with poplin.aio.Server(Plain()) as server:
            return len(await fetched(server))

    assert run(loop, main()) == 2


def test_a_coroutine_on_a_server_with_a_thread_is_refused() -> None:
    with poplin.Server(AsyncBackend(mail(1))) as server:
        with pytest.raises(poplin.Temporary):
            poplin.connect(server.url, **LOGIN)
        assert any("async" in str(error) for error in server.errors)
