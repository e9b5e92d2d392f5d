"""Faults, quirks and attacks as Python asks for them: the signature, the values, their names and their end."""

import inspect
import poplib
import socket
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from poplin import _core
from poplin.testing import ATTACKS, QUIRKS, Server
from poplin.testing._faults import Faults

TYPES = {
    "flag": bool,
    "number": int | None,
    "signed": int | None,
    "seconds": float | None,
    "share": float | None,
    "text": str | None,
    "octets": bytes | None,
}
"""How each kind of setting is typed; a word's type names the words."""


@pytest.fixture
def pop(server: Server) -> Iterator[poplib.POP3]:
    client = poplib.POP3(server.host, server.port, timeout=20)
    client.user("alice")
    client.pass_("secret")
    yield client
    client.close()


# ---- the signature and the core's table ----


def keywords() -> dict[str, Any]:
    hints = typing.get_type_hints(Faults.fault)
    signature = inspect.signature(Faults.fault)
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    return {name: hints[name] for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY}


def test_every_setting_is_a_keyword_in_the_tables_order() -> None:
    assert list(keywords()) == list(_core.FAULT_SETTINGS)


@pytest.mark.parametrize("name", _core.FAULT_SETTINGS)
def test_the_type_of_each_keyword(server: Server, name: str) -> None:
    kind, _ = _core.FAULT_SETTINGS[name]
    hint = keywords()[name]
    if kind != "word":
        assert hint == TYPES[kind]
        return
    with pytest.raises(ValueError, match="one of: ") as raised:
        server.fault("LIST", **{name: "no such word"})
    words = set(str(raised.value).rpartition(": ")[2].split())
    if words == {"yes", "no"}:
        assert hint == bool | None
    else:
        literal, none = typing.get_args(hint)
        assert (set(typing.get_args(literal)), none) == (words, type(None))


def test_every_setting_is_documented_as_in_the_table() -> None:
    documentation = " ".join((Faults.fault.__doc__ or "").split())
    for name, (_, meaning) in _core.FAULT_SETTINGS.items():
        assert f" {name}: {meaning} " in documentation


def test_quirks_and_attacks_have_different_names() -> None:
    assert QUIRKS
    assert ATTACKS
    assert not QUIRKS.keys() & ATTACKS.keys()


# ---- values ----


def test_values_are_written_as_the_core_reads_them(server: Server) -> None:
    fault = server.fault(
        "retr",
        user="älice",
        message=1,
        tls=False,
        nth=2,
        probability=0.25,
        seed=0,
        miscount=-7,
        unstuff="first",
        insert=b'\x00"\r\n',
        delay=1,
        jitter=0.5,
        drop_after=100,
    )
    assert fault.name == (
        r'RETR user="\xc3\xa4lice" message=1 tls=no nth=2 probability=0.25 seed=0 miscount=-7 unstuff=first '
        r'insert="\x00\"\r\n" delay=1 jitter=0.5 drop_after=100'
    )


