"""Servers found by DNS: what the answers become, and how carefully what was found is used."""

import random
import sys
from typing import Any

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nameserver import Zone, name_server

import poplin
from peer import Server, expect, send

POP3S, POP3 = "_pop3s._tcp.example.org", "_pop3._tcp.example.org"


class Least:
    """Chance that always draws the least number."""

    def randbytes(self, n: int) -> bytes:
        return bytes(n)


def found(answers: dict[str, list[Any]], address: str = "alice@example.org", **settings: Any) -> list[poplin.Candidate]:
    return poplin.discover(address, resolve=lambda name: answers.get(name, []), **settings)


@pytest.mark.holds("DISC-1", "C")
@pytest.mark.holds("DISC-8", "C")
def test_answers_become_candidates() -> None:
    answers = {POP3S: [(10, 0, 995, "pop.example.org.")], POP3: [poplin.SRV(0, 0, 1110, "pop.example.org")]}
    assert found(answers) == [
        poplin.Candidate("pop.example.org", 995, "implicit", True, ("alice@example.org", "alice")),
        poplin.Candidate("pop.example.org", 1110, "stls", True, ("alice@example.org", "alice")),
    ]
    assert [candidate.url for candidate in found(answers)] == [
        "pop3s://pop.example.org",
        "pop3://pop.example.org:1110",
    ]
    assert [candidate.users for candidate in found(answers, "example.org")] == [(), ()]


@pytest.mark.holds("DISC-2", "C")
def test_equals_come_by_chance() -> None:
    answers = {POP3S: [(0, weight, 995, f"{name}.example.org") for name, weight in (("a", 1), ("z", 0), ("b", 9))]}
    assert [candidate.host[0] for candidate in found(answers, random=Least())] == ["z", "a", "b"]
    firsts = {found(answers, random=random.Random(seed))[0].host[0] for seed in range(200)}
    assert firsts == {"a", "b", "z"}
    assert found(answers, random=random.Random(1)) == found(answers, random=random.Random(1))
    assert len(found(answers)) == 3


@pytest.mark.holds("DISC-3", "C")
@pytest.mark.holds("T-DSC-2", "C")
def test_cleartext_comes_last_and_only_when_asked_for() -> None:
    answers = {POP3: [(0, 0, 110, "pop.example.org")], POP3S: [(9, 0, 995, "pop.example.org")]}
    assert [candidate.tls for candidate in found(answers)] == ["implicit", "stls"]
    assert [candidate.tls for candidate in found(answers, cleartext=True)] == ["implicit", "stls", "never"]
    assert [candidate.tls for candidate in found({POP3: answers[POP3]})] == ["stls"]


