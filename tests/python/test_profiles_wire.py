"""Quirks and attacks as a plain socket meets them, by their names. What each is stands in QUIRKS and ATTACKS."""

import pytest
from fault_cases import DELE_1, LOGIN, TOKEN
from wire import (
    BYE,
    CAPA,
    CAPA_STLS,
    GREETING,
    HANDSHAKE,
    LIST,
    NOOP,
    PASS,
    RETR_1,
    RETR_2,
    STAT,
    STLS,
    Case,
    Wire,
    play,
    serve,
)

from poplin.testing import ATTACKS, QUIRKS

BROKEN_OFF = b".\r\n-ERR the message could not be read, internal error\r\n"
UNSTUFFED = b"+OK 11 octets\r\n.first\r\nx\r\n.\r\n"
TOP_OK = b"+OK top of message follows\r\n"
APOP_GREETING = b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n"


def by_name(*cases: Case) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.fault, []).append(case)
    return found


QUIRK_CASES = by_name(
    Case("first-dot-unstuffed", (("RETR 2", UNSTUFFED), ("TOP 2 1", TOP_OK + UNSTUFFED[15:]), ("RETR 1", RETR_1))),
    Case("top-sends-everything", (("TOP 1 0", RETR_1), ("TOP 2 1", RETR_2))),
    Case(
        "error-inside-message",
        (
            ("RETR 1", b"+OK 28 octets\r\nSubject: hi\r\n" + BROKEN_OFF),
            ("TOP 2 0", TOP_OK + b"..first\r\n" + BROKEN_OFF),
            ("NOOP", NOOP),
        ),
    ),
    Case(
        "doubled-cr",
        (
            ("RETR 1", b"+OK 28 octets\r\nSubject: hi\r\r\n\r\r\n..hello\r\r\nbye\r\r\n.\r\n"),
            ("TOP 1 0", TOP_OK + b"Subject: hi\r\r\n\r\r\n.\r\n"),
            ("LIST", LIST),
        ),
    ),
    Case("dots-stuffed-per-chunk", (("RETR 2", UNSTUFFED), ("TOP 2 1", TOP_OK + UNSTUFFED[15:]), ("RETR 1", RETR_1))),
    Case(
        "deleted-listed-as-empty",
        (
            ("LIST", LIST),
            ("STAT", STAT),
            DELE_1,
            ("LIST", b"+OK 2 messages\r\n1 0\r\n2 11\r\n.\r\n"),
            ("LIST 1", b"+OK 1 0\r\n"),
            ("STAT", b"+OK 2 11\r\n"),
        ),
        left=1,
    ),
    Case("header-lines-counted", (("TOP 1 1", b"+OK 28 octets\r\nSubject: hi\r\n.\r\n"), ("TOP 1 0", RETR_1))),
    Case(
        "bye-like-imap",
        (DELE_1, ("QUIT", BYE + b"* BYE Server shutting down.\r\n")),
        end="close",
        left=1,
        outcome="committed",
    ),
    Case(
        "bye-like-imap",
        (DELE_1,),
        later=((590, b""), (11, b"* BYE Server shutting down.\r\n")),
        end="close",
        outcome="timed out",
    ),
    Case(
        "timeout-like-smtp",
        (DELE_1,),
        later=((590, b""), (11, b"421 Timeout waiting for data from client.\r\n")),
        end="close",
        outcome="timed out",
    ),
    Case(
        "guessed-sizes",
        (
            ("LIST", b"+OK 2 messages\r\n1 1024\r\n2 1024\r\n.\r\n"),
            ("LIST 2", b"+OK 2 1024\r\n"),
            ("STAT", b"+OK 2 1024\r\n"),
            ("RETR 1", RETR_1),
        ),
    ),
    Case(
        "two-step-auth-only",
        (
            ("", GREETING),
            (f"AUTH PLAIN {TOKEN}", b"-ERR Protocol error. 10\r\n"),
            ("AUTH PLAIN", b"+ \r\n"),
            (TOKEN, PASS),
        ),
        login=False,
        outcome="committed",
    ),
    Case(
        "drops-pipelining-unannounced",
        (("CAPA", CAPA.replace(b"PIPELINING\r\n", b"")), ("NOOP", NOOP), ("NOOP\r\nSTAT", b"")),
        end="drop",
    ),
    Case("announces-pipelining-in-vain", (("NOOP", NOOP), DELE_1, ("NOOP\r\nSTAT", b"")), end="drop"),
    Case(
        "listing-without-numbers",
        (
            ("LIST", b"+OK 2 messages\r\n28\r\n11\r\n.\r\n"),
            ("LIST 1", b"+OK 28\r\n"),
            ("UIDL", b"+OK 2 messages\r\n<1>\r\n<2>\r\n.\r\n"),
            ("UIDL 2", b"+OK <2>\r\n"),
        ),
    ),
    Case(
        "long-unique-ids",
        (("UIDL", b"+OK 2 messages\r\n1 <1:100>\r\n2 <2:100>\r\n.\r\n"), ("UIDL 2", b"+OK 2 <2:100>\r\n")),
    ),
    Case(
        "repeated-unique-ids",
        (("UIDL", b"+OK 2 messages\r\n1 same\r\n2 same\r\n.\r\n"), ("UIDL 2", b"+OK 2 same\r\n")),
    ),
)

