"""poplin.scram_keys: what it makes, of what it makes nothing, and that it says no secret."""

import base64
import contextlib
from typing import Any

import pytest
from accounts import Account

import poplin

VECTORS = {
    "SHA-1": (
        "QSXCR+Q6sek8bf92",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
    ),
    "SHA-256": (
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    ),
}
"""Of RFC 5802 section 5 and RFC 7677 section 3; the password is "pencil"."""


@pytest.mark.holds("VEC-SCRAM-1", "S")
@pytest.mark.holds("VEC-SCRAM-2", "S")
@pytest.mark.parametrize("hash_name", VECTORS)
def test_keys_are_those_of_the_vectors(hash_name: Any) -> None:
    salt, text = VECTORS[hash_name]
    assert poplin.scram_keys("pencil", hash=hash_name, salt=base64.b64decode(salt)) == text


@pytest.mark.holds("SASL-SCRAM-8", "S")
def test_salts_are_made_up() -> None:
    one, other = poplin.scram_keys("pencil"), poplin.scram_keys("pencil", iterations=5000)
    assert one.split("$")[0] == other.split("$")[0] == "SCRAM-SHA-256"
    assert one.split("$")[1].startswith("4096:")
    assert other.split("$")[1].startswith("5000:")
    salts = [base64.b64decode(text.split("$")[1].split(":")[1]) for text in (one, other)]
    assert [len(salt) for salt in salts] == [16, 16]
    assert salts[0] != salts[1]


@pytest.mark.holds("SASL-SCRAM-12", "B")
@pytest.mark.parametrize("hash_name", VECTORS)
def test_keys_let_in_who_has_the_password(hash_name: Any) -> None:
    """However it is written: U+00AA is prepared to "a", and U+2168 to "IX"."""
    keys = poplin.scram_keys("p\u00aassword \u2168", hash=hash_name, iterations=10_000)
    auth = f"SCRAM-{hash_name} PLAIN"
    with poplin.Server(Account(scram_keys=lambda user: keys), auth=auth, failed_login_delay=0) as server:
        for way in auth.split():
            for password in ("p\u00aassword \u2168", "password IX"):
                login = {"user": "alice", "password": password, "auth": way, "timeout": 20}
                with contextlib.closing(poplin.connect(server.url, **login)) as pop:
                    assert pop.mechanism == way
                    pop.quit()
            with pytest.raises(poplin.AuthError):
                poplin.connect(server.url, **{**login, "password": "password ix"})


def test_keys_of_the_other_hash_let_nobody_in_by_scram() -> None:
    keys = poplin.scram_keys("pencil", hash="SHA-1")
    with poplin.Server(Account(scram_keys=lambda user: keys), failed_login_delay=0) as server:
        login = {"user": "alice", "password": "pencil", "timeout": 20}
        with pytest.raises(poplin.AuthError):
            poplin.connect(server.url, auth="SCRAM-SHA-256", **login)
        poplin.connect(server.url, auth="PLAIN", **login).close()


@pytest.mark.holds("T-API-3", "S")
@pytest.mark.parametrize(
    ("password", "settings", "error"),
    [
        ("", {}, ValueError),
        ("a secret\0", {}, ValueError),
        ("a secret\ud800", {}, ValueError),
        ("a secret" * 1000, {}, ValueError),
        ("a secret", {"salt": b""}, ValueError),
        ("a secret", {"salt": b"x" * 65}, ValueError),
        ("a secret", {"iterations": 0}, ValueError),
        ("a secret", {"iterations": 4095}, ValueError),
        ("a secret", {"iterations": -1}, ValueError),
        ("a secret", {"iterations": 1 << 32}, ValueError),
        ("a secret", {"hash": "MD5"}, ValueError),
        ("a secret", {"salt": "text"}, TypeError),
        ("a secret", {"iterations": "5000"}, TypeError),
        (b"a secret", {}, TypeError),
        (None, {}, TypeError),
    ],
)
def test_what_cannot_be_meant(password: Any, settings: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        poplin.scram_keys(password, **settings)
    assert "a secret" not in repr(caught.value)
    assert caught.value.__context__ is None
