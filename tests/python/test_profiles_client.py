"""
poplin's client meets every attack, on a loopback address that counts as protected and on one that does not: it lives
with it, or says what is wrong, and in no case a secret is shown. The quirks are among the cases that the Lua tests have
too (tests/cases/quirks.json), the bad certificates in test_certificates.py.
"""

from typing import Any

import pytest
from wire import MAIL, serve

import poplin
from poplin.testing import ATTACKS


def fetch(pop: poplin.Client) -> list[bytes]:
    """All mail, which is deleted then."""
    found = []
    for message in pop.retr_all():
        assert message.data is not None
        found.append(message.data)
        message.dele()
    return found


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


def test_every_attack_is_met() -> None:
    assert {row.values[0] for row in ATTACKS_MET} == ATTACKS.keys()


@pytest.mark.parametrize("loopback_protected", [True, False])
@pytest.mark.parametrize(("attack", "error"), ATTACKS_MET)
def test_an_attack_is_met(attack: str, error: type[poplin.Error] | None, loopback_protected: bool) -> None:
    with serve("stls", loopback_protected=loopback_protected) as server:
        fault = server.attack(attack)
        trust: dict[str, Any] = {"tls": "stls", "ca_pem": server.ca_pem, "loopback_protected": loopback_protected}
        login: dict[str, Any] = {"user": "alice", "password": "secret", "timeout": 1 if error is poplin.Timeout else 20}
        if error is None:
            with poplin.connect(server.url, **login, **trust) as pop:
                assert fetch(pop) == list(MAIL)
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
