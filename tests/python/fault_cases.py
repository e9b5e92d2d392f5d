"""
Each setting of a fault on the wire: conversations by the name of the setting that they show. What the settings mean
stands with `poplin.testing.Server.fault`. Those that draw lots are left to tests of their own.
"""

from wire import (
    BYE,
    CAPA,
    CAPA_STLS,
    CONNECT,
    GREETING,
    HANDSHAKE,
    LIST,
    NOOP,
    PASS,
    RETR_1,
    RETR_2,
    STAT,
    STLS,
    USER,
    Case,
)

NO = b"-ERR no\r\n"
MARKED = b"+OK message 1 marked\r\n"
LOGIN = ("USER alice\r\nPASS secret", USER + PASS)
DELE_1 = ("DELE 1", MARKED)
TOKEN = "AGFsaWNlAHNlY3JldA=="
MIB = 1 << 20

RETR_1_UNSTUFFED = RETR_1.replace(b"..", b".")
RETR_1_DOUBLE_CR = b"+OK 28 octets\r\nSubject: hi\r\r\n\r\r\n..hello\r\r\nbye\r\r\n.\r\n"


def padded(line: bytes, size: int) -> bytes:
    """The line with so many octets, its end included."""
    return line[:-2] + b" " + b"x" * (size - len(line) - 1) + b"\r\n"


CONDITIONS: dict[str, list[Case]] = {
    "session": [
        Case("NOOP session=2 refuse=no", (("NOOP", NOOP), (CONNECT, GREETING), LOGIN, ("NOOP", NO))),
        Case("GREETING session=1 reply=-ERR", (("", b"-ERR\r\n"), (CONNECT, GREETING)), login=False),
    ],
    "user": [
        Case("NOOP user=alice refuse=no", (("NOOP", NO),)),
        Case(
            "NOOP user=alice refuse=no",
            (
                ("", GREETING),
                ("NOOP", b"-ERR log in first\r\n"),
                ("USER bob", USER),
                ("NOOP", b"-ERR log in first\r\n"),
                ("USER alice", USER),
                ("NOOP", NO),
            ),
            login=False,
        ),
    ],
    "message": [Case("* message=2 refuse=no", (("RETR 1", RETR_1), ("RETR 2", NO), ("DELE 2", NO), ("STAT", STAT)))],
    "unique_id": [Case("RETR unique_id=<2> refuse=no", (("RETR 1", RETR_1), ("RETR 2", NO)))],
    "tls": [
        Case(
            f"CAPA tls={tls} refuse=no",
            (("", GREETING), ("CAPA", before), ("STLS", STLS), (HANDSHAKE, b""), ("CAPA", after)),
            tls="stls",
            login=False,
        )
        for tls, before, after in (("yes", CAPA_STLS, NO), ("no", NO, CAPA))
    ],
    "pipelined": [Case("NOOP pipelined refuse=no", (("NOOP", NOOP), ("NOOP\r\nSTAT", NO + STAT)))],
    "initial": [
        Case(
            "AUTH initial refuse=no",
            (("", GREETING), (f"AUTH PLAIN {TOKEN}", NO), ("AUTH PLAIN", b"+ \r\n"), (TOKEN, PASS)),
            login=False,
            outcome="committed",
        )
    ],
    "nth": [
        Case("NOOP nth=2 refuse=no", (("NOOP", NOOP), ("NOOP", NO), ("NOOP", NOOP))),
        Case("NOOP nth=2 refuse=no", (("NOOP", NOOP), (CONNECT, GREETING), LOGIN, ("NOOP", NO), ("NOOP", NOOP))),
        Case("RETR message=2 nth=2 refuse=no", (("RETR 2", RETR_2), ("RETR 1", RETR_1), ("RETR 2", NO))),
    ],
    "times": [
        Case("NOOP times=2 refuse=no", (("NOOP", NO), ("NOOP", NO), ("NOOP", NOOP))),
        Case("NOOP nth=2 times=2 refuse=no", (("NOOP", NOOP), ("NOOP", NO), ("NOOP", NO), ("NOOP", NOOP))),
    ],
}

