"""Every way to log in, as connect() takes it, against scripted servers."""

import base64
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import poplin
from peer import Server, Step, expect, send

REFUSAL = '{"status":"invalid_token","scope":"mail"}'
REFUSED: list[Step] = [
    send(b"+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJtYWlsIn0=\r\n"),
    expect(b"\r\n"),
    send(b"-ERR [AUTH] no\r\n"),
]
OLD, NEW = b"dXNlcj1hbGljZQFhdXRoPUJlYXJlciBvbGQBAQ==", b"dXNlcj1hbGljZQFhdXRoPUJlYXJlciBuZXcBAQ=="
"""XOAUTH2 for alice, with the tokens "old" and "new"."""


def offering(*capabilities: bytes) -> list[Step]:
    """A server as far as what it offers."""
    lines = b"".join(line + b"\r\n" for line in capabilities)
    return [
        send(b"+OK hi <1896.697170952@dbc.mtview.ca.us>\r\n"),
        expect(b"CAPA\r\n"),
        send(b"+OK\r\nRESP-CODES\r\n" + lines + b".\r\n"),
    ]


def xoauth2(response: bytes, *ending: Step) -> list[Step]:
    return [*offering(b"SASL XOAUTH2"), expect(b"AUTH XOAUTH2 " + response + b"\r\n"), *ending]


@contextlib.contextmanager
def joined(peer: Server, **settings: Any) -> Iterator[poplin.Client]:
    with contextlib.closing(poplin.connect(f"pop3://localhost:{peer.port}", timeout=20, **settings)) as pop:
        yield pop


ALICE = {"user": "alice", "password": "secret"}

