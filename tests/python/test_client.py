"""The client's verbs against poplin's own server."""

import email.message
import io
from pathlib import Path
from typing import Any

import pytest
from drops import messages
from scripts import LEAVE, LOGIN, join

import poplin
from peer import Server

MAIL = [b"Subject: hello\n\nfirst\n", b"Subject: dots\r\n\r\n.\r\n..x\r\nno line end"]
WIRE = [b"Subject: hello\r\n\r\nfirst\r\n", b"Subject: dots\r\n\r\n.\r\n..x\r\nno line end\r\n"]


@pytest.fixture
def server(served: Any) -> Any:
    return served(MAIL)


@pytest.fixture
def pop(server: Any, connect: Any) -> Any:
    return connect(server)


def uids(server: Any) -> list[str]:
    return [message.uid for message in server.messages("alice")]


def test_stat_list_and_uidl(server: Any, pop: poplin.Client) -> None:
    octets = [len(message) for message in WIRE]
    assert pop.stat() == poplin.Stat(2, sum(octets))
    assert repr(pop.stat()) == f"Stat(count=2, octets={sum(octets)})"
    assert pop.list() == [poplin.Listing(1, octets[0]), poplin.Listing(2, octets[1])]
    assert pop.list(2) == poplin.Listing(2, octets[1])
    assert pop.uidl() == [poplin.UniqueID(number, uid) for number, uid in enumerate(uids(server), 1)]
    assert pop.uidl(1) == pop.uidl()[0]


def test_retr_into_a_file_a_path_and_a_callable(pop: poplin.Client, tmp_path: Path) -> None:
    file = io.BytesIO()
    assert pop.retr(2, into=file) == len(WIRE[1])
    assert file.getvalue() == WIRE[1]
    assert pop.retr(2, into=tmp_path / "mail") == len(WIRE[1])
    assert (tmp_path / "mail").read_bytes() == WIRE[1]
    pieces: list[bytes] = []
    assert pop.retr(2, into=pieces.append) == len(WIRE[1])
    assert b"".join(pieces) == WIRE[1]


def test_retr_into_a_path_as_text_and_into_a_raw_file(pop: poplin.Client, tmp_path: Path) -> None:
    class Narrow(io.RawIOBase):
        """Takes ten octets at a time, as a pipe or a socket may."""

        taken = b""

        def writable(self) -> bool:
            return True

        def write(self, piece: Any) -> int:
            self.taken += bytes(piece[:10])
            return min(10, len(piece))

    assert pop.retr(2, into=str(tmp_path / "mail")) == len(WIRE[1])
    assert (tmp_path / "mail").read_bytes() == WIRE[1]
    with Narrow() as narrow:
        assert pop.messages()[1].retr(into=narrow) == len(WIRE[1])
        assert narrow.taken == WIRE[1]


@pytest.mark.holds("T-API-3", "B")
@pytest.mark.parametrize("into", [5, b"mail", [], object()])
def test_what_nothing_can_be_written_to_is_refused_before_anything_is_sent(into: Any) -> None:
    with Server([*LOGIN, *LEAVE]) as peer, join(peer) as pop:
        with pytest.raises(TypeError, match="into must be a binary file, a path or a callable"):
            pop.retr(1, into=into)


def test_only_a_file_of_its_own_is_removed_again(pop: poplin.Client, tmp_path: Path) -> None:
    device = tmp_path / "full"
    device.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        pop.retr(1, into=device)
    assert device.is_symlink()
    with pytest.raises(IsADirectoryError):
        pop.retr(1, into=tmp_path)
    assert pop.stat().count == 2


def test_a_refused_retr_leaves_the_path_alone(pop: poplin.Client, tmp_path: Path) -> None:
    path = tmp_path / "mail"
    path.write_bytes(b"before")
    with pytest.raises(poplin.Refused):
        pop.retr(3, into=path)
    assert path.read_bytes() == b"before"


def test_what_into_raises_comes_through_and_the_connection_goes_on(served: Any, connect: Any, tmp_path: Path) -> None:
    server = served(messages(2, 500_000))
    pop = connect(server)

    def full(piece: bytes) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        pop.retr(1, into=full)
    with pytest.raises(TypeError):
        pop.retr(1, into=io.StringIO())
    assert pop.stat().count == 2
    assert pop.retr(2).endswith(b"the end\r\n")