INSTEAD: dict[str, list[Case]] = {
    "refuse": [
        Case('DELE refuse="[SYS/TEMP] later"', (("DELE 1", b"-ERR [SYS/TEMP] later\r\n"),)),
        Case(
            'PASS refuse="[IN-USE] wait"',
            (("", GREETING), ("USER alice", USER), ("PASS secret", b"-ERR [IN-USE] wait\r\n"), ("USER alice", USER)),
            login=False,
        ),
        Case("XTND refuse=no", (("XTND x", NO), ("xtnd", NO), ("XTNE", b"-ERR unknown command\r\n"))),
    ],
    "reply": [
        Case('DELE reply="+OK gone"', (("DELE 1", b"+OK gone\r\n"),)),
        Case("GREETING reply=-ERR", (("", b"-ERR\r\n"),), login=False),
        Case("QUIT times=1 reply=+OK", (DELE_1, ("QUIT", b"+OK\r\n")), left=1),
        Case("AUTOLOGOUT reply=+OK", (DELE_1,), later=((590, b""), (11, b"+OK\r\n")), end="close", outcome="timed out"),
    ],
    "raw": [
        Case(r'NOOP raw="\x00\xff no line"', (("NOOP", b"\x00\xff no line"), ("STAT", STAT))),
        Case('NOOP raw=""', (("NOOP", b""), ("STAT", STAT))),
    ],
    "run": [
        Case("TOP run=RETR", (("TOP 1 0", RETR_1), ("TOP 2 0", RETR_2))),
        Case("RETR run=DELE", (("RETR 1", MARKED),), left=1),
        Case("XTND run=STAT", (("XTND", STAT),)),
        Case("NOOP run=QUIT", (DELE_1, ("NOOP", BYE)), end="close", left=1, outcome="committed"),
        Case(
            "NOOP run=STLS",
            (("", GREETING), ("NOOP", STLS), (HANDSHAKE, b""), ("CAPA", CAPA)),
            tls="stls",
            login=False,
        ),
    ],
    "drop_before": [
        Case("NOOP drop_before", (("NOOP", b""),), end="drop"),
        Case("NOOP drop_before", (("NOOP", b""),), end="drop", tls="implicit"),
        Case("QUIT drop_before", (DELE_1, ("QUIT", b"")), end="drop"),
        Case("GREETING drop_before", (), end="drop", login=False),
        Case("STLS drop_before", (("", GREETING), ("STLS", b"")), end="drop", login=False),
    ],
    "reset_before": [
        Case("NOOP reset_before", (("NOOP", b""),), end="reset"),
        Case("QUIT reset_before", (DELE_1, ("QUIT", b"")), end="reset"),
    ],
    "close_before": [
        Case("NOOP close_before", (("NOOP", b""),), end="close"),
        Case("NOOP close_before", (("NOOP", b""),), end="close", tls="implicit"),
        Case("QUIT close_before", (DELE_1, ("QUIT", b"")), end="close"),
    ],
    "stall_before": [
        Case("DELE stall_before", (("DELE 1", b""),), end="silence"),
        Case("GREETING stall_before", (), end="silence", login=False),
        Case("NOOP stall_before", (("NOOP", b""),), end="silence", tls="implicit"),
    ],
}

