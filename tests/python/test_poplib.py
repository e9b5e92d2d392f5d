"""poplin.poplib beside the standard module: the same names, and the same results from the same server."""

import contextlib
import inspect
import pickle
import poplib
import re
import shutil
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from drops import messages
from interpreters import PACKAGE, others, run

import poplin.poplib
import poplin.testing
from peer import Server, expect, expect_eof, send

ours: Any = poplin.poplib
BOTH = pytest.mark.parametrize("module", [poplib, ours], ids=["standard", "poplin"])

# ---- CPython's own tests ----

SUITE = """
import sys, unittest
from poplin import poplib
poplib.verify_by_default = False
poplib.install()
import test.test_poplib
assert test.test_poplib.poplib is poplib
unittest.main("test.test_poplib", argv=["test_poplib"])
"""


SIGNATURES = """
import inspect, poplib
from poplin import poplib as ours

def shape(kind, name):
    parameters = inspect.signature(getattr(kind, name)).parameters.values()
    return [(one.name, one.kind, one.default) for one in parameters]

for name in ("POP3", "POP3_SSL"):
    standard, own = getattr(poplib, name), getattr(ours, name)
    for method in (method for method in vars(poplib.POP3) if inspect.isfunction(getattr(standard, method))):
        assert shape(own, method) == shape(standard, method), (name, method, shape(own, method))
        print(name, method)
"""

INTERPRETERS = pytest.mark.parametrize("interpreter", [sys.executable, *others()])


@INTERPRETERS
def test_signatures_are_the_running_pythons(interpreter: str) -> None:
    done = run(interpreter, PACKAGE.parent, SIGNATURES)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 50


@INTERPRETERS
def test_pythons_own_tests_pass(interpreter: str, tmp_path: Path) -> None:
    """A missing test package is a failure: tools/setup installs it. The suite connects to localhost, by that name."""
    shutil.copytree(PACKAGE, tmp_path / "poplin", ignore=shutil.ignore_patterns("__pycache__"))
    done = run(interpreter, tmp_path, SUITE)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.search(r"^Ran (\d+) tests", done.stderr, re.MULTILINE)
    assert ran
    assert int(ran[1]) >= 70
    assert re.search(r"^OK$", done.stderr, re.MULTILINE), "some were skipped: " + done.stderr


# ---- names and signatures ----


def public(module: ModuleType) -> set[str]:
    return {name for name, value in vars(module).items() if not (name.startswith("_") or inspect.ismodule(value))}


def test_every_name_is_there() -> None:
    assert public(poplib) - public(ours) == set()
    for name in ("POP3_PORT", "POP3_SSL_PORT", "CR", "LF", "CRLF", "HAVE_SSL", "_MAXLINE", "__all__"):
        assert getattr(ours, name) == getattr(poplib, name)
    assert ours.socket is socket, "programs reach for it here"
    for name in ("POP3", "POP3_SSL"):
        assert set(dir(getattr(poplib, name))) <= set(dir(getattr(ours, name)))


# ---- the same results ----

MAIL = [*messages(3), b"Subject: no line end\r\n\r\n" + b"x" * 2000, b"", b"a\nb\r\n.\r\n..\r\n\r\n"]


@pytest.fixture
def mail_server(served: Any) -> poplin.testing.Server:
    """A test server that every module logs in to in every way that it has."""
    server: poplin.testing.Server = served(
        MAIL, auth="USER PLAIN APOP XOAUTH2", tokens={"alice": "ya29.token"}, utf8=True
    )
    return server


@contextlib.contextmanager
def session(module: Any, server: poplin.testing.Server, log_in: bool = True) -> Iterator[Any]:
    pop = module.POP3(server.host, server.port, timeout=20)
    try:
        if log_in:
            pop.user("alice")
            pop.pass_("secret")
        yield pop
    finally:
        pop.close()


def result(method: Callable[..., Any], *arguments: Any) -> object:
    """What a call returns, or what it raises."""
    try:
        return method(*arguments)
    except (poplib.error_proto, ours.error_proto) as error:
        return "error_proto", error.args


