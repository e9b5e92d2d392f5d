"""The raw peer against itself and against bare sockets: what it sends, what it notices, and what it says then."""

import contextlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from peer import (
    Authority,
    Failure,
    Server,
    Step,
    close,
    connect,
    expect,
    expect_eof,
    hold,
    mark,
    reset,
    send,
    send_until_closed,
    shutdown,
    silence,
    starttls,
    taken,
)
from peer.receipt import is_taken

HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def fails(pattern: str) -> Iterator[None]:
    """What happens inside has to end in a failure whose message matches."""
    with pytest.raises(Failure, match=pattern):
        yield


def bare(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=20)


def play(*script: Step, deadline: float = 20) -> Server:
    return Server(list(script), deadline=deadline)


def test_conversation_in_clear() -> None:
    script = [send(b"+OK hi\r\n"), expect(b"CAPA\r\n"), send(b"+OK\r\n.\r\n"), expect_eof("clean")]
    with Server(script) as server, connect(server.host, server.port) as link:
        link.expect(b"+OK hi\r\n")
        link.send(b"CAPA\r\n", cuts="each")
        assert link.read_until(b".\r\n") == b"+OK\r\n.\r\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_piece_is_a_read_of_its_own(host: str) -> None:
    with Server([send(b"abcdef", cuts=[1, 4]), close()], host=host) as server, bare(server) as client:
        assert [client.recv(100) for _ in range(4)] == [b"a", b"bcd", b"ef", b""]


def test_each_piece_is_a_read_of_its_own_on_a_unix_socket(tmp_path: Path) -> None:
    with (
        Server([send(b"abc", cuts="each"), close()], path=tmp_path / "s") as server,
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(server.host)
        assert [client.recv(100) for _ in range(4)] == [b"a", b"b", b"c", b""]


def test_taken_is_false_until_the_other_end_has_read() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
        listener.accept()[0] as theirs,
    ):
        assert is_taken(ours)
        ours.sendall(b"12")
        assert not is_taken(ours)
        theirs.recv(1)
        assert not is_taken(ours)
        theirs.recv(1)
        assert is_taken(ours)


def test_taken_step_holds_a_reset_back_until_all_was_read() -> None:
    with play(send(b"last words"), taken(), reset()) as server, bare(server) as client:
        received = b""
        while len(received) < 10:
            received += client.recv(100)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize("layer", ["text", "wire"])
def test_conversation_under_tls(authority: Authority, layer: str) -> None:
    hello = Step("send", {"data": b"+OK hi\r\n", "cuts": "each", "layer": layer})
    script = [hello, expect(b"QUIT\r\n"), expect_eof("clean")]
    with (
        Server(script, context=authority.issue().server_context(), implicit=True) as server,
        connect(server.host, server.port, context=authority.client_context(), implicit=True) as link,
    ):
        link.expect(b"+OK hi\r\n")
        assert link.tls is not None
        assert link.tls.version() == "TLSv1.3"
        link.send(b"QUIT\r\n", cuts=[2])


def test_starttls_in_the_middle(authority: Authority) -> None:
    script = [expect(b"STLS\r\n"), send(b"+OK\r\n"), starttls(), expect(b"NOOP\r\n"), close("cut")]
    with (
        Server(script, context=authority.issue().server_context()) as server,
        connect(server.host, server.port, context=authority.client_context()) as link,
    ):
        link.send(b"STLS\r\n")
        link.expect(b"+OK\r\n")
        link.starttls()
        link.send(b"NOOP\r\n")
        link.expect_eof("cut")


def test_clear_text_before_the_handshake_spoils_it(authority: Authority) -> None:
    script = [send(b"+OK\r\ninjected\r\n"), starttls(fails=True)]
    with (
        Server(script, context=authority.issue().server_context()) as server,
        connect(server.host, server.port, context=authority.client_context()) as link,
    ):
        link.expect(b"+OK\r\n")
        link.starttls(fails=True)


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    with (
        Server([starttls(fails=True)], context=authority.issue("elsewhere.example").server_context()) as server,
        connect(server.host, server.port, context=authority.client_context()) as link,
    ):
        link.starttls(fails=True)


def test_handshake_that_was_to_fail(authority: Authority) -> None:
    with (
        fails("was to fail and did not"),
        Server([starttls(fails=True)], context=authority.issue().server_context()) as server,
        connect(server.host, server.port, context=authority.client_context()) as link,
    ):
        link.starttls()
        link.silence()


def test_a_truncated_end_is_not_a_clean_one(authority: Authority) -> None:
    context = authority.issue().server_context()
    with (
        Server([close("cut")], context=context, implicit=True) as server,
        connect(server.host, server.port, context=authority.client_context(), implicit=True) as link,
        fails("end was cut, not clean"),
    ):
        link.expect_eof("clean")


def test_wrong_octets_are_shown_at_once() -> None:
    with (
        fails(r"(?s)step 1, expect.*expected CAPA\\r\\n but got CAPX.*peer gets  CAPX"),
        play(expect(b"CAPA\r\n"), silence()) as server,
        bare(server) as client,
    ):
        client.sendall(b"CAPX")
        assert client.recv(1) == b""


def test_an_end_instead_of_octets() -> None:
    with (
        fails(r"but got CA and the end \(clean\)"),
        play(expect(b"CAPA\r\n")) as server,
        bare(server) as client,
    ):
        client.sendall(b"CA")


def test_octets_instead_of_an_end() -> None:
    with (
        fails("instead of the end there came x"),
        play(expect_eof()) as server,
        bare(server) as client,
    ):
        client.sendall(b"x")