REWRITES: dict[str, list[Case]] = {
    "show_deleted": [
        Case(
            "LIST show_deleted",
            (
                ("LIST", LIST),
                DELE_1,
                ("LIST", b"+OK 2 messages\r\n1 0\r\n2 11\r\n.\r\n"),
                ("LIST 1", b"+OK 1 0\r\n"),
                ("LIST 3", b"-ERR no such message\r\n"),
            ),
            left=1,
        ),
        Case("STAT show_deleted", (DELE_1, ("STAT", b"+OK 2 11\r\n")), left=1),
    ],
    "guess_sizes": [
        Case(
            "LIST guess_sizes",
            (("LIST", b"+OK 2 messages\r\n1 1024\r\n2 1024\r\n.\r\n"), ("LIST 2", b"+OK 2 1024\r\n")),
        ),
        Case("STAT guess_sizes", (("STAT", b"+OK 2 1024\r\n"),)),
    ],
    "miscount": [
        Case(
            "LIST miscount=-12",
            (("LIST", b"+OK 2 messages\r\n1 16\r\n2 0\r\n.\r\n"), ("LIST 1", b"+OK 1 16\r\n")),
        ),
        Case("STAT miscount=+7", (("STAT", b"+OK 2 46\r\n"),)),
        Case("RETR miscount=1000", (("RETR 1", RETR_1.replace(b"28", b"1028")),)),
    ],
    "no_numbers": [
        Case("LIST no_numbers", (("LIST", b"+OK 2 messages\r\n28\r\n11\r\n.\r\n"), ("LIST 1", b"+OK 28\r\n"))),
        Case("UIDL no_numbers", (("UIDL", b"+OK 2 messages\r\n<1>\r\n<2>\r\n.\r\n"), ("UIDL 1", b"+OK <1>\r\n"))),
    ],
    "unique_ids": [
        Case(
            "UIDL unique_ids=long",
            (("UIDL", b"+OK 2 messages\r\n1 <1:100>\r\n2 <2:100>\r\n.\r\n"), ("UIDL 2", b"+OK 2 <2:100>\r\n")),
        ),
        Case(
            "UIDL unique_ids=same",
            (("UIDL", b"+OK 2 messages\r\n1 same\r\n2 same\r\n.\r\n"), ("UIDL 1", b"+OK 1 same\r\n")),
        ),
    ],
    "status": [
        Case("NOOP status=*OK", (("NOOP", b"*OK\r\n"),)),
        Case("RETR status=-ERR", (("RETR 1", RETR_1.replace(b"+OK 28 octets", b"-ERR")),)),
        Case("QUIT times=1 status=-ERR", (DELE_1, ("QUIT", b"-ERR\r\n")), end="close", left=1, outcome="committed"),
    ],
    "count_header_lines": [
        Case(
            "TOP count_header_lines",
            (("TOP 1 1", b"+OK top of message follows\r\nSubject: hi\r\n.\r\n"),),
        ),
        Case("TOP run=RETR count_header_lines", (("TOP 1 4", RETR_1), ("TOP 1 0", RETR_1))),
    ],
    "strip": [
        Case("CAPA strip=sasl", (("CAPA", CAPA.replace(b"SASL PLAIN\r\n", b"")),)),
        Case("LIST strip=1", (("LIST", LIST.replace(b"1 28\r\n", b"")),)),
    ],
    "add": [
        Case('CAPA add="EXPIRE 0"', (("CAPA", CAPA[:-3] + b"EXPIRE 0\r\n.\r\n"),)),
        Case('LIST add="3 0"', (("LIST", b"+OK 2 messages\r\n1 28\r\n2 11\r\n3 0\r\n.\r\n"),)),
    ],
    "duplicate_line": [
        Case("UIDL duplicate_line=2", (("UIDL", b"+OK 2 messages\r\n1 <1>\r\n2 <2>\r\n2 <2>\r\n.\r\n"),))
    ],
    "omit_line": [Case("LIST omit_line=1", (("LIST", b"+OK 2 messages\r\n2 11\r\n.\r\n"),))],
    "replace_line": [Case("LIST replace_line=1 text=x", (("LIST", b"+OK 2 messages\r\nx\r\n2 11\r\n.\r\n"),))],
    "text": [
        Case('UIDL replace_line=2 text="2 "', (("UIDL", b"+OK 2 messages\r\n1 <1>\r\n2 \r\n.\r\n"),)),
        Case("LIST replace_line=2 text=.", (("LIST", b"+OK 2 messages\r\n1 28\r\n.\r\n.\r\n"),)),
    ],
    "long_line": [
        Case("NOOP long_line=513", (("NOOP", padded(NOOP, 513)),)),
        Case(
            f"RETR long_line={MIB}",
            (("RETR 1", RETR_1.replace(b"Subject: hi\r\n", padded(b"Subject: hi\r\n", MIB))),),
        ),
    ],
    "unstuff": [
        Case("RETR unstuff=first", (("RETR 1", RETR_1), ("RETR 2", RETR_2.replace(b"..", b".")))),
        Case("RETR unstuff=all", (("RETR 1", RETR_1_UNSTUFFED),)),
    ],
    "stuff_every": [
        Case("RETR stuff_every=15", (("RETR 1", RETR_1_UNSTUFFED),)),
        Case("RETR stuff_every=14", (("RETR 1", RETR_1),)),
    ],
    "abort_at": [
        Case(
            "RETR abort_at=14",
            (
                (
                    "RETR 1",
                    b"+OK 28 octets\r\nSubject: hi\r\n\r\n.\r\n-ERR the message could not be read, internal error\r\n",
                ),
            ),
        )
    ],
    "no_terminator": [Case("LIST no_terminator", (("LIST", LIST[:-3]), ("NOOP", NOOP)))],
    "double_cr": [
        Case("RETR double_cr", (("RETR 1", RETR_1_DOUBLE_CR),)),
        Case("NOOP double_cr", (("NOOP", NOOP.replace(b"\r", b"\r\r")),)),
    ],
    "bare_lf": [
        Case("RETR bare_lf", (("RETR 1", RETR_1.replace(b"\r", b"")),)),
        Case("GREETING bare_lf", (("", GREETING.replace(b"\r", b"")),), login=False),
    ],
    "insert": [
        Case(
            r'STLS insert="+OK\r\n"',
            (("", GREETING), ("STLS", STLS + b"+OK\r\n"), (HANDSHAKE, b""), ("CAPA", CAPA)),
            tls="stls",
            login=False,
        ),
        Case(r'RETR insert="\x00" times=1', (("RETR 1", RETR_1 + b"\x00"), ("RETR 1", RETR_1))),
    ],
    "at": [Case(r'NOOP insert="\x00\xff" at=3', (("NOOP", NOOP[:3] + b"\x00\xff" + NOOP[3:]),))],
    "append": [Case(r'NOOP append="+OK\r\n* BYE"', (("NOOP", NOOP + b"+OK\r\n* BYE"), ("STAT", STAT)))],
    "cut": [
        Case("RETR cut=20", (("RETR 1", RETR_1[:20]), ("NOOP", NOOP))),
        Case("DELE cut=0", (("DELE 1", b""), ("NOOP", NOOP)), left=1),
    ],
}

