"""What the test server notes, the assertions on it, and waiting for it."""

import os
import signal
import sys
import threading
from typing import Any, get_args

import pytest
from logins import MAIL, USERS, fetch_and_delete, login
from programs import program

from poplin import _core
from poplin.testing import Outcome, Server, Session
from poplin.testing._session import wait_for_change

# ---- what happened ----


def test_a_session_as_values(server: Server) -> None:
    uids = [server.deliver("alice", MAIL) for _ in range(3)]
    with login(server) as pop:
        session = server.wait_for(lambda server: server.sessions[0])
        assert (session.number, session.open, session.outcome, session.user) == (1, True, None, "alice")
        assert session.peer.startswith("127.0.0.1:")
        pop.retr(2)
        pop.dele(1)
        pop.dele(3)
        assert server.wait_for(lambda _: session.marked) == (uids[0], uids[2])
        assert repr(session) == f"<poplin.testing.Session 1 from {session.peer}, 'alice', open>"
        pop.quit()
    session.assert_outcome("committed")
    server.wait_for(lambda _: session.exchanges[-1].complete)
    assert session.mechanism == "USER"
    assert session.tls == session.error == ""
    assert session.retrieved == (uids[1],)
    assert session.deleted == session.marked == (uids[0], uids[2])
    assert session.commands == ("USER alice", "PASS ****", "RETR 2", "DELE 1", "DELE 3", "QUIT")
    assert len(session.replies) == 7
    assert session.octets_in == len("".join(session.commands)) - len("****") + len("secret") + 2 * 6
    assert session.octets_out == sum(exchange.octets for exchange in session.exchanges)
    password = session.exchanges[2]
    assert (password.secret, password.leaked, password.tls, password.complete) == (True, True, False, True)
    assert session.transcript in server.transcript


def test_sessions_are_kept_up_to_a_number() -> None:
    with Server(USERS, keep_sessions=2) as server:
        for _ in range(4):
            with login(server) as pop:
                pop.quit()
            server.wait_for(lambda server: not any(session.open for session in server.sessions))
        assert [session.number for session in server.sessions] == [3, 4]


def test_assertions_that_hold_can_be_chained(server: Server) -> None:
    uid = server.deliver("alice", MAIL)
    fetch_and_delete(server)
    session = server.sessions[0]
    chained = session.assert_quit().assert_deleted(uid).assert_retrieved(uid).assert_order("RETR", "DELE 1", "QUIT")
    assert chained.assert_outcome("committed") is session


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        (Session.assert_quit, "QUIT"),
        (lambda session: session.assert_deleted("uid-1"), "uid-1"),
        (lambda session: session.assert_retrieved("uid-1"), "uid-1"),
        (Session.assert_no_cleartext_secret, "PASS"),
        (lambda session: session.assert_order("RETR", "DELE"), "RETR"),
        (lambda session: session.assert_outcome("committed"), "session 1 ended as 'dropped', expected 'committed'"),
    ],
)
def test_assertions_that_do_not_hold_explain_themselves(server: Server, judge: Any, words: str) -> None:
    with login(server) as pop:
        pop.noop()
    server.wait_for(lambda server: server.sessions[0].outcome)
    with pytest.raises(AssertionError) as raised:
        judge(server.sessions[0])
    assert words in str(raised.value)
    assert server.sessions[0].transcript in str(raised.value)


def test_an_assertion_waits_for_the_servers_books(server: Server) -> None:
    with login(server) as pop:
        (session,) = server.sessions
        late = threading.Thread(target=pop.quit)
        late.start()
        session.assert_quit()
        late.join()


def test_an_assertion_does_not_wait_for_ever(server: Server) -> None:
    with login(server):
        (session,) = server.sessions
        session.settle = 0
        with pytest.raises(AssertionError):
            session.assert_quit()
        with pytest.raises(AssertionError, match="session 1 is open, expected 'left'"):
            session.assert_outcome("left")


def test_the_outcomes_are_the_cores() -> None:
    assert get_args(Outcome) == tuple(_core.OUTCOMES)


def test_an_outcome_that_is_none(server: Server) -> None:
    with login(server), pytest.raises(ValueError, match="'committed', 'left', 'dropped', 'timed out', 'failed'"):
        server.sessions[0].assert_outcome("comitted")  # type: ignore[arg-type]


def test_texts_that_cannot_be_meant(server: Server) -> None:
    with login(server):
        (session,) = server.sessions
        with pytest.raises(TypeError):
            session.assert_deleted(b"uid")  # type: ignore[arg-type]
        with pytest.raises(ValueError):
            session.assert_order("QU\0IT")


# ---- waiting ----


def test_waiting_gives_what_is_true(server: Server) -> None:
    callers = set()

    def gone(server: Server) -> tuple[str, ...]:
        callers.add(threading.get_ident())
        return server.sessions[0].deleted if server.sessions else ()

    uid = server.deliver("alice", MAIL)
    client = threading.Thread(target=fetch_and_delete, args=[server])
    client.start()
    assert server.wait_for(gone, timeout=20) == (uid,)
    assert callers == {threading.get_ident()}
    client.join()


def test_waiting_in_vain_shows_what_happened(server: Server) -> None:
    with login(server) as pop:
        pop.noop()
        with pytest.raises(TimeoutError, match="C: NOOP"):
            server.wait_for(lambda server: server.messages("alice"), timeout=0.01)


def test_the_last_look_counts(server: Server) -> None:
    answers = iter([[], ["mail"]])  # it changes without any session
    assert server.wait_for(lambda _: next(answers), timeout=0.01) == ["mail"]


def test_what_the_predicate_raises_ends_the_wait(server: Server) -> None:
    with pytest.raises(ZeroDivisionError):
        server.wait_for(lambda _: 1 // 0)


def test_an_interrupt_gets_through(server: Server) -> None:
    caller = threading.get_ident()

    def interrupt() -> None:
        while sys._current_frames()[caller].f_code is not wait_for_change.__code__:
            pass
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)

    def never(server: Server) -> bool:
        interrupting.start()
        return False

    with pytest.raises(KeyboardInterrupt):
        server.wait_for(never, timeout=60)
    interrupting.join()


def test_an_interrupt_that_does_not_break_the_wait_gets_through() -> None:
    """As where the signal comes a moment before it, or to another thread."""
    text = """
        import _thread
        import sys
        import threading
        from poplin.testing import Server

        def wait():
            server._kit.wait(server._kit.changes(), -1)

        def interrupt():
            while sys._current_frames()[caller].f_code is not wait.__code__:
                pass
            _thread.interrupt_main()

        caller = threading.get_ident()
        with Server() as server:
            threading.Thread(target=interrupt).start()
            try:
                wait()
            except KeyboardInterrupt:
                print("well")
    """
    with program(text) as running:
        output, errors = running.communicate(timeout=60)
    assert (output, errors) == ("well\n", "")
