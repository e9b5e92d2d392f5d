"""What a server offers beyond RFC 1939, and what it allows: UTF8, LANG, EXPIRE, locks, limits; what clients read."""

import contextlib
from typing import Any

import pytest
from drops import Backend, Drop, mail
from scripts import LEAVE
from wire import Wire

import poplin
from peer import Server as Peer
from peer import Step, expect, send
from poplin.testing import Server

LATER = b"Subject: plain\r\n\r\nhello\r\n"
CAFE = "Subject: café\r\n\r\nhello\r\n".encode()
GERMAN = {"de": ("Deutsch", {"bye": "tschüß", "{} messages": "{} Nachrichten"}), "tlh": ("", {})}


class Marked(Backend):
    """It says of each message whether its header is more than ASCII."""

    def maildrop(self, user: str) -> Any:
        drop = Drop(self)
        drop.list = lambda: [(uid, None, "utf8" in uid) for uid in self.mail]  # type: ignore[method-assign, misc]
        return drop


def servers(**options: Any) -> list[Any]:
    """Both kinds of test server, with a plain message and one with UTF-8 in its header."""
    memory = {"users": {"alice": "secret"}}
    script = {"backend": Marked({"plain": LATER, "utf8": CAFE})}
    return [pytest.param(memory | options, id="memory"), pytest.param(script | options, id="script")]


@contextlib.contextmanager
def serve(options: dict[str, Any]) -> Any:
    with Server(**options) as server:
        if "users" in options:
            server.deliver("alice", LATER)
            server.deliver("alice", CAFE)
        yield server


def join(server: Server | poplin.Server, **options: Any) -> Any:
    return poplin.connect(server.url, timeout=20, **{"user": "alice", "password": "secret", **options})


# ---- UTF8 ----


@pytest.mark.holds("POP-UTF8-1", "B")
@pytest.mark.holds("POP-UTF8-2", "S")
@pytest.mark.parametrize("options", servers(utf8=True))
def test_mail_in_utf8_is_for_those_who_ask(options: dict[str, Any]) -> None:
    with serve(options) as server:
        with join(server) as pop:
            assert (pop.capabilities.utf8, pop.capabilities.utf8_user) == (True, True)
            assert pop.retr(1) == LATER
            with pytest.raises(poplin.Refused) as caught:
                pop.retr(2)
            assert caught.value.code == "UTF8"
            with pytest.raises(poplin.StateError, match="only before the login"):
                pop.utf8()
        with join(server, utf8=True) as pop:
            assert pop.retr(2) == CAFE
        with poplin.connect(server.url, timeout=20) as pop:
            pop.utf8()
            pop.login("alice", "secret")
            assert pop.top(2) == CAFE.partition(b"hello")[0]


@pytest.mark.parametrize("options", servers())
def test_without_utf8_mail_is_as_it_is(options: dict[str, Any]) -> None:
    with serve(options) as server, join(server, utf8=True) as pop:
        assert (pop.capabilities.utf8, pop.capabilities.utf8_user) == (False, False)
        assert pop.retr(2) == CAFE


@pytest.mark.holds("POP-STLS-8", "C")
def test_stls_goes_before_utf8() -> None:
    with Server({"alice": "secret"}, tls="stls", utf8=True) as server:
        pop = poplin.connect(server.url, tls="never", timeout=20)
        pop.utf8()
        with pytest.raises(poplin.StateError, match="TLS goes before UTF8"):
            pop.stls()
        pop.close()


# ---- LANG ----


@pytest.mark.holds("POP-LANG-1", "B")
@pytest.mark.holds("POP-LANG-2", "S")
@pytest.mark.parametrize("options", servers(languages=GERMAN))
def test_a_language_is_chosen_from_those_there_are(options: dict[str, Any]) -> None:
    with serve(options) as server, poplin.connect(server.url, timeout=20) as pop:
        assert pop.capabilities.lang
        assert pop.lang() == [("de", "Deutsch"), ("tlh", ""), ("i-default", "English")]
        assert [pop.lang("*"), pop.lang("de-AT"), pop.lang("tlh"), pop.lang("de")] == ["de", "de", "tlh", "de"]
        with pytest.raises(poplin.Refused):
            pop.lang("fr")
        pop.login("alice", "secret")
        assert pop.lang()[0].description == "Deutsch"
    with serve(options) as server, Wire(server) as wire:
        wire.line()
        wire.say(b"LANG de", b"USER alice", b"PASS secret", b"QUIT")
        told = [wire.line() for _ in range(4)]
        assert told[2:] == [b"+OK 2 Nachrichten\r\n", "+OK tschüß\r\n".encode()]