INJECTED = b"+OK\r\nSASL PLAIN LOGIN\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n"
UNDER_TLS = ((HANDSHAKE, b""), ("CAPA", CAPA), LOGIN)


def attack(name: str, *talk: tuple[str, bytes], **settings: object) -> Case:
    return Case(name, talk, login=False, tls="stls", **settings)  # type: ignore[arg-type]


ATTACK_CASES = by_name(
    attack("stls-stripped", ("", GREETING), ("CAPA", CAPA), ("STLS", STLS), *UNDER_TLS, outcome="committed"),
    attack(
        "stls-refused",
        ("", GREETING),
        ("CAPA", CAPA_STLS),
        ("STLS", b"-ERR TLS is not available just now\r\n"),
        LOGIN,
        outcome="committed",
    ),
    attack(
        "stls-hidden",
        ("", GREETING),
        ("CAPA", b"-ERR unknown command\r\n"),
        ("STLS", b"-ERR unknown command\r\n"),
        LOGIN,
        outcome="committed",
    ),
    attack("stls-silent", ("", GREETING), ("CAPA", CAPA_STLS), ("STLS", b"+OK begin TLS\r\n"), end="silence"),
    attack("stls-injected-reply", ("", GREETING), ("STLS", STLS + INJECTED), *UNDER_TLS, outcome="committed"),
    attack("stls-injected-fragment", ("", GREETING), ("STLS", STLS + b"-ERR [AUTH] "), *UNDER_TLS, outcome="committed"),
    attack(
        "capabilities-differ",
        ("", GREETING),
        ("CAPA", CAPA_STLS.replace(b"UIDL\r\n", b"")[:-3] + b"EXPIRE 0\r\n.\r\n"),
        ("STLS", STLS),
        (HANDSHAKE, b""),
        ("CAPA", CAPA.replace(b"PIPELINING\r\n", b"")[:-3] + b"LOGIN-DELAY 1\r\n.\r\n"),
    ),
    attack(
        "preauthenticated-greeting",
        ("", b"+OK maildrop has 2 messages (320 octets)\r\n"),
        ("STAT", b"-ERR log in first\r\n"),
        ("STLS", STLS),
        *UNDER_TLS,
        outcome="committed",
    ),
    attack(
        "greeting-with-listing",
        ("", GREETING + b"1 120\r\n2 200\r\n.\r\n"),
        ("STLS", STLS),
        *UNDER_TLS,
        outcome="committed",
    ),
    attack(
        "apop-bait",
        ("", APOP_GREETING),
        (
            "CAPA",
            CAPA_STLS.replace(b"USER\r\nSASL PLAIN\r\n", b"")[:-3] + b"USER\r\nSASL PLAIN LOGIN CRAM-MD5\r\n.\r\n",
        ),
        ("APOP alice c4c9334bac560ecc979e58001b3e22fb", b"-ERR not offered here\r\n"),
        ("STLS", STLS),
        *UNDER_TLS,
        outcome="committed",
    ),
)

CASES = QUIRK_CASES | ATTACK_CASES


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{name}-{at}") for name, cases in CASES.items() for at, case in enumerate(cases)]
)
def test_what_it_does(case: Case) -> None:
    play(case)


def test_every_quirk_and_every_attack_is_shown() -> None:
    assert QUIRK_CASES.keys() == QUIRKS.keys()
    assert ATTACK_CASES.keys() == ATTACKS.keys()


def test_a_dot_is_not_stuffed_where_a_chunk_begins() -> None:
    """Every 16 KiB of the message, and nowhere else."""
    chunk = b"x" * 78 + b"\r\n"
    message = (chunk * 205)[:16382] + b"\r\n.here\r\n.there\r\n"
    with serve(quirks=["dots-stuffed-per-chunk"]) as server:
        server.deliver("alice", message)
        with Wire(server) as wire:
            assert wire.line()
            wire.say(b"USER alice", b"PASS secret", b"RETR 3", b"QUIT")
            assert wire.rest().endswith(b"\r\n.here\r\n..there\r\n.\r\n" + BYE)
