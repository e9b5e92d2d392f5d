"""
What a foreign client makes of each setting of a fault, each quirk, each attack and each bad certificate: a table. The
clients are those of Debian 12 (curl 7.88, fetchmail 6.4.37, mpop 1.4.18, poplib of Python 3.11); where one does what it
should not, the row says so.
"""

import poplib
from dataclasses import dataclass
from typing import Literal

from interop.attempts import Client, by_poplib, curl, fetchmail, mpop

MAIL = (b"Subject: one\r\n\r\n.dot\r\nlast\r\n", b".dot: two\r\n\r\nmore\r\n")
ONE, TWO = MAIL
LF = tuple(message.replace(b"\r", b"") for message in MAIL)
NONE: tuple[bytes, ...] = ()

EOF = "-ERR EOF"
"""What poplib says where the connection ends."""


@dataclass(frozen=True)
class Meeting:
    """What the client did, and what the server's books have to say of its last session."""

    fault: str
    """Its text, or the name of a quirk or an attack."""

    client: Client
    code: int | str
    said: str = ""
    """Part of what it printed."""

    mail: tuple[bytes, ...] = NONE
    outcome: str = "dropped"
    left: int = 2
    """Messages in the maildrop afterwards."""

    sessions: int = 1
    leaks: bool = False
    """Whether the password crossed in clear although TLS was to be had."""

    rescue: Literal["", "the clock moves", "the server stops"] = ""
    """What ends the client's wait once it has logged in or met the fault."""

    inactivity: float = 1_000_000
    """The server's, in seconds: the clock moves by hours."""


# ---- what poplib is told to do ----


def pipeline(pop: poplib.POP3, mail: list[bytes]) -> None:
    pop._putline(b"NOOP\r\nNOOP")  # type: ignore[attr-defined]
    pop._getresp()  # type: ignore[attr-defined]
    pop._getresp()  # type: ignore[attr-defined]


def first(pop: poplib.POP3, mail: list[bytes]) -> None:
    mail.append(b"".join(line + b"\r\n" for line in pop.retr(1)[1]))
    pop.dele(1)


def listing(pop: poplib.POP3, mail: list[bytes]) -> object:
    pop.dele(1)
    return pop.stat(), pop.list()[1]


def unique_ids(pop: poplib.POP3, mail: list[bytes]) -> object:
    return pop.uidl()[1]


def idle(pop: poplib.POP3, mail: list[bytes]) -> None:
    pop.dele(1)
    pop._getresp()  # type: ignore[attr-defined]


def twenty(pop: poplib.POP3, mail: list[bytes]) -> str:
    """Which of twenty commands were refused."""
    seen = ""
    for _ in range(20):
        try:
            pop.noop()
            seen += "."
        except poplib.error_proto:
            seen += "x"
    return seen


