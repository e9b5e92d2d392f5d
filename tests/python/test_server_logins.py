"""Every way to log in, from connect() to a server with a script's backend."""

import base64
import contextlib
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from accounts import KEYS, METHODS, PASSWORD, TOKEN, WAYS, Account, later, proof

import poplin
from peer import Link
from peer import connect as connect_raw
from poplin.testing import CA, Certificate

Joined = contextlib.AbstractContextManager[poplin.Client]


def join(server: Any, **settings: Any) -> Joined:
    return contextlib.closing(poplin.connect(server.url, timeout=20, **settings))


@contextlib.contextmanager
def told(server: Any) -> Iterator[Link]:
    """A plain connection whose greeting was read."""
    with connect_raw(server.host, server.port) as link:
        link.read_line()
        yield link


def ask(link: Link, *lines: bytes) -> list[bytes]:
    """The replies to lines that are sent one after the other."""
    replies = []
    for line in lines:
        link.send(line + b"\r\n")
        replies.append(link.read_line())
    return replies


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


# ---- each way, with each kind of backend ----


@pytest.mark.holds("POP-AUTH-3", "B")
@pytest.mark.holds("POP-AUTH-18", "S")
@pytest.mark.holds("POP-AUTH-20", "B")
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("when", [lambda method: method, later], ids=["at once", "later"])
@pytest.mark.parametrize("name", WAYS)
def test_logs_in_and_refuses(name: str, when: Callable[..., Any], tls: bool, certificate: Certificate) -> None:
    backend = Account(**{name: when(METHODS[name])})
    pem = {"cert_pem": certificate.cert_pem, "key_pem": certificate.key_pem} if tls else {}
    trust = {"ca_pem": certificate.ca_pem} if tls else {}
    with poplin.Server(backend, auth=WAYS[name], failed_login_delay=0, **pem) as server:
        for way in WAYS[name]:
            with join(server, auth=way, **proof(way), **trust) as pop:
                assert (pop.mechanism, pop.stat().count) == (way, 1)
                pop.quit()
            backend.mail.wait_closed()
            with pytest.raises(poplin.AuthError) as caught:
                join(server, auth=way, **proof(way, good=False), **trust)
            assert caught.value.code == "AUTH"
    assert server.errors == []
    assert set(backend.opened) == {"alice"}
    assert backend.failed == [("alice", "127.0.0.1")] * len(WAYS[name])