@pytest.mark.parametrize("language", ["", "de\r\nQUIT", "de AT", "dé"])
def test_what_is_no_language_is_not_sent(language: str) -> None:
    with Server({"alice": "secret"}, languages=GERMAN) as server, poplin.connect(server.url, timeout=20) as pop:
        with pytest.raises(ValueError):
            pop.lang(language)
        assert pop.lang("de") == "de"


# ---- what is announced ----


@pytest.mark.holds("POP-CAPA-10", "B")
@pytest.mark.holds("POP-EXP-1", "S")
@pytest.mark.parametrize("options", servers(expire=7, login_delay=0, utf8=True, languages=GERMAN, tls="stls"))
def test_capabilities_are_data(options: dict[str, Any]) -> None:
    with serve(options) as server, poplin.connect(server.url, tls="never", timeout=20) as pop:
        announced = pop.capabilities
        assert announced == {
            "TOP": (), "USER": (), "SASL": ("PLAIN",), "RESP-CODES": (), "AUTH-RESP-CODE": (), "EXPIRE": ("7",),
            "PIPELINING": (), "UIDL": (), "UTF8": ("USER",), "LANG": (), "IMPLEMENTATION": ("poplin",), "STLS": (),
        }  # fmt: skip
        assert announced == pop.capa()
        assert (announced.expire, announced.login_delay, announced.implementation) == (7, None, "poplin")
        assert (announced.sasl, announced.user, announced.stls) == (("PLAIN",), True, True)
        assert (announced.top, announced.uidl, announced.pipelining, announced.lang) == (True, True, True, True)


@pytest.mark.parametrize(
    ("expire", "words", "days"), [(0, ("0",), 0), (31, ("31",), 31), ("never", ("NEVER",), None), (None, None, None)]
)
def test_how_long_mail_stays_is_announced(expire: Any, words: Any, days: int | None) -> None:
    with Server({"alice": "secret"}, expire=expire) as server, join(server) as pop:
        assert (pop.capabilities.get("EXPIRE"), pop.capabilities.expire) == (words, days)


@pytest.mark.holds("POP-CAPA-3", "C")
def test_capabilities_that_make_no_sense_are_none() -> None:
    odd = poplin.Capabilities({"EXPIRE": ("soon", "USER"), "LOGIN-DELAY": (), "SASL": ("plain",), "UTF8": ("user",)})
    assert (odd.expire, odd.login_delay, odd.sasl, odd.utf8_user) == (None, None, ("PLAIN",), True)
    assert poplin.Capabilities({"EXPIRE": ("9" * 5000,), "LOGIN-DELAY": ("²",)}).expire is None
    assert poplin.Capabilities({"LOGIN-DELAY": ("²",)}).login_delay is None
    assert (poplin.Capabilities().implementation, poplin.Capabilities().sasl) == (None, ())


@pytest.mark.holds("POP-CAPA-3", "C")
@pytest.mark.holds("T-TXT-2", "C")
def test_what_is_announced_twice_or_oddly_does_no_harm() -> None:
    odd = (
        b"SASL plain\r\nsasl X  Y\r\nEXPIRE -1\r\nEXPIRE 3\r\nUTF8 A user\r\n\xff 1\r\nIMPLEMENTATION a\x85\tb\r\n.\r\n"
    )
    script: list[Step] = [send(b"+OK\r\n"), expect(b"CAPA\r\n"), send(b"+OK\r\n" + odd), *LEAVE]
    with Peer(script) as peer, poplin.connect(f"pop3://localhost:{peer.port}", timeout=20) as pop:
        announced = pop.capabilities
        assert set(announced) == {"SASL", "EXPIRE", "UTF8", "IMPLEMENTATION"}
        assert (announced.sasl, announced.expire, announced.utf8_user) == (("PLAIN", "X", "Y"), None, True)
        assert announced.implementation == "a\x85\tb"


