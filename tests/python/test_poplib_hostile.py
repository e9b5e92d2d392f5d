"""poplin.poplib where servers are hostile, certificates bad, or arguments not what they should be."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

import poplin.poplib
import poplin.testing
from peer import Authority, Server, Step, close, expect, expect_eof, mark, send, send_until_closed, silence, starttls
from poplin.poplib import POP3, POP3_SSL, error_proto

GREETING: list[Step] = [send(b"+OK hi\r\n")]
STLS: list[Step] = [*GREETING, expect(b"CAPA\r\n"), send(b"+OK\r\nSTLS\r\n.\r\n"), expect(b"STLS\r\n")]


@contextlib.contextmanager
def joined(peer: Server, kind: type[POP3] = POP3, **settings: Any) -> Iterator[POP3]:
    """A client of the peer; at the end it is closed without QUIT."""
    pop = kind("127.0.0.1", peer.port, **{"timeout": 20, **settings})
    try:
        yield pop
    finally:
        pop.close()


def answered(command: bytes, *replies: bytes) -> Server:
    return Server([*GREETING, expect(command + b"\r\n"), *map(send, replies), expect_eof()])


# ---- lines ----


@pytest.mark.parametrize("method", ["retr", "top", "uidl", "list"])
def test_long_lines_are_no_error(method: str) -> None:
    line = b"x" * 300_000
    arguments = {"retr": (1,), "top": (1, 2)}.get(method, ())
    command = " ".join([method.upper(), *map(str, arguments)]).encode()
    with answered(command, b"+OK\r\n" + line + b"\r\n..\r\n.\r\n") as peer, joined(peer) as pop:
        assert getattr(pop, method)(*arguments) == (b"+OK", [line, b"."], len(line) + 5)


def test_a_reply_cut_at_every_octet() -> None:
    script = [
        *GREETING,
        expect(b"RETR 1\r\n"),
        send(b"+OK\r\n..a\r\n\r\n...\r\nb\r\r\n.\r\n", cuts="each"),
        expect_eof(),
    ]
    with Server(script) as peer, joined(peer) as pop:
        assert pop.retr(1)[1] == [b".a", b"", b"..", b"b\r"]


@pytest.mark.holds("T-FRM-1", "C")
def test_a_first_line_that_never_ends() -> None:
    with (
        Server([*GREETING, expect(b"NOOP\r\n"), send_until_closed(b"+OK" + b"x" * 4096)]) as peer,
        joined(peer) as pop,
        pytest.raises(error_proto, match="line too long"),
    ):
        pop.noop()
    with Server([send_until_closed(b"+OK" + b"x" * 4096)]) as peer, pytest.raises(error_proto, match="line too long"):
        POP3("127.0.0.1", peer.port, timeout=20)


def test_the_limit_for_first_lines_is_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poplin.poplib, "_MAXLINE", 20_000)
    reply = b"+OK " + b"x" * 19_000
    with answered(b"NOOP", reply + b"\r\n") as peer, joined(peer) as pop:
        assert pop.noop() == reply

    monkeypatch.setattr(poplin.poplib, "_MAXLINE", 2048)
    with answered(b"NOOP", reply + b"\r\n") as peer, joined(peer) as pop:
        monkeypatch.setattr(poplin.poplib, "_MAXLINE", 20_000)
        assert pop.noop() == reply, "also where it is changed later"


@pytest.mark.holds("T-FRM-2", "C")
@pytest.mark.holds("T-FRM-3", "C")
@pytest.mark.parametrize("endless", [b"x" * 65536, b"1 100\r\n" * 8192], ids=["line", "lines"])
@pytest.mark.parametrize("level", [0, 2])
def test_a_reply_that_never_ends_meets_a_limit(
    endless: bytes, level: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(poplin.poplib, "MAX_REPLY", 1_000_000)
    script = [*GREETING, expect(b"LIST\r\n"), send(b"+OK\r\n"), send_until_closed(endless)]
    with Server(script) as peer, joined(peer) as pop:
        pop.set_debuglevel(level)
        with pytest.raises(error_proto, match=r"too long|larger than the limit"):
            pop.list()
        with pytest.raises(error_proto, match="unusable"):
            pop.quit()
        assert pop.sock is None
    capsys.readouterr()


@pytest.mark.holds("T-FRM-4", "C")
@pytest.mark.parametrize(
    "rest", [b"", b"+O", b"+OK", b"+OK\r\nhal", b"+OK\r\nhalf\r\n", b"+OK\r\nhalf\r\n.", b"+OK\r\nhalf\r\n.\r"]
)
def test_a_reply_cut_by_the_end_is_no_message(rest: bytes) -> None:
    with Server([*GREETING, expect(b"RETR 1\r\n"), send(rest), close()]) as peer, joined(peer) as pop:
        with pytest.raises(error_proto, match="EOF"):
            pop.retr(1)


@pytest.mark.holds("T-FRM-8", "C")
@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("dot", [b"\n.\r\n", b"\n.\n", b"\r.\r"])
def test_only_a_dot_between_line_ends_ends_a_message(
    dot: bytes, level: int, capsys: pytest.CaptureFixture[str]
) -> None:
    content = b"a" + dot + b"+OK\r\n1 200\r\n"
    with answered(b"RETR 1", b"+OK\r\n" + content + b".\r\n") as peer, joined(peer) as pop:
        pop.set_debuglevel(level)
        lines = pop.retr(1)[1]
        assert lines == [line.removesuffix(b"\r") for line in content.split(b"\n")][:-1]
    capsys.readouterr()


@pytest.mark.holds("T-FRM-13", "C")
@pytest.mark.parametrize("greeting", [b"*ERR\r\n", b"-ERR busy\r\n", b"220 hi\r\n", b"SSH-2.0-x\r\n", b"\n+OK\r\n"])
def test_a_wrong_greeting_and_nothing_is_sent(greeting: bytes) -> None:
    with Server([send(greeting), expect_eof()]) as peer, pytest.raises(error_proto) as caught:
        POP3("127.0.0.1", peer.port, timeout=20)
    assert caught.value.args == (greeting.split(b"\n")[0].removesuffix(b"\r"),)


@pytest.mark.holds("T-FRM-10", "C")
@pytest.mark.holds("T-FRM-14", "C")
@pytest.mark.parametrize(
    "reply", [b"+OK a\0b\r\n", b"+OK a\rb\r\n", b"\n+OK\r\n", b"+ \r\n", b"+yes\r\n", b"250 ok\r\n"]
)
def test_a_first_line_that_is_none(reply: bytes) -> None:
    with answered(b"NOOP", reply) as peer, joined(peer) as pop:
        with pytest.raises(error_proto):
            pop.noop()
        with pytest.raises(error_proto, match="unusable"):
            pop.quit()


@pytest.mark.holds("T-FRM-12", "C")
@pytest.mark.parametrize("surplus", [b"+OK\r\n", b"-ERR\r\nmore\r\n.\r\n", b"x"])
@pytest.mark.parametrize(("command", "reply"), [(b"NOOP", b"+OK\r\n"), (b"UIDL", b"+OK\r\n1 a\r\n.\r\n")])
def test_what_nobody_asked_for_is_no_reply(command: bytes, reply: bytes, surplus: bytes) -> None:
    """It came with the reply before; the next command is not sent, nor is QUIT, which would delete."""
    with answered(command, reply + surplus) as peer, joined(peer) as pop:
        assert pop._shortcmd("NOOP") if command == b"NOOP" else pop.uidl()
        with pytest.raises(error_proto):
            pop.dele(1)
        with pytest.raises(error_proto, match="unusable"):
            pop.quit()


@pytest.mark.holds("T-FRM-12", "C")
def test_what_nobody_asked_for_under_tls(authority: Authority) -> None:
    script = [starttls(), *GREETING, expect(b"NOOP\r\n"), send(b"+OK\r\n+OK deleted\r\n"), expect_eof()]
    context = authority.client_context()
    with (
        Server(script, context=authority.issue().server_context()) as peer,
        joined(peer, POP3_SSL, context=context) as pop,
    ):
        assert pop.noop() == b"+OK"
        with pytest.raises(error_proto, match="nothing had asked for"):
            pop.dele(1)


@pytest.mark.holds("T-NUM-1", "C")
@pytest.mark.parametrize("reply", [b"+OK", b"+OK 1", b"+OK -1 5", b"+OK 1 x", b"+OK 1_0 5", b"+OK \xb2 5"])
def test_a_count_that_is_none(reply: bytes) -> None:
    with answered(b"STAT", reply + b"\r\n") as peer, joined(peer) as pop, pytest.raises(error_proto):
        pop.stat()


def test_capabilities_outside_ascii_and_empty_ones() -> None:
    with answered(b"CAPA", b"+OK\r\n\r\nX \xff\r\nTOP\r\n.\r\n") as peer, joined(peer) as pop:
        assert pop.capa() == {"X": ["\udcff"], "TOP": []}


def test_a_time_out_ends_the_session() -> None:
    """The client waits for half a reply: whatever comes later is not the next command's."""
    script = [*GREETING, expect(b"NOOP\r\n"), send(b"+OK"), mark("half"), silence()]
    with Server(script) as peer, joined(peer) as pop:
        assert pop.sock
        pop._putcmd("NOOP")
        peer.wait_for("half")
        pop.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            pop._getresp()
        with pytest.raises(error_proto, match="unusable"):
            pop.quit()