SETTINGS: dict[str, list[Meeting]] = {
    "session": [
        Meeting(
            "RETR session=1 refuse=no", curl(), 0, "Weird server reply", mail=(TWO,), sessions=2, outcome="committed"
        )
    ],
    "user": [Meeting("STAT user=alice refuse=no", mpop(), 76, "-ERR no")],
    "message": [Meeting("RETR message=2 refuse=no", fetchmail(), 0, mail=LF[:1], left=1, outcome="committed")],
    "unique_id": [Meeting("RETR unique_id=<2> refuse=no", mpop(), 76, "RETR 2 failed", mail=LF[:1])],
    "tls": [Meeting("CAPA tls=yes refuse=no", curl(tls="stls"), 0, mail=MAIL, outcome="committed")],
    "pipelined": [Meeting("NOOP pipelined refuse=no", by_poplib(pipeline), "error_proto", "-ERR no")],
    "initial": [Meeting("AUTH initial refuse=no", curl("--sasl-ir", what="1"), 67)],
    "nth": [Meeting("RETR nth=2 refuse=no", by_poplib(), "error_proto", "-ERR no", mail=MAIL[:1])],
    "times": [Meeting('RETR times=1 refuse="[SYS/TEMP] no"', fetchmail(), 0, mail=LF[1:], left=1, outcome="committed")],
    "probability": [
        Meeting(
            "NOOP probability=0.5 seed=1 refuse=no", by_poplib(twenty), 0, "'xxxx.xx..x...xxxx..x'", outcome="committed"
        )
    ],
    "seed": [
        Meeting(
            "NOOP probability=0.5 seed=2 refuse=no", by_poplib(twenty), 0, "'.x...xxx.xx..xxx.x.x'", outcome="committed"
        )
    ],
    "name": [Meeting("RETR name=tired refuse=no", by_poplib(), "error_proto", "-ERR no")],
    "refuse": [Meeting('PASS refuse="[IN-USE] wait"', fetchmail(), 9, "lock busy", outcome="left")],
    "reply": [Meeting('STAT reply="+OK 0 0"', fetchmail(), 1, "No mail", outcome="committed")],
    "raw": [Meeting(r'GREETING raw="220 smtp\r\n"', mpop(), 76, "invalid reply")],
    "run": [Meeting("DELE run=NOOP", by_poplib(), 0, mail=MAIL, outcome="committed")],
    # What was not committed comes again: a client that does not remember unique-ids delivers it twice.
    "drop_before": [Meeting("QUIT drop_before", fetchmail(), 2, "SOCKET", mail=LF)],
    "reset_before": [Meeting("RETR reset_before", by_poplib(), "ConnectionResetError")],
    "close_before": [Meeting("STAT close_before", mpop(), 76, "empty reply")],
    "stall_before": [Meeting("GREETING stall_before", curl(what="1", patience=1), 28)],
    "show_deleted": [
        Meeting("LIST show_deleted", by_poplib(listing), 0, "((1, 19), [b'1 0', b'2 19'])", left=1, outcome="committed")
    ],
    "guess_sizes": [Meeting("STAT guess_sizes", fetchmail(), 0, "1024", mail=LF, left=0, outcome="committed")],
    "miscount": [Meeting("LIST miscount=-20", fetchmail(), 0, "8 octets", mail=LF, left=0, outcome="committed")],
    "no_numbers": [Meeting("UIDL no_numbers", mpop(), 76, "invalid reply to command UIDL")],
    "unique_ids": [Meeting("UIDL unique_ids=long", mpop(), 0, mail=LF, left=0, outcome="committed")],
    "status": [Meeting("GREETING status=*OK", fetchmail(), 4, "PROTOCOL", outcome="left")],
    "count_header_lines": [
        Meeting("TOP count_header_lines", curl("-X", "TOP 1 1", what=""), 0, "Subject: one\r\n", outcome="committed")
    ],
    "strip": [Meeting("CAPA strip=SASL", mpop(), 69, "does not support authentication method PLAIN")],
    "add": [Meeting('LIST add="3 0"', by_poplib(), "error_proto", "no such message", mail=MAIL)],
    "duplicate_line": [Meeting("UIDL duplicate_line=1", mpop(), 76, "invalid reply to command UIDL")],
    "omit_line": [Meeting("LIST omit_line=1", by_poplib(), 0, mail=MAIL[:1], left=1, outcome="committed")],
    "replace_line": [Meeting("LIST replace_line=1 text=x", mpop(), 76, "invalid reply to command LIST")],
    "text": [Meeting('UIDL replace_line=1 text="1 "', mpop(), 76, "invalid reply to command UIDL")],
    "long_line": [
        Meeting("RETR long_line=2050", by_poplib(), "error_proto", "line too long"),
        Meeting("GREETING long_line=100000", mpop(), 76, "invalid reply"),
    ],
    # poplib takes off one dot only of two: where a server stuffs nothing it is right by chance.
    "unstuff": [
        Meeting("RETR unstuff=all", by_poplib(), 0, mail=MAIL, left=0, outcome="committed"),
        Meeting(
            "RETR unstuff=all",
            mpop(),
            0,
            mail=tuple(message.replace(b".", b"") for message in LF),
            left=0,
            outcome="committed",
        ),
    ],
    # curl puts a CR where the very first dot was, and keeps the others.
    "stuff_every": [
        Meeting("RETR stuff_every=16", curl(), 0, mail=(ONE, b"\r" + TWO[1:]), outcome="committed"),
    ],
    # fetchmail delivers what was broken off, and deletes the message.
    "abort_at": [
        Meeting("RETR abort_at=0 times=1", fetchmail(), 24, mail=(b"Subject: one\n\n",), left=1, outcome="committed")
    ],
    "no_terminator": [
        Meeting("RETR no_terminator", by_poplib(), "error_proto", EOF, outcome="failed", rescue="the server stops"),
        Meeting("LIST no_terminator", mpop(patience=1), 74, "timed out"),
    ],
    "double_cr": [Meeting("RETR double_cr", mpop(), 0, mail=MAIL, left=0, outcome="committed")],
    "bare_lf": [
        Meeting("RETR bare_lf", fetchmail(), 0, mail=LF, left=0, outcome="committed"),
        # curl waits for CRLF . CRLF.
        Meeting("RETR bare_lf", curl(what="1", patience=1), 28, mail=(b"Subject: one\n\n..dot\nlast\n.\n",)),
    ],
    "insert": [
        Meeting(
            r'RETR insert="X: y\r\n" at=15 message=1',
            by_poplib(),
            0,
            mail=(b"X: y\r\n" + ONE, TWO),
            left=0,
            outcome="committed",
        )
    ],
    "at": [Meeting(r'GREETING insert="\x00" at=0', mpop(), 76, "invalid reply")],
    "garbage": [Meeting("GREETING garbage=100 at=0 seed=1", mpop(), 76, "invalid reply")],
    # The second +OK is taken for the reply to DELE, and so on: the second message begins with the server's words, and
    # is deleted.
    "append": [
        Meeting(
            r'RETR append="+OK\r\n"',
            by_poplib(),
            0,
            mail=(ONE, b"+OK 19 octets\r\n" + TWO),
            left=0,
            outcome="committed",
        )
    ],
    "cut": [
        Meeting("RETR cut=20", by_poplib(), "error_proto", EOF, outcome="failed", rescue="the server stops"),
    ],
    "delay": [
        Meeting("GREETING delay=3600", fetchmail(), 0, mail=LF, left=0, outcome="committed", rescue="the clock moves")
    ],
    "jitter": [Meeting("RETR jitter=36000", mpop(), 0, mail=LF, left=0, outcome="committed", rescue="the clock moves")],
    "trickle": [Meeting("RETR trickle=7", curl(), 0, mail=MAIL, outcome="committed")],
    "every": [
        Meeting(
            "RETR trickle=7 every=3600",
            by_poplib(),
            0,
            mail=MAIL,
            left=0,
            outcome="committed",
            rescue="the clock moves",
        )
    ],
    # curl takes half a message for a whole one, under TLS too.
    "drop_after": [
        Meeting("RETR drop_after=20", curl(what="1"), 0, mail=(b"Subje",)),
        Meeting("RETR drop_after=20", curl(what="1", tls="implicit"), 0, mail=(b"Subje",)),
        # Behind the commit: all is well, and the client thinks that it is not.
        Meeting("QUIT drop_after=0", mpop(), 65, "empty reply", mail=LF, left=0, outcome="committed"),
    ],
    "reset_after": [Meeting("RETR reset_after=20", curl(what="1"), 56, mail=(b"Subje",))],
    "close_after": [Meeting("RETR close_after=20", by_poplib(), "error_proto", EOF)],
    "stall_after": [Meeting("RETR stall_after=20", fetchmail(patience=1), 2, "timeout after 1 seconds")],
}

