"""The machines by themselves: `poplin.protocol`, both ends in one thread and no connection between them."""

import copy
import gc
import pickle
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import poplin
from poplin import _errors, protocol
from poplin.protocol import ClientConnection, ServerConnection

MAIL = {"uid-1": b"Subject: one\n\n.\n..two\nlast", "uid-2": b"", "uid-3": b"x\r\n" * 50_000}


def wire(content: bytes) -> bytes:
    """A message as it arrives."""
    octets = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"


class Host:
    """Answers a server's questions: alice has a password, keys and a token, and her maildrop is MAIL."""

    def __init__(self, session: ServerConnection) -> None:
        self.session = session
        self.asked: list[Any] = []
        self.deleted: tuple[str, ...] = ()

    def answer(self) -> None:
        for event in self.session.events():
            self.asked.append(event)
            match event:
                case protocol.CheckPassword(_, "alice", "secret") | protocol.FailedLogin() | protocol.Commit():
                    self.session.accept(event)
                    self.deleted = event.uids if isinstance(event, protocol.Commit) else ()
                case protocol.FindSecret(user="alice"):
                    self.session.password(event, "secret")
                case protocol.FindSecret(user="keys"):
                    self.session.keys(event, poplin.scram_keys("secret", salt=b"sixteen octets.."))
                case protocol.CheckToken(token="good"):
                    self.session.accept_as(event, "alice")
                case protocol.CheckPassword() | protocol.CheckToken() | protocol.FindSecret():
                    self.session.refuse(event, poplin.AuthError)
                case protocol.OpenMaildrop():
                    self.session.open(event, [(uid, len(wire(content))) for uid, content in MAIL.items()])
                case protocol.SendBody():
                    self.session.body(event, MAIL[event.uid])


def talk(pop: ClientConnection, host: Host, react: Callable[[Any], None] = lambda event: None) -> list[Any]:
    """Carries octets both ways until there are none, and hands TLS out to both ends where they ask for it."""
    seen: list[Any] = []
    while True:
        events = []
        for event in pop.events():
            events.append(event)
            react(event)
        sent = pop.data_to_send()
        if sent:
            host.session.receive_data(sent)
        host.answer()
        answered = host.session.data_to_send()
        pop.receive_data(answered)
        seen += events
        if any(isinstance(event, protocol.StartTLS) for event in events):
            pop.tls_started(version="TLSv1.3", exporter=b"x" * 32)
            host.session.tls_started(version="TLSv1.3", exporter=b"x" * 32)
        elif not (events or sent or answered):
            return seen


def opened(user: str | None = "alice", **options: Any) -> tuple[ClientConnection, Host]:
    """Both ends, alice being logged in."""
    pop = ClientConnection(tls="never", protected=True, host="pop.example.org", port=110)
    host = Host(ServerConnection(protected=True, **options))
    pop.open(user, "secret" if user else None)
    events = talk(pop, host)
    assert isinstance(events[-1], protocol.Opened)
    assert events[-1].ok
    return pop, host


