"""The machines by themselves under any sequence of calls and any octets: only the exceptions that are documented."""

import contextlib
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import poplin
from poplin.protocol import ClientConnection, ServerConnection

ANSWERS = [b"+OK\r\n", b"+OK 1 2\r\n", b"-ERR no\r\n", b"+ \r\n", b"+ YQ==\r\n", b"1 2\r\n", b"1 a\r\n", b"STLS\r\n"]
ANSWERS += [b"PIPELINING\r\n", b"SASL PLAIN SCRAM-SHA-256\r\n", b".\r\n", b"..\r\n", b".\r", b"+O", b"K\r\n"]
COMMANDS = [b"USER alice\r\n", b"PASS secret\r\n", b"AUTH PLAIN\r\n", b"AGFsaWNlAHNlY3JldA==\r\n", b"*\r\n"]
COMMANDS += [b"STLS\r\n", b"STAT\r\n", b"LIST\r\n", b"UIDL 1\r\n", b"RETR 1\r\n", b"TOP 2 1\r\n", b"DELE 1\r\n"]
COMMANDS += [b"CAPA\r\n", b"RSET\r\n", b"UTF8\r\n", b"LANG\r\n", b"NOOP\r\n", b"QUIT\r\n"]
NOISE = [b"", b"\r", b"\n", b"\0", b"\xff\r\n", b"x" * 9000, b"\r\n"]
LINES = ["XTND", "AUTH PLAIN", "PASS secret", "APOP a b", "", "*", "AUTH PLAIN secret", "AUTH  ", "a\n"]

Calls = list[Callable[[], object]]


def client_calls(random: Random) -> tuple[ClientConnection, Calls]:
    pop = ClientConnection(
        tls=random.choice(["never", "never", "stls", "auto", "implicit"]),
        protected=random.random() < 0.5,
        auth=random.choice([None, None, "ANONYMOUS", "APOP LOGIN USER"]),
        max_message=random.choice([None, 5]),
    )
    verbs = [pop.stat, pop.list, pop.uidl, pop.rset, pop.noop, pop.capa, pop.stls, pop.utf8, pop.lang, pop.retr_stop]
    calls: Calls = [
        *verbs,
        lambda: pop.lang("de"),
        lambda: pop.open("alice", "secret"),
        lambda: pop.login("alice", "secret"),
        lambda: pop.retr(random.randint(0, 3)),
        lambda: pop.top(1, 2),
        lambda: pop.dele(1),
        lambda: pop.retr_all([1, (2, 5)]),
        lambda: pop.command(random.choice(LINES), multiline=random.random() < 0.5, secret=random.random() < 0.5),
        lambda: pop.quit() if random.random() < 0.1 else None,
        lambda: (repr(pop), pop.capabilities, pop.mechanism, pop.outstanding),
    ]
    return pop, calls


def server_calls(random: Random) -> tuple[ServerConnection, Calls]:
    session = ServerConnection(
        tls=random.choice(["never", "never", "stls", "implicit"]),
        protected=random.random() < 0.7,
        asks=random.choice(["authenticate", "password", "scram_keys", ("token", "authenticate")]),
        failed_logins=random.random() < 0.5,
        greeting=random.choice(["hi", "a\r\n+OK forged"]),
    )

    def question() -> Any:
        """Hardly ever the one that is open, but the numbers are small."""
        return random.choice([*range(1, 7), 0, -1, 1 << 64])

    errors: list[Any] = [poplin.AuthError, poplin.InUse("a\r\n+OK forged"), poplin.Temporary]
    maildrops: list[Any] = [[], [("a", 3), ("b", None)], [("a", 3), ("a", 3)], [("\n", 1)]]
    calls: Calls = [
        *(2 * [lambda: session.accept(question())]),
        lambda: session.accept_as(question(), "bob"),
        lambda: session.password(question(), "secret"),
        lambda: session.keys(question(), "none"),
        lambda: session.refuse(question(), random.choice(errors)),
        lambda: session.refuse(question(), poplin.Temporary, "a\r\n+OK forged", code="LOGIN-DELAY"),
        *(2 * [lambda: session.open(question(), random.choice(maildrops))]),
        lambda: session.body(question(), random.choice([b"", b"a\n.\n", b".\r\n" * 50_000]), random.random() < 0.6),
        lambda: session.gone(["a"]),
        lambda: session.timeout() if random.random() < 0.05 else None,
        lambda: session.abort("a\r\nb") if random.random() < 0.05 else None,
        lambda: (repr(session), session.commands),
    ]
    return session, calls


@pytest.mark.holds("T-API-4", "B")
@pytest.mark.holds("T-API-7", "B")
@pytest.mark.parametrize("make", [client_calls, server_calls])
@settings(max_examples=150, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_any_sequence_of_calls(make: Callable[[Random], tuple[Any, Calls]], random: Random) -> None:
    end, own = make(random)
    peer = ANSWERS if isinstance(end, ClientConnection) else COMMANDS

    def receive() -> None:
        data = b"".join(random.choices(peer, k=random.randint(0, 3))) + random.choice([b""] * 9 + NOISE)
        end.receive_data(random.choice([bytes, bytearray, memoryview])(data))

    def some_events() -> None:
        for _ in end.events():
            if random.random() < 0.3:
                break

    common: Calls = [
        *(4 * [receive, some_events]),
        *(2 * [end.data_to_send]),
        end.next_event,
        end.tls_started,
        lambda: end.receive_eof(random.random() < 0.5) if random.random() < 0.1 else None,
    ]
    sent = b""
    for _ in range(random.randint(5, 80)):
        with contextlib.suppress(poplin.Error, ValueError, OverflowError):
            result = random.choice(random.choice([common, own]))()
            sent += result if isinstance(result, bytes) else b""
    assert b"\n+OK forged" not in sent, "words of the host's make no reply of their own"