def test_a_reset_is_no_clean_end() -> None:
    with (
        fails("end was reset"),
        play(expect_eof()) as server,
        connect(server.host, server.port) as link,
    ):
        link.reset()


def test_lines_match_expressions() -> None:
    script = [expect(re.compile(rb"AUTH PLAIN .*\r\n")), expect(re.compile(rb"NOOP\r\n"))]
    with (
        fails(r"step 2, .*the line QUIT\\r\\n does not match"),
        Server(script) as server,
        connect(server.host, server.port) as link,
    ):
        link.send(b"AUTH PLAIN abc\r\nQUIT\r\n")
        link.silence()


def test_silence_lasts_until_the_other_side_closes() -> None:
    with play(silence(), send(b"unheard")) as server, bare(server) as client:
        client.sendall(b"anything")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"unheard"


def test_half_closed_connections_go_on() -> None:
    with play(shutdown(), expect(b"still here"), expect_eof()) as server, bare(server) as client:
        assert client.recv(1) == b""
        client.sendall(b"still here")


def test_sends_until_closed() -> None:
    with play(send_until_closed(b"x" * 1000)) as server, bare(server) as client:
        client.recv(100)


def test_a_side_that_never_closes_is_found() -> None:
    with (
        fails("still takes octets after 3000"),
        play(send_until_closed(b"x" * 1000, limit=3000)) as server,
        bare(server) as client,
    ):
        while client.recv(4096):
            pass


def test_every_step_has_a_deadline() -> None:
    with (
        fails(r"nothing came within 0\.05 s"),
        play(expect(b"x"), deadline=0.05) as server,
        bare(server) as client,
    ):
        client.recv(1)


def test_a_connection_that_never_comes() -> None:
    with (
        fails("connection 1 of 1 never came"),
        play(silence(), deadline=0.05),
    ):
        pass


def test_a_connection_too_many() -> None:
    with (
        fails("no script"),
        play(hold("both"), close()) as server,
        bare(server),
        bare(server) as second,
    ):
        server.release("both")
        second.recv(1)


def test_a_failing_test_does_not_wait_for_the_script() -> None:
    with (
        pytest.raises(ZeroDivisionError) as caught,
        play(mark("here"), expect(b"never"), deadline=1000) as server,
        bare(server),
    ):
        server.wait_for("here")
        raise ZeroDivisionError
    assert "expect(pattern=b'never')" in caught.value.__notes__[0]


def test_marks_and_holds() -> None:
    order = []
    with play(send(b"1"), mark("first"), hold("second"), send(b"2")) as server, bare(server) as client:
        server.wait_for("first")
        order.append("first seen")
        order.append(client.recv(2).decode())
        server.release("second")
        order.append(client.recv(2).decode())
    assert order == ["first seen", "1", "2"]


def test_two_connections_have_a_script_each() -> None:
    with (
        Server([send(b"one")], [send(b"two")]) as server,
        bare(server) as first,
        bare(server) as second,
    ):
        assert (first.recv(10), second.recv(10)) == (b"one", b"two")


class Program:
    """The peer started as a program, with its output read line by line."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, str(HERE), *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def port(self) -> int:
        return int(self.line().removeprefix("port "))

    def end(self) -> tuple[int, str]:
        _, problem = self.process.communicate(timeout=60)
        return self.process.returncode, problem


def test_program_listens() -> None:
    script = r"""
        send "+OK "   "h\x69\r\n" cuts 2,5   # a comment
        mark sent
        hold go
        match "QUIT *\r\n"
        send "."*3
        close
        next
        expect-eof
    """
    program = Program("listen", "-c", script)
    port = program.port()
    with connect("127.0.0.1", port) as link:
        link.expect(b"+OK hi\r\n")
        assert program.line() == "mark sent"
        link.send(b"QUIT  \r\n")
        assert program.process.stdin
        program.process.stdin.write("go\n")
        program.process.stdin.flush()
        link.expect(b"...")
        link.expect_eof()
    connect("127.0.0.1", port).close()
    assert program.end() == (0, "")


def test_program_connects_over_tls(authority: Authority) -> None:
    with Server([send(b"hi"), expect_eof()], context=authority.issue().server_context(), implicit=True) as server:
        where = ["127.0.0.1", str(server.port), "--tls", "--ca", str(authority.file)]
        assert Program("connect", *where, "-c", 'expect "hi"').end() == (0, "")


def test_program_makes_its_own_authority(tmp_path: Path) -> None:
    program = Program("listen", "--tls", "--make-ca", str(tmp_path / "ca"), "-c", 'send "hi"\nexpect-eof clean')
    port = program.port()
    where = ["127.0.0.1", str(port), "--tls", "--ca", str(tmp_path / "ca")]
    assert Program("connect", *where, "-c", 'expect "hi"').end() == (0, "")
    assert program.end() == (0, "")


def test_program_shows_the_conversation_where_it_fails() -> None:
    program = Program("listen", "-c", 'expect "NOOP"')
    with connect("127.0.0.1", program.port()) as link:
        link.send(b"QUIT")
        link.silence()
    code, problem = program.end()
    assert code == 1
    assert "expected NOOP but got QUIT" in problem


@pytest.mark.parametrize("line", ["sent 'x'", 'send "\\q"', "close softly", 'send "x" at 3', "hold"])
def test_lines_that_are_no_steps(line: str) -> None:
    code, problem = Program("listen", "-c", f"taken\n{line}").end()
    assert code == 1
    assert problem.startswith("line 2: ")


def test_threads_do_not_outlive_their_server() -> None:
    with play(close()) as server, bare(server):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("peer")]
