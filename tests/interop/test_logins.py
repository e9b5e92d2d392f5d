"""Both faces log in by each mechanism that Dovecot or GNU SASL has, with the right secret and with a wrong one."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

import poplin
from interop.dovecot import Dovecot
from interop.gsasl import GsaslServer
from interop.messages import ROOT
from interop.provider import Provider
from peer import Authority

BY_PASSWORD = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "APOP", "USER"]
BY_TOKEN = ["OAUTHBEARER", "XOAUTH2"]
TOKEN = "ya29." + "t0ken" * 40
LONG_TOKEN = "eyJ." + "0123456789" * 600
"""As long as Dovecot takes them: its lines end at 8192 octets."""


@pytest.fixture(scope="module")
def dovecot(authority: Authority) -> Iterator[Dovecot]:
    with Provider() as provider, Dovecot(authority.issue(), provider.url) as running:
        provider.users.update({TOKEN: "alice", LONG_TOKEN: "alice"})
        running.add("alice", [])
        yield running


def secret_for(auth: str, good: bool = True) -> dict[str, str]:
    if auth in BY_TOKEN:
        return {"token": TOKEN if good else "stale"}
    return {"password": Dovecot.PASSWORD if good else "wrong"}


def log_in(dovecot: Dovecot, authority: Authority, **settings: Any) -> poplin.Client:
    url = f"pop3s://localhost:{dovecot.tls_port}"
    return poplin.connect(url, ca_file=authority.file, user="alice", timeout=60, **settings)


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


@pytest.mark.holds("SASL-CB-1", "C")
def test_gsasl_binds_where_it_can(authority: Authority) -> None:
    with GsaslServer(authority.issue().file, " ".join(GSASL), "sesame") as server:
        url = f"pop3s://localhost:{server.port}"
        with poplin.connect(url, user="alice", password="sesame", ca_file=authority.file, timeout=60) as pop:
            assert pop.mechanism == "SCRAM-SHA-256-PLUS"