LEAVING: dict[str, list[Case]] = {
    "delay": [
        Case("NOOP delay=3600", (("NOOP", b""),), later=((3590, b""), (11, NOOP))),
        Case("GREETING delay=3600", (), later=((3590, b""), (11, GREETING)), login=False),
        Case(
            "QUIT times=1 delay=3600",
            (DELE_1, ("QUIT", b"")),
            later=((3601, BYE),),
            end="close",
            left=1,
            outcome="committed",
        ),
    ],
    "trickle": [Case("NOOP trickle=9", (("NOOP", NOOP),))],
    "every": [
        Case(
            "NOOP trickle=6 every=3600",
            (("NOOP", NOOP[:6]),),
            later=((3590, b""), (11, NOOP[6:12]), (3590, b""), (11, NOOP[12:])),
        )
    ],
    "drop_after": [
        Case("RETR drop_after=20", (("RETR 1", RETR_1[:20]),), end="drop"),
        Case("RETR drop_after=20", (("RETR 1", RETR_1[:20]),), end="drop", tls="implicit"),
        Case("RETR drop_after=1000", (("RETR 1", RETR_1),), end="drop"),
        Case("QUIT drop_after=0", (DELE_1, ("QUIT", b"")), end="drop", left=1, outcome="committed"),
        Case("QUIT drop_after=5", (DELE_1, ("QUIT", BYE[:5])), end="drop", left=1, outcome="committed"),
        Case("DELE drop_after=0", (("DELE 1", b""),), end="drop"),
    ],
    "reset_after": [
        Case("RETR reset_after=20", (("RETR 1", RETR_1[:20]),), end="reset"),
        Case("QUIT reset_after=0", (DELE_1, ("QUIT", b"")), end="reset", left=1, outcome="committed"),
    ],
    "close_after": [
        Case("RETR close_after=20", (("RETR 1", RETR_1[:20]),), end="close"),
        Case("RETR close_after=20", (("RETR 1", RETR_1[:20]),), end="close", tls="implicit"),
    ],
    "stall_after": [
        Case("RETR stall_after=20", (("RETR 1", RETR_1[:20]),), end="silence"),
        Case("LIST stall_after=1000", (("LIST", LIST),), end="silence"),
        Case("QUIT stall_after=0", (DELE_1, ("QUIT", b"")), end="silence", left=1, outcome="committed"),
    ],
}

CASES = CONDITIONS | INSTEAD | REWRITES | LEAVING
