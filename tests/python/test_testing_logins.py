"""How clients log in at the test server: its tokens, its mechanisms, its client certificates."""

import contextlib
from typing import Any

import pytest
from accounts import Account
from logins import USERS
from wire import Wire

import poplin
from poplin.testing import CA, Server

TOKENS = {"alice": "ya29.a-token-of-alice"}


def connect(server: Server, **settings: Any) -> Any:
    login = {"user": "alice", "timeout": 20, **settings}
    return contextlib.closing(poplin.connect(server.url, **login))


def mechanisms(server: Server) -> tuple[str, ...]:
    with contextlib.closing(poplin.connect(server.url, timeout=20)) as pop:
        return pop.capabilities.get("SASL", ())


def test_what_is_offered() -> None:
    for options, expected in (
        ({"users": USERS}, "PLAIN"),
        ({"users": USERS, "tokens": {}}, "OAUTHBEARER XOAUTH2 PLAIN"),
        ({"users": USERS, "auth": "*"}, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"),
        ({"users": USERS, "auth": ["CRAM-MD5", "LOGIN"]}, "LOGIN CRAM-MD5"),
        ({"backend": Account("password")}, "PLAIN"),
        ({"backend": Account("scram_keys", "token")}, "OAUTHBEARER XOAUTH2 PLAIN"),
        ({"backend": Account("token")}, "OAUTHBEARER XOAUTH2"),
    ):
        with Server(**options) as server:
            assert " ".join(mechanisms(server)) == expected


@pytest.mark.holds("T-OAU-1", "C")
@pytest.mark.parametrize("way", ["OAUTHBEARER", "XOAUTH2"])
def test_tokens_of_users_in_memory(way: str) -> None:
    with Server({**USERS, "bob": "hidden"}, tokens=TOKENS) as server:
        with connect(server, token=TOKENS["alice"], auth=way) as pop:
            assert pop.mechanism == way
            pop.quit()
        for user, token in (
            ("bob", TOKENS["alice"]),
            ("alice", "secret"),
            ("nobody", TOKENS["alice"]),
            ("alice", TOKENS["alice"][::-1]),
        ):
            with pytest.raises(poplin.AuthError) as caught:
                connect(server, user=user, token=token, auth=way)
            assert caught.value.answer
        server.set_token("alice", "ya29.the-next-one")
        asked: list[str | None] = []

        def provide(answer: str | None) -> str:
            asked.append(answer)
            return TOKENS["alice"] if answer is None else "ya29.the-next-one"

        with connect(server, token=provide, auth=way):
            pass
        assert len(asked) == 2
        server.set_token("alice", None)
        with pytest.raises(poplin.AuthError):
            connect(server, token="ya29.the-next-one", auth=way)
        with pytest.raises(ValueError, match="no such user"):
            server.set_token("nobody", "token")
        assert "ya29" not in server.transcript


def test_a_token_may_come_without_a_name() -> None:
    with Server(USERS, tokens=TOKENS) as server, Wire(server) as wire:
        assert wire.line().startswith(b"+OK")
        wire.say(b"AUTH OAUTHBEARER bixhPSwBYXV0aD1CZWFyZXIgeDEBAQ==", b"AQ==")  # another's, with an empty name
        assert wire.line().startswith(b"-ERR")
        assert wire.line().startswith(b"-ERR")
        wire.say(b"AUTH OAUTHBEARER biwsAWF1dGg9QmVhcmVyIHlhMjkuYS10b2tlbi1vZi1hbGljZQEB")
        assert wire.line().startswith(b"+OK")
        assert server.sessions[0].user == "alice"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"users": USERS, "tokens": {"bob": "token"}}, ValueError),
        ({"tokens": {"bob": "token"}}, ValueError),
        ({"users": USERS, "tokens": ["alice"]}, TypeError),
        ({"users": USERS, "tokens": {"alice": b"token"}}, TypeError),
        ({"backend": Account("token"), "tokens": TOKENS}, ValueError),
        ({"users": USERS, "auth": "OAUTHBEARER"}, ValueError),
        ({"users": USERS, "auth": "EXTERNAL"}, ValueError),
        ({"users": USERS, "auth": "EXTERNAL", "client_ca_pem": "pem"}, ValueError),
        ({"users": USERS, "auth": "PLAIN", "client_ca_pem": "pem", "tls": "stls"}, ValueError),
    ],
)
def test_what_cannot_be_meant(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Server(**options)


@pytest.mark.holds("SASL-EXT-1", "B")
def test_client_certificates() -> None:
    ca = CA()
    options: Any = {"tls": "implicit", "auth": "EXTERNAL USER", "client_ca_pem": ca.pem}
    with Server(USERS, **options) as server, ca.client("alice") as own, ca.client("nobody") as another:
        trust = {"ca_pem": server.ca_pem, "auth": "EXTERNAL"}
        with connect(server, client_cert=(own.cert_file, own.key_file), **trust) as pop:
            assert pop.mechanism == "EXTERNAL"
        server.sessions[0].assert_outcome("dropped")
        assert (server.sessions[0].user, server.sessions[0].mechanism) == ("alice", "EXTERNAL")
        with pytest.raises(poplin.AuthError):
            connect(server, user="nobody", client_cert=(another.cert_file, another.key_file), **trust)
        with pytest.raises(poplin.Unsupported):
            connect(server, **trust)
