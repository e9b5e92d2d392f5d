"""Both faces log in by each mechanism that Dovecot or GNU SASL has, with the right secret and with a wrong one."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

import poplin
from interop.dovecot import Dovecot
from interop.gsasl import GsaslServer
from interop.messages import ROOT, Message
from interop.provider import Provider
from interop.relay import Relay
from peer import Authority

BY_PASSWORD = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "APOP", "USER"]
BY_TOKEN = ["OAUTHBEARER", "XOAUTH2"]
TOKEN = "ya29." + "t0ken" * 40
LONG_TOKEN = "eyJ." + "0123456789" * 600
"""As long as Dovecot takes them: its lines end at 8192 octets."""

MAIL = Message("mail", b"Subject: hi\r\n\r\nhello\r\n")


@pytest.fixture(scope="module")
def dovecot(authority: Authority) -> Iterator[Dovecot]:
    with Provider() as provider, Dovecot(authority.issue(), provider.url, authority.file) as running:
        provider.users.update({TOKEN: "alice", LONG_TOKEN: "alice"})
        running.add("alice", [])
        running.add("anonymous", [MAIL])
        running.add("carol", [MAIL, MAIL])
        yield running


def secret_for(auth: str, good: bool = True) -> dict[str, str]:
    if auth in BY_TOKEN:
        return {"token": TOKEN if good else "stale"}
    return {"password": Dovecot.PASSWORD if good else "wrong"}


def log_in(dovecot: Dovecot, authority: Authority, **settings: Any) -> poplin.Client:
    url = f"pop3s://localhost:{dovecot.tls_port}"
    return poplin.connect(url, **{"ca_file": authority.file, "user": "alice", "timeout": 60, **settings})


@pytest.mark.parametrize("initial_response", [True, False], ids=["one line", "two lines"])
@pytest.mark.parametrize("auth", BY_PASSWORD + BY_TOKEN)
def test_dovecot_lets_us_in(dovecot: Dovecot, authority: Authority, auth: str, initial_response: bool) -> None:
    settings: dict[str, Any] = {"auth": auth, "initial_response": initial_response, **secret_for(auth)}
    with log_in(dovecot, authority, **settings) as pop:
        assert pop.mechanism == auth
        assert pop.stat().count == 0


@pytest.mark.holds("POP-AUTH-24", "C")
def test_strongest_that_dovecot_offers_is_taken(dovecot: Dovecot, authority: Authority) -> None:
    with log_in(dovecot, authority, password=Dovecot.PASSWORD) as pop:
        assert pop.mechanism == "SCRAM-SHA-256"
    with log_in(dovecot, authority, token=TOKEN) as pop:
        assert pop.mechanism == "OAUTHBEARER"


@pytest.mark.parametrize("auth", BY_PASSWORD + BY_TOKEN)
def test_dovecot_keeps_us_out(dovecot: Dovecot, authority: Authority, auth: str) -> None:
    with pytest.raises(poplin.AuthError) as caught:
        log_in(dovecot, authority, auth=auth, **secret_for(auth, good=False))
    if auth in BY_TOKEN:
        assert caught.value.answer is not None
        assert json.loads(caught.value.answer)["status"] in {"invalid_token", "401"}
    else:
        assert caught.value.answer is None


@pytest.mark.parametrize("auth", BY_TOKEN)
def test_dovecot_takes_long_tokens(dovecot: Dovecot, authority: Authority, auth: str) -> None:
    with log_in(dovecot, authority, auth=auth, token=LONG_TOKEN) as pop:
        assert pop.mechanism == auth


def test_stale_token_is_followed_by_a_new_one(dovecot: Dovecot, authority: Authority) -> None:
    answers: list[str | None] = []

    def token(answer: str | None) -> str:
        answers.append(answer)
        return "stale" if answer is None else TOKEN

    with log_in(dovecot, authority, token=token) as pop:
        assert pop.mechanism == "OAUTHBEARER"
    assert answers[0] is None
    assert json.loads(answers[1] or "")["status"] == "invalid_token"


@pytest.mark.holds("SASL-EXT-1", "C")
@pytest.mark.parametrize("initial_response", [True, False], ids=["one line", "two lines"])
@pytest.mark.parametrize("user", ["carol", None], ids=["by name", "by certificate"])
def test_dovecot_knows_our_certificate(
    dovecot: Dovecot, authority: Authority, user: str | None, initial_response: bool
) -> None:
    own = authority.issue(common_name="carol").file
    settings: dict[str, Any] = {"auth": "EXTERNAL", "client_cert": own, "initial_response": initial_response}
    with log_in(dovecot, authority, user=user, **settings) as pop:
        assert pop.mechanism == "EXTERNAL"
        assert pop.stat().count == 2


def test_dovecot_keeps_other_certificates_out(dovecot: Dovecot, authority: Authority) -> None:
    other = authority.issue(common_name="mallory").file
    with pytest.raises(poplin.AuthError):
        log_in(dovecot, authority, auth="EXTERNAL", client_cert=other)


@pytest.mark.holds("SASL-ANON-1", "C")
@pytest.mark.parametrize("initial_response", [True, False], ids=["one line", "two lines"])
@pytest.mark.parametrize("trace", ["visitor@example.org", None], ids=["with a trace", "without"])
def test_dovecot_lets_anybody_in(
    dovecot: Dovecot, authority: Authority, trace: str | None, initial_response: bool
) -> None:
    settings: dict[str, Any] = {"auth": "ANONYMOUS", "initial_response": initial_response}
    with log_in(dovecot, authority, user=trace, **settings) as pop:
        assert pop.mechanism == "ANONYMOUS"
        assert pop.stat().count == 1


@pytest.mark.parametrize("auth", ["SCRAM-SHA-256", "CRAM-MD5", "XOAUTH2"])
@pytest.mark.parametrize("good", [True, False], ids=["right", "wrong"])
def test_lua_logs_in(dovecot: Dovecot, authority: Authority, auth: str, good: bool) -> None:
    secret = {"password": "", "token": "", **secret_for(auth, good)}
    url = f"pop3://localhost:{dovecot.port}"
    environment = {
        **os.environ,
        "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/lua/?/init.lua",
        "LUA_CPATH": f"{ROOT}/build/cmake/lua/?.so",
    }
    command = ["lua5.4", ROOT / "tests/interop/login.lua", url, authority.file, "alice", auth]
    done = subprocess.run(
        [*command, secret["password"], secret["token"]],
        env=environment,
        check=True,
        timeout=60,
        text=True,
        stdout=subprocess.PIPE,
    )
    said = done.stdout.split()
    assert said[0] == (auth if good else "auth")
    assert (len(said) > 1) == (auth == "XOAUTH2" and not good)


# ---- GNU SASL ----

# What gsasl cannot be told as a server to accept, it refuses: ANONYMOUS and EXTERNAL.
GSASL = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"]


@pytest.mark.parametrize("good", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("auth", GSASL)
def test_gsasl(authority: Authority, auth: str, good: bool) -> None:
    settings: dict[str, Any] = {"user": "alice", "auth": auth, "ca_file": authority.file, "timeout": 60}
    with GsaslServer(authority.issue().file, " ".join(GSASL), "sesame") as server:
        url = f"pop3s://localhost:{server.port}"
        if good:
            with poplin.connect(url, password="sesame", **settings) as pop:
                assert pop.mechanism == auth
        else:
            with pytest.raises(poplin.AuthError):
                poplin.connect(url, password="wrong", **settings)


@pytest.mark.holds("T-SCR-8", "C")
def test_one_in_the_middle_cannot_log_in_at_gsasl(authority: Authority) -> None:
    """It has a certificate that we trust, and our password is right: what is bound to differs."""
    settings: dict[str, Any] = {"user": "alice", "password": "sesame", "ca_file": authority.file, "timeout": 60}
    with (
        GsaslServer(authority.issue().file, " ".join(GSASL), "sesame") as server,
        Relay(authority, server.port) as relay,
    ):
        with pytest.raises(poplin.AuthError):
            poplin.connect(f"pop3s://localhost:{relay.port}", **settings)
        assert re.findall(rb"AUTH \S+", relay.said) == [b"AUTH SCRAM-SHA-256-PLUS"]  # and nothing weaker after it


@pytest.mark.holds("SASL-CB-1", "C")
def test_gsasl_binds_where_it_can(authority: Authority) -> None:
    with GsaslServer(authority.issue().file, " ".join(GSASL), "sesame") as server:
        url = f"pop3s://localhost:{server.port}"
        with poplin.connect(url, user="alice", password="sesame", ca_file=authority.file, timeout=60) as pop:
            assert pop.mechanism == "SCRAM-SHA-256-PLUS"
