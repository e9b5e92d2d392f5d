"""Replies that no honest server sends: each ends the connection with an error, or is read as the RFC says."""

from pathlib import Path
from typing import Any

import pytest
from scripts import GREETING, LEAVE, LOGIN, join

import poplin
from peer import Server, Step, close, expect, expect_eof, send, send_until_closed, silence


def after_login(*steps: Step) -> list[Step]:
    return [*LOGIN, *steps]


@pytest.mark.holds("T-FRM-13", "C")
@pytest.mark.parametrize("greeting", [b"*ERR\r\n", b"+ok\r\n", b"220 hi\r\n", b"SSH-2.0-x\r\n", b"\n+OK\r\n"])
def test_a_wrong_greeting_and_nothing_is_sent(greeting: bytes) -> None:
    with Server([send(greeting), expect_eof()]) as peer, pytest.raises(poplin.ProtocolError):
        join(peer)


@pytest.mark.holds("T-FRM-1", "C")
def test_a_status_line_that_never_ends() -> None:
    with Server([send_until_closed(b"+OK" + b"x" * 4096)]) as peer, pytest.raises(poplin.LimitExceeded):
        join(peer)


@pytest.mark.holds("T-FRM-2", "C")
@pytest.mark.holds("T-FRM-3", "C")
def test_a_message_that_never_ends_meets_the_limit() -> None:
    script = after_login(expect(b"RETR 1\r\n"), send(b"+OK\r\n"), send_until_closed(b"x" * 65536))
    with Server(script) as peer:
        pop = join(peer, max_message=1_000_000)
        with pytest.raises(poplin.LimitExceeded):
            pop.retr(1)
        with pytest.raises(poplin.LimitExceeded):
            pop.stat()
        pop.close()


@pytest.mark.holds("T-FRM-3", "C")
@pytest.mark.parametrize(("verb", "line"), [("LIST", b"%d 1\r\n"), ("UIDL", b"%d u%d\r\n"), ("CAPA", b"X%d\r\n")])
def test_listings_that_never_end_meet_a_limit(verb: str, line: bytes) -> None:
    lines = b"".join(line % ((number,) * line.count(b"%d")) for number in range(1, 400))
    script = after_login(expect(verb.encode() + b"\r\n"), send(b"+OK\r\n" + lines), silence())
    with Server(script) as peer:
        pop = join(peer, limits={"max_listings": 300})
        with pytest.raises(poplin.LimitExceeded):
            getattr(pop, verb.lower())()
        pop.close()


@pytest.mark.holds("T-FRM-4", "C")
@pytest.mark.parametrize(
    "rest", [b"", b"+O", b"+OK\r\nhal", b"+OK\r\nhalf\r\n", b"+OK\r\nhalf\r\n.", b"+OK\r\nhalf\r\n.\r"]
)
def test_a_reply_cut_by_the_end_is_no_message(rest: bytes) -> None:
    with Server(after_login(expect(b"RETR 1\r\n"), send(rest), close())) as peer:
        pop = join(peer)
        with pytest.raises(poplin.ConnectionLost):
            pop.retr(1)
        pop.close()


@pytest.mark.holds("T-FRM-4", "C")
def test_a_message_that_did_not_come_whole_leaves_no_file(tmp_path: Path) -> None:
    script = after_login(expect(b"RETR 1\r\n"), send(b"+OK\r\n" + b"x" * 200_000), close())
    with Server(script) as peer:
        pop = join(peer)
        with pytest.raises(poplin.ConnectionLost):
            pop.retr(1, into=tmp_path / "mail")
        pop.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.holds("T-FRM-5", "C")
def test_a_reply_cut_at_every_octet() -> None:
    reply = b"+OK\r\n..a\r\n\r\n...\r\nb\r\r\n.\r\n"
    with Server(after_login(expect(b"RETR 1\r\n"), send(reply, cuts="each"), *LEAVE)) as peer, join(peer) as pop:
        assert pop.retr(1) == b".a\r\n\r\n..\r\nb\r\r\n"


@pytest.mark.holds("T-FRM-6", "C")
@pytest.mark.holds("T-FRM-7", "C")
@pytest.mark.holds("T-FRM-8", "C")
@pytest.mark.parametrize(
    ("wire", "content"),
    [
        (b"..x\r\n...\r\n..\r\n", b".x\r\n..\r\n.\r\n"),
        (b".text\r\n", b"text\r\n"),
        (b"a\n.\r\n+OK\r\n1 200\r\n", b"a\n.\r\n+OK\r\n1 200\r\n"),
        (b"a\r\n.\n-ERR\r\n", b"a\r\n\n-ERR\r\n"),
        (b"a\n.\nb\r.\rc\r\n", b"a\n.\nb\r.\rc\r\n"),
        (b"\0\xff\x80\r\n", b"\0\xff\x80\r\n"),
    ],
)
def test_only_a_dot_between_line_ends_ends_a_message(wire: bytes, content: bytes) -> None:
    script = after_login(expect(b"RETR 1\r\n"), send(b"+OK\r\n" + wire + b".\r\n"), *LEAVE)
    with Server(script) as peer, join(peer) as pop:
        assert pop.retr(1) == content


