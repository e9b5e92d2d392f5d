"""
poplin's client meets every quirk and every attack: it lives with it, or says what is wrong, and in no case mail is
deleted that did not arrive or a secret shown. It meets the bad certificates in test_certificates.py.
"""

from collections.abc import Callable
from typing import Any

import pytest
from wire import MAIL, serve

import poplin
from poplin.testing import ATTACKS, QUIRKS, Server

Job = Callable[[poplin.Client, Server], Any]


def fetch(pop: poplin.Client, server: Server) -> list[bytes]:
    """All mail, which is deleted then."""
    found = []
    for message in pop.retr_all():
        assert message.data is not None
        found.append(message.data)
        message.dele()
    return found


def idle(pop: poplin.Client, server: Server) -> None:
    """A message is deleted, and then nothing is said for too long."""
    pop.dele(1)
    server.clock.advance(601)
    pop.noop()


def delete_and_look(pop: poplin.Client, server: Server) -> Any:
    pop.dele(1)
    return pop.stat(), [message.octets for message in pop.list()]


def look(pop: poplin.Client, server: Server) -> Any:
    return pop.stat(), [message.octets for message in pop.list()], [message.octets for message in pop.messages()]


def top(number: int, lines: int) -> Job:
    return lambda pop, server: pop.top(number, lines)


def uids(pop: poplin.Client, server: Server) -> list[str]:
    return [message.uid for message in pop.uidl()]


WHOLE = list(MAIL)
WITHOUT_DOT = [MAIL[0], MAIL[1].removeprefix(b".")]
ONE_AT_A_TIME = {"pipelining": False}

QUIRKS_MET: dict[str, list[tuple[dict[str, Any], Job, Any]]] = {
    # Nobody can tell a dot that was not stuffed from one that was: it is lost.
    "first-dot-unstuffed": [({}, fetch, WITHOUT_DOT), ({}, top(2, 1), WITHOUT_DOT[1])],
    "dots-stuffed-per-chunk": [({}, fetch, WITHOUT_DOT), ({}, top(2, 1), WITHOUT_DOT[1])],
    "top-sends-everything": [({}, top(1, 0), MAIL[0])],
    # What was broken off looks like a message. The next reply is not the one that was asked for, so nothing is deleted.
    "error-inside-message": [({}, fetch, poplin.Refused), (ONE_AT_A_TIME, fetch, poplin.ProtocolError)],
    "doubled-cr": [({}, fetch, [message.replace(b"\r", b"\r\r") for message in MAIL])],
    "deleted-listed-as-empty": [({}, delete_and_look, (poplin.Stat(2, 11), [0, 11])), ({}, fetch, WHOLE)],
    "header-lines-counted": [({}, top(2, 1), b".first\r\n"), ({}, top(1, 0), MAIL[0])],
    "bye-like-imap": [({}, fetch, WHOLE), ({}, idle, poplin.ProtocolError)],
    "timeout-like-smtp": [({}, idle, poplin.ProtocolError)],
    "guessed-sizes": [({}, look, (poplin.Stat(2, 1024), [1024] * 2, [1024] * 2)), ({}, fetch, WHOLE)],
    "two-step-auth-only": [({}, fetch, poplin.Refused)],
    "drops-pipelining-unannounced": [({}, fetch, WHOLE)],
    "announces-pipelining-in-vain": [({}, fetch, poplin.ConnectionLost), (ONE_AT_A_TIME, fetch, WHOLE)],
    "listing-without-numbers": [({}, fetch, poplin.ProtocolError), ({}, uids, poplin.ProtocolError)],
    "long-unique-ids": [({}, fetch, WHOLE), ({"strict": True}, uids, poplin.ProtocolError)],
    "repeated-unique-ids": [({}, uids, ["same", "same"]), ({}, fetch, WHOLE)],
}


def test_every_quirk_and_every_attack_is_met() -> None:
    assert QUIRKS_MET.keys() == QUIRKS.keys()
    assert {row.values[0] for row in ATTACKS_MET} == ATTACKS.keys()