WITHOUT_DOT = tuple(message.removeprefix(b".") for message in LF)

QUIRKS: dict[str, list[Meeting]] = {
    "first-dot-unstuffed": [
        Meeting("first-dot-unstuffed", mpop(), 0, mail=WITHOUT_DOT, left=0, outcome="committed"),
        Meeting("first-dot-unstuffed", curl(), 0, mail=(ONE, b"\r" + TWO[1:]), outcome="committed"),
    ],
    "top-sends-everything": [
        Meeting("top-sends-everything", curl("-X", "TOP 1 0", what=""), 0, ONE.decode(), outcome="committed")
    ],
    # fetchmail deletes the message that it has only the beginning of.
    "error-inside-message": [
        Meeting("error-inside-message", fetchmail(), 24, mail=(b"Subject: one\n\n",), left=1, outcome="committed"),
        Meeting("error-inside-message", by_poplib(), "error_proto", "internal error", mail=(b"Subject: one\r\n",)),
    ],
    "doubled-cr": [Meeting("doubled-cr", mpop(), 0, mail=MAIL, left=0, outcome="committed")],
    "dots-stuffed-per-chunk": [
        Meeting("dots-stuffed-per-chunk", fetchmail(), 0, mail=WITHOUT_DOT, left=0, outcome="committed")
    ],
    "deleted-listed-as-empty": [
        Meeting(
            "deleted-listed-as-empty",
            by_poplib(listing),
            0,
            "((2, 19), [b'1 0', b'2 19'])",
            left=1,
            outcome="committed",
        )
    ],
    "header-lines-counted": [
        Meeting("header-lines-counted", curl("-X", "TOP 1 1", what=""), 0, "Subject: one\r\n", outcome="committed")
    ],
    "bye-like-imap": [Meeting("bye-like-imap", by_poplib(), 0, mail=MAIL, left=0, outcome="committed")],
    "timeout-like-smtp": [
        Meeting(
            "timeout-like-smtp",
            by_poplib(idle),
            "error_proto",
            "421 Timeout",
            outcome="timed out",
            rescue="the clock moves",
            inactivity=600,
        )
    ],
    "guessed-sizes": [Meeting("guessed-sizes", fetchmail(), 0, "1024", mail=LF, left=0, outcome="committed")],
    "two-step-auth-only": [
        Meeting("two-step-auth-only", curl("--sasl-ir", what="1"), 67, "Login denied"),
    ],
    "drops-pipelining-unannounced": [
        Meeting("drops-pipelining-unannounced", by_poplib(pipeline), "error_proto", EOF),
        Meeting("drops-pipelining-unannounced", mpop(), 0, mail=LF, left=0, outcome="committed"),
    ],
    "announces-pipelining-in-vain": [Meeting("announces-pipelining-in-vain", by_poplib(pipeline), "error_proto", EOF)],
    "listing-without-numbers": [
        Meeting("listing-without-numbers", mpop(), 76, "invalid reply to command LIST"),
        Meeting("listing-without-numbers", fetchmail(), 0, mail=LF, left=0, outcome="committed"),
    ],
    "long-unique-ids": [Meeting("long-unique-ids", mpop(), 0, mail=LF, left=0, outcome="committed")],
    "repeated-unique-ids": [
        Meeting("repeated-unique-ids", by_poplib(unique_ids), 0, "[b'1 same', b'2 same']", outcome="committed")
    ],
}

