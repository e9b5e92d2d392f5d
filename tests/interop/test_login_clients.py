"""
Foreign clients log in to poplin's server by each mechanism that they have: with the right secret they fetch a message,
with a wrong one they are told no, and no secret is left behind in what the server noted.
"""

import base64
import re
import ssl
import subprocess
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import poplin
from interop.attempts import Attempt
from interop.login_clients import PLUS, PROGRAMS, SCRAM, TOKEN, Program, by_shim, curl, mpop
from interop.relay import Relay
from interop.sasl_clients import Login, RefusedError, by_gsasl, by_scramp
from peer import Authority
from poplin.testing import CA, Certificate, Server

USER = "alice@example.org"
PASSWORD = "open,sesame"
BEARER = "ya29." + "t0ken" * 40
WRONG = "0pen-barley.stale"
MALLORY = "mallory@example.org"
ANYBODY = "anonymous"
UNUSED = "n0b0dy-knows-this"
MAIL = b"Subject: hi\r\n\r\n.hello\r\n"
EVERYTHING = (*PLUS, *SCRAM, *TOKEN, "PLAIN", "LOGIN", "CRAM-MD5", "APOP", "USER", "EXTERNAL", "ANONYMOUS")

# What a client's line in the transcript may show: all else is masked.
SHOWN = re.compile(
    r"C: (\*+|PASS \*+|USER \S+|APOP \S+ \*+|AUTH [A-Z0-9-]+( (\*+|=))?"
    r"|(AUTH|CAPA|STLS|STAT|UIDL|LIST|RETR|TOP|LAST|NOOP|RSET|QUIT)( \d+)*)"
)


@pytest.fixture(scope="module")
def certificate() -> Iterator[Certificate]:
    with CA().certificate() as made:
        yield made


@pytest.fixture(scope="module")
def clients(authority: Authority) -> dict[str, Path]:
    """Certificates of users, made by others' tools."""
    return {user: authority.issue(user).file for user in (USER, MALLORY)}


def serve(certificate: Certificate, authority: Authority, auth: Iterable[str] = EVERYTHING, **options: Any) -> Server:
    certified = {"client_ca_pem": authority.file.read_text()} if "EXTERNAL" in auth else {}
    users = {USER: PASSWORD, MALLORY: UNUSED, ANYBODY: UNUSED}
    settings: dict[str, Any] = {"tls": "implicit", "name": "localhost", **certified, **options}
    server = Server(users, tokens={USER: BEARER}, auth=auth, certificate=certificate, **settings)
    for user in users:
        server.deliver(user, MAIL)
    return server


def login_at(server: Server, mechanism: str, good: bool = True, certificate: Path | None = None) -> Login:
    assert server.ca_file is not None
    right = BEARER if mechanism in TOKEN else PASSWORD
    return Login(server.port, server.ca_file, mechanism, USER, right if good else WRONG, certificate)


def rest(server: Server) -> None:
    """Until all sessions have ended."""
    server.wait_for(lambda server: server.sessions and not any(session.open for session in server.sessions), 20)


def assert_fetched(attempt: Attempt) -> None:
    assert attempt.code == 0, attempt.said
    assert [mail.replace(b"\r", b"") for mail in attempt.mail] == [MAIL.replace(b"\r", b"")]  # some deliver with LF


def forms(secret: str) -> Iterator[str]:
    """The secret, and what of its base64 is the same wherever in a message it stands."""
    yield secret
    for before in range(3):
        encoded = base64.b64encode(b"-" * before + secret.encode()).decode().rstrip("=")
        yield encoded[(0, 2, 3)[before] : len(encoded) - 1]


def assert_no_secret_left(server: Server) -> None:
    errors = "".join("".join(traceback.format_exception(error)) for error in server.errors)
    texts = [server.transcript, errors, repr(server.errors), repr(server), repr(server.sessions)]
    texts += [repr(session.exchanges) for session in server.sessions]
    texts += [session.error for session in server.sessions]
    for secret in (PASSWORD, BEARER, WRONG):
        for form in forms(secret):
            assert not any(form in text for text in texts)
    for line in server.transcript.splitlines():
        assert not line.startswith("C: ") or SHOWN.fullmatch(line), line