def of_kind(kind: type, events: Iterable[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# ---- a session ----


def test_every_command() -> None:
    pop, host = opened(languages={"de": ("Deutsch", {})}, expire=30)
    assert (pop.phase, pop.mechanism, pop.tls, pop.capabilities.expire) == ("transaction", "PLAIN", None, 30)
    tags = [pop.stat(), pop.list(), pop.list(1), pop.uidl(), pop.uidl(2), pop.retr(1), pop.top(1, 1), pop.lang()]
    tags += [pop.lang("*"), pop.dele(2), pop.rset(), pop.dele(3), pop.noop(), pop.capa(), pop.retr(9), pop.quit()]
    assert pop.outstanding == len(tags)
    assert len(set(tags)) == len(tags)
    events = talk(pop, host)
    replies = {reply.tag: reply for reply in of_kind(protocol.Reply, events)}
    assert list(replies) == tags
    assert [reply.ok for reply in replies.values()] == [tag != tags[-2] for tag in tags]
    sizes = [len(wire(content)) for content in MAIL.values()]
    assert (replies[tags[0]].count, replies[tags[0]].octets) == (3, sum(sizes))
    assert replies[tags[2]].octets == sizes[0]
    assert replies[tags[4]].text == "uid-2"
    assert replies[tags[8]].text == "de"
    assert of_kind(protocol.Listing, events) == [(tags[1], number, octets) for number, octets in enumerate(sizes, 1)]
    assert of_kind(protocol.UniqueID, events) == [(tags[3], number, uid) for number, uid in enumerate(MAIL, 1)]
    assert (tags[7], "de", "Deutsch") in of_kind(protocol.Language, events)
    body = b"".join(event.data for event in of_kind(protocol.Body, events) if event.tag == tags[5])
    assert body == wire(MAIL["uid-1"])
    assert (tags[5], len(body)) in of_kind(protocol.End, events)
    assert host.deleted == ("uid-3",)
    refused = replies[tags[-2]]
    assert isinstance(refused.error, poplin.Refused)
    assert str(refused.error).startswith("RETR 9 at pop.example.org:110: the server refused")
    pop.receive_eof()
    assert list(pop.events()) == [protocol.Closed(True)]
    assert list(pop.events()) == []
    with pytest.raises(poplin.StateError, match="session is over"):
        pop.next_event()
    assert host.asked[-1] == protocol.SessionClosed("committed", None)
    assert list(host.session.events()) == []


def test_retr_all_and_a_delete_in_between() -> None:
    pop, host = opened()
    pop.list()
    listed = of_kind(protocol.Listing, talk(pop, host))
    deleted: list[int] = []
    bodies: dict[int, bytes] = {}
    number = 0

    def react(event: Any) -> None:
        nonlocal number
        if isinstance(event, protocol.Reply) and event.verb == "RETR":
            number = event.number
            bodies[number] = b""
        elif isinstance(event, protocol.Body):
            bodies[number] += event.data
        elif isinstance(event, protocol.End):
            pop.dele(number)
            deleted.append(number)

    pop.retr_all([listed[0], (2, 0), 3])
    talk(pop, host, react)
    assert bodies == {number: wire(content) for number, content in enumerate(MAIL.values(), 1)}
    assert deleted == [1, 2, 3]
    pop.quit()
    talk(pop, host)
    assert host.deleted == tuple(MAIL)
    pop, host = opened()
    pop.retr_all([1, 2])
    assert pop.outstanding == 2
    with pytest.raises(poplin.StateError):
        pop.retr_all([1])
    assert pop.retr_stop() == 2


def test_pieces_of_a_body_are_joined() -> None:
    """Each stuffed dot ends a slice of the machine's; an event holds what came in one go."""
    pop, _ = opened()
    pop.retr(1)
    pop.data_to_send()
    content = b"..\r\n" * 1000
    pop.receive_data(b"+OK\r\n" + content + b".\r\n")
    bodies = of_kind(protocol.Body, pop.events())
    assert b"".join(event.data for event in bodies) == b".\r\n" * 1000
    assert len(bodies) < 20
    assert repr(bodies[0]) == f"Body(tag={bodies[0].tag}, {len(bodies[0].data)} octets)"


# ---- TLS ----


def test_stls_in_the_opening() -> None:
    pop = ClientConnection(tls="stls", host="pop.example.org")
    host = Host(ServerConnection(tls="stls", asks="password"))
    pop.open("alice", "secret")
    events = talk(pop, host)
    assert protocol.StartTLS("pop.example.org") in events
    assert events[-1].ok
    assert (pop.mechanism, pop.tls, host.session.tls) == ("SCRAM-SHA-256-PLUS", "TLSv1.3", "TLSv1.3")
    assert protocol.StartTLS(None) in host.asked


def test_stls_by_hand() -> None:
    pop = ClientConnection(tls="never")
    host = Host(ServerConnection(tls="stls"))
    assert of_kind(protocol.Greeting, talk(pop, host)) == [("poplin ready", b"+OK poplin ready")]
    pop.stls()
    assert isinstance(talk(pop, host)[-1], protocol.StartTLS)
    pop.capa()
    talk(pop, host)
    assert "STLS" not in pop.capabilities
    pop.login("alice", "wrong")
    refused = talk(pop, host)[-1]
    assert (refused.ok, type(refused.error), pop.phase) == (False, poplin.AuthError, "authorization")
    pop.login("alice", "secret")
    assert talk(pop, host)[-1].ok


@pytest.mark.holds("T-STLS-1", "S")
@pytest.mark.holds("T-STLS-4", "C")
def test_octets_in_clear_behind_stls() -> None:
    for late in (False, True):
        pop = ClientConnection(tls="never")
        pop.receive_data(b"+OK\r\n")
        list(pop.events())
        pop.stls()
        pop.data_to_send()
        pop.receive_data(b"+OK\r\n" + b"+OK injected\r\n" * (not late))
        with pytest.raises(poplin.ProtocolError, match="injecting"):
            for event in pop.events():
                if isinstance(event, protocol.StartTLS):
                    pop.receive_data(b"+OK injected\r\n")
        session = ServerConnection(tls="stls")
        session.receive_data(b"STLS\r\n" + b"USER alice\r\n" * (not late))
        if late:
            assert isinstance(next(session.events()), protocol.StartTLS)
            session.receive_data(b"USER alice\r\n")
        closed = list(session.events())[-1]
        assert (closed.outcome, type(closed.error)) == ("failed", poplin.ProtocolError)
        assert b"USER" not in session.data_to_send()


@pytest.mark.holds("T-STLS-1", "S")
@pytest.mark.holds("T-STLS-4", "C")
def test_octets_in_clear_that_wait_behind_stls() -> None:
    """They came by a call of their own, before anybody saw the reply: they must not count as what came under TLS."""
    pop = ClientConnection(tls="never")
    pop.receive_data(b"+OK\r\n")
    list(pop.events())
    pop.stls()
    pop.data_to_send()
    pop.receive_data(b"+OK\r\n")
    pop.receive_data(b"+OK\r\n")
    pop.receive_data(b"SASL PLAIN\r\n.\r\n")
    with pytest.raises(poplin.ProtocolError, match="injecting"):
        for event in pop.events():
            if isinstance(event, protocol.StartTLS):
                pop.tls_started()
    session = ServerConnection(tls="stls", protected=True)
    for data in (b"STLS\r\n", b"USER mallory\r\n", b"PASS secret\r\n"):
        session.receive_data(data)
    (closed,) = session.events()
    assert isinstance(closed, protocol.SessionClosed)
    assert type(closed.error) is poplin.ProtocolError


def test_implicit_tls_comes_first() -> None:
    pop = ClientConnection()
    with pytest.raises(poplin.StateError):
        pop.receive_data(b"+OK\r\n")
    pop.tls_started()
    pop.receive_data(b"+OK\r\n")
    assert [type(event) for event in pop.events()] == [protocol.Greeting]
    assert pop.tls == "TLS"
    session = ServerConnection(tls="implicit")
    for early in (session.data_to_send, session.next_event, lambda: session.receive_data(b"")):
        with pytest.raises(poplin.StateError, match="tls_started"):
            early()
    session.tls_started(version="TLSv1.2")
    assert session.data_to_send().startswith(b"+OK")
    for end in (pop, session):
        with pytest.raises(poplin.StateError):
            end.tls_started()


def test_facts_of_the_wrong_size() -> None:
    for end in (ClientConnection(), ServerConnection(tls="implicit")):
        for facts in ({"exporter": b"short"}, {"end_point": b""}, {"end_point": b"x" * 65}):
            with pytest.raises(ValueError):
                end.tls_started(**facts)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            end.tls_started(exporter="x" * 32)  # type: ignore[arg-type]


def test_a_certificate_that_logs_in() -> None:
    session = ServerConnection(tls="implicit", auth="EXTERNAL", asks=())
    session.tls_started(verified=True, identity="alice")
    session.receive_data(b"AUTH EXTERNAL =\r\n")
    assert [type(event) for event in session.events()] == [protocol.OpenMaildrop]


# ---- octets ----


@pytest.mark.holds("T-API-4", "B")
def test_octets_that_come_before_they_are_wanted() -> None:
    pop = ClientConnection(tls="never")
    for octet in b"+OK ready\r\n":
        pop.receive_data(bytes([octet]))
    pop.receive_data(bytearray(b""))
    assert isinstance(pop.next_event(), protocol.Greeting)
    pop.capa()
    pop.data_to_send()
    pop.receive_eof()
    pop.receive_eof(False)  # only the first counts
    for _ in range(3):
        with pytest.raises(poplin.ConnectionLost, match="closed the connection before its reply"):
            pop.next_event()
    with pytest.raises(poplin.ConnectionLost):
        pop.noop()
    session = ServerConnection()
    session.receive_data(memoryview(b"NOOP\r\nQUI"))
    session.receive_data(b"T\r\n")
    assert [type(event) for event in session.events()] == [protocol.SessionClosed]
    for end in (pop, session):
        with pytest.raises(TypeError):
            end.receive_data("text")  # type: ignore[arg-type]
        with pytest.raises(poplin.Error):
            end.receive_data(b"more")


def test_a_failure_stays() -> None:
    pop, _ = opened()
    pop.stat()
    pop.data_to_send()
    pop.receive_data(b"+OK nonsense\r\n")
    seen = []
    for call in (pop.next_event, pop.stat, lambda: pop.receive_data(b"+OK\r\n"), lambda: pop.retr_all([1]), pop.quit):
        with pytest.raises(poplin.ProtocolError, match=r"STAT at pop.example.org:110: .*nonsense") as caught:
            call()
        seen.append(caught.value)
    assert len({id(error) for error in seen}) == len(seen), "one exception for all would gather tracebacks"
    assert (pop.phase, pop.outstanding, pop.data_to_send()) == (None, 0, b"")


def test_it_tells_why_there_is_no_event() -> None:
    pop = ClientConnection(tls="never")
    assert pop.next_event() is protocol.NEED_DATA
    pop.receive_data(b"+OK\r\n")
    pop.next_event()
    pop.stls()
    pop.data_to_send()
    pop.receive_data(b"+OK\r\n")
    assert [type(event) for event in pop.events()] == [protocol.Reply, protocol.StartTLS]
    assert pop.next_event() is protocol.WAITING
    session = ServerConnection(protected=True)
    assert session.next_event() is protocol.NEED_DATA
    session.receive_data(b"USER alice\r\nPASS secret\r\n")
    question = session.next_event()
    assert session.next_event() is protocol.WAITING
    assert isinstance(question, protocol.CheckPassword)
    session.refuse(question, poplin.AuthError)
    assert session.next_event() is protocol.NEED_DATA


# ---- commands of one's own ----


def test_a_command_of_ones_own() -> None:
    pop, _ = opened()
    listing = pop.command("XTND XLST Subject", multiline=True)
    refused = pop.command(b"XOTHER")
    pop.data_to_send()
    pop.receive_data(b"+OK  list\r\n1 a\r\n..\r\n.\r\n-ERR [SYS/TEMP] no\r\n")
    first, body, end, second = pop.events()
    assert first[:6] == (listing, None, 0, True, None, " list")
    assert first.line == b"+OK  list"
    assert not first.complete
    assert (body, end) == ((listing, b"1 a\r\n.\r\n"), (listing, 8))
    assert (second.tag, second.code, second.text) == (refused, "SYS/TEMP", "[SYS/TEMP] no")
    assert isinstance(second.error, poplin.Temporary)
    assert second.complete


def test_a_challenge_is_answered_before_all_else() -> None:
    pop, _ = opened()
    pop.command("AUTH PLAIN")
    noop = pop.noop()
    pop.data_to_send()
    pop.receive_data(b"+ \r\n")
    assert [event.challenge for event in pop.events()] == [True]  # type: ignore[union-attr]
    assert pop.data_to_send() == b"", "NOOP is no response"
    with pytest.raises(poplin.StateError):
        pop.quit()
    pop.command("*")
    assert pop.data_to_send() == b"*\r\n"
    pop.receive_data(b"-ERR cancelled\r\n")
    assert [event.ok for event in pop.events()] == [False]  # type: ignore[union-attr]
    assert pop.data_to_send() == b"NOOP\r\n"
    pop.receive_data(b"+OK\r\n")
    assert [event.tag for event in pop.events()] == [noop]  # type: ignore[union-attr]


@pytest.mark.holds("T-SASL-12", "C")
def test_no_login_of_ones_own_where_tls_is_demanded() -> None:
    pop = ClientConnection(tls="stls")
    pop.receive_data(b"+OK\r\n")
    list(pop.events())
    for line in ("PASS secret", "auth plain"):
        with pytest.raises(poplin.TLSError, match="TLS is demanded"):
            pop.command(line)
    assert pop.data_to_send() == b""
    pop.stls()
    pop.data_to_send()
    pop.receive_data(b"+OK\r\n")
    list(pop.events())
    pop.tls_started()
    pop.command("PASS secret")
    assert pop.data_to_send() == b"PASS secret\r\n"


@pytest.mark.holds("T-INJ-1", "C")
def test_what_is_no_command() -> None:
    pop, _ = opened()
    for line in ("NOOP\r\nDELE 1", b"NOOP\n", "NO\0OP", "STLS", "quit", "x" * 65_537):
        with pytest.raises(ValueError):
            pop.command(line)
    with pytest.raises(ValueError, match="cannot be written in UTF-8"):
        pop.command("PASS \udc80")
    with pytest.raises(TypeError):
        pop.command(7)  # type: ignore[arg-type]
    for call in (lambda: pop.retr(0), lambda: pop.dele(1 << 31), lambda: pop.lang("d e"), lambda: pop.retr_all([0])):
        with pytest.raises(ValueError):
            call()
    assert pop.data_to_send() == b""


@pytest.mark.holds("T-SEC-1", "C")
def test_a_secret_of_ones_own_stays_one() -> None:
    pop = ClientConnection(tls="never")
    pop.receive_data(b"+OK\r\n")
    list(pop.events())
    pop.command("PASS hushhush")
    assert pop.data_to_send() == b"PASS hushhush\r\n"
    pop.receive_data(b"-ERR hushhush is wrong\r\n")
    (reply,) = pop.events()
    assert "hushhush" not in repr(reply) + str(reply.error) + repr(vars(reply.error))
    pop.command("AUTH XOAUTH2")
    pop.data_to_send()
    pop.receive_data(b"+ \r\n")
    assert next(pop.events()).challenge  # type: ignore[union-attr]
    pop.command("aHVzaGh1c2g=")
    pop.data_to_send()
    pop.receive_data(b"aHVzaGh1c2g= ?\r\n")
    with pytest.raises(poplin.ProtocolError) as caught:
        pop.next_event()
    assert "aHVz" not in str(caught.value)


# ---- logins ----


def test_logins_by_token() -> None:
    for token, wanted in (("good", True), ("old", False)):
        pop = ClientConnection(tls="never", protected=True, auth="OAUTHBEARER")
        host = Host(ServerConnection(protected=True, asks=("token", "password")))
        pop.open("alice", token=token)
        event = talk(pop, host)[-1]
        assert event.ok == wanted
        if not wanted:
            assert isinstance(event.error, poplin.AuthError)
            assert "invalid_token" in str(event.error.answer)


def test_logins_by_keys() -> None:
    pop = ClientConnection(tls="never", protected=True)
    host = Host(ServerConnection(protected=True, asks="scram_keys", auth="SCRAM-SHA-256"))
    pop.open("keys", "secret")
    assert talk(pop, host)[-1].ok
    assert pop.mechanism == "SCRAM-SHA-256"


def test_an_opening_without_login() -> None:
    pop, _ = opened(None)
    assert (pop.phase, pop.mechanism) == ("authorization", None)
    with pytest.raises(poplin.StateError):
        pop.open()
    with pytest.raises(poplin.StateError, match="log in first"):
        pop.stat()
    for login in (
        {"user": "alice"},
        {"password": "x"},
        {"user": "", "password": "x"},
        {"user": "a\n", "password": "x"},
    ):
        with pytest.raises(ValueError, match="user, password or token"):
            pop.login(**login)


def test_anonymous() -> None:
    pop = ClientConnection(tls="never", protected=True, auth="ANONYMOUS")
    host = Host(ServerConnection(protected=True, auth="ANONYMOUS", asks=()))
    pop.open()
    assert talk(pop, host)[-1].ok
    assert of_kind(protocol.OpenMaildrop, host.asked)[0].read_only


def test_a_policy_that_cannot_be_met() -> None:
    pop = ClientConnection(tls="stls", host="pop.example.org")
    pop.open("alice", "secret")
    pop.receive_data(b"+OK\r\n")
    list(pop.events())
    pop.data_to_send()
    pop.receive_data(b"+OK\r\nUSER\r\n.\r\n")
    with pytest.raises(poplin.Unsupported, match="no STLS"):
        pop.next_event()


# ---- what the server is asked ----


def test_refusals() -> None:
    cases: list[tuple[Any, Any, Any, bytes]] = [
        (poplin.InUse, None, None, b"-ERR [IN-USE]"),
        (poplin.InUse("busy"), None, None, b"-ERR [IN-USE] busy"),
        (poplin.Temporary, "later", None, b"-ERR [SYS/TEMP] later"),
        (poplin.Refused("no"), None, None, b"-ERR [SYS/PERM] no"),
        (poplin.Temporary, "too soon", "LOGIN-DELAY", b"-ERR [LOGIN-DELAY] too soon"),
    ]
    for error, text, code, wanted in cases:
        session = ServerConnection(protected=True)
        session.receive_data(b"USER alice\r\nPASS secret\r\n")
        for event in session.events():
            if isinstance(event, protocol.CheckPassword):
                session.accept(event)
            elif isinstance(event, protocol.OpenMaildrop):
                session.refuse(event, error, text, code=code)
        assert session.data_to_send().splitlines()[-1].startswith(wanted)
        assert session.phase == "authorization"


def test_an_answer_is_given_once() -> None:
    session = ServerConnection(protected=True, failed_logins=True)
    session.receive_data(b"USER alice\r\nPASS wrong\r\n")
    check = session.next_event()
    assert isinstance(check, protocol.CheckPassword)
    session.refuse(check.question, poplin.AuthError)
    for late in (session.accept, session.refuse, lambda question: session.body(question, b"")):
        with pytest.raises(poplin.StateError, match="not open any more"):
            late(check)
    content = b"x" * 100_000
    before = sys.getrefcount(content)
    with pytest.raises(poplin.StateError):
        session.body(check.question, content)
    assert sys.getrefcount(content) == before, "what came too late is not kept"
    failed = session.next_event()
    assert isinstance(failed, protocol.FailedLogin)
    assert (failed.user, failed.failures, failed.mechanism) == ("alice", 1, "USER")
    assert b"-ERR" not in session.data_to_send()
    session.accept(failed)
    assert session.next_event() is protocol.NEED_DATA
    assert b"-ERR" in session.data_to_send()
    assert session.commands == 2


def test_a_password_that_is_no_text() -> None:
    """Nobody is asked about it: it is wrong."""
    session = ServerConnection(protected=True)
    session.receive_data(b"USER alice\r\nPASS \xff\r\nUSER alice\r\nPASS secret\r\n")
    assert [event.password for event in session.events()] == ["secret"]  # type: ignore[union-attr]
    assert b"-ERR" in session.data_to_send()


def test_a_maildrop_that_is_none() -> None:
    for messages, kind in (
        ([("a", 1), ("a", 1)], ValueError),
        ([("", 1)], ValueError),
        ([("a", -1)], ValueError),
        ([("a", "1")], TypeError),
        ([(b"a", 1)], TypeError),
        ([("a", 1)] * 0 + [("b", 1), ("c", 1), ("d", 1)], ValueError),
    ):
        session = ServerConnection(protected=True, limits={"max_messages": 2})
        session.receive_data(b"USER alice\r\nPASS secret\r\n")
        for event in session.events():
            if isinstance(event, protocol.CheckPassword):
                session.accept(event)
            elif isinstance(event, protocol.OpenMaildrop):
                with pytest.raises(kind):
                    session.open(event, messages)  # type: ignore[arg-type]
        assert session.phase == "authorization"


def test_pieces_and_sizes() -> None:
    session = ServerConnection(protected=True)
    session.receive_data(b"USER alice\r\nPASS secret\r\nSTAT\r\nRETR 1\r\n")
    pieces = [b"Subject: x\n", b"\n", b"body\n"]
    kept = list(pieces)
    told = []
    for event in session.events():
        told.append(event)
        if isinstance(event, protocol.CheckPassword):
            session.accept(event)
        elif isinstance(event, protocol.OpenMaildrop):
            session.open(event, [("uid-1", 5), ("uid-2", None)], expire=None)
        elif isinstance(event, protocol.SendBody) and event.index == 1:
            session.body(event, b"12345\r\n")  # asked for, to be counted
        elif isinstance(event, protocol.SendBody):
            session.body(event, kept.pop(0), last=not kept)
    assert session.data_to_send().endswith(b"+OK 2 12\r\n+OK 5 octets\r\nSubject: x\r\n\r\nbody\r\n.\r\n")
    assert of_kind(protocol.Mismatch, told) == [(0, "uid-1", 5, 20)]
    assert protocol.BodyDone(0, "uid-1") in told


def test_a_body_is_kept_as_long_as_it_is_needed() -> None:
    session = ServerConnection(protected=True)
    session.receive_data(b"USER alice\r\nPASS secret\r\nRETR 1\r\n")
    content = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n"
    content += content * 5000
    before = sys.getrefcount(content)
    host = Host(session)
    sent = b""
    while not of_kind(protocol.BodyDone, host.asked):
        for event in session.events():
            host.asked.append(event)
            if isinstance(event, protocol.CheckPassword):
                session.accept(event)
            elif isinstance(event, protocol.OpenMaildrop):
                session.open(event, [("uid-1", len(content))])
            elif isinstance(event, protocol.SendBody):
                session.body(event, content)
                assert sys.getrefcount(content) == before + 1
        sent += session.data_to_send()
    assert content in sent
    assert sys.getrefcount(content) == before


def test_how_a_session_ends() -> None:
    ends: list[tuple[Callable[[ServerConnection], object], str]] = [
        (lambda session: session.timeout(), "timed out"),
        (lambda session: session.abort("the server stops"), "failed"),
        (lambda session: session.receive_eof(False), "dropped"),
        (lambda session: session.receive_data(b"QUIT\r\n"), "left"),
    ]
    for end, outcome in ends:
        session = ServerConnection()
        end(session)
        (closed,) = session.events()
        assert isinstance(closed, protocol.SessionClosed)
        assert closed.outcome == outcome
        assert session.phase is None
        for call in (session.next_event, session.timeout):
            with pytest.raises(poplin.StateError):
                call()
        with pytest.raises(poplin.StateError):
            session.receive_data(b"x")
    assert "the server stops" in str(session_error(lambda session: session.abort("the server stops")))


def session_error(end: Callable[[ServerConnection], object]) -> BaseException | None:
    session = ServerConnection()
    end(session)
    (closed,) = session.events()
    assert isinstance(closed, protocol.SessionClosed)
    return closed.error


def test_mail_that_somebody_else_deleted() -> None:
    pop, host = opened()
    host.session.gone(["uid-2", "not there"])
    pop.retr(2)
    pop.retr(1)
    replies = of_kind(protocol.Reply, talk(pop, host))
    assert [reply.ok for reply in replies] == [False, True]
    with pytest.raises(poplin.StateError):
        ServerConnection().gone(["uid-1"])


def test_terms_of_one_user() -> None:
    session = ServerConnection(protected=True, login_delay=60, login_delay_by_user=True, expire=5, expire_by_user=True)
    session.receive_data(b"CAPA\r\nUSER alice\r\nPASS secret\r\nCAPA\r\n")
    for event in session.events():
        if isinstance(event, protocol.CheckPassword):
            session.accept(event)
        elif isinstance(event, protocol.OpenMaildrop):
            with pytest.raises(ValueError, match="_by_user"):
                session.open(event, [], login_delay=61)
            session.open(event, [], login_delay=10, expire="never")
    sent = session.data_to_send()
    for line in (b"LOGIN-DELAY 60 USER", b"EXPIRE 5 USER", b"LOGIN-DELAY 10\r", b"EXPIRE NEVER\r"):
        assert line in sent


# ---- arguments ----


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: ClientConnection(tls="tls"), ValueError),
        (lambda: ClientConnection(auth="NOTHING"), ValueError),
        (lambda: ClientConnection(port=65536), ValueError),
        (lambda: ClientConnection(host="a\0b"), ValueError),
        (lambda: ClientConnection(limits={"max_line": 0}), ValueError),
        (lambda: ClientConnection(limits={"lines": 1}), TypeError),
        (lambda: ServerConnection(tls="auto"), ValueError),
        (lambda: ServerConnection(asks="nothing"), ValueError),
        (lambda: ServerConnection(asks=()), TypeError),
        (lambda: ServerConnection(auth="NOTHING"), ValueError),
        (lambda: ServerConnection(limits={"max_line": 1}), ValueError),
        (lambda: ServerConnection(limits={"stall": 1}), TypeError),
        (lambda: ServerConnection(languages={"d e": ("x", {})}), ValueError),
    ],
)
def test_options_that_cannot_be_meant(make: Callable[[], object], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        make()


# ---- objects ----


@pytest.mark.parametrize("make", [ClientConnection, ServerConnection])
def test_there_is_no_second_one(make: Callable[[], Any]) -> None:
    end = make()
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            copied(end)
    for inner in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError):
            inner(end._core)