ATTACKS: dict[str, list[Meeting]] = {
    "stls-stripped": [
        Meeting("stls-stripped", curl(what="1", tls="stls"), 64, "STLS not supported"),
        Meeting("stls-stripped", curl(tls="if offered"), 0, mail=MAIL, outcome="committed", leaks=True),
        # fetchmail asks for STLS all the same.
        Meeting("stls-stripped", fetchmail(tls="stls"), 0, mail=LF, left=0, outcome="committed"),
    ],
    "stls-refused": [
        Meeting("stls-refused", by_poplib(tls="stls"), "error_proto", "TLS is not available"),
        Meeting("stls-refused", curl(tls="if offered"), 0, mail=MAIL, outcome="committed", leaks=True),
    ],
    "stls-hidden": [
        Meeting("stls-hidden", fetchmail(tls="stls"), 3, "server refused CAPA command", outcome="left"),
        Meeting("stls-hidden", curl(tls="if offered"), 0, mail=MAIL, outcome="committed", leaks=True),
    ],
    "stls-silent": [
        Meeting("stls-silent", curl(what="1", tls="stls", patience=1), 28),
        Meeting("stls-silent", by_poplib(tls="stls", patience=0.5), "TimeoutError", "timed out"),
    ],
    # poplib forgets what came in clear, without a word.
    "stls-injected-reply": [
        Meeting("stls-injected-reply", curl(what="1", tls="stls"), 8, "Weird server reply", outcome="failed"),
        Meeting("stls-injected-reply", by_poplib(tls="stls"), 0, mail=MAIL, left=0, outcome="committed"),
    ],
    "stls-injected-fragment": [
        Meeting("stls-injected-fragment", mpop(tls="stls"), 76, "STLS failed", outcome="failed"),
        Meeting("stls-injected-fragment", fetchmail(tls="stls"), 2, "upgrade to TLS failed", outcome="failed"),
    ],
    "capabilities-differ": [
        Meeting("capabilities-differ", mpop(tls="stls"), 0, mail=LF, left=0, outcome="committed"),
        Meeting("capabilities-differ", curl(tls="stls"), 0, mail=MAIL, outcome="committed"),
    ],
    "preauthenticated-greeting": [
        Meeting("preauthenticated-greeting", fetchmail(tls="stls"), 0, mail=LF, left=0, outcome="committed"),
    ],
    # The listing is taken for the reply to CAPA: STLS is gone.
    "greeting-with-listing": [
        Meeting("greeting-with-listing", mpop(tls="stls"), 69, "does not support TLS"),
        Meeting("greeting-with-listing", curl(what="1", tls="if offered"), 67),
    ],
    "apop-bait": [
        Meeting("apop-bait", curl(tls="stls"), 0, mail=MAIL, outcome="committed"),
        Meeting("apop-bait", fetchmail(tls="stls"), 0, mail=LF, left=0, outcome="committed"),
    ],
}

REFUSALS: dict[str, tuple[int | str, str]] = {
    "curl": (60, "SSL"),
    "fetchmail": (2, "SSL connection failed"),
    "mpop": (69, "NOT trusted"),
    "poplib": ("SSLCertVerificationError", "certificate verify failed"),
}
"""How each client refuses a certificate."""

TRUSTED_BY: dict[str, set[str]] = {
    "none": {"curl", "fetchmail", "mpop", "poplib"},
    "expired": set(),
    "not-yet-valid": set(),
    "wrong-host": set(),
    "unknown-root": set(),
    "self-signed": set(),
    # GnuTLS's verification, which is mpop's, asks for no key size and no purpose unless it is told to.
    "weak-key": {"mpop"},
    "wrong-purpose": {"mpop"},
    # OpenSSL looks at no stapled response unless it is told to.
    "revoked": {"curl", "fetchmail", "poplib"},
    # Both libraries fall back on the CN where there is one name and no other.
    "name-only-in-cn": {"curl", "fetchmail", "mpop", "poplib"},
}
"""The clients that trust a certificate with this blemish."""
