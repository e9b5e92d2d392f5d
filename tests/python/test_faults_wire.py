"""
Faults as a plain socket meets them: what each setting does, what several do together, how they come and go, and that
nothing illegal leaves a server without them.
"""

import re
from collections.abc import Callable

import pytest
from fault_cases import CASES, MARKED, NO
from wire import BYE, MAIL, NOOP, RETR_1, Case, Wire, add, play, serve

from poplin import _core
from poplin.testing import ATTACKS, QUIRKS, Server

SHOWN_BELOW = {"probability", "seed", "garbage", "jitter", "name"}
"""Settings that need more than one conversation."""


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case.fault[:50]}, {case.tls}") for cases in CASES.values() for case in cases]
)
def test_what_a_setting_does(case: Case) -> None:
    play(case)


def test_every_setting_is_shown() -> None:
    assert CASES.keys() | SHOWN_BELOW == _core.FAULT_SETTINGS.keys()
    assert not CASES.keys() & SHOWN_BELOW
    for name, cases in CASES.items():
        assert cases
        for case in cases:
            assert re.search(rf" {name}\b", case.fault), f"{case.fault} does not show {name}"


def noop(wire: Wire) -> bytes:
    wire.say(b"NOOP")
    return wire.line()


# ---- lots ----


def refused(text: str) -> list[bool]:
    """Which of 64 commands in two sessions such a fault refuses."""
    with serve() as server:
        server.fault_text(text)
        found = []
        for _ in range(2):
            with Wire(server) as wire:
                wire.login()
                found += [noop(wire) == NO for _ in range(32)]
        return found


def test_probability_is_drawn_from_the_seed() -> None:
    first = refused("NOOP probability=0.5 seed=1 refuse=no")
    assert 10 < sum(first) < 54
    assert first[:32] != first[32:]
    assert refused("NOOP probability=0.5 seed=1 refuse=no") == first
    assert refused("NOOP probability=0.5 seed=2 refuse=no") != first
    assert not any(refused("NOOP probability=0 refuse=no"))
    assert all(refused("NOOP probability=1 refuse=no"))


def test_without_a_seed_the_name_is_one() -> None:
    first = refused("NOOP probability=0.5 refuse=no")
    assert refused("NOOP probability=0.5 refuse=no") == first
    assert refused("NOOP probability=0.5 refuse=no name=other") != first


def garbage(seed: int) -> list[bytes]:
    with serve() as server, Wire(server) as wire:
        server.fault("NOOP", garbage=40, at=3, seed=seed)
        wire.login()
        found = []
        for _ in range(2):
            wire.say(b"NOOP")
            heard = wire.hear(len(NOOP) + 40)
            assert heard[:3] + heard[43:] == NOOP
            found.append(heard[3:43])
        return found


def test_garbage_is_drawn_from_the_seed() -> None:
    first, second = garbage(1)
    assert first != second
    assert len(set(first + second)) > 40
    assert garbage(1) == [first, second]
    assert garbage(2) != [first, second]


def minutes(text: str) -> int:
    """How many minutes pass before the reply comes; none where it is there at once."""
    with serve() as server, Wire(server) as wire:
        fault = server.fault_text(text)
        wire.login()
        wire.say(b"NOOP")
        server.wait_for(lambda _: fault.fired)
        server.clock.advance(1)
        count = 0
        while wire.is_silent():
            server.clock.advance(60)
            count += 1
        assert count <= 600
        return count


def test_jitter_is_drawn_from_the_seed() -> None:
    drawn = [minutes(f"NOOP jitter=36000 seed={seed}") for seed in range(4)]
    assert len(set(drawn)) > 1
    assert [minutes(f"NOOP jitter=36000 seed={seed}") for seed in range(4)] == drawn
    assert minutes("NOOP delay=6000 jitter=36000 seed=3") == drawn[3] + 100


# ---- several ----


def say(wire: Wire, says: bytes, hears: bytes) -> None:
    wire.say(says)
    assert wire.hear(len(hears)) == hears