def test_after_the_end() -> None:
    with Server([*GREETING, expect(b"QUIT\r\n"), send(b"+OK\r\n"), expect_eof()]) as peer, joined(peer) as pop:
        pop.quit()
        with pytest.raises(error_proto, match="closed"):
            pop.noop()


# ---- arguments ----


@pytest.mark.holds("T-INJ-1", "C")
@pytest.mark.parametrize("character", ["\r", "\n", "\r\n", "\0", "\x1b", "\x7f"])
@pytest.mark.parametrize("method", ["user", "pass_", "retr", "dele", "uidl", "list", "rpop", "_shortcmd", "_longcmd"])
def test_control_characters_are_not_sent(method: str, character: str) -> None:
    with Server([*GREETING, expect(b"NOOP\r\n"), send(b"+OK\r\n"), expect_eof()]) as peer, joined(peer) as pop:
        for kind in (ValueError, error_proto):
            with pytest.raises(kind) as caught:
                getattr(pop, method)(f"hunter2{character}DELE 1")
            assert "hunter2" not in f"{caught.value!s} {caught.value!r}"
        with pytest.raises(error_proto):
            pop._putline(b"NOOP\r\nDELE 1")
        assert pop.noop() == b"+OK", "the session goes on"


def test_an_argument_far_too_long_is_not_sent() -> None:
    with Server([*GREETING, expect_eof()]) as peer, joined(peer) as pop, pytest.raises(error_proto, match="too long"):
        pop.user("x" * 70_000)