CALLS: list[tuple[Any, ...]] = [
    ("stat",),
    ("list",),
    ("list", 1),
    ("list", "2"),
    ("list", 99),
    ("uidl",),
    ("uidl", 3),
    *(("retr", number) for number in range(1, len(MAIL) + 1)),
    ("retr", "1"),
    ("retr", 99),
    ("retr", "nonsense"),
    ("top", 1, 2),
    ("top", "2", "0"),
    ("top", 99, 1),
    ("dele", 1),
    ("dele", 1),
    ("retr", 1),
    ("list",),
    ("noop",),
    ("rset",),
    ("stat",),
    ("capa",),
    ("rpop", "alice"),
    ("user", "alice"),
    ("_shortcmd", "NOOP"),
    ("_shortcmd", "XTND"),
    ("_longcmd", "UIDL"),
    ("_longcmd", "XTND XLST Subject"),
    ("quit",),
]


def test_each_method_in_a_session(mail_server: poplin.testing.Server) -> None:
    def visit(module: Any) -> list[object]:
        with session(module, mail_server) as pop:
            assert pop.getwelcome() == pop.welcome
            return [result(getattr(pop, name), *arguments) for name, *arguments in CALLS]

    standard = visit(poplib)
    assert visit(ours) == standard
    assert standard[0] == (len(MAIL), sum(mail.octets for mail in mail_server.messages("alice")))


def test_each_method_before_the_login(mail_server: poplin.testing.Server) -> None:
    def visit(module: Any) -> list[object]:
        with session(module, mail_server, log_in=False) as pop:
            calls = (("stat",), ("retr", 1), ("stls",), ("capa",), ("utf8",), ("user", "bob"), ("pass_", "wrong"))
            return [result(getattr(pop, name), *arguments) for name, *arguments in calls]

    assert visit(ours) == visit(poplib)


@BOTH
def test_apop(module: Any, mail_server: poplin.testing.Server) -> None:
    with session(module, mail_server, log_in=False) as pop:
        assert pop.apop("alice", "secret").startswith(b"+OK")
        assert pop.stat()[0] == len(MAIL)


@BOTH
def test_apop_where_there_is_none(module: Any, server: poplin.testing.Server) -> None:
    with session(module, server, log_in=False) as pop, pytest.raises(module.error_proto, match="not supported"):
        pop.apop("alice", "secret")


@BOTH
def test_oauth_in_two_steps_as_programs_do_it(module: Any, mail_server: poplin.testing.Server) -> None:
    """The standard module has no AUTH: programs send it by a private method, whose name they all know."""
    import base64

    with session(module, mail_server, log_in=False) as pop:
        assert pop._shortcmd("AUTH XOAUTH2").startswith(b"+ ")
        assert pop._shortcmd(base64.b64encode(b"user=alice\1auth=Bearer ya29.token\1\1").decode()).startswith(b"+OK")
        assert pop.stat()[0] == len(MAIL)