WAYS: dict[str, tuple[dict[str, Any], list[Step]]] = {
    "PLAIN": (ALICE, [expect(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n")]),
    "LOGIN": (
        ALICE,
        [expect(b"AUTH LOGIN\r\n"), send(b"+ \r\n"), expect(b"YWxpY2U=\r\n"), send(b"+ \r\n"), expect(b"c2VjcmV0\r\n")],
    ),
    "CRAM-MD5": (
        {"user": "tim", "password": "tanstaaftanstaaf"},
        [
            expect(b"AUTH CRAM-MD5\r\n"),
            send(b"+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n"),
            expect(b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"),
        ],
    ),
    "XOAUTH2": ({"user": "alice", "token": "old"}, [expect(b"AUTH XOAUTH2 " + OLD + b"\r\n")]),
    "EXTERNAL": ({}, [expect(b"AUTH EXTERNAL =\r\n")]),
    "ANONYMOUS": ({"user": "sirhc"}, [expect(b"AUTH ANONYMOUS c2lyaGM=\r\n")]),
    "USER": (ALICE, [expect(b"USER alice\r\n"), send(b"+OK\r\n"), expect(b"PASS secret\r\n")]),
    "APOP": (
        {"user": "mrose", "password": "tanstaaf"},
        [expect(b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n")],
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_logs_in_by_what_auth_names(name: str) -> None:
    settings, steps = WAYS[name]
    offer = offering(b"USER", b"SASL SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5 XOAUTH2 EXTERNAL ANONYMOUS")
    with Server([*offer, *steps, send(b"+OK\r\n")]) as peer, joined(peer, auth=name, **settings) as pop:
        assert pop.mechanism == name


@pytest.mark.holds("POP-URL-3", "C")
@pytest.mark.parametrize(
    ("auth", "url_auth", "line"),
    [
        (None, "", b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"),
        ("*", "", b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"),
        (None, ";AUTH=*", b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"),
        (None, ";AUTH=login", b"AUTH LOGIN\r\n"),
        (None, ";AUTH=+APOP", b"APOP alice 3f18b52881e44c0cc6067f46e0ced7bc\r\n"),
        ("LOGIN", ";AUTH=login", b"AUTH LOGIN\r\n"),
        (["apop", "APOP"], ";AUTH=+APOP", b"APOP alice 3f18b52881e44c0cc6067f46e0ced7bc\r\n"),
        ("LOGIN", ";AUTH=*", b"AUTH LOGIN\r\n"),
        ("CRAM-MD5 user", "", b"USER alice\r\n"),
        (["LOGIN", "CRAM-MD5"], "", b"AUTH LOGIN\r\n"),
        (iter(["+APOP", "USER"]), "", b"USER alice\r\n"),
    ],
)
def test_auth_is_a_policy(auth: Any, url_auth: str, line: bytes) -> None:
    script = [*offering(b"USER", b"SASL LOGIN CRAM-MD5 PLAIN"), expect(line), send(b"-ERR [AUTH] no\r\n")]
    with Server(script) as peer, pytest.raises(poplin.AuthError) as caught:
        poplin.connect(f"pop3://alice{url_auth}@localhost:{peer.port}", password="secret", auth=auth, timeout=20)
    assert caught.value.answer is None


@pytest.mark.holds("POP-AUTH-24", "C")
def test_error_tells_what_was_offered_and_why_it_was_not_taken() -> None:
    with Server(offering(b"SASL GSSAPI LOGIN CRAM-MD5")) as peer, pytest.raises(poplin.Unsupported) as caught:
        poplin.connect(f"pop3://localhost:{peer.port}", **ALICE, timeout=20)
    offered = "the server offers LOGIN, CRAM-MD5, APOP (it is used only where it is named), GSSAPI (not known here)"
    assert offered in str(caught.value)


@pytest.mark.holds("SASL-XOA-3", "C")
def test_initial_response_may_go_in_a_line_of_its_own() -> None:
    script = [*offering(b"SASL XOAUTH2"), expect(b"AUTH XOAUTH2\r\n"), send(b"+ \r\n"), expect(OLD + b"\r\n")]
    settings = {"user": "alice", "token": "old", "initial_response": False}
    with Server([*script, send(b"+OK\r\n")]) as peer, joined(peer, **settings) as pop:
        assert pop.mechanism == "XOAUTH2"


def test_authorize_says_whose_maildrop() -> None:
    script = [*offering(b"SASL PLAIN"), expect(b"AUTH PLAIN Ym9iAGFsaWNlAHNlY3JldA==\r\n"), send(b"+OK\r\n")]
    with Server(script) as peer, joined(peer, authorize="bob", **ALICE) as pop:
        assert pop.mechanism == "PLAIN"


# ---- tokens ----


class Provider:
    """A provider of tokens, who remembers what was asked of it."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)
        self.asked: list[str | None] = []

    def __call__(self, answer: str | None) -> str:
        self.asked.append(answer)
        return self._tokens.pop(0)


@pytest.mark.holds("T-OAU-1", "C")
def test_token_is_asked_for_once_more_on_a_new_connection() -> None:
    provider = Provider("old", "new")
    scripts = xoauth2(OLD, *REFUSED), xoauth2(NEW, send(b"+OK\r\n"))
    with Server(*scripts) as peer, joined(peer, user="alice", token=provider) as pop:
        assert pop.mechanism == "XOAUTH2"
    assert provider.asked == [None, REFUSAL]


@pytest.mark.holds("T-OAU-1", "C")
def test_second_refusal_is_the_last() -> None:
    provider = Provider("old", "new")
    scripts = xoauth2(OLD, *REFUSED), xoauth2(NEW, *REFUSED)
    with Server(*scripts) as peer, pytest.raises(poplin.AuthError) as caught:
        poplin.connect(f"pop3://localhost:{peer.port}", user="alice", token=provider, timeout=20)
    assert len(provider.asked) == 2
    assert caught.value.answer is not None
    assert json.loads(caught.value.answer)["status"] == "invalid_token"


@pytest.mark.holds("SASL-XOA-2", "C")
@pytest.mark.parametrize(
    ("token", "ending", "answer"),
    [
        (lambda: "old", REFUSED, REFUSAL),
        (lambda: Provider("old"), [send(b"-ERR [AUTH] no\r\n")], None),
        (lambda: Provider("old"), [send(b"-ERR [SYS/TEMP] later\r\n")], None),
    ],
)
def test_token_is_not_asked_for_again(
    token: Callable[[], str | Provider], ending: list[Step], answer: str | None
) -> None:
    with Server(xoauth2(OLD, *ending)) as peer, pytest.raises(poplin.Refused) as caught:
        poplin.connect(f"pop3://localhost:{peer.port}", user="alice", token=token(), timeout=20)
    assert getattr(caught.value, "answer", None) == answer


@pytest.mark.holds("T-INJ-3", "C")
@pytest.mark.holds("T-OAU-2", "C")
def test_addresses_that_a_server_names_are_never_visited() -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        address = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
        answer = json.dumps({"status": "invalid_token", "openid-configuration": address})
        refusal = [
            send(b"+ " + base64.b64encode(answer.encode()) + b"\r\n"),
            expect(b"\r\n"),
            send(b"-ERR [AUTH] log in at " + address.encode() + b"\r\n"),
        ]
        provider = Provider("old", "new")
        scripts = xoauth2(OLD, *refusal), xoauth2(NEW, *refusal)
        with Server(*scripts) as peer, pytest.raises(poplin.AuthError) as caught:
            poplin.connect(f"pop3://localhost:{peer.port}", user="alice", token=provider, timeout=20)
        assert (provider.asked, caught.value.answer) == ([None, answer], answer)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_token_is_not_asked_for_again_over_a_socket_that_was_given() -> None:
    provider = Provider("old")
    with Server(xoauth2(OLD, *REFUSED)) as peer:
        sock = socket.create_connection((peer.host, peer.port))
        with pytest.raises(poplin.AuthError) as caught:
            poplin.connect(sock=sock, user="alice", token=provider, timeout=20, tls="auto")
    assert provider.asked == [None]
    assert caught.value.answer == REFUSAL


def test_what_a_provider_raises_is_raised() -> None:
    def second(answer: str | None) -> str:
        if answer is None:
            return "old"
        raise LookupError(answer)

    with Server(xoauth2(OLD, *REFUSED)) as peer, pytest.raises(LookupError, match="invalid_token"):
        poplin.connect(f"pop3://localhost:{peer.port}", user="alice", token=second, timeout=20)


@pytest.mark.holds("T-SEC-1", "C")
def test_token_that_comes_back_is_in_no_error() -> None:
    token = "ya29.secrettoken"
    blob = b"dXNlcj1hbGljZQFhdXRoPUJlYXJlciB5YTI5LnNlY3JldHRva2VuAQE="
    with Server(xoauth2(blob, send(b"-ERR not " + token.encode() + b"\r\n"))) as peer:
        with pytest.raises(poplin.AuthError) as caught:
            poplin.connect(f"pop3://localhost:{peer.port}", user="alice", token=token, timeout=20)
    for words in (str(caught.value), repr(caught.value), repr(vars(caught.value)), str(caught.value.answer)):
        assert token not in words
        assert blob.decode() not in words


# ---- what cannot be meant ----


@pytest.mark.holds("T-API-3", "C")
@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"auth": "", **ALICE}, ValueError),
        ({"auth": [], **ALICE}, ValueError),
        ({"auth": "GSSAPI", **ALICE}, ValueError),
        ({"auth": "PLAIN,LOGIN", **ALICE}, ValueError),
        ({"auth": "PLAIN\0", **ALICE}, ValueError),
        ({"auth": ["PLAIN", 1], **ALICE}, TypeError),
        ({"auth": 1, **ALICE}, TypeError),
        ({"token": "t"}, ValueError),
        ({"user": "alice"}, ValueError),
        ({"user": "alice", "auth": "PLAIN"}, ValueError),
        ({"user": "alice", "token": ""}, ValueError),
        ({"user": "alice", "token": "a\r\nb"}, ValueError),
        ({"user": "alice", "token": "t" * 65537}, ValueError),
        ({"user": "alice", "token": 1}, TypeError),
        ({"user": "alice", "token": lambda answer: None}, TypeError),
        ({"authorize": "", **ALICE}, ValueError),
        ({"authorize": "b" * 256, **ALICE}, ValueError),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(settings: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        poplin.connect("pop3://localhost:1", **settings)