def test_faults_take_effect_in_the_order_in_which_they_were_added() -> None:
    with serve() as server, Wire(server) as wire:
        wire.login()
        first, second = server.fault("LIST", add="3 5"), server.fault("LIST", miscount=1)
        say(wire, b"LIST", b"+OK 2 messages\r\n1 29\r\n2 12\r\n3 6\r\n.\r\n")
        first.remove()
        server.fault("LIST", add="3 5", name="again")
        say(wire, b"LIST", b"+OK 2 messages\r\n1 29\r\n2 12\r\n3 5\r\n.\r\n")
        names = [exchange.fault for exchange in server.sessions[0].exchanges[-2:]]
    assert names == [f"{first.name}, {second.name}", f"{second.name}, again"]


def test_the_effects_of_one_fault_go_by_the_table() -> None:
    with serve() as server, Wire(server) as wire:
        wire.login()
        server.fault("RETR", cut=36, append=b"!", bare_lf=True, unstuff="all", miscount=71, status="+OK 28 octets")
        say(wire, b"RETR 1", b"+OK 28 octets\nSubject: hi\n\n.hello\nby")
        say(wire, b"NOOP", NOOP)


def test_the_first_that_takes_the_commands_place_does_so() -> None:
    with serve() as server, Wire(server) as wire:
        wire.login()
        server.fault("DELE", refuse="one", times=1)
        server.fault("DELE", reply="+OK two", times=2)
        say(wire, b"DELE 1", b"-ERR one\r\n")
        say(wire, b"DELE 1", b"+OK two\r\n")
        say(wire, b"DELE 1", MARKED)


def test_delays_add_up_and_the_nearest_end_holds() -> None:
    with serve() as server, Wire(server) as wire:
        wire.login()
        server.fault("RETR", delay=1800, drop_after=30)
        last = server.fault(delay=1800, close_after=20)
        server.fault("RETR", trickle=10, every=3600)
        wire.say(b"RETR 1")
        server.wait_for(lambda _: last.fired)
        server.clock.advance(3590)
        assert wire.is_silent()
        server.clock.advance(11)
        assert wire.hear(10) == RETR_1[:10]
        assert wire.is_silent()
        server.clock.advance(3601)
        assert wire.rest() == RETR_1[10:20]
    server.sessions[0].assert_outcome("dropped")
    assert "(20 of 47 octets went out)" in server.sessions[0].transcript


def test_a_profile_and_a_fault_together() -> None:
    with serve(quirks=["doubled-cr", "listing-without-numbers"]) as server, Wire(server) as wire:
        wire.login()
        server.fault("LIST", miscount=1)
        say(wire, b"LIST", b"+OK 2 messages\r\n28\r\n11\r\n.\r\n")  # what has no number is no size any more
        say(wire, b"TOP 1 0", b"+OK top of message follows\r\nSubject: hi\r\r\n\r\r\n.\r\n")


def test_sessions_do_not_get_in_each_others_way() -> None:
    with serve() as server, Wire(server) as first:
        server.add_user("bob", "secret")
        server.fault("NOOP", session=1, stall_before=True)
        first.login()
        first.say(b"NOOP")
        server.wait_for(lambda server: server.sessions[0].commands[-1] == "NOOP")
        with Wire(server) as second:
            assert second.line()
            second.say(b"USER bob", b"PASS secret", b"NOOP", b"QUIT")
            assert second.rest().endswith(b"+OK 0 messages\r\n" + NOOP + BYE)
        assert first.is_silent()
    assert [exchange.fault for exchange in server.sessions[1].exchanges] == [""] * 5


# ---- coming and going ----


def test_a_fault_has_a_name_in_the_transcript() -> None:
    with serve() as server, Wire(server) as wire:
        wire.login()
        fault = server.fault("NOOP", name="tired", refuse="no")
        server.fault("NOOP", name="tired", append=b"!\r\n")
        assert noop(wire) + wire.line() == NO + b"!\r\n"
        assert "C: NOOP\n!! tired\nS: -ERR no\n" in server.transcript
        assert fault.fired == 1
        fault.remove()
        assert noop(wire) + wire.line() == NOOP + b"!\r\n"


def test_what_a_fault_has_begun_goes_on_without_it() -> None:
    with serve() as server, Wire(server) as wire:
        wire.login()
        with server.fault("NOOP", refuse="no", delay=3600) as fault:
            wire.say(b"NOOP")
            server.wait_for(lambda _: fault.fired)
        server.clock.advance(3590)
        assert wire.is_silent()
        server.clock.advance(11)
        assert wire.line() == NO
        assert noop(wire) == NOOP