EACH = [
    pytest.param(program, mechanism, id=f"{program.name}-{mechanism}")
    for program in PROGRAMS
    for mechanism in program.mechanisms
]


@pytest.mark.holds("POP-AUTH-16", "S")
@pytest.mark.holds("POP-AUTH-18", "S")
@pytest.mark.parametrize(("program", "mechanism"), EACH)
def test_right_secret(
    certificate: Certificate, authority: Authority, clients: dict[str, Path], program: Program, mechanism: str
) -> None:
    offered = [mechanism] if mechanism in program.alone else EVERYTHING
    with serve(certificate, authority, offered, tls=program.mode) as server:
        own = clients[USER] if mechanism == "EXTERNAL" else None
        assert_fetched(program.log_in(login_at(server, mechanism, certificate=own)))
        rest(server)
        session = server.sessions[0].assert_outcome("committed").assert_no_cleartext_secret()
        assert (session.mechanism, session.user) == (mechanism, ANYBODY if mechanism == "ANONYMOUS" else USER)
        assert len(server.sessions) == 1
        assert server.errors == []
        assert_no_secret_left(server)


@pytest.mark.holds("T-SEC-1", "S")
@pytest.mark.holds("SASL-OAB-3", "S")
@pytest.mark.parametrize(("program", "mechanism"), [case for case in EACH if case.values[1] != "ANONYMOUS"])
def test_wrong_secret(
    certificate: Certificate, authority: Authority, clients: dict[str, Path], program: Program, mechanism: str
) -> None:
    """To EXTERNAL it is the certificate of somebody else."""
    offered = [mechanism] if mechanism in program.alone else EVERYTHING
    with serve(certificate, authority, offered, tls=program.mode) as server:
        other = clients[MALLORY] if mechanism == "EXTERNAL" else None
        attempt = program.log_in(login_at(server, mechanism, good=False, certificate=other))
        assert attempt.code != 0
        assert attempt.mail == ()
        rest(server)
        assert {session.user for session in server.sessions} == {""}
        assert ("S: + eyJ" in server.transcript) == (mechanism in TOKEN)  # JSON
        assert ("S: -ERR [AUTH] " in server.transcript) != (mechanism in program.hangs_up)
        assert server.errors == []
        assert_no_secret_left(server)
        right = {"token": BEARER} if mechanism in TOKEN else {"password": PASSWORD}
        url = server.url.replace("127.0.0.1", "localhost")  # which is what the server is called
        with poplin.connect(url, user=USER, ca_file=server.ca_file, **right) as pop:  # type: ignore[arg-type]
            assert pop.stat().count == 1


# ---- bound to the connection ----

BINDERS = [
    pytest.param(by_gsasl, id="gsasl, tls-exporter"),
    pytest.param(by_scramp, id="scramp, tls-server-end-point"),
]


@pytest.mark.holds("T-SCR-8", "S")
@pytest.mark.parametrize("fetch", BINDERS)
def test_binding_shows_one_in_the_middle(
    certificate: Certificate, authority: Authority, fetch: Callable[[Login], bytes]
) -> None:
    with serve(certificate, authority) as server, Relay(authority, server.port) as relay:
        login = Login(relay.port, authority.file, "SCRAM-SHA-256-PLUS", USER, PASSWORD)
        with pytest.raises(RefusedError, match="-ERR"):
            fetch(login)
        assert relay.said.startswith(b"AUTH SCRAM-SHA-256-PLUS")


@pytest.mark.holds("T-SCR-5", "S")
@pytest.mark.holds("SASL-CB-2", "S")
def test_client_that_could_bind_learns_that_it_should_have(certificate: Certificate, authority: Authority) -> None:
    with serve(certificate, authority) as server, pytest.raises(RefusedError, match="-ERR"):
        by_scramp(login_at(server, "SCRAM-SHA-256"), could_bind=True)
    with serve(certificate, authority, ["SCRAM-SHA-256"]) as server:
        assert by_scramp(login_at(server, "SCRAM-SHA-256"), could_bind=True) == MAIL


