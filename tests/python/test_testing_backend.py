"""The test server's clock, and a script's backend behind it."""

import contextlib
import poplib
import sys
import threading
from typing import Any

import pytest
from drops import Backend
from logins import MAIL, USERS, login

import poplin
from poplin._serving import Serving
from poplin.testing import Server

# ---- its clock ----


def test_autologout_at_once(server: Server) -> None:
    server.deliver("alice", MAIL)
    with login(server) as pop:
        pop.dele(1)
        server.clock.advance(599)
        pop.noop()
        server.clock.advance(600)
        with pytest.raises((poplib.error_proto, OSError)):
            pop.noop()
    assert server.sessions[0].assert_outcome("timed out").deleted == ()
    assert len(server.messages("alice")) == 1


def test_a_delay_passes_at_once(server: Server) -> None:
    with server.fault("NOOP", delay=3600.0) as fault, login(server) as pop:
        pop._putcmd("NOOP")  # type: ignore[attr-defined]
        server.wait_for(lambda _: fault.fired)
        server.clock.advance(3600)
        assert pop._getresp() == b"+OK nothing done"  # type: ignore[attr-defined]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "1", None])
def test_a_time_that_is_none(server: Server, seconds: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        server.clock.advance(seconds)


def test_the_clock_of_a_server_that_does_not_serve() -> None:
    for server in (Server(USERS), Server(backend=Backend({}))):
        with pytest.raises(poplin.StateError):
            server.clock.advance(1)
        server.stop()
        with pytest.raises(poplin.StateError):
            server.clock.advance(1)


def test_clocks_are_moved_while_the_server_stops() -> None:
    """From many threads, at any moment: each call ends, as it should or with StateError."""
    for make in (lambda: Server(USERS), lambda: Server(backend=Backend({}))):
        with make() as server:
            ready = threading.Barrier(5)

            def advance(server: Server = server, ready: threading.Barrier = ready) -> None:
                ready.wait()
                with contextlib.suppress(poplin.StateError):
                    for _ in range(1000):
                        server.clock.advance(1)

            threads = [threading.Thread(target=advance) for _ in range(4)]
            for thread in threads:
                thread.start()
            ready.wait()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


def test_a_start_that_is_interrupted_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is there already, and Ctrl-C comes while it is waited for."""
    threads = []

    def interrupted(thread: threading.Thread) -> None:
        threads.append(thread)
        start(thread)
        raise KeyboardInterrupt

    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    for workers in (0, 2):
        with pytest.raises(KeyboardInterrupt), Server(backend=Backend({}), workers=workers):
            pass
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def attempt(server: Server) -> None:
    """Logs in, in vain."""
    with contextlib.suppress(poplib.error_proto, OSError), login(server):
        pass


def test_a_clock_that_is_being_moved_when_the_server_stops() -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Slow(Backend):
        def maildrop(self, user: str) -> Any:
            asked.set()
            go_on.wait()
            raise poplin.InUse

    server = Server(backend=Slow({}))
    server.start()
    client = threading.Thread(target=attempt, args=[server])
    mover = threading.Thread(target=server.clock.advance, args=[1])
    stopper = threading.Thread(target=server.stop)
    client.start()
    asked.wait()
    mover.start()
    while sys._current_frames()[mover.ident or 0].f_code is not Serving.advance.__code__:
        pass
    stopper.start()
    while "stopped" not in repr(server):
        pass
    go_on.set()
    for thread in (stopper, mover, client):
        thread.join(20)
        assert not thread.is_alive()


# ---- a script's backend ----


class Broken(Backend):
    """Its maildrops cannot be opened."""

    def maildrop(self, user: str) -> Any:
        raise LookupError(f"no disk for {user}")


def test_a_backend_has_the_same_log_and_the_same_faults() -> None:
    backend = Backend({"uid-1": MAIL, "uid-2": MAIL})
    with Server(backend=backend, quirks=["top-sends-everything"]) as server:
        fault = server.fault("RETR", nth=2, refuse="[SYS/TEMP] not now")
        with login(server) as pop:
            assert pop.top(1, 0)[1] == pop.retr(1)[1]
            with pytest.raises(poplib.error_proto, match="not now"):
                pop.retr(2)
            pop.dele(2)
            pop.quit()
        assert fault.fired == 1
        server.sessions[0].assert_deleted("uid-2").assert_retrieved("uid-1")
    assert list(backend.mail) == ["uid-1"]
    assert server.errors == []


def test_the_maildrops_of_a_backend_are_its_own() -> None:
    server = Server(backend=Backend({}))
    for misuse in (
        lambda: server.users,
        lambda: server.add_user("bob", "secret"),
        lambda: server.remove_user("bob"),
        lambda: server.deliver("alice", MAIL),
        lambda: server.load("alice", "/dev/null"),
        lambda: server.messages("alice"),
        lambda: server.remove("alice", "uid"),
        lambda: server.clear("alice"),
    ):
        with pytest.raises(poplin.StateError, match="backend's own"):
            misuse()
    server.reset()


@pytest.mark.holds("T-API-1", "B")
def test_an_error_of_the_backend_is_raised_at_the_end() -> None:
    with pytest.raises(LookupError, match="no disk for alice"), Server(backend=Broken({})) as server:
        with pytest.raises(poplib.error_proto), login(server):
            pass
    with pytest.raises(ExceptionGroup) as raised, Server(backend=Broken({})) as server:
        for _ in range(2):
            with pytest.raises(poplib.error_proto), login(server):
                pass
    assert [type(error) for error in raised.value.exceptions] == [LookupError, LookupError]


def test_errors_do_not_hide_what_failed_before() -> None:
    with pytest.raises(ZeroDivisionError), Server(backend=Broken({})) as server:
        with pytest.raises(poplib.error_proto), login(server):
            pass
        raise ZeroDivisionError
    assert len(server.errors) == 1


def test_errors_that_a_test_wants() -> None:
    with Server(backend=Broken({}), raise_errors=False) as server:
        with pytest.raises(poplib.error_proto), login(server):
            pass
    assert len(server.errors) == 1
    server.reset()
    assert server.errors == []


def test_a_backend_cannot_move_the_clock_that_waits_for_it() -> None:
    class Impatient(Backend):
        def maildrop(self, user: str) -> Any:
            server.clock.advance(1)

    with pytest.raises(poplin.StateError, match="waits for it"), Server(backend=Impatient({})) as server:
        with pytest.raises(poplib.error_proto), login(server):
            pass


def test_the_clock_under_a_backend() -> None:
    with Server(backend=Backend({"uid-1": MAIL})) as server, login(server) as pop:
        pop.dele(1)
        server.clock.advance(600)
        assert server.sessions[0].assert_outcome("timed out").deleted == ()