def test_a_fault_may_come_while_a_session_is_open() -> None:
    with serve() as server, Wire(server) as wire:
        wire.login()
        assert noop(wire) == NOOP
        with server.fault("NOOP", refuse="no"):
            assert noop(wire) == NO
        assert noop(wire) == NOOP
        server.fault("NOOP", refuse="no")
        server.quirk("doubled-cr")
        server.reset()
        assert noop(wire) == NOOP
        assert server.sessions[0].open


# ---- nothing illegal without them ----

STATUS = re.compile(rb"(\+OK|-ERR)( [\x20-\x7e]*)?\r\n")
LISTING = {b"LIST": re.compile(rb"[12] \d+\r\n"), b"UIDL": re.compile(rb"[12] [\x21-\x7e]{1,70}\r\n")}
IN = [b"USER alice", b"PASS secret"]
TALKS: list[list[bytes]] = [
    [b"CAPA", b"XTND", b"", b" ", b"NOOP", b"STAT", b"USER", b"AUTH"],
    [b"USER alice", b"PASS wrong", b"AUTH X", b"APOP a b", b"x" * 250, b"\xff\x00\x01", *IN, b"capa"],
    [
        *IN,
        b"STAT",
        b"LIST",
        b"LIST 1",
        b"LIST 9",
        b"UIDL",
        b"UIDL 2",
        b"RETR 1",
        b"RETR 2",
        b"RETR 0",
        b"RETR",
        b"retr 2",
    ],
    [*IN, b"TOP 1 0", b"TOP 1 99", b"TOP 2", b"NOOP x", b"LAST", b"STLS", b"RETR " + b"9" * 40, b"USER alice", b"*BYE"],
    [*IN, b"DELE 1", b"DELE 1", b"RETR 1", b"LIST", b"UIDL", b"RSET", b"LIST", b"AUTH PLAIN"],
]


def expect_legal(wire: Wire, line: bytes) -> None:
    """A reply as RFC 1939 and RFC 2449 have it, and to a listing or a message the very content."""
    status = wire.line()
    assert STATUS.fullmatch(status), (line, status)
    assert len(status) <= 512
    verb, _, arguments = line.upper().partition(b" ")
    listing = verb in LISTING and not arguments
    if status.startswith(b"-ERR") or not (listing or verb in {b"CAPA", b"RETR", b"TOP"}):
        return
    lines = []
    while (content := wire.line()) != b".\r\n":
        assert content.endswith(b"\r\n"), content
        assert not content.startswith(b".") or content.startswith(b"..")
        lines.append(content)
    if listing:
        assert all(LISTING[verb].fullmatch(entry) for entry in lines), lines
    elif verb == b"RETR":
        data = MAIL[int(arguments) - 1]
        assert [entry.removeprefix(b".") if entry.startswith(b"..") else entry for entry in lines] == data.splitlines(
            True
        )
        assert status == b"+OK %d octets\r\n" % len(data)


def add_and_remove_everything(server: Server) -> None:
    names = [case.fault for cases in CASES.values() for case in cases]
    for fault in [add(server, name) for name in {*names, *QUIRKS, *ATTACKS}]:
        fault.remove()


def add_what_does_not_fit(server: Server) -> None:
    server.fault(session=99, garbage=100)
    server.fault(user="bob", drop_before=True)
    server.fault(nth=10_000, bare_lf=True)
    server.fault("XYZ", raw=b"\0")


@pytest.mark.holds("T-API-6", "S")
@pytest.mark.parametrize("prepare", [lambda server: None, add_and_remove_everything, add_what_does_not_fit])
@pytest.mark.parametrize("tls", ["never", "implicit"])
def test_without_a_fault_nothing_illegal_leaves(tls: str, prepare: Callable[[Server], None]) -> None:
    with serve(tls) as server:
        prepare(server)
        for talk in TALKS:
            with Wire(server, tls) as wire:
                expect_legal(wire, b"")
                for line in [*talk, b"QUIT"]:
                    wire.say(line)
                    expect_legal(wire, line)
                assert wire.rest() == b""
        with Wire(server, tls) as wire:  # a server says nothing to a client that it leaves (RFC 1939 section 3)
            wire.login()
            say(wire, b"DELE 1", MARKED)
            server.clock.advance(601)
            assert wire.rest() == b""
        assert server.sessions[-1].assert_outcome("timed out").deleted == ()
    assert "!!" not in server.transcript