@pytest.mark.holds("SASL-CB-8", "S")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_end_point_is_bound_to(certificate: Certificate, authority: Authority, version: ssl.TLSVersion) -> None:
    with serve(certificate, authority) as server:
        assert by_scramp(login_at(server, "SCRAM-SHA-256-PLUS"), tls=version) == MAIL


# ---- a script's backend ----


class Maildrop:
    def list(self) -> list[tuple[str, int]]:
        return [("first", len(MAIL))]

    def retr(self, uid: str) -> bytes:
        return MAIL

    def dele(self, uids: Iterable[str]) -> None:
        raise AssertionError("no client was told to delete")


class Keys:
    """Keeps no password, but SCRAM keys; and asks others about tokens."""

    def __init__(self, keys: str) -> None:
        self.keys = keys
        self.failed: list[str] = []

    def scram_keys(self, user: str) -> str | None:
        return self.keys if user == USER else None

    def token(self, user: str | None, token: str) -> bool:
        return (user, token) == (USER, BEARER)

    def maildrop(self, user: str) -> Maildrop:
        return Maildrop()

    def login_failed(self, user: str, address: str) -> None:
        assert address == "127.0.0.1"
        self.failed.append(user)


def keys_by_gsasl(mechanism: str) -> str:
    """What gsasl makes of the password, written as poplin.scram_keys writes it."""
    command = ["gsasl", "--mkpasswd", "-m", mechanism, "-p", PASSWORD, "--iteration-count", "4096"]
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    iterations, salt, stored, server = made.strip().removeprefix("{" + mechanism + "}").split(",")
    return f"{mechanism}${iterations}:{salt}${stored}:{server}"


@pytest.mark.holds("SASL-SCRAM-2", "S")
@pytest.mark.parametrize("mechanism", SCRAM)
def test_keys_are_those_of_gsasl(mechanism: str) -> None:
    theirs = keys_by_gsasl(mechanism)
    salt = base64.b64decode(theirs.split(":")[1].split("$")[0])
    assert poplin.scram_keys(PASSWORD, salt=salt, hash=mechanism.removeprefix("SCRAM-")) == theirs


BY_KEYS = [
    pytest.param(by_shim(by_gsasl), "SCRAM-SHA-256", id="gsasl-SCRAM-SHA-256"),
    pytest.param(by_shim(by_gsasl), "SCRAM-SHA-256-PLUS", id="gsasl-SCRAM-SHA-256-PLUS"),
    pytest.param(by_shim(by_scramp), "SCRAM-SHA-256-PLUS", id="scramp-SCRAM-SHA-256-PLUS"),
    pytest.param(mpop, "SCRAM-SHA-256", id="mpop-SCRAM-SHA-256"),
    pytest.param(mpop, "SCRAM-SHA-1", id="mpop-SCRAM-SHA-1"),
    pytest.param(mpop, "PLAIN", id="mpop-PLAIN"),
    pytest.param(mpop, "XOAUTH2", id="mpop-XOAUTH2"),
    pytest.param(curl, "OAUTHBEARER", id="curl-OAUTHBEARER"),
]


@pytest.mark.holds("SASL-SCRAM-2", "S")
@pytest.mark.parametrize(("log_in", "mechanism"), BY_KEYS)
def test_keys_let_clients_in(authority: Authority, log_in: Callable[[Login], Attempt], mechanism: str) -> None:
    sha_1 = mechanism == "SCRAM-SHA-1"
    backend = Keys(keys_by_gsasl("SCRAM-SHA-1" if sha_1 else "SCRAM-SHA-256"))
    auth = "SCRAM-SHA-1" if sha_1 else None
    with poplin.Server(
        backend, tls="implicit", cert_file=authority.issue().file, auth=auth, failed_login_delay=0
    ) as server:
        login = Login(server.port, authority.file, mechanism, USER, BEARER if mechanism in TOKEN else PASSWORD)
        assert_fetched(log_in(login))
        refused = log_in(replace(login, secret=WRONG))
        unknown = log_in(replace(login, user=MALLORY))
        assert refused.code == unknown.code != 0
        assert server.errors == []
    assert backend.failed == [USER, MALLORY]