@pytest.mark.parametrize(
    ("quirk", "settings", "job", "expected"),
    [
        pytest.param(quirk, *row, id=f"{quirk}-{at}")
        for quirk, rows in QUIRKS_MET.items()
        for at, row in enumerate(rows)
    ],
)
def test_a_quirk_is_met(quirk: str, settings: dict[str, Any], job: Job, expected: Any) -> None:
    with serve(quirks=[quirk]) as server:
        login: dict[str, Any] = {"user": "alice", "password": "secret", "timeout": 20, **settings}
        if isinstance(expected, type):
            with pytest.raises(poplin.Error) as raised, poplin.connect(server.url, **login) as pop:
                job(pop, server)
            assert type(raised.value) is expected
            session = server.sessions[0]
            assert server.wait_for(lambda _: session.outcome) != "committed"
            assert len(server.messages("alice")) == 2
        else:
            with poplin.connect(server.url, **login) as pop:
                assert job(pop, server) == expected
            session = server.sessions[0].assert_outcome("committed")
            assert len(server.messages("alice")) == 2 - len(session.marked)
            assert len(session.marked) == (2 if job is fetch else 1 if job is delete_and_look else 0)
        avoided = settings == ONE_AT_A_TIME and expected == WHOLE
        assert any(exchange.fault == quirk for exchange in session.exchanges) != avoided


ATTACKS_MET = [
    pytest.param("stls-stripped", poplin.Unsupported, marks=pytest.mark.holds("T-STLS-6", "C")),
    pytest.param("stls-refused", poplin.TLSError, marks=pytest.mark.holds("T-STLS-7", "C")),
    pytest.param("stls-hidden", poplin.Unsupported, marks=pytest.mark.holds("T-STLS-8", "C")),
    pytest.param("stls-silent", poplin.Timeout, marks=pytest.mark.holds("T-STLS-13", "C")),
    pytest.param("stls-injected-reply", poplin.ProtocolError, marks=pytest.mark.holds("T-STLS-4", "C")),
    pytest.param("stls-injected-fragment", poplin.ProtocolError, marks=pytest.mark.holds("T-STLS-5", "C")),
    pytest.param("capabilities-differ", None, marks=pytest.mark.holds("T-STLS-12", "C")),
    pytest.param("preauthenticated-greeting", None, marks=pytest.mark.holds("T-STLS-10", "C")),
    pytest.param("greeting-with-listing", poplin.ProtocolError, marks=pytest.mark.holds("T-STLS-10", "C")),
    pytest.param("apop-bait", None, marks=pytest.mark.holds("T-STLS-9", "C")),
]
"""What poplin's client says to an attack; None: it is not impressed, and fetches the mail under TLS."""


@pytest.mark.parametrize("loopback_protected", [True, False])
@pytest.mark.parametrize(("attack", "error"), ATTACKS_MET)
def test_an_attack_is_met(attack: str, error: type[poplin.Error] | None, loopback_protected: bool) -> None:
    with serve("stls", loopback_protected=loopback_protected) as server:
        fault = server.attack(attack)
        trust: dict[str, Any] = {"tls": "stls", "ca_pem": server.ca_pem, "loopback_protected": loopback_protected}
        login: dict[str, Any] = {"user": "alice", "password": "secret", "timeout": 1 if error is poplin.Timeout else 20}
        if error is None:
            with poplin.connect(server.url, **login, **trust) as pop:
                assert fetch(pop, server) == WHOLE
                assert "EXPIRE" not in pop.capabilities
        else:
            with pytest.raises(poplin.Error) as raised:
                poplin.connect(server.url, **login, **trust)
            assert type(raised.value) is error
        session = server.sessions[0].assert_no_cleartext_secret()
        assert (session.user, bool(session.tls)) == (("", False) if error else ("alice", True))
        in_clear = {exchange.command for exchange in session.exchanges if not exchange.tls}
        assert in_clear <= {"", "CAPA", "STLS"}
        assert fault.fired


def test_a_client_that_insists_on_nothing_is_led_astray() -> None:
    """What the attack kit is for: the same attack on a client that takes what it gets shows in the server's books."""
    with serve("stls") as server:
        server.attack("stls-stripped")
        with poplin.connect(server.url, user="alice", password="secret", tls="never") as pop:
            assert "STLS" not in pop.capabilities
        with pytest.raises(AssertionError, match=r"AUTH PLAIN \*\*\*\*"):
            server.sessions[0].assert_no_cleartext_secret()
