"""The test server: its life, where it listens, threads, processes and the interpreter."""

import contextlib
import ctypes
import gc
import poplib
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from drops import Backend
from logins import MAIL, USERS, fetch_and_delete, login
from programs import program

import poplin
from poplin.testing import CA, Server

# ---- its life ----


@pytest.mark.holds("T-TST-1", "S")
def test_it_says_what_it_is_and_listens_on_loopback() -> None:
    with Server(USERS) as server:
        assert server.host == "127.0.0.1"
        with socket.create_connection((server.host, server.port), timeout=20) as client:
            assert client.recv(100) == b"+OK poplin test server, not for production\r\n"
        with pytest.raises(poplin.LimitExceeded, match="max_message"):
            server.deliver("alice", bytes((256 << 20) + 1))


def test_a_client_may_connect_before_it_starts() -> None:
    server = Server(USERS, greeting="hello")
    with socket.create_connection((server.host, server.port), timeout=20) as client:
        assert repr(server) == f"<poplin.testing.Server pop3://127.0.0.1:{server.port}, listening>"
        server.start()
        assert client.recv(100) == b"+OK hello\r\n"
        assert repr(server).endswith(", serving>")
        server.stop()
        assert repr(server).endswith(", stopped>")
        assert client.recv(100) == b""


def test_what_it_noted_outlives_it() -> None:
    with Server(USERS) as server:
        uid = server.deliver("alice", MAIL)
        fetch_and_delete(server)
        kept = server.deliver("alice", MAIL)
    server.sessions[0].assert_quit().assert_deleted(uid)
    assert [mail.uid for mail in server.messages("alice")] == [kept]
    server.stop()
    with pytest.raises(poplin.StateError):
        server.start()
    with pytest.raises(poplin.StateError):
        server.clock.advance(1)


def test_no_session_outlives_it() -> None:
    with Server(USERS) as server:
        server.deliver("alice", MAIL)
        with login(server) as pop:
            pop.dele(1)
            server.stop()
            with pytest.raises((poplib.error_proto, OSError)):
                pop.noop()
    assert server.sessions[0].assert_outcome("failed").deleted == ()
    assert len(server.messages("alice")) == 1


def test_starting_twice() -> None:
    with Server() as server, pytest.raises(poplin.StateError):
        server.start()


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"users": USERS, "backend": Backend({})}, ValueError),
        ({"workers": 2}, ValueError),
        ({"tls": "never", "certificate": poplin.testing.certificate()}, ValueError),
        ({"tls": "sometimes"}, ValueError),
        ({"users": {"alice": 5}}, TypeError),
        ({"users": {b"alice": "secret"}}, TypeError),
        ({"users": {"\ud800": "secret"}}, ValueError),
        ({"quirks": ["no-such-quirk"]}, ValueError),
        ({"inactivity": 0}, ValueError),
        ({"max_message": -1}, ValueError),
        ({"keep_sessions": "many"}, TypeError),
        ({"host": "192.0.2.1"}, poplin.NetworkError),
        ({"backend": object()}, TypeError),
    ],
)
def test_arguments_that_do_not_fit(settings: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Server(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"users": ["alice"]}, "users must be a dict of names and passwords, not list"),
        ({"certificate": CA()}, "certificate must be a Certificate, not CA"),
        ({"quirks": "doubled-cr"}, r"quirks=\['doubled-cr'\]"),
        ({"quirks": ["stls-stripped"]}, r"attack\('stls-stripped'\)"),
        ({"keep_sessions": -1}, "keep_sessions must be"),
    ],
)
def test_what_is_wrong_with_an_argument(settings: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        Server(**settings)


def test_many_at_once_know_nothing_of_each_other() -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server({"alice": f"secret-{number}"})) for number in range(50)]
        uids = [server.deliver("alice", b"Subject: %d\r\n\r\n" % number) for number, server in enumerate(servers)]
        for number, server in enumerate(servers):
            with login(server, password=f"secret-{number}") as pop:
                assert pop.retr(1)[1] == [b"Subject: %d" % number, b""]
                pop.dele(1)
                pop.quit()
        for server, uid in zip(servers, uids, strict=True):
            (session,) = server.sessions
            session.assert_deleted(uid)
        assert len({server.port for server in servers}) == 50


# ---- where it listens ----


def test_ipv6() -> None:
    with Server(USERS, host="::1") as server:
        assert server.url == f"pop3://[::1]:{server.port}"
        with poplin.connect(server.url_for("alice"), password="secret") as pop:
            assert pop.stat().count == 0
        assert server.sessions[0].peer.startswith("[::1]:")


def test_a_unix_socket(tmp_path: Path) -> None:
    with Server(USERS, path=tmp_path / "pop") as server:
        assert (server.port, server.path) == (0, tmp_path / "pop")
        with poplin.connect(path=tmp_path / "pop", user="alice", password="secret") as pop:
            assert pop.stat().count == 0
        with pytest.raises(poplin.StateError):
            server.url_for("alice")
        assert server.sessions[0].peer == "unix"
    assert not (tmp_path / "pop").exists()


@pytest.mark.parametrize("user", ["alice@example.org", "a b", "a:b", "a/b;c", "100%", "ä?#", "[::1]"])
def test_a_url_for_any_user(user: str) -> None:
    with Server({user: "secret"}) as server, poplin.connect(server.url_for(user), password="secret") as pop:
        assert pop.stat().count == 0
        assert server.sessions[0].user == user