@pytest.mark.holds("DISC-3", "C")
@pytest.mark.holds("DISC-6", "C")
@pytest.mark.holds("T-DSC-2", "C")
def test_a_candidate_without_tls_gets_no_password() -> None:
    script = [send(b"+OK hi\r\n"), expect(b"CAPA\r\n"), send(b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n")]
    with Server(script) as peer:
        (candidate,) = found({POP3: [(0, 0, peer.port, "localhost")]})
        with pytest.raises(poplin.Unsupported, match="no STLS"):
            poplin.connect(candidate.url, tls=candidate.tls, user="alice", password="secret", timeout=20)


@pytest.mark.holds("DISC-4", "C")
@pytest.mark.holds("T-DSC-1", "C")
@pytest.mark.parametrize(
    ("target", "signed", "verified"),
    [
        ("pop.example.org.", False, True),
        ("evil.test.", False, False),
        ("evil.test.", True, True),
        ("example.org.evil.test.", False, False),
        ("notexample.org.", False, False),
    ],
)
def test_a_target_elsewhere_is_not_verified(target: str, signed: bool, verified: bool) -> None:
    (candidate,) = found({POP3S: [poplin.SRV(0, 0, 995, target, signed)]})
    assert candidate.verified is verified


@pytest.mark.holds("T-DSC-4", "C")
def test_what_makes_no_sense_is_skipped() -> None:
    bad = [(0, 0, 995, "."), (0, 0, 0, "a.example.org"), (0, 0, 995, "a\0b"), (0, 0, 995, ""), (0, 0, 995, "10.0.0.1")]
    assert found({POP3S: bad}) == []
    good = [(0, 0, 995, f"n{number}.example.org") for number in range(2000)]
    assert len(found({POP3S: bad + good})) == 1000


records = st.tuples(
    st.integers(0, 3), st.integers(0, 65535), st.integers(0, 65535), st.text(max_size=8) | st.just("pop.example.org")
)


@pytest.mark.holds("T-DSC-4", "C")
@given(st.lists(records, max_size=30), st.lists(records, max_size=30))
def test_any_answers_end_in_an_order(pop3s: list[Any], pop3: list[Any]) -> None:
    candidates = found({POP3S: pop3s, POP3: pop3})
    assert len(candidates) <= len(pop3s) + len(pop3)
    assert [candidate.tls for candidate in candidates] == sorted(candidate.tls for candidate in candidates)
    for candidate in candidates:
        assert poplin.URL.parse(candidate.url).host == candidate.host


@pytest.mark.parametrize(
    "record", [(0, 0, 995), (0, 0, 70000, "h"), (-1, 0, 995, "h"), ("0", 0, 995, "h"), (0, 0, 995, b"h"), 5]
)
def test_records_that_cannot_be_meant(record: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        found({POP3S: [record]})


@pytest.mark.holds("T-INJ-2", "C")
@pytest.mark.parametrize(
    "address", ["", "@", "alice@", "@example.org", "a\r\nb@example.org", "a@b c", "a@192.0.2.1", "a@ü"]
)
def test_addresses_that_are_none(address: str) -> None:
    def never(name: str) -> list[Any]:
        raise AssertionError(f"{name} was looked up")

    with pytest.raises(ValueError, match=r"xn--|before the @"):
        poplin.discover(address, resolve=never)


# ---- by DNS ----


@pytest.mark.holds("DISC-1", "C")
def test_dns_is_asked_for_both_services() -> None:
    with name_server({POP3S + ".": ["0 0 995 pop.example.org."]}) as server:
        candidates = poplin.discover("alice@example.org", resolver=server.resolver())
    assert [(candidate.host, candidate.port) for candidate in candidates] == [("pop.example.org", 995)]
    assert server.asked == [(POP3S + ".", False), (POP3 + ".", False)]


@pytest.mark.holds("DISC-1", "C")
@pytest.mark.parametrize(
    "zone", [{}, {POP3S + ".": [], POP3 + ".": []}, {POP3S + ".": ["0 0 0 ."], POP3 + ".": ["0 0 0 ."]}]
)
def test_a_domain_that_offers_nothing(zone: Zone) -> None:
    with name_server(zone) as server:
        assert poplin.discover("example.org", resolver=server.resolver()) == []


@pytest.mark.holds("DISC-4", "C")
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("dnssec", [True, False])
def test_the_ad_bit_counts_only_where_the_resolver_is_trusted(signed: bool, dnssec: bool) -> None:
    with name_server({POP3S + ".": ["0 0 995 pop.provider.test."]}, signed) as server:
        resolver = server.resolver()
        flags = resolver.flags
        (candidate,) = poplin.discover("alice@example.org", resolver=resolver, dnssec=dnssec)
    assert candidate.verified is (signed and dnssec)
    assert server.asked[0] == (POP3S + ".", dnssec)
    assert resolver.flags == flags


@pytest.mark.parametrize(
    ("answer", "error"), [(dns.rcode.SERVFAIL, poplin.NetworkError), (dns.rcode.REFUSED, poplin.NetworkError)]
)
def test_a_look_up_that_fails_is_no_domain_without_servers(answer: Any, error: type[Exception]) -> None:
    with name_server({POP3S + ".": answer, POP3 + ".": ["0 0 110 pop.example.org."]}) as server:
        with pytest.raises(error, match=f"look-up of {POP3S}"):
            poplin.discover("alice@example.org", resolver=server.resolver())


def test_a_look_up_that_takes_too_long() -> None:
    with name_server({POP3S + ".": None}) as server:
        with pytest.raises(poplin.Timeout, match=r"no answer within 0\.1 s"):
            poplin.discover("alice@example.org", resolver=server.resolver(), timeout=0.1)


def test_without_dnspython_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name == "dns" or name.startswith("dns."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dns", None)
    with pytest.raises(ModuleNotFoundError, match=r"poplin\[discover\]"):
        poplin.discover("alice@example.org")
    assert poplin.discover("alice@example.org", resolve=lambda name: []) == []


# ---- two names to try ----

BOTH = ("alice@example.org", "alice")


@pytest.fixture
def tls_server(served: Any, certificate: Any) -> Any:
    """A server that knows alice without a domain."""
    return served(certificate=certificate)


@pytest.mark.holds("DISC-5", "C")
@pytest.mark.holds("T-DSC-5", "C")
def test_the_address_is_tried_and_then_its_local_part(tls_server: Any, certificate: Any) -> None:
    asked: list[str] = []
    with poplin.connect(
        tls_server.url, user=BOTH, password=lambda user: asked.append(user) or "secret", ca_pem=certificate.ca_pem
    ) as pop:
        assert pop.user == "alice"
    assert asked == ["alice@example.org", "alice"]
    first, second = tls_server.sessions
    assert (first.user, second.user) == ("", "alice")


@pytest.mark.holds("DISC-5", "C")
def test_the_first_name_that_works_is_kept(tls_server: Any, certificate: Any) -> None:
    with poplin.connect(tls_server.url, user=("alice", "nobody"), password="secret", ca_pem=certificate.ca_pem) as pop:
        assert pop.user == "alice"
    assert len(tls_server.sessions) == 1


@pytest.mark.holds("T-DSC-5", "C")
@pytest.mark.parametrize(
    ("refusal", "error", "sessions"),
    [
        ("[AUTH] no", poplin.AuthError, 2),
        ("no", poplin.Refused, 1),  # the server announces AUTH-RESP-CODE, and would have said [AUTH]
        ("[IN-USE] busy", poplin.InUse, 1),
        ("[SYS/TEMP] later", poplin.Temporary, 1),
        ("[LOGIN-DELAY] later", poplin.Temporary, 1),
        ("[SYS/PERM] never", poplin.Refused, 1),
    ],
)
def test_only_a_name_or_password_that_is_wrong_leads_to_the_second(
    tls_server: Any, certificate: Any, refusal: str, error: type[Exception], sessions: int
) -> None:
    tls_server.fault("AUTH", refuse=refusal)
    with pytest.raises(error):
        poplin.connect(tls_server.url, user=BOTH, password="secret", ca_pem=certificate.ca_pem)
    assert len(tls_server.sessions) == sessions


def test_a_server_without_codes_means_the_credentials(tls_server: Any, certificate: Any) -> None:
    tls_server.fault("CAPA", strip="AUTH-RESP-CODE")
    tls_server.fault("AUTH", nth=1, refuse="no")
    with poplin.connect(tls_server.url, user=BOTH, password="secret", ca_pem=certificate.ca_pem) as pop:
        assert pop.user == "alice"


@pytest.mark.holds("DISC-6", "C")
@pytest.mark.holds("T-DSC-5", "C")
@pytest.mark.parametrize(
    "settings", [{"verify": False}, {"tls": "never"}, {"user": ("a", "b", "c")}], ids=["verify", "tls", "three"]
)
def test_nothing_is_guessed_where_the_server_is_not_known(tls_server: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"two names|two to try"):
        poplin.connect(tls_server.url, **{"user": BOTH, "password": "secret", **settings})
    assert len(tls_server.sessions) == 0


@pytest.mark.holds("DISC-6", "C")
def test_two_names_insist_on_tls_also_on_the_loopback() -> None:
    script = [send(b"+OK hi\r\n"), expect(b"CAPA\r\n"), send(b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n")]
    with Server(script) as peer, pytest.raises(poplin.Unsupported, match="no STLS"):
        poplin.connect(f"pop3://localhost:{peer.port}", user=BOTH, password="secret", timeout=20)
