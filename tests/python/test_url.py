"""URLs as values, and what connect() makes of them."""

import copy
import pickle
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import poplin
import poplin.testing
from peer import Server, expect, send

names = st.text(st.characters(codec="utf-8", min_codepoint=0x20, exclude_characters="\x7f"), min_size=1, max_size=60)
hosts = st.sampled_from(["mail.example.org", "localhost", "fe80::1%eth0"]) | st.ip_addresses().map(str)
mechanisms = st.none() | st.sampled_from(["*", "PLAIN", "SCRAM-SHA-256-PLUS", "+APOP", "+X_Y"])
parts = st.fixed_dictionaries(
    {"host": hosts, "scheme": st.sampled_from(["pop3s", "pop3", "pop"]), "port": st.integers(0, 65535)},
    optional={"user": names},
)


@pytest.mark.holds("POP-URL-1", "C")
@pytest.mark.holds("POP-URL-2", "C")
@given(parts, mechanisms)
def test_what_is_written_is_read_again(given_parts: dict[str, Any], auth: str | None) -> None:
    url = poplin.URL(**given_parts, auth=auth if "user" in given_parts else None)
    assert poplin.URL.parse(str(url)) == url
    assert str(url).isascii()
    for name, value in given_parts.items():
        assert name == "port" or getattr(url, name) == value


@given(st.text(max_size=80) | st.text("pop3s:/;AUTH=*@[]%20\u00fc.a", max_size=80))
def test_what_is_read_is_written_and_means_the_same(text: str) -> None:
    try:
        url = poplin.URL.parse(text)
    except ValueError:
        return
    assert poplin.URL.parse(str(url)) == url


@pytest.mark.parametrize(
    ("text", "parts", "written"),
    [
        ("mail.example.org", {}, "pop3s://mail.example.org"),
        ("pops://mail.example.org:995", {}, "pop3s://mail.example.org"),
        ("pop3://mail.example.org", {"scheme": "pop3", "port": 110}, "pop3://mail.example.org"),
        (
            "pop://alice%40example.org;auth=%2Bapop@mail.example.org:1110",
            {"scheme": "pop", "port": 1110, "user": "alice@example.org", "auth": "+APOP"},
            "pop://alice%40example.org;AUTH=+APOP@mail.example.org:1110",
        ),
        (
            "pop3s://J\u00fcrgen @mail.example.org",
            {"user": "J\u00fcrgen "},
            "pop3s://J%C3%BCrgen%20@mail.example.org",
        ),
    ],
)
def test_parts(text: str, parts: dict[str, Any], written: str) -> None:
    url = poplin.URL.parse(text)
    expected = {"host": "mail.example.org", "scheme": "pop3s", "port": 995, "user": None, "auth": None, **parts}
    assert {name: getattr(url, name) for name in expected} == expected
    assert str(url) == written
    assert poplin.URL(**expected) == url
    assert hash(poplin.URL(**expected)) == hash(url)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda url: pickle.loads(pickle.dumps(url))])
def test_a_url_can_be_copied(again: Any) -> None:
    url = poplin.URL("::1", scheme="pop", port=1110, user="alice", auth="PLAIN")
    assert again(url) == url
    assert again({"account": url}) == {"account": url}


def test_a_url_is_a_value() -> None:
    url = poplin.URL("mail.example.org", user="alice")
    assert repr(url) == "poplin.URL.parse('pop3s://alice@mail.example.org')"
    assert url != poplin.URL("mail.example.org")
    assert url != str(url)
    with pytest.raises(AttributeError, match="another host"):
        url.host = "imap.example.org"  # type: ignore[misc]


