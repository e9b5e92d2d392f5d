"""Arguments that cannot be meant: refused with a type or value error before anything is sent."""

from typing import Any

import pytest
from drops import messages

import poplin
import poplin.testing


@pytest.mark.holds("T-API-3", "B")
@pytest.mark.parametrize("number", [0, -1, 1 << 31, 1 << 64, 1 << 200])
def test_numbers_out_of_range(served: Any, connect: Any, number: int) -> None:
    server = served(messages(1))
    pop = connect(server)
    for verb in (pop.retr, pop.top, pop.dele, pop.list, pop.uidl):
        with pytest.raises(ValueError, match="message number must be from 1 to 2147483647"):
            verb(number)
    with pytest.raises(ValueError, match="message number"):
        list(pop.retr_all([number]))
    with pytest.raises(ValueError, match="lines must be from 0"):
        pop.top(1, -1)
    assert pop.stat().count == 1


@pytest.mark.holds("T-API-3", "B")
@pytest.mark.parametrize("number", ["1", b"1", 1.0, True, [1]])
def test_numbers_of_another_type(served: Any, connect: Any, number: Any) -> None:
    server = served(messages(1))
    pop = connect(server)
    for verb in (pop.retr, pop.top, pop.dele, pop.list, pop.uidl):
        with pytest.raises(TypeError):
            verb(number)
    with pytest.raises(TypeError):
        list(pop.retr_all([number]))
    assert pop.stat().count == 1


def test_a_verb_that_needs_a_number(served: Any, connect: Any) -> None:
    server = served(messages(1))
    pop = connect(server)
    for verb in (pop.retr, pop.top, pop.dele):
        with pytest.raises(ValueError, match="needs a message number"):
            verb(None)
    with pytest.raises(ValueError, match="needs a message number"):
        list(pop.retr_all([None]))
    fetched = pop.retr_all()
    next(fetched)
    with pytest.raises(ValueError, match="needs a message number"):
        pop.dele(None)


@pytest.mark.holds("T-API-3", "B")
@pytest.mark.parametrize("text", ["a\r\nDELE 1", "a\nb", "a\rb", "a\0b", "a\ud800b", "", "x" * 300])
def test_names_and_passwords_that_no_command_carries(served: Any, connect: Any, text: str) -> None:
    server = served(messages(1))
    for login in ({"user": text}, {"password": text}):
        with pytest.raises(ValueError) as caught:
            connect(server, **login)
        if "password" in login and text:
            assert text not in repr(caught.value)
            assert caught.value.__context__ is None or text not in repr(vars(caught.value.__context__))
    pop = connect(server, user=None, password=None)
    with pytest.raises(ValueError):
        pop.login("alice", text)
    pop.login("alice", "secret")


@pytest.mark.holds("T-API-3", "B")
@pytest.mark.parametrize("value", [b"alice", 5, ["alice"]])
def test_names_and_passwords_of_another_type(served: Any, connect: Any, value: Any) -> None:
    server = served(messages(1))
    for login in ({"user": value}, {"password": value}):
        with pytest.raises(TypeError):
            connect(server, **login)


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (["http://localhost"], {}),
        (["pop3://alice:secret@localhost"], {}),
        (["pop3://localhost:0x6e"], {}),
        (["localhost"], {"tls": "yes"}),
        (["localhost"], {"timeout": 0}),
        (["localhost"], {"timeout": -1}),
        (["localhost"], {"timeout": float("nan")}),
        (["localhost"], {"password": "secret"}),
        (["localhost"], {"user": "alice"}),
        (["pop3://alice@localhost"], {}),
        (["localhost"], {"max_message": -1}),
        (["localhost"], {"path": "a\0b"}),
        (["localhost"], {"limits": {"max_line": 0}}),
        (["pop3://alice@localhost"], {"user": "", "password": "x"}),
    ],
)
def test_connections_that_cannot_be_meant(arguments: list[Any], settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as caught:
        poplin.connect(*arguments, **settings)
    assert "secret" not in str(caught.value)


def test_connections_of_another_type() -> None:
    for settings in (
        {},
        {"url": 5},
        {"url": b"localhost"},
        {"url": "h", "timeout": "5"},
        {"url": "h", "limits": {"no": 1}},
        {"url": "h", "sock": 5},
        {"url": "h", "user": 0, "password": "x"},
    ):
        with pytest.raises(TypeError):
            poplin.connect(**settings)


def test_a_password_in_a_url_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="password="):
        poplin.connect("pop3s://alice:hunter2@localhost")


def test_a_socket_is_taken_over_also_where_connecting_fails() -> None:
    import os
    import socket

    for settings in ({"user": "alice"}, {"limits": {"max_line": 0}}, {"user": "a\nb", "password": "x"}):
        near, far = socket.socketpair()
        descriptor = near.fileno()
        with far, pytest.raises(ValueError):
            poplin.connect("localhost", sock=near, **settings)
        with pytest.raises(OSError):
            os.fstat(descriptor)
        assert near.fileno() == -1


def test_throwaway_names() -> None:
    with pytest.raises(TypeError):
        poplin.testing.certificate(b"localhost")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        poplin.testing.certificate("local\0host")
    with pytest.raises(RuntimeError):
        _ = poplin.testing.certificate().ca_file
