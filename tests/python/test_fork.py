"""What a child after fork can do with objects of its parent's: it is told, or it is safe, and the parent goes on."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from drops import Backend, mail
from specimens import Alive, alive

import poplin
import poplin.aio
import poplin.testing

PATIENCE = 60  # seconds after which a child that hangs is ended


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alive]:
    with alive(tmp_path_factory.mktemp("living")) as made:
        yield made


def told_in_a_child(function: Callable[[], object]) -> str:
    """What a child after fork says of it: what it returned or raised, in words."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        try:
            os.write(writer, _told(function).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, f"{said or 'nothing was said'}, then it crashed"
    return said


def _told(function: Callable[[], object]) -> str:
    try:
        return f"returned {function()!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


REFUSED: dict[str, Callable[[Any], Any]] = {
    "Client stat": lambda it: it.stat(),
    "Client quit": lambda it: it.quit(),
    "Client retr_all": lambda it: next(it.retr_all()),
    "Message retr": lambda it: it.retr(),
    "Message dele": lambda it: it.dele(),
    "testing.Server deliver": lambda it: it.deliver("alice", b"Subject: hi\r\n"),
    "testing.Server messages": lambda it: it.messages("alice"),
    "testing.Server add_user": lambda it: it.add_user("bob", "secret"),
    "testing.Server users": lambda it: it.users,
    "testing.Server sessions": lambda it: it.sessions,
    "testing.Server transcript": lambda it: it.transcript,
    "testing.Server fault": lambda it: it.fault("RETR"),
    "testing.Session open": lambda it: it.open,
    "testing.Session assert_quit": lambda it: it.assert_quit(),
    "testing.Fault fired": lambda it: it.fired,
    "testing.Fault remove": lambda it: it.remove(),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_child_is_told_whose_it_is(living: Alive, what: str) -> None:
    said = told_in_a_child(lambda: REFUSED[what](living.objects[what.split()[0]]))
    assert said.startswith("StateError: ")
    assert "belongs to the parent process" in said


AWAITED: dict[str, Callable[[Any], Any]] = {
    "aio.Client stat": lambda it: it.stat(),
    "aio.Client quit": lambda it: it.quit(),
    "aio.Message retr": lambda it: it.retr(),
}


@pytest.mark.parametrize("what", AWAITED)
def test_a_child_is_told_so_under_asyncio(living: Alive, what: str) -> None:
    # The child goes on with the parent's event loop, which nobody should.
    said = told_in_a_child(lambda: living.runner.run(AWAITED[what](living.objects[what.split()[0]])))
    assert said == "StateError: this event loop belongs to the parent process: make another in this one"


def test_a_child_makes_no_client_on_the_parent_s_loop(living: Alive) -> None:
    said = told_in_a_child(lambda: living.runner.run(poplin.aio.connect("localhost")))
    assert said == "StateError: this event loop belongs to the parent process: make another in this one"


SAFE: dict[str, Callable[[Any], Any]] = {
    "Client close": lambda it: it.close(),
    "Client": repr,
    "Message": repr,
    "Server stop": lambda it: it.stop(),
    "Server": repr,
    "Maildir list": lambda it: it.list(),
    "Maildir close": lambda it: it.close(),
    "testing.Server stop": lambda it: it.stop(),
    "testing.Server": repr,
    "testing.Clock": repr,
    "testing.Session": repr,
    "testing.Fault": repr,
    "testing.CA certificate": lambda it: it.certificate(),
    "testing.Certificate leave": lambda it: it.__exit__(None, None, None),
    "protocol.ClientConnection data_to_send": lambda it: it.data_to_send(),
    "protocol.ServerConnection data_to_send": lambda it: it.data_to_send(),
    "aio.Client close": lambda it: it.close(),
    "aio.Client": repr,
}


@pytest.mark.parametrize("what", SAFE)
def test_what_a_child_may_do(living: Alive, what: str) -> None:
    assert told_in_a_child(lambda: SAFE[what](living.objects[what.split()[0]])).startswith("returned")


def test_a_child_may_stop_an_asynchronous_server(living: Alive) -> None:
    assert told_in_a_child(lambda: living.runner.run(living.objects["aio.Server"].stop())) == "returned None"


def test_a_child_may_end_all_of_it(living: Alive) -> None:
    def end() -> None:
        living.objects["aio.Client"].close()
        living.runner.run(living.objects["aio.Server"].stop())
        living.objects["Client"].close()
        living.objects["Server"].stop()
        living.objects["testing.Server"].stop()

    assert told_in_a_child(end) == "returned None"


def test_after_all_those_children_the_parent_goes_on(living: Alive) -> None:
    assert living.objects["Client"].stat() == (1, 22)
    assert living.runner.run(living.objects["aio.Client"].stat()) == (1, 22)
    assert living.objects["testing.Session"].open
    assert living.objects["testing.Certificate"].cert_file.exists()
    for name in ("Server", "aio.Server"):
        server = living.objects[name]

        async def stat(url: str = server.url) -> poplin.Stat:
            async with await poplin.aio.connect(url, user="alice", password="secret") as pop:
                return await pop.stat()

        assert living.runner.run(stat()).count == 2


@pytest.mark.parametrize("kind", ["Server", "testing.Server"])
def test_a_child_starts_no_server_of_its_parent_s(kind: str) -> None:
    server = poplin.Server(Backend(mail(1))) if kind == "Server" else poplin.testing.Server({"alice": "secret"})
    assert told_in_a_child(server.start).startswith("StateError: this server belongs to the parent process")
    with server, poplin.connect(server.url, user="alice", password="secret", timeout=20) as pop:
        assert pop.stat().count == (1 if kind == "Server" else 0)


def _fetch(url: str) -> list[bytes | None]:
    with poplin.connect(url, user="alice", password="secret", timeout=20) as pop:
        return [message.data for message in pop.retr_all()]


def _serve_and_fetch(_: object) -> int:
    with poplin.testing.Server({"alice": "secret"}) as server:
        server.deliver("alice", b"Subject: hi\r\n")
        return len(_fetch(server.url))


@pytest.mark.parametrize("workers", [0, 2])
def test_forked_workers_fetch_from_a_server_of_the_parent_s(serve: Any, workers: int) -> None:
    server, backend = serve(mail(3), exclusive=False, workers=workers)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map(_fetch, [server.url] * 6) == [list(backend.mail.values())] * 6
        assert pool.map(_serve_and_fetch, range(3)) == [1, 1, 1]


def test_a_child_that_exits_in_the_ordinary_way(serve: Any, connect: Any) -> None:
    server, _ = serve(mail(1), workers=1)
    pop = connect(server)
    sys.stdout.flush()
    process = multiprocessing.get_context("fork").Process(target=sys.exit, args=(3,))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 3
    assert pop.stat().count == 1