@BOTH
@pytest.mark.parametrize("context", [False, True])
def test_tls_from_the_first_octet(module: Any, context: bool, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = served(MAIL, tls="implicit")
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    settings = {"context": ssl.create_default_context()} if context else {}
    pop = module.POP3_SSL("127.0.0.1", server.port, timeout=20, **settings)
    assert isinstance(pop.sock, ssl.SSLSocket)
    assert pop.sock.context is pop.context
    assert pop.context is settings.get("context", pop.context)
    pop.user("alice")
    pop.pass_("secret")
    assert b"\r\n".join(pop.retr(1)[1]) + b"\r\n" == MAIL[0]
    with pytest.raises(module.error_proto, match="already established"):
        pop.stls()
    pop.quit()
    assert server.sessions[0].assert_quit().tls


@BOTH
def test_stls(module: Any, served: Any) -> None:
    server = served(MAIL, tls="stls")
    pop = module.POP3("127.0.0.1", server.port, timeout=20)
    assert "STLS" in pop.capa()
    assert pop.stls(ssl.create_default_context(cafile=server.ca_file)).startswith(b"+OK")
    assert isinstance(pop.sock, ssl.SSLSocket)
    assert "STLS" not in pop.capa()
    pop.user("alice")
    pop.pass_("secret")
    assert len(pop.uidl()[1]) == len(MAIL)
    with pytest.raises(module.error_proto, match="already established"):
        pop.stls()
    pop.quit()
    server.sessions[0].assert_quit().assert_no_cleartext_secret()


# ---- as programs use it ----


def test_the_substitute() -> None:
    program = """
import sys
from poplin import poplib as ours
ours.install()
import poplib
from poplib import POP3, POP3_SSL, error_proto
assert poplib is ours and POP3 is ours.POP3
sys.stdout.write(POP3.__module__)
"""
    done = run(sys.executable, PACKAGE.parent, program)
    assert (done.stdout, done.stderr) == ("poplin.poplib", "")


def test_errors_can_be_pickled() -> None:
    for error in (ours.error_proto(b"-ERR no"), ours._BadLine("no")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert again.args == error.args


@BOTH
def test_a_subclass_that_connects_by_itself(module: Any, mail_server: poplin.testing.Server) -> None:
    """As getmail and others do: the base's __init__ is not called."""

    class Own(module.POP3):  # type: ignore[misc]
        def __init__(self, host: str, port: int) -> None:
            self.host = host
            self.port = port
            self.sock = socket.create_connection((host, port), 20)
            self.file = self.sock.makefile("rb")
            self._debugging = 0
            self.welcome = self._getresp()

    pop = Own(mail_server.host, mail_server.port)
    assert isinstance(pop, module.POP3)
    assert pop.welcome.startswith(b"+OK")
    pop.user("alice")
    pop.pass_("secret")
    assert pop.stat()[0] == len(MAIL)
    pop.quit()


@BOTH
@pytest.mark.parametrize("early", [False, True])
def test_a_subclass_that_reads_the_greeting_by_itself(module: Any, early: bool, server: Any) -> None:
    """early: it asks before the greeting, and reads one line for each."""

    class Own(module.POP3):  # type: ignore[misc]
        def __init__(self, host: str, port: int) -> None:
            self.sock = socket.create_connection((host, port), 20)
            self.file = self.sock.makefile("rb")
            self._debugging = 0
            if early:
                self._putcmd("USER alice")
                self.welcome = self._getresp()
                assert self._getresp() != self.welcome
            else:
                self.welcome = self.file.readline()

    pop = Own(server.host, server.port)
    assert pop.welcome.startswith(b"+OK")
    assert "UIDL" in pop.capa()
    pop.quit()


@BOTH
def test_connecting_again(module: Any, server: Any) -> None:
    pop = module.POP3(server.host, server.port, timeout=20)
    pop.sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises((OSError, module.error_proto)):
        pop.noop()
    pop.close()
    pop.sock = socket.create_connection((server.host, server.port), 20)
    pop.file = pop.sock.makefile("rb")
    pop.welcome = pop._getresp()
    assert "UIDL" in pop.capa()
    sock, file = pop.sock, pop.file
    pop.__init__(server.host, server.port, timeout=20)
    sock.close()
    file.close()
    assert "UIDL" in pop.capa()
    pop.quit()


@BOTH
def test_a_file_without_buffer(module: Any, mail_server: poplin.testing.Server) -> None:
    with session(module, mail_server) as pop:
        pop.file = pop.sock.makefile("rb", buffering=0)
        assert pop.retr(1)[2] == len(MAIL[0])


@BOTH
def test_an_own_way_to_connect(module: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(pop: Any, timeout: float | None) -> socket.socket:
        assert (pop.host, timeout) == ("mail.example.org", 20)
        return socket.create_connection((server.host, server.port), timeout)

    monkeypatch.setattr(module.POP3, "_create_socket", create)
    pop = module.POP3("mail.example.org", timeout=20)
    assert pop.user("alice").startswith(b"+OK")
    pop.quit()


@BOTH
def test_an_own_getline_is_given_each_line(module: Any, mail_server: poplin.testing.Server) -> None:
    """As Frappe does, to bound the time that all lines take."""

    class Counting(module.POP3):  # type: ignore[misc]
        lines = 0

        def _getline(self, *arguments: Any) -> Any:
            self.lines += 1
            return super()._getline(*arguments)

    pop = Counting(mail_server.host, mail_server.port)
    pop.user("alice")
    pop.pass_("secret")
    before = pop.lines
    _, lines, octets = pop.retr(1)
    assert pop.lines - before == len(lines) + 2
    assert octets == len(MAIL[0])
    pop.quit()


@BOTH
def test_a_getline_of_one_object(module: Any, mail_server: poplin.testing.Server) -> None:
    with session(module, mail_server) as pop:
        base = pop._getline
        taken = []

        def counting() -> tuple[bytes, int]:
            taken.append(base())
            return taken[-1]

        pop._getline = counting
        _, lines, _ = pop.retr(1)
        assert len(taken) == len(lines) + 2


@BOTH
def test_sending_and_reading_apart(module: Any, mail_server: poplin.testing.Server) -> None:
    """Commands ahead of their replies, by hand, and an answer that is read from `file`."""
    with session(module, mail_server) as pop:
        for command in ("RETR 1", "NOOP", "UIDL", "RETR 2"):
            pop._putcmd(command)
        assert pop._getlongresp()[2] == len(MAIL[0])
        assert pop._getresp().startswith(b"+OK")
        assert len(pop._getlongresp()[1]) == len(MAIL)
        assert pop._getlongresp()[2] == len(MAIL[1])
        pop.sock.sendall(b"NOOP\r\n")
        assert pop.file.readline().startswith(b"+OK")
        pop.sock.sendall(b"STAT\r\n")
        assert pop._getresp().split()[1] == b"%d" % len(MAIL)
        assert pop.noop().startswith(b"+OK")
        pop.sock.sendall(b"RETR 1\r\nRETR 2\r\n")
        assert [pop._getlongresp()[2] for _ in range(2)] == [len(MAIL[0]), len(MAIL[1])]


@BOTH
def test_the_callers_time_out_is_the_sockets(module: Any, server: poplin.testing.Server) -> None:
    with session(module, server) as pop:
        assert pop.sock.gettimeout() == 20
        pop.sock.settimeout(15)
        pop.noop()
        assert pop.sock.gettimeout() == 15


def test_a_default_time_out(server: poplin.testing.Server) -> None:
    def timeout(**settings: Any) -> float | None:
        pop = ours.POP3(server.host, server.port, **settings)
        found: float | None = pop.sock.gettimeout()
        pop.quit()
        return found

    assert timeout() == ours.DEFAULT_TIMEOUT == 60
    assert timeout(timeout=None) is None
    assert timeout(timeout=7) == 7
    socket.setdefaulttimeout(11)
    try:
        assert timeout() == 11
    finally:
        socket.setdefaulttimeout(None)
    with pytest.raises(ValueError, match="timeout=0"):
        timeout(timeout=0)


@BOTH
def test_quit_closes_and_close_deletes_nothing(module: Any, mail_server: poplin.testing.Server) -> None:
    with session(module, mail_server) as pop:
        pop.dele(1)
    with session(module, mail_server) as pop:
        assert pop.stat()[0] == len(MAIL)
        pop.dele(1)
        pop.quit()
        assert pop.sock is None
        assert pop.file is None
        pop.close()
    with session(module, mail_server) as pop:
        assert pop.stat()[0] == len(MAIL) - 1


@BOTH
@pytest.mark.parametrize("greeting", [b"+ hello\r\n", b"+OK hello\n", b"+OK\r\n", b"+hello <a@b>\r\n"])
def test_greetings_that_servers_have(module: Any, greeting: bytes) -> None:
    with Server([send(greeting), expect(b"NOOP\r\n"), send(b"+OK\n"), expect_eof()]) as peer:
        pop = module.POP3("127.0.0.1", peer.port, timeout=20)
        assert pop.welcome == greeting.rstrip()
        assert pop.noop() == b"+OK"
        pop.close()


@BOTH
def test_audit_events(module: Any, server: poplin.testing.Server) -> None:
    program = f"""
import sys
seen = []
sys.addaudithook(lambda name, arguments: seen.append((name, *arguments[1:])) if name.startswith("poplib.") else None)
import poplib
if {module is ours}:
    from poplin import poplib
pop = poplib.POP3("{server.host}", {server.port})
pop.capa()
print(seen)
pop.quit()
"""
    done = run(sys.executable, PACKAGE.parent, program)
    assert done.stderr == ""
    expected = [("poplib.connect", server.host, server.port), ("poplib.putline", b"CAPA")]
    assert done.stdout.strip() == repr(expected)


def test_a_certificate_of_ones_own_is_deprecated_in_arguments(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.version_info >= (3, 12):
        assert "certfile" not in inspect.signature(ours.POP3_SSL).parameters
        return
    server = served(tls="implicit")
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    with poplin.testing.certificate() as one:
        with pytest.warns(DeprecationWarning, match="certfile"):
            pop = ours.POP3_SSL("127.0.0.1", server.port, certfile=one.cert_file, keyfile=one.key_file)
        assert pop.certfile == one.cert_file
        pop.quit()
    with pytest.raises(ValueError, match="mutually exclusive"):
        ours.POP3_SSL("127.0.0.1", server.port, certfile="mine.pem", context=ssl.create_default_context())