@pytest.mark.parametrize("character", [*map(chr, range(32)), "\x7f"])
def test_a_putline_of_ones_own_is_given_no_control_character(character: str) -> None:
    """As CPython's newer tests look for it: the class is not even initialized."""
    pop = POP3.__new__(POP3)
    pop._putline = lambda line: pytest.fail(f"{line!r} got through")  # type: ignore[method-assign]
    with pytest.raises(ValueError):
        pop._putcmd(f"USER a{character}b")


@pytest.mark.holds("T-API-3", "C")
def test_a_password_that_cannot_be_encoded_is_not_shown() -> None:
    with Server([send(b"+OK <a@b>\r\n"), expect_eof()]) as peer, joined(peer) as pop:
        for call in (lambda: pop.pass_(f"{SECRET}\ud800"), lambda: pop.apop("alice", f"{SECRET}\ud800")):
            with pytest.raises(error_proto) as caught:
                call()
            assert SECRET not in f"{caught.value!r} {caught.value.__context__!r}"


@pytest.mark.parametrize("line", ["QUIT now", "STLS now", "", " STLS", "auth", "XTND XLST Subject"])
def test_lines_of_a_programs_own(line: str) -> None:
    with answered(line.encode(), b"-ERR\r\n") as peer, joined(peer) as pop, pytest.raises(error_proto) as caught:
        pop._shortcmd(line)
    assert caught.value.args == (b"-ERR",)