@pytest.mark.holds("POP-URL-2", "C")
@pytest.mark.holds("T-INJ-2", "C")
@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"host": ""}, "host is empty"),
        ({"host": "a\0b"}, "null"),
        ({"host": "h/x"}, "host"),
        ({"host": "a@b"}, "host"),
        ({"host": "h" * 256}, "host is too long"),
        ({"port": 65536}, "port must be from 0 to 65535"),
        ({"port": -1}, "port must be from 0 to 65535"),
        ({"scheme": "imap"}, "scheme must be"),
        ({"user": ""}, "user is empty"),
        ({"user": "a\r\nb"}, "control character"),
        ({"user": "u", "auth": ""}, "auth is empty"),
        ({"user": "u", "auth": "PLAIN LOGIN"}, "mechanism"),
        ({"auth": "PLAIN"}, "user name is empty"),
    ],
)
def test_parts_that_no_url_has(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        poplin.URL(**{"host": "h", **parts})


@pytest.mark.parametrize("parts", [{"host": 5}, {"host": b"h"}, {"port": "995"}, {"port": True}, {"user": ["a"]}])
def test_parts_of_another_type(parts: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        poplin.URL(**{"host": "h", **parts})


@pytest.mark.holds("T-SEC-1", "B")
def test_a_url_with_a_password_is_refused_and_the_password_not_shown() -> None:
    for use in (poplin.URL.parse, poplin.connect):
        for password in ("hunter2", "hunter2/", "hunter2?", "hunter2#", "hunter2@"):
            with pytest.raises(ValueError, match="as password=") as caught:
                use(f"pop3s://alice:{password}@mail.example.org")
            assert "hunter2" not in repr(caught.value)


def test_connect_takes_a_url(served: Any) -> None:
    server = served()
    url = poplin.URL("127.0.0.1", scheme="pop3", port=server.port, user="alice", auth="PLAIN")
    with poplin.connect(url, password="secret") as pop:
        assert pop.mechanism == "PLAIN"
        assert pop.user == "alice"


@pytest.mark.parametrize("again", [copy.copy, lambda url: pickle.loads(pickle.dumps(url)), lambda url: url])
@pytest.mark.parametrize(
    ("url", "port"),
    [
        (poplin.URL("127.0.0.1", port=995), 995),
        (poplin.URL("127.0.0.1"), 110),
        (poplin.URL.parse("127.0.0.1:995"), 995),
        (poplin.URL.parse("pop3s://127.0.0.1"), 110),
        (poplin.URL("::995", port=995), 995),
        (poplin.URL("::995"), 110),
    ],
)
def test_a_port_that_was_given_stays_whatever_tls_says(url: poplin.URL, port: int, again: Any, served: Any) -> None:
    with socket.create_connection(("127.0.0.1", served().port)) as sock:
        pop = poplin.connect(again(url), tls="never", sock=sock)
        assert f":{port}" in repr(pop)
        pop.close()


@pytest.mark.holds("POP-URL-3", "C")
def test_no_other_mechanism_than_the_named_one_is_used() -> None:
    script = [
        send(b"+OK hi\r\n"),
        expect(b"CAPA\r\n"),
        send(b"+OK\r\nUSER\r\nSASL PLAIN LOGIN\r\n.\r\n"),
    ]
    with Server(script) as peer, pytest.raises(poplin.Unsupported, match="not among those to be used"):
        poplin.connect(f"pop://alice;AUTH=CRAM-MD5@localhost:{peer.port}", password="secret", timeout=20)


@pytest.mark.holds("POP-URL-3", "C")
@pytest.mark.parametrize(
    ("url", "settings", "words"),
    [
        ("pop://alice;AUTH=PLAIN@h", {"auth": "LOGIN"}, "the URL says ;AUTH=PLAIN, and auth= something else"),
        ("pop://alice;AUTH=PLAIN@h", {"auth": ["PLAIN", "LOGIN"]}, "leave one of them out"),
        ("pop://alice;AUTH=PLAIN@h", {"auth": "*"}, "leave one of them out"),
        ("pop://alice;AUTH=PLAIN@h", {"auth": []}, "leave one of them out"),
        ("pop://alice;AUTH=*@h", {"tls": "never"}, "never means a password in clear"),
        ("pop://alice;AUTH=NONSENSE@h", {}, "NONSENSE|not known"),
    ],
)
def test_a_url_and_arguments_that_do_not_agree(url: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        poplin.connect(url, password="secret", **settings)