@pytest.mark.holds("T-SEC-1", "B")
def test_what_is_shown_holds_no_secret() -> None:
    pop = ClientConnection(tls="never", protected=True, host="pop.example.org", port=995)
    host = Host(ServerConnection(protected=True, asks=("authenticate", "token")))
    pop.open("alice", "secret", "good")
    talk(pop, host)
    other = Host(ServerConnection(protected=True))
    other.session.receive_data(b"USER alice\r\nPASS secret\r\n")
    other.answer()
    assert of_kind(protocol.CheckPassword, other.asked)
    shown = repr([pop, host.session, *host.asked, *other.asked])
    assert "secret" not in shown
    assert "good" not in shown
    assert repr(pop) == "<ClientConnection pop.example.org, transaction, no TLS>"
    assert repr(host.session) == "<ServerConnection transaction, no TLS>"
    assert repr(ClientConnection()) == "<ClientConnection no session, no TLS>"


@pytest.mark.parametrize("make", [ClientConnection, ServerConnection])
def test_a_cycle_through_it_is_collected(make: type[Any]) -> None:
    class Own(make):  # type: ignore[misc]
        pass

    end = Own()
    end.itself = [end]
    gone = weakref.ref(end)
    del end
    gc.collect()
    assert gone() is None


@pytest.mark.holds("T-API-1", "C")
def test_a_call_in_the_middle_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's own code makes exceptions; whatever runs there must not get into the machine."""
    pop, _ = opened()
    caught: list[BaseException] = []

    class Nosy(poplin.Refused):
        def __init__(self, *words: Any, **fields: Any) -> None:
            super().__init__(*words, **fields)
            for call in (pop.next_event, pop.data_to_send, pop.stat, lambda: pop.receive_data(b"x")):
                try:
                    call()
                except poplin.StateError as error:
                    caught.append(error)

    monkeypatch.setitem(_errors._CLASSES, "REFUSED", Nosy)
    pop.retr(1)
    pop.data_to_send()
    pop.receive_data(b"-ERR no\r\n")
    (reply,) = pop.events()
    assert isinstance(reply.error, Nosy)
    assert ["one thread at a time" in str(error) for error in caught] == [True] * 4


def test_two_threads_at_once_crash_nothing() -> None:
    pop, host = opened()
    failures: list[BaseException] = []

    def hammer() -> None:
        for _ in range(300):
            try:
                pop.noop()
                host.session.receive_data(pop.data_to_send())
                host.answer()
                pop.receive_data(host.session.data_to_send())
                for _event in pop.events():
                    pass
            except poplin.Error:
                pass  # what one thread sends another may have half read
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