@pytest.mark.holds("T-FRM-10", "C")
@pytest.mark.holds("T-FRM-11", "C")
@pytest.mark.holds("T-FRM-14", "C")
@pytest.mark.parametrize(
    "reply", [b"+OK a\0b\r\n", b"+OK a\rb\r\n", b"+OK a\nb\r\n", b"+OK a\n", b"\n+OK\r\n", b"+ \r\n"]
)
def test_a_status_line_that_is_none(reply: bytes) -> None:
    with Server(after_login(expect(b"NOOP\r\n"), send(reply), silence())) as peer:
        pop = join(peer)
        with pytest.raises(poplin.ProtocolError):
            pop.noop()
        pop.close()


@pytest.mark.holds("T-FRM-12", "C")
@pytest.mark.holds("T-FRM-14", "C")
@pytest.mark.parametrize("surplus", [b"+OK\r\n", b"-ERR\r\nmore\r\n.\r\n", b"x"])
def test_what_nobody_asked_for(surplus: bytes) -> None:
    with Server(after_login(expect(b"NOOP\r\n"), send(b"+OK\r\n" + surplus), silence())) as peer:
        pop = join(peer)
        with pytest.raises(poplin.ProtocolError):
            pop.noop()
            pop.noop()
        pop.close()


NUMBERS = ["-1", "+5", "0x1", "1" * 25, "2147483648", "4294967296", "18446744073709551616", "", "1.5", "\u0663"]


@pytest.mark.holds("T-NUM-1", "C")
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_that_are_none(number: str) -> None:
    text = number.encode()
    for verb, reply in ((b"STAT", b"+OK %s 1\r\n" % text), (b"LIST", b"+OK\r\n%s 10\r\n.\r\n" % text)):
        with Server(after_login(expect(verb + b"\r\n"), send(reply), silence())) as peer:
            pop = join(peer)
            with pytest.raises((poplin.ProtocolError, poplin.LimitExceeded)):
                getattr(pop, verb.decode().lower())()
            pop.close()


@pytest.mark.holds("T-NUM-2", "C")
def test_a_maildrop_too_large_to_be_true() -> None:
    with Server(after_login(expect(b"STAT\r\n"), send(b"+OK 2147483647 1\r\n"), silence())) as peer:
        pop = join(peer)
        with pytest.raises(poplin.LimitExceeded):
            pop.stat()
        pop.close()
    with (
        Server(after_login(expect(b"STAT\r\n"), send(b"+OK 1 9223372036854775807\r\n"), *LEAVE)) as peer,
        join(peer) as pop,
    ):
        assert pop.stat() == (1, (1 << 63) - 1)


@pytest.mark.holds("T-NUM-3", "C")
@pytest.mark.parametrize(("verb", "reply"), [("LIST", b"+OK 3 200\r\n"), ("UIDL", b"+OK 1 abc\r\n")])
def test_an_answer_about_another_message(verb: str, reply: bytes) -> None:
    with Server(after_login(expect(verb.encode() + b" 2\r\n"), send(reply), silence())) as peer:
        pop = join(peer)
        with pytest.raises(poplin.ProtocolError):
            getattr(pop, verb.lower())(2)
        pop.close()


@pytest.mark.holds("T-NUM-4", "C")
@pytest.mark.parametrize("lines", [b"0 10\r\n", b"1 10\r\n1 10\r\n"])
def test_a_listing_that_names_what_cannot_be(lines: bytes) -> None:
    with Server(after_login(expect(b"LIST\r\n"), send(b"+OK\r\n" + lines + b".\r\n"), silence())) as peer:
        pop = join(peer)
        with pytest.raises(poplin.ProtocolError):
            pop.list()
        pop.close()


@pytest.mark.holds("T-NUM-5", "C")
def test_the_octets_announced_are_not_believed() -> None:
    script = after_login(
        expect(b"LIST\r\nUIDL\r\n"),
        send(b"+OK\r\n1 3\r\n2 1000000000\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n"),
        expect(b"RETR 1\r\n"),
        send(b"+OK 100 octets\r\nlonger than that\r\n.\r\n"),
        expect(b"RETR 2\r\n"),
        send(b"+OK 4 octets\r\n.\r\n"),
        *LEAVE,
    )
    with Server(script) as peer, join(peer) as pop:
        assert [message.data for message in pop.retr_all()] == [b"longer than that\r\n", b""]


def test_peers_words_are_made_visible_and_cut() -> None:
    script = [*GREETING, send(b"+OK\r\nUSER\r\nRESP-CODES\r\n.\r\n"), expect(b"USER alice\r\n")]
    words = b"-ERR [IN-USE] \x1b[31mred\xff" + b"x" * 2000 + b"\r\n"
    with Server([*script, send(words), expect_eof()]) as peer, pytest.raises(poplin.InUse) as caught:
        join(peer)
    assert caught.value.code == "IN-USE"
    assert "\\x1B[31mred\\xFF" in caught.value.peer
    assert len(caught.value.peer) < 400
    assert caught.value.peer.isprintable()


def test_a_uid_outside_ascii_keeps_its_octets() -> None:
    script = after_login(expect(b"UIDL\r\n"), send(b"+OK\r\n1 \xe9t\xff\r\n.\r\n"), *LEAVE)
    with Server(script) as peer, join(peer) as pop:
        assert pop.uidl()[0].uid.encode("latin-1") == b"\xe9t\xff"


def test_a_quit_refused_is_told(serve: Any) -> None:
    script = after_login(expect(b"QUIT\r\n"), send(b"-ERR [SYS/TEMP] some deleted messages not removed\r\n"), close())
    with Server(script) as peer:
        with pytest.raises(poplin.Temporary, match="not removed"):
            join(peer).quit()
