"""Split-independence: both machines give the same events and send the same octets, however their input was cut."""

import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import poplin
from poplin import _core
from poplin._core import VERBS, ClientMachine, SessionMachine

Trace = tuple[list[tuple[Any, ...]], bytes]


def cut(stream: bytes, offsets: Iterable[int]) -> list[bytes]:
    """The stream in pieces. Where it begins as OPENING does, its replies never come before their commands went out."""
    if stream.startswith(OPENING):
        offsets = {*offsets, *GATES}
    at = [0, *sorted({offset for offset in offsets if 0 < offset < len(stream)}), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(at)]


def drive(machine: Any, pieces: Iterable[bytes], react: Callable[[tuple[Any, ...]], None]) -> Trace:
    """Feeds the pieces, reacts to each event, and takes all output as it comes; at the end the peer closes."""
    events: list[tuple[Any, ...]] = []
    sent = b""
    over = False

    def pump() -> None:
        nonlocal sent, over
        while not over:
            try:
                event = machine.next()
            except poplin.StateError:
                over = True
                break
            except poplin.Error as error:
                events.append(("failed", described(error)))
                over = True
                break
            if event:
                react(event)
                events.append((*event[:-1], described(event[-1])))
            output = machine.output()
            sent += output
            if not event and not output:
                break

    pump()
    for piece in pieces:
        if not over:
            machine.input(piece)
            pump()
    if not over:
        machine.eof(True)
        pump()
    return events, sent


def described(value: Any) -> Any:
    """Two exceptions that say the same are not equal: their words are."""
    return (type(value), str(value)) if isinstance(value, Exception) else value


# ---- the client ----


def client_trace(pieces: Iterable[bytes], commands: list[tuple[str, int, int]], **config: Any) -> Trace:
    machine = ClientMachine({"tls": _core.TLS_NEVER, **config})
    machine.login(1, True, True, b"alice", b"secret")

    def react(event: tuple[Any, ...]) -> None:
        if event[0] == _core.EVENT_OPENED and event[2]:
            for tag, (verb, number, lines) in enumerate(commands, 2):
                if verb in VERBS:
                    machine.submit(tag, VERBS[verb], number or None, lines, 0, None)
                else:
                    machine.command(tag, verb.encode(), number > 0, lines > 0)
        elif event[0] == _core.EVENT_REPLY and event[10]:
            machine.command(99, b"response", False, True)

    events, sent = drive(machine, pieces, react)
    return joined(events), sent