def test_a_name_and_a_password_outside_ascii() -> None:
    script = [
        *GREETING,
        expect("USER å\r\n".encode()),
        send(b"+OK\r\n"),
        expect("PASS ß ß\r\n".encode()),
        send(b"+OK\r\n"),
    ]
    with Server([*script, expect_eof()]) as peer, joined(peer) as pop:
        pop.user("å")
        pop.pass_("ß ß")


# ---- secrets ----

SECRET = "correct-horse-battery"
LOGINS: list[tuple[str, list[Step], list[tuple[Any, ...]]]] = [
    ("PASS", [expect(f"PASS {SECRET}\r\n".encode())], [("pass_", SECRET)]),
    ("AUTH in one", [expect(f"AUTH PLAIN {SECRET}\r\n".encode())], [("_shortcmd", f"AUTH PLAIN {SECRET}")]),
    (
        "AUTH in two",
        [expect(b"AUTH PLAIN\r\n"), send(b"+ \r\n"), expect(f"{SECRET}\r\n".encode())],
        [("_shortcmd", "AUTH PLAIN"), ("_shortcmd", SECRET)],
    ),
    (
        "AUTH ahead of the challenge",
        [expect(f"AUTH PLAIN\r\n{SECRET}\r\n".encode()), send(b"+ \r\n")],
        [("_putcmd", "AUTH PLAIN"), ("_putcmd", SECRET), ("_getresp",), ("_getresp",)],
    ),
    ("in lower case", [expect(f"pass {SECRET}\r\n".encode())], [("_shortcmd", f"pass {SECRET}")]),
]