# ---- locks ----


@pytest.mark.holds("POP-ST-3", "S")
@pytest.mark.parametrize("options", servers(lock_wait=100))
def test_a_login_waits_its_turn(options: dict[str, Any]) -> None:
    with serve(options) as server, Wire(server) as wire:
        first = join(server)
        wire.line()
        wire.say(b"USER alice", b"PASS secret")
        wire.line()
        server.wait_for(lambda server: len(server.sessions[0].commands) == 2)
        assert wire.is_silent()
        first.dele(1)
        first.quit()
        assert wire.line() == b"+OK 1 messages\r\n"


@pytest.mark.holds("POP-RESP-5", "S")
@pytest.mark.parametrize("options", servers(lock_wait=100, inactivity=4_000_000))
def test_who_waits_too_long_is_told_so(options: dict[str, Any]) -> None:
    with serve(options) as server, Wire(server) as wire, join(server):
        wire.line()
        wire.say(b"USER alice", b"PASS secret")
        wire.line()
        server.wait_for(lambda server: len(server.sessions[0].commands) == 2)
        while wire.is_silent():  # a script may not have told the password yet, and only then the time begins
            server.clock.advance(100)
        assert wire.line().startswith(b"ERR [IN-USE]")  # the first octet is what was not silent


@pytest.mark.holds("POP-ST-4", "S")
@pytest.mark.parametrize("options", servers(lock="snapshot"))
def test_snapshots_live_side_by_side(options: dict[str, Any]) -> None:
    with serve(options) as server, join(server) as one, join(server) as other:
        one.dele(1)
        assert other.retr(1) == LATER
        one.quit()
        with pytest.raises(poplin.Refused, match="another session has deleted"):
            other.retr(1)
        assert other.stat().count == 2
        other.dele(1)
        other.dele(2)
    if "backend" in options:
        assert options["backend"].deleted == ["plain", "utf8"]  # each once


def test_exclusive_and_lock_say_the_same() -> None:
    options: dict[str, Any]
    for options in ({}, {"exclusive": True}, {"lock": "exclusive"}):
        with Server({"alice": "secret"}, **options) as server, join(server), pytest.raises(poplin.InUse):
            join(server)
    for options in ({"exclusive": False}, {"lock": "none"}, {"lock": "snapshot", "exclusive": False}):
        with Server({"alice": "secret"}, **options) as server, join(server), join(server):
            pass


# ---- a maildrop that has lost a message ----


class Losing(Backend):
    """Its second message vanishes before it can be counted."""

    def maildrop(self, user: str) -> Any:
        drop, retr = Drop(self), Drop.retr

        def lost(uid: str) -> Any:
            if uid == "uid-2":
                raise poplin.Refused("the message is no longer there")
            return retr(drop, uid)

        drop.retr = lost  # type: ignore[method-assign]
        return drop


@pytest.mark.holds("POP-STAT-1", "S")
def test_a_message_that_has_vanished_counts_as_empty() -> None:
    with poplin.Server(Losing(mail(3))) as server, join(server) as pop:
        sizes = [octets for _, octets in pop.list()]
        assert (len(sizes), sizes[1], pop.stat().octets) == (3, 0, sum(sizes))
        with pytest.raises(poplin.Refused):
            pop.retr(2)


@pytest.mark.holds("POP-UIDL-6", "C")
@pytest.mark.parametrize("options", servers())
def test_without_unique_ids_messages_have_none(options: dict[str, Any]) -> None:
    with serve(options) as server, server.fault("UIDL", refuse="what is that?"), join(server) as pop:
        assert [(message.number, message.uid) for message in pop.messages()] == [(1, None), (2, None)]
        assert [message.data for message in pop.retr_all()] == [LATER, CAFE]


# ---- limits ----


@pytest.mark.holds("LIM-1", "S")
@pytest.mark.holds("LIM-10", "S")
@pytest.mark.parametrize("options", servers(limits={"max_line": 300, "max_bad_commands": 2, "max_failed_logins": 1}))
def test_limits_are_the_owners(options: dict[str, Any]) -> None:
    with serve(options) as server:
        with Wire(server) as wire:
            wire.line()
            wire.say(b"USER " + b"a" * 294, b"X")
            assert wire.rest() == b"-ERR line too long\r\n-ERR unknown command\r\n"
        with Wire(server) as wire:
            wire.line()
            wire.say(b"USER alice", b"PASS wrong")
            assert wire.rest() == b"+OK send PASS\r\n-ERR [AUTH] name or password not accepted\r\n"