@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_tls_of_its_own(tls: Any) -> None:
    with Server(USERS, tls=tls, loopback_protected=False) as server:
        file = server.ca_file
        assert file is not None
        assert server.ca_pem == file.read_text()
        trust: dict[str, Any] = {"ca_file": file, "password": "secret", "loopback_protected": False}
        with poplin.connect(server.url_for("alice"), **trust) as pop:
            assert pop.tls
        session = server.sessions[0].assert_no_cleartext_secret()
        assert session.tls == str(pop.tls)
    assert not file.parent.exists()
    with pytest.raises(poplin.StateError):
        assert server.ca_file


def test_no_tls() -> None:
    server = Server()
    assert server.certificate is server.ca_pem is server.ca_file is None


# ---- threads, processes, the interpreter ----


def test_a_session_needs_no_interpreter_lock(server: Server) -> None:
    """The client waits for each reply in C, with the lock in its hand."""
    recv = ctypes.PyDLL(None).recv
    buffer = ctypes.create_string_buffer(100)
    server.deliver("alice", MAIL)
    with socket.create_connection((server.host, server.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bytes([20]) + bytes(15))
        for line in (b"", b"USER alice\r\n", b"PASS secret\r\n", b"RETR 1\r\n", b"DELE 1\r\n", b"QUIT\r\n"):
            client.sendall(line)
            assert recv(client.fileno(), buffer, 100, 0) > 0, "it waits for the lock"
            assert buffer.raw.startswith(b"+OK")
    server.sessions[0].assert_outcome("committed")


def test_many_threads(server: Server) -> None:
    def work(number: int) -> None:
        user = f"user-{number}"
        server.add_user(user, "secret")
        with server.fault("NOOP", user=user, refuse=user) as fault:
            for _ in range(10):
                uid = server.deliver(user, MAIL)
                with login(server, user) as pop:
                    with pytest.raises(poplib.error_proto, match=user):
                        pop.noop()
                    pop.dele(1)
                    pop.quit()
                server.wait_for(lambda server: not server.messages(user))
                mine = [session for session in server.sessions if session.user == user]
                mine[-1].assert_deleted(uid)
            assert fault.fired == 10
        done.append(number)

    done: list[int] = []
    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(8))


def test_a_child_after_fork_leaves_it_alone() -> None:
    text = """
        import os
        import poplin, poplib
        from poplin.testing import Server

        class Backend:
            def password(self, user): return "secret"
            def maildrop(self, user): raise poplin.InUse

        for server in (Server({"alice": "secret"}), Server(backend=Backend(), tls="stls")):
            server.start()
            file = server.ca_file
            open_one = poplib.POP3(server.host, server.port, timeout=20)
            (session,) = server.sessions
            fault = server.fault("NOOP", refuse="no")
            child = os.fork()
            if child == 0:
                refused = 0
                for misuse in (
                    lambda: server.sessions, lambda: session.outcome, lambda: fault.fired, server.reset, server.start,
                    lambda: server.messages("alice"), lambda: server.deliver("alice", b""),
                    lambda: server.fault("NOOP", refuse="no"),
                    lambda: server.wait_for(bool), lambda: server.clock.advance(1),
                ):
                    try:
                        misuse()
                    except poplin.StateError:
                        refused += 1
                repr(server)
                server.stop()
                with Server({"bob": "secret"}) as own:
                    own.deliver("bob", b"")
                del server, session, fault, misuse
                os._exit(refused)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 10
            assert open_one.capa()
            open_one.quit()
            open_one.close()
            session.assert_outcome("left")
            assert file is None or file.exists()
            server.stop()
        print("well")
    """
    with program(text) as running:
        output, errors = running.communicate(timeout=60)
    assert (output, errors, running.returncode) == ("well\n", "", 0)


@pytest.mark.parametrize(
    ("backend", "words"),
    [("users={'alice': 'secret'}", "well\n"), ("backend=Backend({'uid': b'mail'})", "well\nclosed\n")],
)
def test_a_forgotten_server_neither_hangs_nor_crashes_exit(backend: str, words: str) -> None:
    text = f"""
        import poplib
        from drops import Backend, Drop
        from poplin.testing import Server
        Drop.close = lambda drop, outcome, error: print("closed")
        server = Server({backend})
        server.start()
        session = poplib.POP3(server.host, server.port, timeout=20)
        session.user("alice")
        session.pass_("secret")
        session.sock.detach()
        never_started = Server({backend})
        print("well")
    """
    with program(text) as running:
        output, _ = running.communicate(timeout=60)
    assert (output, running.returncode) == (words, 0)


def test_a_forgotten_server_ends_with_its_object() -> None:
    server = Server(USERS)
    server.start()
    with socket.create_connection((server.host, server.port), timeout=20) as client:
        assert client.recv(100)
        del server
        gc.collect()
        assert client.recv(100) == b""


def test_the_import_brings_only_what_is_needed() -> None:
    text = """
        import sys
        import poplin.testing
        with poplin.testing.Server({"alice": "secret"}) as server:
            server.deliver("alice", b"")
        heavy = ("email", "mailbox", "tempfile", "unittest", "inspect", "pytest")
        print([name for name in heavy if name in sys.modules])
    """
    with program(text) as running:
        output, _ = running.communicate(timeout=60)
    assert output == "[]\n"