def test_the_name_of_a_fault_is_its_text(server: Server) -> None:
    fault = server.fault_text('  RETR   drop_after="100" nth=2')
    assert fault.name == "RETR nth=2 drop_after=100"
    assert repr(fault) == "<poplin.testing.Fault RETR nth=2 drop_after=100>"
    assert server.fault("RETR", cut=5, name="short").name == "short"
    assert server.fault(refuse="no").name == "* refuse=no"
    quirk, attack = next(iter(QUIRKS)), next(iter(ATTACKS))
    assert (server.quirk(quirk).name, server.attack(attack).name) == (quirk, attack)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "effect"),
        ({"nth": 2}, "effect"),
        ({"nth": 0, "cut": 1}, "nth"),
        ({"probability": 1.5, "cut": 1}, "probability"),
        ({"delay": float("nan")}, "delay"),
        ({"delay": -1.0}, "delay"),
        ({"refuse": "one\r\ntwo"}, "refuse"),
        ({"refuse": "no", "reply": "+OK"}, "refuse"),
    ],
)
def test_a_fault_that_is_none(server: Server, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        server.fault("RETR", **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"nth": "2"},
        {"nth": True},
        {"nth": 2.0},
        {"bare_lf": 1},
        {"delay": "1"},
        {"delay": True},
        {"refuse": b"no"},
        {"raw": "no"},
        {"unstuff": 1},
        {"no_such_setting": 1},
    ],
)
def test_a_value_of_another_type(server: Server, settings: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        server.fault("RETR", **settings)


@pytest.mark.parametrize("text", ["", "RETR nht=2", "RETR cut=", "RETR", 'RETR refuse="no'])
def test_a_text_that_is_no_fault(server: Server, text: str) -> None:
    with pytest.raises(ValueError):
        server.fault_text(text)


def test_the_nearest_name_is_told(server: Server) -> None:
    with pytest.raises(ValueError, match="nth"):
        server.fault_text("RETR nht=2 cut=1")
    name = next(iter(QUIRKS))
    with pytest.raises(ValueError, match=name):
        server.quirk(name[:-1])
    with pytest.raises(ValueError):
        server.attack("no-such-attack")


# ---- their life ----


def test_a_fault_works_until_it_is_removed(server: Server, pop: poplib.POP3) -> None:
    with server.fault("NOOP", refuse="[SYS/TEMP] later") as fault:
        assert fault.fired == 0
        with pytest.raises(poplib.error_proto, match=r"\[SYS/TEMP\] later"):
            pop.noop()
        assert fault.fired == 1
        assert server.sessions[0].exchanges[-1].fault == fault.name
    pop.noop()
    fault.remove()
    assert fault.fired == 1


def test_a_fault_is_removed_alone(server: Server, pop: poplib.POP3) -> None:
    first, second = server.fault("NOOP", refuse="later"), server.fault("NOOP", refuse="later")
    assert first.name == second.name
    with pytest.raises(poplib.error_proto):
        pop.noop()
    first.remove()
    third = server.fault("NOOP", refuse="later", session=9)
    first.remove()
    with pytest.raises(poplib.error_proto):
        pop.noop()
    second.remove()
    pop.noop()
    assert (first.fired, second.fired, third.fired) == (1, 2, 0)


def test_a_false_flag_is_no_setting(server: Server) -> None:
    assert server.fault("NOOP", cut=1, bare_lf=False).name == "NOOP cut=1"


def test_quirks_from_the_beginning() -> None:
    with Server({"alice": "secret"}, quirks=["listing-without-numbers"]) as server:
        server.deliver("alice", b"mail")
        client = poplib.POP3(server.host, server.port, timeout=20)
        client.user("alice")
        client.pass_("secret")
        assert client.list()[1] == [b"6"]
        client.quit()


def test_a_quirk_is_no_attack(server: Server) -> None:
    with pytest.raises(ValueError, match=r"quirk\('doubled-cr'\)"):
        server.attack("doubled-cr")
    with pytest.raises(ValueError, match=r"attack\('stls-stripped'\)"):
        server.quirk("stls-stripped")


def test_every_profile_can_be_added(server: Server) -> None:
    for name in QUIRKS:
        assert server.quirk(name).fired == 0
    for name in ATTACKS:
        server.attack(name).remove()


def test_a_message_is_cut_where_it_is_told(server: Server) -> None:
    server.deliver("alice", b"x" * 70 + b"\r\n")
    server.fault("RETR", drop_after=30)
    with socket.create_connection((server.host, server.port), timeout=20) as client:
        client.sendall(b"USER alice\r\nPASS secret\r\nRETR 1\r\n")
        received = b""
        while piece := client.recv(1000):
            received += piece
    assert len(received.partition(b"messages\r\n")[2]) == 30
    server.sessions[0].assert_outcome("dropped")