def test_more_messages_than_the_limit_are_refused() -> None:
    with poplin.Server(Backend(mail(3)), limits={"max_messages": 2}) as server:
        with pytest.raises(poplin.Temporary):
            join(server)
        assert "max_messages" in str(server.errors[0])


@pytest.mark.holds("LIM-3", "S")
def test_sasl_lines_have_a_limit_of_their_own() -> None:
    with Server({"alice": "secret"}, limits={"max_sasl_line": 1100}) as server, Wire(server) as wire:
        wire.line()
        wire.say(b"AUTH PLAIN " + b"A" * 1084, b"AUTH PLAIN " + b"A" * 1090)
        assert wire.line() == b"-ERR malformed PLAIN message\r\n"
        assert wire.line() == b"-ERR line too long\r\n"
    limits: Any = {"max_line": 2000, "max_sasl_line": 1100}  # and it may be the smaller one
    with Server({"alice": "secret"}, limits=limits) as server, Wire(server) as wire:
        wire.line()
        wire.say(b"AUTH PLAIN " + b"A" * 1090, b"X " + b"A" * 1500, b"X " + b"A" * 2000)
        assert wire.line() == b"-ERR line too long\r\n"
        assert wire.line() == b"-ERR unknown command\r\n"
        assert wire.line() == b"-ERR line too long\r\n"


def test_handshakes_and_stalls_are_timed() -> None:
    with Server({"alice": "secret"}, tls="implicit", limits={"handshake": 5, "stall": 7, "max_output": 4096}) as server:
        with Wire(server) as wire:
            server.wait_for(lambda server: len(server.sessions) == 1)
            server.clock.advance(6)
            assert wire.rest() == b""


# ---- misuse ----


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lock": "shared"}, ValueError, "'snapshot'"),
        ({"lock": "exclusive", "exclusive": False}, ValueError, "which of the two"),
        ({"lock": "none", "lock_wait": 1}, ValueError, "lock_wait"),
        ({"lock_wait": -1}, ValueError, "lock_wait"),
        ({"lock_wait": "1"}, TypeError, "lock_wait"),
        ({"expire": -1}, ValueError, "expire"),
        ({"expire": "soon"}, TypeError, "expire"),
        ({"expire": True}, TypeError, "expire"),
        ({"languages": {"de": ("Deutsch", {"bye": "a\nb"})}}, ValueError, "one line"),
        ({"languages": {"d_e": ("Deutsch", {})}}, ValueError, "languages"),
        ({"languages": {"de": ("Deutsch", {"bye": ""})}}, ValueError, "1 to 400 octets"),
        ({"languages": {"de AT": ("Deutsch", {})}}, ValueError, "'de AT' is no language tag"),
        ({"languages": {"de": "Deutsch"}}, TypeError, "'de' needs a name and texts"),
        ({"languages": {"de": ("Deutsch", ["bye"])}}, TypeError, "'de' needs a name and texts"),
        ({"languages": {"de": ("Deutsch", {"bye": 1})}}, TypeError, "1 is not a str"),
        ({"languages": ["de"]}, TypeError, "languages must be a dict"),
        ({"limits": 300}, TypeError, "limits must be a dict"),
        ({"limits": {"max_bad_commands": 2**32}}, ValueError, "max_bad_commands"),
        ({"limits": {"max_messages": 2**31}}, ValueError, "max_messages 2,147,483,647 at most"),
        ({"limits": {"max_output": 0}}, ValueError, "none is 0"),
        ({"limits": {"max_lines": 300}}, TypeError, "max_line, max_sasl_line"),
        ({"limits": {"max_line": 100}}, ValueError, "limit"),
        ({"limits": {"stall": 0}}, ValueError, "stall"),
        ({"limits": {"max_messages": "1"}}, TypeError, "max_messages"),
    ],
)
def test_options_that_make_no_sense_are_named(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        poplin.Server(Backend({}), **options)
    with pytest.raises(error, match=words):
        Server({"alice": "secret"}, **options)