def joined(events: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The same, neighbouring body slices joined."""
    result: list[tuple[Any, ...]] = []
    for event in events:
        if event[0] == _core.EVENT_BODY and result and result[-1][:2] == event[:2]:
            event = (*event[:2], result.pop()[2] + event[2])
        result.append(event)
    return result


OPENING = (
    b"+OK ready\r\n"
    b"+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN LOGIN\r\nPIPELINING\r\nRESP-CODES\r\n.\r\n"
    b"+OK [SYS/TEMP] welcome\r\n"
)
GATES = [len(b"+OK ready\r\n"), OPENING.index(b"\r\n.\r\n") + 5, len(OPENING)]
COMMANDS = [
    ("STAT", 0, 0),
    ("LIST", 0, 0),
    ("UIDL", 0, 0),
    ("LIST", 2, 0),
    ("RETR", 1, 0),
    ("TOP", 2, 1),
    ("RETR", 3, 0),
    ("DELE", 1, 0),
    ("XTND XLST Subject", 1, 0),  # lines of the host's own: whether multi-line, whether secret
    ("XSECRET word", 0, 1),
    ("CAPA", 0, 0),
    ("QUIT", 0, 0),
]
REPLIES = (
    b"+OK 2 300\r\n+OK\r\n1 100\r\n2 200 octets\r\n.\r\n+OK\r\n1 a\r\n2 b!\r\n.\r\n+OK 2 200\r\n"
    b"+OK 100 octets\r\nSubject: x\r\n\r\n..\r\n..a\r\n...\r\n\n.\r\nb\r.\r\rc\r\n\r\n.\r\n"
    b"+OK\r\n.\r\n-ERR [IN-USE] gone\r\n+OK\r\n"
    b"+OK [x] list\r\n1 a\r\n..2\r\n.\r\n+ more of this word\r\n+OK response\r\n+OK\r\nTOP\r\n.X y\r\n.\r\n+OK bye\r\n"
)
GOOD = OPENING + REPLIES


def test_the_client_at_every_single_cut() -> None:
    whole = client_trace(cut(GOOD, []), COMMANDS)
    assert whole[0][-1][0] == _core.EVENT_CLOSED, "the stream is meant to be good"
    for offset in range(1, len(GOOD)):
        assert client_trace(cut(GOOD, [offset]), COMMANDS) == whole
    assert client_trace(cut(GOOD, range(len(GOOD))), COMMANDS) == whole


@given(st.sets(st.integers(1, len(GOOD) - 1)))
def test_the_client_at_random_cuts(offsets: set[int]) -> None:
    assert client_trace(cut(GOOD, offsets), COMMANDS) == client_trace(cut(GOOD, []), COMMANDS)


FRAGMENTS = [
    b"\r\n",
    b".",
    b"\r",
    b"\n",
    b"+OK",
    b"-ERR",
    b" ",
    b"1",
    b"2 10",
    b"a",
    b"\0",
    b"[AUTH]",
    b"\xff",
    b"..\r\n",
]
STREAMS = st.lists(st.sampled_from([*FRAGMENTS, b".\r\n", b"+OK\r\n"]), max_size=40).map(b"".join)


@settings(max_examples=300)
@given(STREAMS, st.sets(st.integers(1, 120)), st.booleans())
def test_the_client_at_random_cuts_of_whatever_comes(stream: bytes, offsets: set[int], strict: bool) -> None:
    commands = [("STAT", 0, 0), ("LIST", 0, 0), ("RETR", 1, 0), ("UIDL", 1, 0), ("NOOP", 0, 0)]
    for beginning in (b"", OPENING):
        data = beginning + stream
        shifted = {len(beginning) + offset for offset in offsets}
        limits = {"strict": strict, "max_message": 30, "max_line": 512}
        assert client_trace(cut(data, shifted), commands, **limits) == client_trace(cut(data, []), commands, **limits)


@given(st.lists(st.sampled_from(FRAGMENTS)).map(b"".join), st.data())
def test_a_stuffed_message_comes_back(content: bytes, data: st.DataObject) -> None:
    """The server's stuffing and the client's unstuffing are each other's inverse, whatever the content and the cuts."""
    session_input = b"USER alice\r\nPASS secret\r\nRETR 1\r\n"
    _, wire = session_trace([session_input], [content])
    reply = wire[wire.index(b"\r\n", wire.index(b"\r\n", wire.index(b"\r\n") + 2) + 2) + 2 :]
    stream = OPENING + reply
    offsets = data.draw(st.sets(st.integers(1, len(stream))))
    events, _ = client_trace(cut(stream, offsets), [("RETR", 1, 0)])
    body = b"".join(event[2] for event in events if event[0] == _core.EVENT_BODY)
    expected = re.sub(rb"(?<!\r)\n", b"\r\n", content)
    assert body == expected + (b"" if expected.endswith(b"\r\n") or not expected else b"\r\n")


# ---- the session ----


def session_trace(pieces: Iterable[bytes], bodies: list[bytes], **config: Any) -> Trace:
    machine = SessionMachine({"link_protected": True, **config})

    def react(event: tuple[Any, ...]) -> None:
        kind, *fields = event
        if kind in (_core.SESSION_CHECK, _core.SESSION_COMMIT):
            machine.accept(fields[0])
        elif kind == _core.SESSION_MAILDROP:
            listed = [(b"uid-%d" % number, 100, False) for number in range(len(bodies))]
            machine.open(fields[0], listed, None, None)
        elif kind == _core.SESSION_BODY:
            machine.body(fields[0], bodies[fields[1]], True)

    return drive(machine, pieces, react)


def login_trace(pieces: Iterable[bytes], **config: Any) -> Trace:
    """Every question of a login is answered: with alice's password or keys, with a name, or with no."""
    asks = sum(getattr(_core, f"ASK_{name}") for name in ("SECRET", "TOKEN"))
    settings = {
        "asks": asks,
        "mechanisms": "USER PLAIN LOGIN OAUTHBEARER XOAUTH2",
        **config,
    }
    machine = SessionMachine({"link_protected": True, "delays": True, **settings})

    def react(event: tuple[Any, ...]) -> None:
        kind, question, user = (*event, None, None)[:3]
        if kind == _core.SESSION_SECRET and user == b"alice":
            machine.secret(question, b"secret")
        elif kind == _core.SESSION_SECRET and user == b"keys":
            machine.keys(question, KEYS.encode())
        elif kind == _core.SESSION_SECRET or (kind == _core.SESSION_TOKEN and event[3] != b"good"):
            machine.refuse(question, _core.AUTH, None)
        elif kind == _core.SESSION_TOKEN:
            machine.accept_as(question, b"alice")
        elif kind == _core.SESSION_DELAY:
            machine.accept(question)
        elif kind == _core.SESSION_MAILDROP:
            machine.open(question, [], None, None)

    return drive(machine, pieces, react)


KEYS = poplin.scram_keys("secret", salt=b"sixteen octets..")
LOGINS = [
    b"AUTH PLAIN AGFsaWNlAHdyb25n\r\nAUTH LOGIN\r\nYm9i\r\n*\r\nAUTH PLAIN\r\nAGtleXMAc2VjcmV0\r\nSTAT\r\n",
    b"USER bob\r\nPASS secret\r\nAUTH\r\nAUTH NONE x\r\nAUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\nQUIT\r\n",
    b"AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciBvbGQBAQ==\r\n\r\nAUTH OAUTHBEARER\r\n"
    b"biwsAWF1dGg9QmVhcmVyIGdvb2QBAQ==\r\nQUIT\r\n",
    b"USER keys\r\nPASS wrong\r\nAUTH PLAIN =\r\nUSER alice\r\nPASS secret\r\nNOOP\r\n",
]


@pytest.mark.parametrize("stream", LOGINS)
def test_logins_at_every_single_cut(stream: bytes) -> None:
    whole = login_trace([stream])
    assert _core.SESSION_MAILDROP in [event[0] for event in whole[0]]
    for offset in range(1, len(stream)):
        assert login_trace(cut(stream, [offset])) == whole
    assert login_trace(cut(stream, range(len(stream)))) == whole


MAIL = [b"Subject: 1\n\n.\n..a\nlast", b"", b"x\r\n" * 100]
SESSION = (
    b"CAPA\r\nNOOP\r\nAUTH PLAIN\r\n*\r\nUSER alice\r\nPASS secret with blanks \r\nSTAT\r\nLIST\r\nlist 2\r\nUIDL\r\n"
    b"RETR 1\r\nTOP 1 1\r\nRETR 2\r\nRETR 9\r\nRETR 3\r\nDELE 3\r\nRSET\r\nDELE 2\r\nWHAT 1\r\nQUIT\r\n"
)


def test_the_session_at_every_single_cut() -> None:
    whole = session_trace([SESSION], MAIL)
    for offset in range(1, len(SESSION)):
        assert session_trace(cut(SESSION, [offset]), MAIL) == whole
    assert session_trace(cut(SESSION, range(len(SESSION))), MAIL) == whole


@given(st.sets(st.integers(1, len(SESSION) - 1)))
def test_the_session_at_random_cuts(offsets: set[int]) -> None:
    assert session_trace(cut(SESSION, offsets), MAIL) == session_trace([SESSION], MAIL)


WORDS = [b"USER ", b"alice", b"PASS ", b"\r\n", b"\n", b"\r", b"RETR ", b"1", b"AUTH PLAIN", b" ", b"=", b"QUIT", b"\0"]


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([*WORDS, b"x" * 400, b"AGFsaWNlAHNlY3JldA==", b"LIST\r\n"]), max_size=40).map(b"".join),
    st.sets(st.integers(1, 200)),
    st.booleans(),
)
def test_the_session_at_random_cuts_of_whatever_comes(stream: bytes, offsets: set[int], open_first: bool) -> None:
    beginning = b"USER alice\r\nPASS secret\r\n" if open_first else b""
    data = beginning + stream
    pieces = cut(data, {len(beginning) + offset for offset in offsets})
    limits = {"max_line": 255, "max_sasl_line": 1026}
    assert session_trace(pieces, MAIL, **limits) == session_trace([data], MAIL, **limits)


# ---- misuse ----


@pytest.mark.holds("T-API-4", "B")
def test_input_of_nothing_and_after_the_end() -> None:
    for machine in (ClientMachine({"tls": _core.TLS_NEVER}), SessionMachine({"link_protected": True})):
        machine.input(b"")
        assert machine.next() is None
        for _ in range(5):
            machine.input(b"x" * 20_000)
        with pytest.raises((poplin.StateError, poplin.LimitExceeded)):
            while machine.next() or machine.output():
                pass
            machine.input(b"QUIT\r\nQUIT\r\n")
            while machine.next() or machine.output():
                pass
            machine.eof(True)
            machine.input(b"x")
        with pytest.raises(TypeError):
            machine.input("text")  # type: ignore[arg-type]