@pytest.mark.holds("SASL-CB-3", "S")
@pytest.mark.parametrize("way", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
@pytest.mark.parametrize("name", ["password", "scram_keys"])
def test_channel_binding(name: str, way: str, certificate: Certificate) -> None:
    made = {"scram_keys": lambda user: poplin.scram_keys(PASSWORD, hash="SHA-1" if "SHA-1-" in way else "SHA-256")}
    backend = Account(**(made if name == "scram_keys" else {"password": METHODS["password"]}))
    pem = {"cert_pem": certificate.cert_pem, "key_pem": certificate.key_pem}
    with poplin.Server(backend, auth=[way], tls="stls", **pem) as server:
        with join(server, ca_pem=certificate.ca_pem, tls="stls", **proof(way)) as pop:
            assert pop.mechanism == way


def test_the_strongest_is_taken_by_itself(certificate: Certificate) -> None:
    pem = {"cert_pem": certificate.cert_pem, "key_pem": certificate.key_pem}
    for names, mechanism in (
        (["password", "token"], "SCRAM-SHA-256-PLUS"),
        (["scram_keys", "authenticate"], "SCRAM-SHA-256-PLUS"),
        (["authenticate"], "PLAIN"),
    ):
        with poplin.Server(Account(*names), **pem) as server:
            with join(server, ca_pem=certificate.ca_pem, **proof("PLAIN")) as pop:
                assert pop.mechanism == mechanism


def test_who_is_asked_where_several_could_be() -> None:
    """A shown password: password, else authenticate, else scram_keys; and keys for users without a password."""
    asked: list[str] = []

    def noting(name: str, answer: Any) -> Callable[..., Any]:
        return lambda *_: asked.append(name) or answer

    check = noting("authenticate", True)
    for methods, order in (
        ({"password": noting("password", PASSWORD), "authenticate": check}, ["password"]),
        ({"scram_keys": noting("scram_keys", KEYS), "authenticate": check}, ["authenticate"]),
        ({"password": noting("password", None), "scram_keys": noting("scram_keys", KEYS)}, ["password", "scram_keys"]),
    ):
        asked.clear()
        with poplin.Server(Account(**methods)) as server, join(server, auth="PLAIN", **proof("PLAIN")):
            assert asked == order
    asked.clear()
    both = {"password": noting("password", None), "scram_keys": later(noting("scram_keys", KEYS))}
    with poplin.Server(Account(**both)) as server, join(server, auth="SCRAM-SHA-256", **proof("PLAIN")):
        assert asked == ["password", "scram_keys"]


@pytest.mark.parametrize(("name", "way"), [("authenticate", "PLAIN"), ("authenticate", "USER"), ("token", "XOAUTH2")])
def test_a_name_is_as_good_as_true(name: str, way: str) -> None:
    backend = Account(**{name: lambda user, secret: f"{user}@example.org"})
    with poplin.Server(backend) as server, join(server, auth=way, **proof(way)):
        assert backend.opened == ["alice@example.org"]


def test_anonymous_reads_and_deletes_nothing() -> None:
    backend = Account()
    with poplin.Server(backend, auth="ANONYMOUS") as server:
        with join(server, auth="ANONYMOUS") as pop:
            assert pop.retr(1).startswith(b"Subject: hi")
            pop.quit()
        with told(server) as link:
            assert ask(link, b"AUTH ANONYMOUS =")[0].startswith(b"+OK")
            assert ask(link, b"DELE 1")[0].startswith(b"-ERR")
            assert ask(link, b"QUIT")[0].startswith(b"+OK")
    assert backend.opened == ["anonymous", "anonymous"]
    assert list(backend.mail.mail) == ["uid-1"]


def test_one_anonymous_client_keeps_no_other_out() -> None:
    with (
        poplin.Server(Account(), auth="ANONYMOUS", login_delay=60) as server,
        join(server, auth="ANONYMOUS") as first,
        join(server, auth="ANONYMOUS") as second,
    ):
        assert first.stat() == second.stat()


def test_anonymous_clients_keep_no_user_of_that_name_out() -> None:
    backend = Account(password=lambda user: PASSWORD)
    own = {"user": "anonymous", "password": PASSWORD, "auth": "PLAIN"}
    with (
        poplin.Server(backend, auth="ANONYMOUS PLAIN", login_delay=60, exclusive=False) as server,
        join(server, auth="ANONYMOUS"),
        join(server, **own) as pop,
    ):
        assert pop.stat().count == 1
        with pytest.raises(poplin.Refused, match="before the next login"):
            join(server, **own)


# ---- what is offered ----

CLEAR, TLS = False, True


def offered(server: Any, trust: Any, tls: bool) -> tuple[bool, str]:
    settings = {"tls": "stls", "ca_pem": trust.ca_pem} if tls else {"tls": "never"}
    with join(server, **settings) as pop:
        return "USER" in pop.capabilities, " ".join(pop.capabilities.get("SASL", ()))


SCRAM = "SCRAM-SHA-256 SCRAM-SHA-1"
PLUS = f"SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS {SCRAM}"
OFFERS = [
    (["password"], None, (False, SCRAM), (True, f"{PLUS} PLAIN")),
    (["scram_keys"], None, (False, "SCRAM-SHA-256"), (True, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN")),
    (["authenticate"], None, (False, ""), (True, "PLAIN")),
    (["token"], None, (False, ""), (False, "OAUTHBEARER XOAUTH2")),
    (["authenticate", "token"], None, (False, ""), (True, "OAUTHBEARER XOAUTH2 PLAIN")),
    (["password"], "USER", (False, ""), (True, "")),
    (["password"], ["login", "+cram-md5"], (False, "CRAM-MD5"), (False, "LOGIN CRAM-MD5")),
    (["password"], "*", (False, SCRAM), (True, f"{PLUS} PLAIN")),
    ([], "ANONYMOUS", (False, "ANONYMOUS"), (False, "ANONYMOUS")),
]


@pytest.mark.holds("POP-CAPA-5", "S")
@pytest.mark.holds("POP-AUTH-21", "S")
@pytest.mark.parametrize(("names", "auth", "clear", "tls"), OFFERS)
def test_what_the_backend_has_decides_what_is_offered(
    names: list[str], auth: Any, clear: Any, tls: Any, certificate: Certificate
) -> None:
    pem = {"cert_pem": certificate.cert_pem, "key_pem": certificate.key_pem}
    settings = {"tls": "stls", "loopback_protected": False, "auth": auth, **pem}
    with poplin.Server(Account(*names), **settings) as server:
        assert offered(server, certificate, CLEAR) == clear
        assert offered(server, certificate, TLS) == tls


@pytest.mark.holds("POP-GRT-4", "S")
@pytest.mark.holds("POP-APOP-4", "S")
def test_a_timestamp_only_where_apop_is_named() -> None:
    for settings, pattern in (
        ({}, rb"\+OK \(a@b\)\r\n"),
        ({"auth": "APOP"}, rb"\+OK \(a@b\) <[\d.]+@localhost>\r\n"),
        ({"auth": "APOP PLAIN", "name": "mail.example.org"}, rb"\+OK \(a@b\) <[\d.]+@mail\.example\.org>\r\n"),
    ):
        with poplin.Server(Account("password"), greeting="<a@b>", **settings) as server:
            greetings = set()
            for _ in range(2):
                with connect_raw(server.host, server.port) as link:
                    greetings.add(link.read_line())
        assert all(re.fullmatch(pattern, greeting) for greeting in greetings)
        assert len(greetings) == (2 if settings else 1)


@pytest.mark.holds("T-API-3", "S")
@pytest.mark.parametrize(
    ("names", "settings", "error", "words"),
    [
        ([], {}, TypeError, r"password\(\)"),
        ([], {"auth": "EXTERNAL PLAIN"}, TypeError, r"password\(\)"),
        (["authenticate"], {"auth": "SCRAM-SHA-256"}, ValueError, "nobody could log in"),
        (["authenticate", "scram_keys"], {"auth": "APOP CRAM-MD5"}, ValueError, "nobody could log in"),
        (["password"], {"auth": "PLAIN NTLM"}, ValueError, "SCRAM-SHA-256 .*XOAUTH2 .*USER APOP"),
        (["password"], {"auth": ""}, ValueError, "known"),
        (["password"], {"auth": ["PLAIN", 1]}, TypeError, "auth"),
        (["password"], {"name": ""}, ValueError, "name"),
        (["password"], {"name": "a>b"}, ValueError, "no host name"),
        (["password"], {"name": "a" * 256}, ValueError, "no host name"),
        (["password"], {"pepper": b""}, ValueError, "pepper is empty"),
        (["password"], {"name": 5}, TypeError, "name"),
        (["password"], {"iterations": 4095}, ValueError, "4096"),
        (["password"], {"iterations": "4096"}, TypeError, "iterations"),
        (["password"], {"pepper": "salt"}, TypeError, "pepper"),
        (["password"], {"failed_login_delay": -1}, ValueError, "failed_login_delay must be 0 or more"),
        (["password"], {"failed_login_delay": "1"}, TypeError, "failed_login_delay"),
        (["password"], {"failed_login_delay": False}, TypeError, "failed_login_delay"),
        (["password"], {"login_delay": 1.5}, TypeError, "login_delay"),
        (["password"], {"login_delay": -1}, ValueError, "login_delay"),
        (["password"], {"auth": "EXTERNAL"}, ValueError, "client_ca_file"),
        (["password"], {"client_ca_pem": "pem"}, ValueError, "EXTERNAL"),
        ([], {"auth": "external", "client_ca_pem": "pem"}, ValueError, "certificate"),
        ([], {"auth": "EXTERNAL", "client_ca_pem": "pem", "client_ca_file": "f"}, ValueError, "which"),
    ],
)
def test_what_cannot_be_meant(names: list[str], settings: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        poplin.Server(Account(*names), **settings)


def test_a_method_that_is_none() -> None:
    with pytest.raises(TypeError, match="token of Account must be a method, not str"):
        poplin.Server(Account("password", token=TOKEN))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="login_failed of Account must be a method, not str"):
        poplin.Server(Account("password", login_failed="print"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Account is a class: give Account\(\)"):
        poplin.Server(Account)  # type: ignore[arg-type]
    without = Account("authenticate", password=None)  # type: ignore[arg-type]
    with poplin.Server(without) as server, join(server, **proof("PLAIN")) as pop:
        assert pop.mechanism == "PLAIN"


# ---- refusals ----

REFUSALS: list[tuple[Exception, type[poplin.Error], str]] = [
    (poplin.InUse("later, please"), poplin.InUse, "IN-USE"),
    (poplin.Temporary("later, please"), poplin.Temporary, "SYS/TEMP"),
    (poplin.Refused("later, please"), poplin.Refused, "SYS/PERM"),
    (LookupError("the owner's business"), poplin.Temporary, "SYS/TEMP"),
]


@pytest.mark.holds("POP-RESP-5", "B")
@pytest.mark.holds("POP-RESP-6", "B")
@pytest.mark.holds("T-API-1", "S")
@pytest.mark.parametrize("when", [lambda method: method, later], ids=["at once", "later"])
@pytest.mark.parametrize("name", WAYS)
def test_what_a_method_raises_is_typed(name: str, when: Callable[..., Any]) -> None:
    for raised, expected, code in REFUSALS:

        def fail(*_: Any, raised: Exception = raised) -> Any:
            raise raised

        backend = Account(**{name: when(fail)})
        with poplin.Server(backend, auth=WAYS[name], failed_login_delay=0) as server:
            for way in WAYS[name]:
                with pytest.raises(expected) as caught:
                    join(server, auth=way, **proof(way))
                assert (type(caught.value), caught.value.code) == (expected, code)
                assert ("later, please" in str(caught.value)) == isinstance(raised, poplin.Error)
                assert "business" not in str(caught.value)
        assert set(server.errors) == ({raised} if isinstance(raised, LookupError) else set())
        assert bool(backend.failed) == (code == "SYS/PERM"), "what is lasting counts as a failed login"


def test_a_method_may_raise_autherror() -> None:
    def fail(*_: Any) -> Any:
        raise poplin.AuthError

    for name, ways in WAYS.items():
        with poplin.Server(Account(**{name: fail}), auth=ways, failed_login_delay=0) as server:
            for way in ways:
                with pytest.raises(poplin.AuthError):
                    join(server, auth=way, **proof(way))
        assert server.errors == []


@pytest.mark.holds("T-SEC-1", "S")
@pytest.mark.holds("T-API-1", "S")
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        *(("password", answer) for answer in (PASSWORD.encode(), [PASSWORD], 5)),
        *(("scram_keys", answer) for answer in (KEYS.encode(), True, PASSWORD, KEYS[:-9], KEYS + "\ud800", "")),
        *(("authenticate", answer) for answer in (PASSWORD.encode(), None, 1, "", "al\ud800ice")),
        *(("token", answer) for answer in (TOKEN.encode(), None, 0, "")),
    ],
)
def test_nonsense_lets_nobody_in_and_its_error_holds_no_secret(name: str, answer: Any) -> None:
    with poplin.Server(Account(**{name: lambda *_: answer}), auth=WAYS[name], failed_login_delay=0) as server:
        for way in WAYS[name]:
            with pytest.raises(poplin.Temporary):
                join(server, auth=way, **proof(way))
    assert len(server.errors) == len(WAYS[name])
    for error in server.errors:
        assert isinstance(error, TypeError | ValueError)
        assert f"{name}()" in str(error)
        seen: BaseException | None = error
        while seen is not None:
            assert all(secret not in repr(seen) for secret in (PASSWORD, TOKEN, KEYS[:30], "nonsense"))
            seen = seen.__context__


@pytest.mark.holds("T-API-1", "S")
@pytest.mark.parametrize("name", [*WAYS, "maildrop", "list", "login_failed"])
def test_an_async_method_is_told_what_to_do(name: str) -> None:
    async def method(*_: Any) -> Any:
        return PASSWORD

    backend: Any = Account(**({name: method} if name in WAYS else {"password": METHODS["password"], name: method}))
    if name == "list":
        backend.maildrop = lambda user: types.SimpleNamespace(list=method)
    way = WAYS.get(name, ("PLAIN",))[0]
    with poplin.Server(backend, failed_login_delay=0) as server:
        with pytest.raises(poplin.AuthError if name == "login_failed" else poplin.Temporary):
            join(server, auth=way, **proof(way, good=name != "login_failed"))
    assert [type(error) for error in server.errors] == [TypeError]
    assert "run_coroutine_threadsafe" in str(server.errors[0])


def test_a_token_without_a_name_needs_one() -> None:
    nameless = b64("n,,\1auth=Bearer good\1\1")
    for answer, reply in ((True, b"-ERR [SYS/TEMP]"), (False, b"+ eyJz"), ("alice", b"+OK")):
        backend = Account(token=lambda user, token, answer=answer: user is None and answer)
        with poplin.Server(backend) as server, told(server) as link:
            assert ask(link, b"AUTH OAUTHBEARER " + nameless)[0].startswith(reply)
        assert [type(error) for error in server.errors] == ([ValueError] if answer is True else [])
        assert backend.opened == (["alice"] if answer == "alice" else [])


# ---- who is unknown looks like who is known ----


def attempts(user: str) -> dict[str, list[bytes]]:
    """Logins that fail, for each way; secrets are wrong."""
    return {
        "USER": [b"USER " + user.encode(), b"PASS wrong"],
        "PLAIN": [b"AUTH PLAIN " + b64(f"\0{user}\0wrong")],
        "LOGIN": [b"AUTH LOGIN", b64(user), b64("wrong")],
        "CRAM-MD5": [b"AUTH CRAM-MD5", b64(f"{user} " + "0" * 32)],
        "APOP": [f"APOP {user} {'0' * 32}".encode()],
        "OAUTHBEARER": [b"AUTH OAUTHBEARER " + b64(f"n,a={user},\1auth=Bearer x\1\1"), b"AQ=="],
        "XOAUTH2": [b"AUTH XOAUTH2 " + b64(f"user={user}\1auth=Bearer x\1\1"), b""],
    }


def scram(link: Link, hash: str, user: str) -> tuple[dict[str, str], bytes]:  # noqa: A002
    """The server's first message and its last word, for a proof that is wrong."""
    challenge = ask(link, b"AUTH SCRAM-%s " % hash.encode() + b64(f"n,,n={user},r=nonce"))[0]
    fields = dict(field.split("=", 1) for field in base64.b64decode(challenge[2:]).decode().split(","))
    size = 20 if hash == "SHA-1" else 32
    final = f"c=biws,r={fields['r']},p={base64.b64encode(bytes(size)).decode()}"
    return fields, ask(link, b64(final))[0]


@pytest.mark.holds("T-USR-1", "S")
@pytest.mark.holds("POP-USER-2", "S")
@pytest.mark.holds("POP-RESP-8", "S")
@pytest.mark.parametrize("names", [["password", "token"], ["scram_keys", "token"], ["authenticate", "token"]])
def test_unknown_users_hear_what_known_ones_hear(names: list[str]) -> None:
    ways = {*WAYS[names[0]], *WAYS["token"]}
    with poplin.Server(Account(*names), auth=ways, failed_login_delay=0) as server:
        for way in ways & {*attempts("")}:
            heard = []
            for user in ("alice", "nobody"):
                with told(server) as link:
                    replies = ask(link, *attempts(user)[way])
                heard.append(replies[1:] if way == "CRAM-MD5" else replies)
            assert heard[0] == heard[1]
            assert heard[0][-1].startswith(b"-ERR [AUTH]")


@pytest.mark.holds("SASL-SCRAM-9", "S")
@pytest.mark.holds("SASL-SCRAM-8", "S")
@pytest.mark.parametrize(
    ("name", "hash_name"), [("password", "SHA-1"), ("password", "SHA-256"), ("scram_keys", "SHA-256")]
)
def test_scram_of_unknown_users(name: str, hash_name: str) -> None:
    salts: dict[str, set[str]] = {"alice": set(), "nobody": set(), "noone": set()}
    words = set()
    for _ in range(2):
        settings = {"auth": f"SCRAM-{hash_name}", "failed_login_delay": 0, "pepper": b"the same in each run"}
        with poplin.Server(Account(name), **settings) as server:
            for user, seen in salts.items():
                with told(server) as link:
                    fields, word = scram(link, hash_name, user)
                assert fields["i"] == "4096"
                assert len(base64.b64decode(fields["s"])) == 16
                seen.add(fields["s"])
                words.add(word)
    assert [len(salts[user]) for user in ("nobody", "noone")] == [1, 1]
    assert salts["nobody"] != salts["noone"]
    assert len(words) == 1


def test_iterations_are_announced() -> None:
    with poplin.Server(Account("password"), iterations=5000, failed_login_delay=0) as server:
        for user in ("alice", "nobody"):
            with told(server) as link:
                assert scram(link, "SHA-256", user)[0]["i"] == "5000"


# ---- tokens ----


@pytest.mark.holds("SASL-OAB-3", "B")
@pytest.mark.parametrize(
    ("way", "said"),
    [("OAUTHBEARER", '{"status":"invalid_token"}'), ("XOAUTH2", '{"status":"401","schemes":"bearer"}')],
)
def test_a_token_is_asked_for_once_more_with_what_the_server_said(way: str, said: str) -> None:
    asked: list[str | None] = []

    def provide(answer: str | None) -> str:
        asked.append(answer)
        return TOKEN if answer else "ya29.stale"

    backend = Account("token")
    with poplin.Server(backend, failed_login_delay=0) as server:
        with join(server, auth=way, user="alice", token=provide) as pop:
            assert pop.mechanism == way
    assert asked == [None, said]
    assert backend.failed == [("alice", "127.0.0.1")]


@pytest.mark.holds("POP-AUTH-15", "B")
@pytest.mark.parametrize("way", WAYS["token"])
def test_tokens_of_ten_kilobytes(way: str) -> None:
    token = "t" * 10_240
    backend = Account(token=lambda user, shown: shown == token)
    with poplin.Server(backend, failed_login_delay=0) as server, join(server, auth=way, user="alice", token=token):
        assert backend.opened == ["alice"]


@pytest.mark.holds("SASL-OAB-2", "S")
def test_a_token_for_another_host_is_refused() -> None:
    login = {"auth": "OAUTHBEARER", **proof("OAUTHBEARER")}
    with poplin.Server(Account("token"), name="127.0.0.1") as server, join(server, **login) as pop:
        assert pop.stat().count == 1
    with poplin.Server(Account("token"), name="mail.example.org", failed_login_delay=0) as server:
        with pytest.raises(poplin.Refused):
            join(server, **login)


# ---- client certificates ----


@pytest.fixture(scope="module")
def authority() -> CA:
    return CA()


@pytest.mark.holds("SASL-EXT-1", "B")
@pytest.mark.holds("SASL-EXT-2", "S")
@pytest.mark.parametrize("mode", ["implicit", "stls"])
@pytest.mark.parametrize("user", ["alice", "alice@example.org"])
def test_a_certificate_logs_its_user_in(authority: CA, certificate: Certificate, user: str, mode: Any) -> None:
    backend = Account("authenticate")
    settings = {"cert_pem": certificate.cert_pem, "key_pem": certificate.key_pem, "tls": mode}
    trust = {"ca_pem": certificate.ca_pem, "tls": mode}
    with poplin.Server(backend, auth="EXTERNAL PLAIN", client_ca_pem=authority.pem, **settings) as server:
        with authority.client(user) as own:
            with join(server, auth="EXTERNAL", client_cert=(own.cert_file, own.key_file), **trust) as pop:
                assert pop.mechanism == "EXTERNAL"
                pop.quit()
        with join(server, **trust, **proof("PLAIN")) as pop:
            assert (pop.mechanism, pop.capabilities["SASL"]) == ("PLAIN", ("PLAIN",))
        with CA().client(user) as forged, pytest.raises(poplin.Error):
            join(server, auth="EXTERNAL", client_cert=(forged.cert_file, forged.key_file), **trust)
    assert backend.opened == [user, "alice"]


def test_client_cas_from_a_file(authority: CA, certificate: Certificate, tmp_path: Any) -> None:
    backend = Account()
    settings = {"cert_pem": certificate.cert_pem, "key_pem": certificate.key_pem, "auth": "EXTERNAL"}
    settings["failed_login_delay"] = 0
    (tmp_path / "ca.pem").write_text(authority.pem)
    with pytest.raises(poplin.CertificateError):
        poplin.Server(backend, client_ca_file=tmp_path / "none.pem", **settings)
    with (
        poplin.Server(backend, client_ca_file=tmp_path / "ca.pem", **settings) as server,
        authority.client("bob") as own,
    ):
        login = {"auth": "EXTERNAL", "client_cert": (own.cert_file, own.key_file), "ca_pem": certificate.ca_pem}
        with join(server, user="bob", **login):
            assert backend.opened == ["bob"]
        with pytest.raises(poplin.AuthError):
            join(server, authorize="alice", **login)


def test_client_certificates_that_cannot_be_made(authority: CA) -> None:
    for user in ("", "x" * 65, "a\nb"):
        with pytest.raises(poplin.CertificateError):
            authority.client(user)
    with pytest.raises(TypeError):
        authority.client(b"alice")  # type: ignore[arg-type]