@pytest.mark.holds("T-API-1", "B")
def test_a_sink_may_use_its_connection_and_close_it(served: Any, connect: Any) -> None:
    content = messages(2, 300_000)
    pop = connect(served(content))
    pieces: list[bytes] = []
    others: list[bytes] = []

    def use(piece: bytes) -> None:
        pieces.append(piece)
        others.append(pop.retr(2))

    pop.retr(1, into=use)
    assert b"".join(pieces) == content[0]
    assert len(pieces) > 1
    assert others == [content[1]] * len(pieces)
    with pytest.raises(poplin.StateError, match="closed"):
        pop.retr(1, into=lambda piece: pop.close())


def test_a_failure_that_is_kept_does_not_keep_the_message(served: Any, connect: Any) -> None:
    """What is still to come of it is dropped at once, though the traceback lives: it would exceed the window."""
    server = served(messages(1, 3_000_000))
    pop = connect(server, limits={"window_octets": 100_000})
    with pytest.raises(ZeroDivisionError) as kept:
        pop.retr(1, into=lambda piece: 1 // 0)
    assert pop.stat().count == 1
    del kept


def test_large_pieces_and_an_empty_message(served: Any, connect: Any) -> None:
    server = served([b"x" * 76 + b"\r\n" + b"y" * 1_000_000 + b"\r\n", b""])
    pop = connect(server)
    sizes: list[int] = []
    total = pop.retr(1, into=lambda piece: sizes.append(len(piece)))
    assert total == sum(sizes) == 1_000_080
    assert all(size >= 1 << 16 for size in sizes[:-1])
    assert pop.retr(2) == b""
    assert pop.retr(2, into=sizes.append) == 0


def test_dele_and_rset(server: Any, connect: Any) -> None:
    _, second = uids(server)
    with connect(server) as pop:
        pop.dele(1)
        assert pop.stat().count == 1
        with pytest.raises(poplin.Refused, match="RETR 1") as caught:
            pop.retr(1)
        assert caught.value.doing == "RETR 1"
        assert caught.value.peer
        pop.rset()
        assert pop.stat().count == 2
        pop.noop()
        pop.dele(2)
    server.sessions[0].assert_deleted(second)


def test_messages_lists_and_fetches_nothing(server: Any, pop: poplin.Client) -> None:
    first, second = pop.messages()
    assert (first.number, first.uid, first.octets, first.data) == (1, uids(server)[0], len(WIRE[0]), None)
    assert second.retr() == WIRE[1]
    assert second.top(0) == b"Subject: dots\r\n\r\n"
    assert second.data is None
    assert repr(first) == f"<poplin.Message 1 uid={first.uid!r} octets={len(WIRE[0])}>"
    collected: list[bytes] = []
    assert second.retr(into=collected.append) == len(WIRE[1])


def test_email_parses_data_or_fetches_first(pop: poplin.Client) -> None:
    listed = pop.messages()[0].email()
    assert isinstance(listed, email.message.EmailMessage)
    assert listed["subject"] == "hello"
    assert [message.email()["subject"] for message in pop.retr_all()] == ["hello", "dots"]


def test_what_is_known_without_asking(pop: poplin.Client) -> None:
    assert pop.greeting == "poplin test server, not for production"
    assert pop.tls is None
    assert pop.mechanism == "PLAIN"
    assert pop.capabilities["SASL"] == ("PLAIN",)
    assert pop.capa()["UIDL"] == ()


def test_repr_and_errors_show_no_secret(server: Any, connect: Any) -> None:
    pop = connect(server)
    assert repr(pop) == f"<poplin.Client 127.0.0.1:{server.port}, no TLS>"
    with pytest.raises(poplin.AuthError) as caught:
        connect(server, password="not the s3cret")
    assert "s3cret" not in repr(caught.value) + str(caught.value) + str(vars(caught.value))
    assert caught.value.code == "AUTH"
    assert caught.value.host == f"127.0.0.1:{server.port}"


def test_login_after_connecting(server: Any, connect: Any) -> None:
    pop = connect(server, user=None, password=None)
    assert pop.mechanism is None
    with pytest.raises(poplin.StateError, match=r"^STAT at .*: log in first"):
        pop.stat()
    with pytest.raises(poplin.StateError, match="log in first"):
        list(pop.retr_all())
    with pytest.raises(poplin.AuthError, match=r"^login at"):
        pop.login("alice", "wrong")
    pop.login("alice", "secret")
    for verb in (lambda: pop.login("alice", "secret"), pop.stls):
        with pytest.raises(poplin.StateError, match="only before the login"):
            verb()
    assert pop.mechanism == "PLAIN"
    assert pop.stat().count == 2


def test_a_unix_socket_and_a_socket_of_ones_own(served: Any, tmp_path: Path) -> None:
    import socket

    path = tmp_path / "pop3.sock"
    server = served(MAIL, path=path)
    assert server.port == 0
    assert server.path == path
    with pytest.raises(poplin.StateError):
        _ = server.url
    with poplin.connect(path=path, user="alice", password="secret") as pop:
        assert pop.stat().count == 2
    own = socket.socket(socket.AF_UNIX)
    own.connect(str(path))
    with poplin.connect("pop3://localhost", sock=own, user="alice", password="secret", loopback_protected=True) as pop:
        assert pop.stat().count == 2
    assert own.fileno() == -1
    with pytest.raises(ValueError, match="handed over"):
        poplin.connect(sock=own, user="alice", password="secret")


@pytest.mark.holds("T-API-2", "C")
def test_an_exception_in_the_block_deletes_nothing(server: Any, connect: Any) -> None:
    with pytest.raises(ZeroDivisionError), connect(server) as pop:
        pop.dele(1)
        _ = 1 / 0
    server.sessions[0].assert_outcome("dropped")
    assert len(uids(server)) == 2


@pytest.mark.holds("T-API-2", "C")
def test_a_forgotten_client_warns_and_deletes_nothing(server: Any) -> None:
    pop = poplin.connect(server.url, user="alice", password="secret")
    pop.dele(1)
    with pytest.warns(ResourceWarning, match=r"unclosed <poplin\.Client"):
        del pop
    server.sessions[0].assert_outcome("dropped")
    assert len(uids(server)) == 2


def test_closing_twice_is_peaceful_and_verbs_then_say_so(pop: poplin.Client) -> None:
    pop.quit()
    pop.close()
    with pytest.raises(poplin.StateError, match="closed"):
        pop.stat()
    with pytest.raises(poplin.StateError, match="closed"):
        pop.quit()
    with pop:
        pass
    assert "closed" in repr(pop)


def test_exceptions_are_built_in_ones_too() -> None:
    assert issubclass(poplin.Timeout, TimeoutError)
    assert issubclass(poplin.ConnectionLost, ConnectionError)
    assert issubclass(poplin.CertificateError, poplin.TLSError)
    assert issubclass(poplin.NetworkError, OSError)
    for kind in (poplin.AuthError, poplin.InUse, poplin.Temporary):
        assert issubclass(kind, poplin.Refused)


def test_exceptions_survive_pickling() -> None:
    import pickle

    error = poplin.Timeout("RETR 1: too slow", doing="RETR 1", host="h:1", reason="too slow", code=None)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is poplin.Timeout
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_messages_newest_first(served: Any, connect: Any) -> None:
    pop = connect(served(messages(3)))
    assert [message.number for message in pop.messages(newest_first=True)] == [3, 2, 1]


def test_messages_since_a_unique_id(served: Any, connect: Any) -> None:
    pop = connect(served(messages(4)))
    uids = [message.uid for message in pop.messages()]
    assert [message.uid for message in pop.messages(since_uid=uids[1])] == uids[2:]
    assert [message.uid for message in pop.messages(since_uid=uids[1], newest_first=True)] == uids[:1:-1]
    assert pop.messages(since_uid=uids[-1]) == []
    assert [message.uid for message in pop.messages(since_uid="not there any more")] == uids
    with pytest.raises(TypeError, match="since_uid"):
        pop.messages(since_uid=3)  # type: ignore[arg-type]


def test_since_a_unique_id_where_the_server_has_none(served: Any, connect: Any) -> None:
    server = served(messages(2))
    server.fault("UIDL", refuse="what is that?")
    pop = connect(server)
    assert [message.uid for message in pop.messages()] == [None, None]
    with pytest.raises(poplin.Refused):
        pop.messages(since_uid="one")


def test_the_headers_of_a_message_come_by_top(served: Any, connect: Any) -> None:
    server = served([b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nTo: a@example.org,\r\n b@example.org\r\n\r\nbody\r\n"])
    pop = connect(server)
    (message,) = pop.messages()
    headers = message.headers()
    assert headers["subject"] == "grüße"
    assert headers["to"] == "a@example.org, b@example.org"
    assert headers.get_payload() == ""
    assert "RETR" not in server.transcript
    (fetched,) = pop.retr_all()
    assert fetched.headers()["subject"] == "grüße"
    assert server.transcript.count("TOP 1 0") == 1
