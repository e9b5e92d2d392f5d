"""Waiting: interrupts, deadlines, threads, fork, other people's event loops."""

import os
import signal
import threading
from typing import Any

import pytest
from drops import mail
from programs import program
from scripts import LEAVE, LOGIN, join

import poplin
from peer import Server, expect, expect_eof, hold, mark, send, silence


def test_an_interrupt_gets_through_and_sends_no_quit() -> None:
    waiting = """
        import sys, poplin
        pop = poplin.connect(sys.argv[1], user="alice", password="secret")
        try:
            pop.stat()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        try:
            pop.quit()
        except poplin.Cancelled:
            print("cancelled", flush=True)
        """
    with Server([*LOGIN, expect(b"STAT\r\n"), mark("asked"), expect_eof()]) as peer:
        with program(waiting, f"pop3://127.0.0.1:{peer.port}") as child:
            peer.wait_for("asked")
            child.send_signal(signal.SIGINT)
            output, errors = child.communicate(timeout=20)
    assert (output, errors, child.returncode) == ("interrupted\ncancelled\n", "", 0)


def test_a_signal_whose_handler_returns_interrupts_nothing() -> None:
    waiting = """
        import signal, sys, poplin
        def handle(*_):
            try:
                pop.noop()
            except poplin.StateError as error:
                print("signal:", error, flush=True)
        signal.signal(signal.SIGUSR1, handle)
        with poplin.connect(sys.argv[1], user="alice", password="secret") as pop:
            print(pop.stat().count)
        """
    script = [*LOGIN, expect(b"STAT\r\n"), mark("asked"), hold("signalled"), send(b"+OK 7 70\r\n"), *LEAVE]
    with Server(script) as peer, program(waiting, f"pop3://127.0.0.1:{peer.port}") as child:
        peer.wait_for("asked")
        child.send_signal(signal.SIGUSR1)
        assert child.stdout is not None
        assert child.stdout.readline().startswith("signal: this connection is in use")
        peer.release("signalled")
        assert child.communicate(timeout=20) == ("7\n", "")


def test_a_silent_server_times_out() -> None:
    with Server([silence()]) as peer, pytest.raises(poplin.Timeout, match="greeting"):
        join(peer, timeout=0.5)


def test_a_reply_that_does_not_come_times_out_and_ends_the_connection() -> None:
    with Server([*LOGIN, expect(b"STAT\r\n"), silence()]) as peer:
        pop = join(peer, timeout=1)
        with pytest.raises(poplin.Timeout, match="waiting for a reply"):
            pop.stat()
        with pytest.raises(poplin.Timeout):
            pop.noop()
        pop.close()


def test_a_trickling_server_meets_the_total() -> None:
    with Server([*LOGIN, expect(b"RETR 1\r\n"), send(b"+OK\r\n"), hold("ever")]) as peer:
        pop = join(peer, total_timeout=0.5)
        with pytest.raises(poplin.Timeout):
            pop.retr(1)
        pop.close()
        peer.release("ever")


def test_the_interpreter_goes_on_while_a_client_waits() -> None:
    script = [*LOGIN, expect(b"STAT\r\n"), mark("asked"), hold("counted"), send(b"+OK 1 10\r\n"), *LEAVE]
    with Server(script) as peer, join(peer) as pop:
        counts: list[int] = []
        thread = threading.Thread(target=lambda: counts.append(pop.stat().count))
        thread.start()
        peer.wait_for("asked")
        with pytest.raises(poplin.StateError, match="another thread"):
            pop.noop()
        with pytest.raises(poplin.StateError, match="another thread"):
            pop.close()
        peer.release("counted")
        thread.join(20)
        assert counts == [1]


def test_calls_dropped_by_another_thread_are_dropped_later() -> None:
    script = [
        *LOGIN,
        expect(b"NOOP\r\nSTAT\r\n"),
        mark("asked"),
        hold("dropped"),
        send(b"+OK\r\n+OK 1 10\r\n"),
        expect(b"NOOP\r\n"),
        send(b"+OK\r\n"),
        *LEAVE,
    ]
    with Server(script) as peer, join(peer) as pop:
        first = pop._call("NOOP")
        thread = threading.Thread(target=pop.stat)
        thread.start()
        peer.wait_for("asked")
        del first
        peer.release("dropped")
        thread.join(20)
        pop.noop()


def test_a_child_after_fork_can_only_close(serve: Any, connect: Any) -> None:
    server, backend = serve(mail(1))
    pop = connect(server)
    pop.dele(1)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with pytest.raises(poplin.StateError, match="connect anew in the child"):
                pop.stat()
            pop.close()
            server.stop()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pop.stat().count == 0, "the parent's connection lives on"
    pop.quit()
    backend.wait_closed()
    assert backend.deleted == ["uid-1"]


def test_a_forgotten_server_does_not_hang_the_exit() -> None:
    forgotten = """
        import atexit
        def tell():
            print(backend.deleted, server.errors, backend.closed.acquire(blocking=False))
        atexit.register(tell)  # before poplin's own, so run after it
        import poplin
        from drops import Backend, mail
        backend = Backend(mail(3))
        server = poplin.Server(backend)
        server.start()
        pop = poplin.connect(server.url, user="alice", password="secret")
        next(pop.retr_all())
        pop.dele(1)
        bound = poplin.Server(backend)
        running = poplin.Server(backend, workers=2)
        running.start()
        """
    with program(forgotten) as child:
        output, errors = child.communicate(timeout=30)
    assert (output, child.returncode) == ("[] [] True\n", 0), errors
    assert errors.startswith("sys:1: ResourceWarning: unclosed <poplin.Client"), "the client was forgotten too"
    assert errors.count("\n") == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_callback_that_never_returns_does_not_hang_the_exit(workers: int) -> None:
    stuck = """
        import sys, threading, poplin, poplin._server
        from drops import Backend
        poplin._server.STOP_PATIENCE = 0.1
        entered = threading.Event()
        class Stuck(Backend):
            def maildrop(self, user):
                entered.set()
                threading.Event().wait()
        server = poplin.Server(Stuck({}), workers=int(sys.argv[1]))
        server.start()
        def connect():
            try:
                poplin.connect(server.url, user="alice", password="secret")
            except poplin.ConnectionLost:
                pass
        threading.Thread(target=connect, daemon=True).start()
        entered.wait(20)
        print("leaving", flush=True)
        """
    with program(stuck, str(workers), asan="detect_leaks=0") as child:  # what the stuck threads hold is never let go of
        output, errors = child.communicate(timeout=30)
    assert (output, child.returncode) == ("leaving\n", 0), errors
