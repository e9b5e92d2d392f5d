"""No callback starves: whatever it gives, fast or slowly, beside others and beside a main thread that computes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest
from awaiting import LOOPS, run
from drops import Backend, Drop, messages

import poplin
import poplin.aio

LARGE = messages(1, 3 << 20)[0]  # more than an iterator is asked for at a time
PIECES = [LARGE[start : start + 65536] for start in range(0, len(LARGE), 65536)]
LINES = LARGE.splitlines(keepends=True)
TIMES = 3
"""How often each fast kind is fetched in its session."""

Kinds = dict[str, Callable[[], Any]]


async def one_by_one(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


@pytest.fixture
def fast(tmp_path: Path) -> Kinds:
    """What retr may give without waiting, by name: the same message each time."""
    path = tmp_path / "message.eml"
    path.write_bytes(LARGE)
    return {
        "bytes": lambda: LARGE,
        "path": lambda: path,
        "file": lambda: path.open("rb"),
        "lines": lambda: iter(LINES),
        "pieces": lambda: iter(PIECES),
    }


class Slow:
    """The same message, the second half of which comes when it is let go on."""

    HALVES = b"".join(PIECES[:20]), b"".join(PIECES[20:])

    def __init__(self) -> None:
        self.waiting, self.go_on = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._pool.shutdown()

    def iterator(self) -> Iterator[bytes]:
        yield self.HALVES[0]
        self._wait()
        yield self.HALVES[1]

    def future(self) -> Future[bytes]:
        return self._pool.submit(lambda: b"".join(self.iterator()))

    async def asynchronous(self) -> AsyncIterator[bytes]:
        yield self.HALVES[0]
        await asyncio.wrap_future(self._pool.submit(self._wait))
        yield self.HALVES[1]

    def _wait(self) -> None:
        self.waiting.set()
        assert self.go_on.wait(20)


class SizedDrop(Drop):
    """Its sizes are listed, so that nothing is read but by RETR."""

    def list(self) -> Any:
        return [(uid, len(LARGE)) for uid in self.backend.mail]


class SizedBackend(Backend):
    def maildrop(self, user: str) -> Any:
        return SizedDrop(self)


def fetch(url: str, number: int, times: int = TIMES) -> list[bytes]:
    """Fetches one message, in a session of its own."""
    with poplin.connect(url, user="alice", password="secret", timeout=20) as pop:
        return [pop.retr(number) for _ in range(times)]


def compute_until(ended: Callable[[], bool]) -> None:
    """What the main thread does: plain Python, which lets go of the interpreter lock only when it is made to."""
    while not ended():
        sum(number * number for number in range(1000))


def check_that_none_starves(url: str, fast: Kinds, slow: Slow) -> None:
    """All others are served to their ends while the first message waits; then that is, too. This thread computes."""
    with ThreadPoolExecutor(len(fast) + 1) as pool, slow:
        first = pool.submit(fetch, url, 1, 1)
        compute_until(lambda: slow.waiting.is_set() or first.done())
        sessions = {name: pool.submit(fetch, url, number) for number, name in enumerate(fast, 2)}
        compute_until(lambda: all(session.done() for session in sessions.values()))
        for name, session in sessions.items():
            assert session.result() == [LARGE] * TIMES, name
        assert not first.done()
        slow.go_on.set()
        compute_until(first.done)
        assert first.result() == [LARGE]


@pytest.mark.parametrize(("workers", "kind"), [(0, "future"), (2, "future"), (2, "iterator")])
def test_no_kind_starves(serve: Any, fast: Kinds, workers: int, kind: str) -> None:
    slow = Slow()
    backend = SizedBackend({"slow": getattr(slow, kind)} | fast)
    server, _ = serve(backend=backend, workers=workers, exclusive=False)
    check_that_none_starves(server.url, fast, slow)


def test_an_iterator_that_waits_on_the_servers_own_thread_holds_up_no_longer_than_it_waits(
    serve: Any, fast: Kinds
) -> None:
    with Slow() as slow:
        backend = SizedBackend({"slow": slow.iterator} | fast)
        server, _ = serve(backend=backend, exclusive=False)
        with ThreadPoolExecutor(len(fast) + 1) as pool:
            first = pool.submit(fetch, server.url, 1, 1)
            compute_until(lambda: slow.waiting.is_set() or first.done())
            sessions = {name: pool.submit(fetch, server.url, number) for number, name in enumerate(fast, 2)}
            slow.go_on.set()
            compute_until(lambda: first.done() and all(session.done() for session in sessions.values()))
            assert first.result() == [LARGE]
            for name, session in sessions.items():
                assert session.result() == [LARGE] * TIMES, name


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("workers", "kind"), [(0, "future"), (0, "asynchronous"), (2, "asynchronous"), (2, "iterator")]
)
def test_no_kind_starves_on_an_event_loop(loop: str, fast: Kinds, workers: int, kind: str) -> None:
    """The loop is another thread's, so that it too is beside a main thread that computes."""
    slow, address, errors = Slow(), Future[str](), list[BaseException]()
    fast |= {"asynchronous": lambda: one_by_one(PIECES)}
    ended = threading.Event()

    async def main() -> None:
        backend = SizedBackend({"slow": getattr(slow, kind)} | fast)
        async with poplin.aio.Server(backend, workers=workers, exclusive=False) as server:
            address.set_result(server.url)
            await asyncio.to_thread(ended.wait)
            errors.extend(server.errors)

    with ThreadPoolExecutor(1) as thread:
        serving = thread.submit(run, loop, main())
        try:
            check_that_none_starves(address.result(20), fast, slow)
        finally:
            ended.set()
        compute_until(serving.done)
        serving.result()
    assert errors == []