@pytest.mark.holds("T-SEC-1", "C")
@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize(("steps", "calls"), [case[1:] for case in LOGINS], ids=[case[0] for case in LOGINS])
def test_no_secret_is_shown(
    steps: list[Step], calls: list[tuple[Any, ...]], level: int, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = f"-ERR [AUTH] no, not {SECRET}\r\n".encode()
    with Server([*GREETING, *steps, send(reply), expect_eof()]) as peer, joined(peer) as pop:
        pop.set_debuglevel(level)
        with pytest.raises(error_proto) as caught:
            for name, *arguments in calls:
                getattr(pop, name)(*arguments)
        shown = f"{caught.value!s} {caught.value!r} {caught.value.__context__!r} {capsys.readouterr().out}"
    assert SECRET not in shown
    assert "***" in shown
    assert caught.value.args[0].startswith(b"-ERR [AUTH] no, not ")


@pytest.mark.holds("T-APOP-1", "C")
@pytest.mark.parametrize(
    "timestamp", [b"<a<b@c>", b"<\xe9@c>", b"<a\x01b@c>", b"<" + b"a" * 511 + b">", b"a@b>", b"<>"]
)
def test_apop_takes_no_strange_timestamp(timestamp: bytes) -> None:
    with Server([send(b"+OK " + timestamp + b"\r\n"), expect_eof()]) as peer, joined(peer) as pop:
        with pytest.raises(error_proto, match="APOP not supported"):
            pop.apop("alice", SECRET)


# ---- TLS ----


@pytest.mark.holds("T-TLS-1", "C")
@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_certificates_are_verified_by_default(tls: str, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = served(tls=tls)

    def visit() -> None:
        with contextlib.ExitStack() as stack:
            pop = (POP3_SSL if tls == "implicit" else POP3)("127.0.0.1", server.port, timeout=20)
            stack.callback(pop.close)
            if tls == "stls":
                pop.stls()
            pop.user("alice")
            pop.pass_("secret")

    with pytest.raises(ssl.SSLCertVerificationError):
        visit()
    assert not any(session.user for session in server.sessions)
    monkeypatch.setattr(poplin.poplib, "verify_by_default", False)
    visit()
    assert any(session.user for session in server.sessions)


@pytest.mark.holds("T-TLS-2", "C")
def test_another_name_is_refused(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    other = poplin.testing.certificate("mail.example.org")
    with other:
        server = served(tls="implicit", certificate=other)
        monkeypatch.setenv("SSL_CERT_FILE", str(other.ca_file))
        with pytest.raises(ssl.SSLCertVerificationError, match="match"):
            POP3_SSL("127.0.0.1", server.port, timeout=20)


@pytest.mark.holds("T-STLS-4", "C")
@pytest.mark.holds("T-STLS-5", "C")
@pytest.mark.parametrize("injected", [b"+OK you\r\n", b"+OK\r\nSASL PLAIN\r\n.\r\n", b"+O", b"\x16"])
@pytest.mark.parametrize("by_hand", [False, True])
def test_what_is_injected_before_tls_ends_the_session(authority: Authority, injected: bytes, by_hand: bool) -> None:
    with (
        Server([*STLS, send(b"+OK go\r\n" + injected), expect_eof()]) as peer,
        joined(peer) as pop,
        pytest.raises(error_proto),
    ):
        if by_hand:
            pop.capa()
            pop._shortcmd("STLS")
        else:
            pop.stls(authority.client_context())


@pytest.mark.holds("T-STLS-6", "C")
@pytest.mark.holds("T-STLS-7", "C")
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ([*GREETING, expect(b"CAPA\r\n"), send(b"+OK\r\nTOP\r\n.\r\n")], "STLS not supported"),
        ([*GREETING, expect(b"CAPA\r\n"), send(b"-ERR\r\n")], "CAPA not supported"),
        ([*STLS, send(b"-ERR not now\r\n")], "not now"),
    ],
)
def test_without_tls_stls_is_an_error(script: list[Step], words: str) -> None:
    with Server([*script, expect_eof()]) as peer, joined(peer) as pop, pytest.raises(error_proto, match=words):
        pop.stls()


@pytest.mark.holds("T-STLS-14", "C")
def test_a_handshake_that_fails_ends_the_connection(authority: Authority) -> None:
    script = [*STLS, send(b"+OK go\r\n"), starttls(fails=True)]
    with Server(script, context=authority.issue("other.example.org").server_context()) as peer, joined(peer) as pop:
        with pytest.raises(ssl.SSLCertVerificationError):
            pop.stls(authority.client_context())
        assert pop.sock is None
        with pytest.raises(error_proto, match="closed"):
            pop.noop()


@pytest.mark.holds("T-STLS-13", "C")
def test_a_handshake_that_never_ends_times_out(authority: Authority) -> None:
    context = authority.client_context()

    class Impatient:
        def wrap_socket(self, sock: socket.socket, server_hostname: str) -> ssl.SSLSocket:
            sock.settimeout(0.1)
            return context.wrap_socket(sock, server_hostname=server_hostname)

    with Server([*STLS, send(b"+OK go\r\n"), silence()]) as peer, joined(peer) as pop:
        with pytest.raises(TimeoutError):
            pop.stls(Impatient())  # type: ignore[arg-type]
        assert pop.sock is None


@pytest.mark.holds("T-TLS-9", "C")
@pytest.mark.holds("T-TLS-10", "C")
@pytest.mark.parametrize("how", ["clean", "cut"])
def test_the_end_of_tls_in_a_message_is_an_error(authority: Authority, how: Any) -> None:
    script = [starttls(), *GREETING, expect(b"RETR 1\r\n"), send(b"+OK\r\nhalf\r\n"), close(how)]
    context = authority.client_context()
    with (
        Server(script, context=authority.issue().server_context()) as peer,
        joined(peer, POP3_SSL, context=context) as pop,
        pytest.raises((error_proto, ssl.SSLError)),
    ):
        pop.retr(1)


def test_a_subclass_that_starts_tls_by_itself(authority: Authority) -> None:
    script = [*STLS, send(b"+OK go\r\n"), starttls(), expect(b"CAPA\r\n"), send(b"+OK\r\nTOP\r\n.\r\n"), expect_eof()]
    with Server(script, context=authority.issue().server_context()) as peer, joined(peer) as pop:
        pop.capa()
        pop._shortcmd("STLS")
        assert isinstance(pop.sock, socket.socket)
        pop.sock = authority.client_context().wrap_socket(pop.sock, server_hostname="localhost")
        pop.file = pop.sock.makefile("rb")
        assert pop.capa() == {"TOP": []}
