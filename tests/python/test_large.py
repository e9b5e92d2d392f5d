"""Much at once: a message of 200 MB in constant memory, a thousand sessions."""

import resource
import threading
from pathlib import Path
from typing import Any

import pytest
from drops import Backend, mail
from programs import program

import poplin

GROWTH = 16 << 20
SIZE = 200_000_000
NO_QUARANTINE = "quarantine_size_mb=1"  # under a sanitizer what is freed would count for long

MEMORY = """
    def high_water():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    """

SERVE = (
    MEMORY
    + """
    import sys, pathlib, poplin
    from drops import Backend
    class Sized(Backend):
        def maildrop(self, user):
            drop = super().maildrop(user)
            drop.list = lambda: [("m", int(sys.argv[2])), ("small", 7)]
            return drop
    with poplin.Server(Sized({"m": pathlib.Path(sys.argv[1]), "small": b"small\\r\\n"})) as server:
        print(server.url, flush=True)
        sys.stdin.readline()
        idle = high_water()
        print(idle, flush=True)
        sys.stdin.readline()
        print(high_water() - idle, server.errors, flush=True)
    """
)

FETCH = (
    MEMORY
    + """
    import sys, pathlib, poplin
    with poplin.connect(sys.argv[1], user="alice", password="secret") as pop:
        pop.retr(2, into=pathlib.Path(sys.argv[2]))
        idle = high_water()
        pop.retr(1, into=pathlib.Path(sys.argv[2]))
        print(high_water() - idle, flush=True)
    """
)


def test_a_message_of_200_mb_in_constant_memory(tmp_path: Path) -> None:
    """From a path on one side to a file on the other, each a process; neither grows by 16 MB."""
    line = b"0123456789" * 7 + b"abcdef\r\n"
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        for _ in range(SIZE // len(line) // 10_000):
            file.write(line * 10_000)
    size = source.stat().st_size
    with program(SERVE, str(source), str(size), asan=NO_QUARANTINE, stdin=-1) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        url = server.stdout.readline().strip()
        with poplin.connect(url, user="alice", password="secret") as pop:
            assert pop.retr(2) == b"small\r\n"
        server.stdin.write("\n")
        server.stdin.flush()
        server.stdout.readline()
        with program(FETCH, url, str(target), asan=NO_QUARANTINE) as client:
            grown, errors = client.communicate(timeout=120)
        assert (client.returncode, errors) == (0, "")
        output, errors = server.communicate("\n", timeout=20)
    assert (server.returncode, errors) == (0, "")
    assert target.stat().st_size == size
    with source.open("rb") as one, target.open("rb") as other:
        while piece := one.read(1 << 20):
            assert piece == other.read(1 << 20)
    server_grown, problems = output.split(" ", 1)
    assert problems == "[]\n"
    assert int(grown) < GROWTH
    assert int(server_grown) < GROWTH


def test_sessions_leave_nothing_behind() -> None:
    """Neither objects nor descriptors, whatever way they end. (Memory of the core is the sanitizers' matter.)"""
    sessions = """
        import gc, os, sys, poplin
        from drops import Backend, mail
        backend = Backend(mail(3, 2000))
        server = poplin.Server(backend, auth="PLAIN", failed_login_delay=0)
        server.start()
        def session(number):
            with poplin.connect(server.url, user="alice", password="secret") as pop:
                fetched = [message.data for message in pop.retr_all()]
                assert pop.retr(1) == fetched[0]
                pop.retr(1, into=lambda piece: None)
                try:
                    pop.top(9)
                except poplin.Refused:
                    pass
                loop = pop.retr_all()
                next(loop)
                if number % 2:
                    pop.close()
            backend.wait_closed()
            try:
                poplin.connect(server.url, user="alice", password="wrong")
            except poplin.AuthError:
                pass
        def held():
            gc.collect()
            return sys.getallocatedblocks(), len(os.listdir("/proc/self/fd"))
        for number in range(50):
            session(number)
        before = held()
        for number in range(200):
            session(number)
        after = held()
        server.stop()
        print(after[0] - before[0] < 100, after[1] - before[1] < 5, server.errors)
        """
    with program(sessions) as child:
        output, errors = child.communicate(timeout=120)
    assert (output, errors, child.returncode) == ("True True []\n", "", 0)


@pytest.fixture
def many_descriptors() -> Any:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 8000:
        pytest.skip("this system lets a process have too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (8000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_sessions_at_once(many_descriptors: None) -> None:
    count = 1000

    class Everybody(Backend):
        def password(self, user: str) -> str | None:
            return "secret"

    backend = Everybody(mail(2, 1000))
    fetched: list[list[Any]] = []
    failures: list[BaseException] = []
    with poplin.Server(backend) as server:
        clients = [poplin.connect(server.url, user=f"user-{number}", password="secret") for number in range(count)]

        def fetch(some: list[poplin.Client]) -> None:
            try:
                for pop in some:
                    fetched.append([message.data for message in pop.retr_all()])
                    pop.quit()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=fetch, args=(clients[at::8],)) for at in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        backend.wait_closed(count)
    assert failures == []
    assert server.errors == []
    assert fetched == [list(backend.mail.values())] * count
