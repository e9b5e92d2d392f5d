"""Who fails to log in waits, and so does who comes back too soon: by the server's clock, which the tests move."""

import contextlib
from typing import Any

import pytest
from accounts import PASSWORD, Account, proof
from wire import Wire

import poplin
from peer import connect as connect_raw
from poplin.testing import Server

WRONG = [b"USER alice", b"PASS not her password"]
MARGIN = 20
"""Seconds that a test may take, since the server's clock goes on by itself too."""

USER, REFUSED = b"+OK send PASS\r\n", b"-ERR [AUTH] name or password not accepted\r\n"


def backends() -> list[dict[str, Any]]:
    """The options of both kinds of test server."""
    return [{"users": {"alice": PASSWORD}}, {"backend": Account("password")}]


def fail(wire: Wire, server: Server, options: Any, seconds: float) -> None:
    """A login that fails, of which nothing is heard until so many seconds have passed."""
    wire.say(*WRONG)
    assert wire.line() == USER
    settled(server, options)
    server.clock.advance(seconds - MARGIN)
    assert wire.is_silent()
    server.clock.advance(MARGIN)
    assert wire.line() == REFUSED


def settled(server: Server, options: Any) -> None:
    """Waits until the server has judged a wrong password, and holds its reply back."""
    server.wait_for(lambda server: server.sessions[-1].commands[-1].startswith("PASS"))
    if "backend" in options:
        assert options["backend"].told.acquire(timeout=20)


@pytest.mark.holds("T-BRU-1", "S")
@pytest.mark.parametrize("options", backends(), ids=["memory", "script"])
def test_a_failed_login_is_told_later_and_later_and_then_the_session_ends(options: Any) -> None:
    with Server(**options, failed_login_delay=50) as server, Wire(server) as wire:
        assert wire.line().startswith(b"+OK")
        for seconds in (50, 100, 200):
            fail(wire, server, options, seconds)
        assert wire.rest() == b""


@pytest.mark.holds("T-BRU-1", "S")
@pytest.mark.parametrize("options", backends(), ids=["memory", "script"])
def test_the_delay_holds_up_nobody_else(options: Any) -> None:
    with Server(**options, failed_login_delay=50) as server, Wire(server) as wire:
        assert wire.line().startswith(b"+OK")
        wire.say(*WRONG, b"QUIT")
        assert wire.line() == USER
        settled(server, options)
        with contextlib.closing(poplin.connect(server.url, timeout=20, **proof("PLAIN"))) as pop:
            pop.quit()
        assert wire.is_silent()
        server.clock.advance(50)
        assert wire.line() == REFUSED
        assert wire.rest() == b"+OK bye\r\n"


def test_an_address_that_failed_waits_longer_in_its_next_session() -> None:
    """Where loopback is a network like any other: there it is one address."""
    options = {"loopback_protected": False, "allow_cleartext": True, "failed_login_delay": 50}
    with Server({"alice": PASSWORD}, **options) as server:
        for seconds in (50, 100, 200):
            with Wire(server) as wire:
                assert wire.line().startswith(b"+OK")
                fail(wire, server, options, seconds)
        server.clock.advance(601)
        with Wire(server) as wire:
            assert wire.line().startswith(b"+OK")
            fail(wire, server, options, 50)


def test_a_backend_is_told_of_failed_logins_as_they_come(tmp_path: Any) -> None:
    seen: list[tuple[str, str]] = []
    backend = Account("password", "token", login_failed=lambda *failed: seen.append(failed))
    for options, address in (({}, "127.0.0.1"), ({"path": tmp_path / "socket"}, "")):
        seen.clear()
        with poplin.Server(backend, failed_login_delay=0, **options) as server:
            where = {"path": server.path} if options else {"url": server.url}
            for way in ("SCRAM-SHA-256", "PLAIN", "USER", "XOAUTH2"):
                for user in ("alice", "nobody"):
                    with pytest.raises(poplin.AuthError):
                        poplin.connect(**where, timeout=20, auth=way, **{**proof(way, good=False), "user": user})
        assert seen == [("alice", address), ("nobody", address)] * 4


@pytest.mark.holds("T-API-1", "S")
def test_a_login_failed_that_fails_is_kept() -> None:
    def fail(user: str, address: str) -> None:
        raise LookupError("no log")

    with poplin.Server(Account("password", login_failed=fail), failed_login_delay=0) as server:
        with pytest.raises(poplin.AuthError):
            poplin.connect(server.url, timeout=20, **proof("PLAIN", good=False))
    assert [str(error) for error in server.errors] == ["no log"]


def test_a_server_stops_while_somebody_waits() -> None:
    with poplin.Server(Account("password"), failed_login_delay=4_000_000) as server:
        with connect_raw(server.host, server.port) as link:
            link.send(b"".join(line + b"\r\n" for line in WRONG))
            assert link.read_line().startswith(b"+OK")
            assert link.read_line() == USER
            server.stop()
            link.expect_eof()


@pytest.mark.holds("POP-RESP-5", "B")
@pytest.mark.parametrize("options", backends(), ids=["memory", "script"])
def test_a_login_delay_is_announced_and_enforced(options: Any) -> None:
    with Server(**options, login_delay=60) as server:

        def login(**settings: Any) -> Any:
            return contextlib.closing(poplin.connect(server.url, timeout=20, **{**proof("PLAIN"), **settings}))

        with login() as pop:
            assert pop.capabilities["LOGIN-DELAY"] == ("60",)
            pop.quit()
        server.sessions[0].assert_outcome("committed")
        for seconds in (30, 5):
            with pytest.raises(poplin.Temporary) as caught:
                login()
            assert caught.value.code == "LOGIN-DELAY"
            server.clock.advance(seconds)
        with pytest.raises(poplin.AuthError):
            login(password="not her password")
        server.clock.advance(25)
        with login() as pop:
            pop.quit()
