"""
Foreign clients meet every fault, every quirk, every attack and every bad certificate of the test server, and the
server's books tell what came of it. What each of them is shown to do stands in fault_meetings.py.
"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from interop.attempts import LIMIT, Attempt, Client, by_poplib, curl, fetchmail, mpop
from interop.conftest import Met
from interop.fault_meetings import ATTACKS, LF, MAIL, QUIRKS, REFUSALS, SETTINGS, TRUSTED_BY, Meeting
from poplin import _core
from poplin import testing as kit
from poplin.testing import CA, Fault, Server

CLIENTS = (curl, fetchmail, mpop, by_poplib)
MEETINGS = SETTINGS | QUIRKS | ATTACKS


def serve(tls: str, **options: Any) -> Server:
    server = Server({"alice": "secret"}, tls="stls" if tls == "if offered" else tls, **options)  # type: ignore[arg-type]
    for message in MAIL:
        server.deliver("alice", message)
    return server


def add(server: Server, fault: str) -> Fault:
    if " " not in fault:
        return server.attack(fault) if fault in kit.ATTACKS else server.quirk(fault)
    return server.fault_text(fault.replace("<2>", server.messages("alice")[1].uid))


def move_clock(server: Server, running: Future[Attempt]) -> None:
    while not running.done():
        server.clock.advance(3600)
        wait([running], timeout=0.01)


def meet(server: Server, fault: Fault, meeting: Meeting) -> Attempt:
    """Has the client do its work, and ends its wait where it has to."""
    if not meeting.rescue:
        return meeting.client.attempt(server)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(meeting.client.attempt, server)
        server.wait_for(lambda server: fault.fired or any(session.user for session in server.sessions), LIMIT)
        if meeting.rescue == "the server stops":
            server.wait_for(lambda _: fault.fired, LIMIT)
            server.stop()
        else:
            move_clock(server, running)
        return running.result()


@pytest.mark.parametrize(
    ("name", "meeting"),
    [
        pytest.param(name, meeting, id=f"{name}-{meeting.client.name}-{meeting.client.tls}-{at}")
        for name, meetings in MEETINGS.items()
        for at, meeting in enumerate(meetings)
    ],
)
def test_a_client_meets_a_fault(name: str, meeting: Meeting, met: list[Met]) -> None:
    with serve(meeting.client.tls, inactivity=meeting.inactivity) as server:
        fault = add(server, meeting.fault)
        attempt, client = meet(server, fault, meeting), meeting.client
        server.wait_for(lambda server: server.sessions and not any(session.open for session in server.sessions))
        sessions, left = server.sessions, len(server.messages("alice"))
        met.append(Met(name, meeting.fault, client.name, client.tls, str(attempt.code), len(attempt.mail)))
        assert attempt.code == meeting.code, attempt.said
        assert meeting.said in attempt.said
        assert attempt.mail == meeting.mail
        assert (len(sessions), sessions[-1].outcome, left) == (meeting.sessions, meeting.outcome, meeting.left)
        assert fault.name in {exchange.fault for session in sessions for exchange in session.exchanges}
        assert f"!! {fault.name}\n" in server.transcript
        if client.tls != "never":
            assert any(exchange.leaked for session in sessions for exchange in session.exchanges) == meeting.leaks


def test_everything_is_met() -> None:
    assert SETTINGS.keys() == _core.FAULT_SETTINGS.keys()
    assert QUIRKS.keys() == kit.QUIRKS.keys()
    assert ATTACKS.keys() == kit.ATTACKS.keys()
    assert TRUSTED_BY.keys() == kit.BLEMISHES.keys()
    for name, meetings in MEETINGS.items():
        assert meetings
        assert all(name == meeting.fault or f" {name}" in meeting.fault for meeting in meetings), name


@pytest.fixture(scope="module")
def ca() -> CA:
    return CA()


@pytest.mark.parametrize("client", [make(tls="implicit") for make in CLIENTS], ids=lambda client: client.name)
@pytest.mark.parametrize("blemish", TRUSTED_BY)
def test_a_client_meets_a_certificate(ca: CA, blemish: str, client: Client, met: list[Met]) -> None:
    with serve("implicit", certificate=ca.certificate("localhost", blemish=blemish)) as server:
        attempt = client.attempt(server)
        trusted = client.name in TRUSTED_BY[blemish]
        met.append(Met("certificate", blemish, client.name, client.tls, str(attempt.code), len(attempt.mail)))
        code, said = (0, "") if trusted else REFUSALS[client.name]
        assert attempt.code == code, attempt.said
        assert said in attempt.said
        assert attempt.mail == ((MAIL if client.name in {"curl", "poplib"} else LF) if trusted else ())
        for session in server.sessions:
            session.assert_no_cleartext_secret()
        if trusted:
            server.sessions[0].assert_outcome("committed")
        else:
            assert {session.user for session in server.sessions} == {""}
