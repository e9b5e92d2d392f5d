"""`python -m poplin serve`, as a program that Python's own client meets, signals end, and wrong options stop."""

import contextlib
import os
import poplib
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import Program

import poplin.testing

SERVE = [sys.executable, "-X", "dev", "-W", "error", "-m", "poplin", "serve"]
MESSAGE = b"Subject: one\r\n\r\n" + b"a line of text\r\n" * 20


class Serving:
    """A running program, and where it listens."""

    def __init__(self, child: Program) -> None:
        self.child = child
        assert child.stdout is not None
        self.first = child.stdout.readline()
        found = re.fullmatch(r"listening on (pop3s?)://(?:127\.0\.0\.1|\[::1\]):(\d+)\n", self.first)
        self.port = int(found.group(2)) if found else 0
        self.scheme = found.group(1) if found else ""

    def next_line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline()

    def end(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Ends it; what it said to people."""
        self.child.send_signal(number)
        output, said = self.child.communicate(timeout=30)
        assert (self.child.returncode, output) == (0, "")
        return said


@contextlib.contextmanager
def serving(*options: object, **environment: str) -> Iterator[Serving]:
    with Program(
        [*SERVE, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as child:
        running = Serving(child)
        yield running
        if child.returncode is None:
            running.end()


def refused(*options: object, **environment: str) -> tuple[int, str]:
    """The exit status, and the one line that says why."""
    done = subprocess.run(
        [*SERVE, *map(str, options)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.stdout == ""
    assert re.fullmatch(r"python -m poplin( serve)?: .*\n", done.stderr)
    return done.returncode, done.stderr


@contextlib.contextmanager
def login(running: Serving, user: str = "alice", password: str = "secret") -> Iterator[poplib.POP3]:
    """A session that is dropped at the end where it has not quit."""
    with contextlib.closing(poplib.POP3("127.0.0.1", running.port, timeout=30)) as pop:
        pop.user(user)
        pop.pass_(password)
        yield pop


def stat(running: Serving, user: str = "alice", password: str = "secret") -> tuple[int, int]:
    with login(running, user, password) as pop:
        return pop.stat()


@pytest.fixture
def message(tmp_path: Path) -> Path:
    path = tmp_path / "message.eml"
    path.write_bytes(MESSAGE)
    return path


def mbox(path: Path, count: int) -> Path:
    path.write_bytes(b"".join(b"From someone\nSubject: %d\n\nbody\n\n" % number for number in range(count)))
    return path


@pytest.mark.holds("T-SEC-1", "S")
def test_a_client_meets_it_and_the_log_shows_how(message: Path) -> None:
    with serving(message, "--user", "alice:s3cret") as running:
        with login(running, password="s3cret") as pop:
            assert pop.stat() == (1, len(MESSAGE))
            assert b"\r\n".join(pop.retr(1)[1]) + b"\r\n" == MESSAGE
            pop.dele(1)
            pop.quit()
        said = running.end(signal.SIGINT)
    assert message.read_bytes() == MESSAGE
    assert "1 message for alice\n" in said
    log = re.findall(r"^\d\d:\d\d:\d\d \[1\] (.*)$", said, re.MULTILINE)
    assert [line for line in log if line.startswith("C: ")] == [
        "C: USER alice",
        "C: PASS ****",
        "C: STAT",
        "C: RETR 1",
        "C: DELE 1",
        "C: QUIT",
    ]
    assert len([line for line in log if line.startswith("S: +OK")]) == 7
    assert log[-4:-2] == ["== committed", "   user: alice, by USER"]
    assert said.endswith("stopped: 1 session (1 committed), 1 message retrieved, 1 deleted\n")
    assert "s3cret" not in said


def test_users_and_their_mail(message: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.eml").write_bytes(MESSAGE)
    (folder / "b.eml").write_bytes(MESSAGE)
    secret = tmp_path / "secret"
    secret.write_text("hidden=:\nnot this\n")
    with serving(
        folder, "--user", "alice:secret", "--user", "bob", "--mail", f"bob={mbox(tmp_path / 'mbox', 3)}",
        "--password-file", secret,
    ) as running:  # fmt: skip
        assert stat(running)[0] == 2
        assert stat(running, "bob", "hidden=:")[0] == 5
        with pytest.raises(poplib.error_proto):
            stat(running, "bob", "secret")


@pytest.mark.holds("T-TST-1", "S")
def test_by_default_it_is_on_loopback_for_alice_and_says_what_it_is() -> None:
    with serving() as running:
        assert running.first.startswith("listening on pop3://127.0.0.1:")
        with login(running) as pop:
            assert pop.getwelcome().endswith(b"not for production")
            pop.quit()
        assert stat(running) == (0, 0)
        assert 'the password of alice is "secret"' in running.end()


def test_a_password_from_the_environment() -> None:
    with serving("--user", "bob", POPLIN_PASSWORD="hidden") as running:
        assert stat(running, "bob", "hidden") == (0, 0)


def test_faults_quirks_and_attacks_by_name(message: Path) -> None:
    fault = "RETR nth=2 drop_after=100"
    with serving(message, "--fault", fault, "--quirk", "long-unique-ids", "--attack", "stls-stripped") as running:
        with login(running) as pop:
            pop.retr(1)
            assert len(pop.uidl()[1][0]) == 102
            with pytest.raises((poplib.error_proto, OSError)):
                pop.retr(1)
        said = running.end()
    assert f"fault: {fault}\n" in said
    assert "quirk: long-unique-ids: " in said
    assert re.search(rf"\[1\] !! .*{fault}", said)
    assert f"; {fault}: 1 time; long-unique-ids: 1 time; stls-stripped: 0 times" in said
    assert "(1 dropped)" in said


def test_two_sessions_at_once_are_told_apart() -> None:
    with serving("--user", "alice:secret", "--user", "bob:hidden") as running:
        with login(running) as alice, login(running, "bob", "hidden") as bob:
            alice.noop()
            bob.noop()
            said = running.end()
    assert {"[1] C: USER alice", "[2] C: USER bob"} <= {line[9:] for line in said.splitlines()}
    assert "stopped: 2 sessions (2 " in said


@pytest.mark.parametrize("tls", ["auto", "stls"])
def test_tls_with_a_throw_away_certificate(tls: str, message: Path) -> None:
    with serving(message, "--tls", tls) as running:
        found = re.fullmatch(r"ca file (.*)\n", running.next_line())
        assert found
        ca_file = Path(found.group(1))
        context = ssl.create_default_context(cafile=ca_file)
        if tls == "auto":
            assert running.scheme == "pop3s"
            pop: poplib.POP3 = poplib.POP3_SSL("127.0.0.1", running.port, timeout=30, context=context)
        else:
            pop = poplib.POP3("127.0.0.1", running.port, timeout=30)
            pop.stls(context)
        pop.user("alice")
        pop.pass_("secret")
        assert pop.stat()[0] == 1
        pop.quit()
        assert ca_file.exists()
        assert f"--cacert {ca_file}" in running.end()
    assert not ca_file.exists()


def test_a_certificate_of_ones_own(certificate: poplin.testing.Certificate) -> None:
    with serving("--cert", certificate.cert_file, "--key", certificate.key_file) as running:
        context = ssl.create_default_context(cafile=certificate.ca_file)
        pop = poplib.POP3_SSL("127.0.0.1", running.port, timeout=30, context=context)
        assert pop.getwelcome().startswith(b"+OK")
        pop.close()


def test_a_certificate_that_must_be_refused() -> None:
    with serving("--blemish", "expired") as running:
        context = ssl.create_default_context(cafile=running.next_line().removeprefix("ca file ").strip())
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            poplib.POP3_SSL("127.0.0.1", running.port, timeout=30, context=context)
        assert "certificate: expired: its validity ended yesterday" in running.end()


def test_logins_as_the_options_say(certificate: poplin.testing.Certificate, tmp_path: Path) -> None:
    ca = poplin.testing.CA()
    (tmp_path / "clients.pem").write_text(ca.pem)
    tls = ("--tls", "stls", "--cert", certificate.cert_file, "--key", certificate.key_file)
    logins = ("--auth", "EXTERNAL APOP", "--client-ca-file", tmp_path / "clients.pem", "--login-delay", "3600")
    with serving(*tls, *logins) as running:
        pop = poplib.POP3("127.0.0.1", running.port, timeout=30)
        pop.apop("alice", "secret")
        assert pop.capa()["LOGIN-DELAY"] == ["3600"]
        pop.quit()
        with ca.client("alice") as own, pytest.raises(poplin.Temporary) as caught:
            settings = {"tls": "stls", "ca_pem": certificate.ca_pem, "auth": "EXTERNAL", "timeout": 30}
            poplin.connect(f"localhost:{running.port}", client_cert=(own.cert_file, own.key_file), **settings)
        assert caught.value.code == "LOGIN-DELAY"
    with serving("--failed-login-delay", "0.001") as running, pytest.raises(poplin.AuthError):
        poplin.connect(f"pop3://alice@127.0.0.1:{running.port}", password="wrong", timeout=30)


def test_offers_as_the_options_say(message: Path, tmp_path: Path) -> None:
    catalogue = tmp_path / "languages.json"
    catalogue.write_text('{"de": ["Deutsch", {"bye": "tschüß"}], "tlh": ["", {}]}', "utf-8")
    (tmp_path / "café.eml").write_bytes("Subject: café\r\n\r\n".encode())
    offers = ("--utf8", "--expire", 30, "--languages", catalogue, "--lock", "snapshot")
    with serving(tmp_path / "café.eml", *offers) as running:
        url = f"pop3://127.0.0.1:{running.port}"
        settings = {"user": "alice", "password": "secret", "timeout": 30}
        with poplin.connect(url, **settings) as pop, poplin.connect(url, **settings):
            assert (pop.capabilities.utf8_user, pop.capabilities.expire) == (True, 30)
            assert pop.lang() == [("de", "Deutsch"), ("tlh", ""), ("i-default", "English")]
            assert pop.lang("de-AT") == "de"
            with pytest.raises(poplin.Refused) as caught:
                pop.retr(1)
            assert caught.value.code == "UTF8"
        assert "S: +OK tsch" in running.end()
    with serving("--expire", "never") as running, login(running) as pop:
        assert pop.capa()["EXPIRE"] == ["NEVER"]


def test_a_login_waits_as_the_options_say() -> None:
    with serving("--lock-wait", "1000") as running, login(running) as first:
        with socket.create_connection(("127.0.0.1", running.port), 30) as second:
            second.sendall(b"USER alice\r\nPASS secret\r\nQUIT\r\n")
            first.noop()  # without the option the other one is refused by now
            first.quit()
            assert b"\r\n+OK 0 messages\r\n" in b"".join(iter(lambda: second.recv(1000), b""))


def test_limits_as_the_options_say() -> None:
    limits = ("--limit", "max_failed_logins=1", "--limit", "stall=9.5", "--limit", "max_line=300")
    with serving("--max-sessions", "1", *limits) as running:
        with socket.create_connection(("127.0.0.1", running.port), 30) as only:
            assert only.recv(1000).startswith(b"+OK")
            with pytest.raises(poplin.Temporary):
                poplin.connect(f"pop3://127.0.0.1:{running.port}", timeout=30)
            only.sendall(b"NOOP " + b"x" * 300 + b"\r\nUSER alice\r\nPASS wrong\r\n")
            heard = b"".join(iter(lambda: only.recv(1000), b""))  # to the end: one failure was enough
            assert heard.startswith(b"-ERR line too long\r\n+OK")


@pytest.mark.parametrize(("where", "taken"), [("loopback", True), ("never", False), ("always", True)])
def test_where_passwords_are_taken_in_clear(where: str, taken: bool) -> None:
    with serving("--cleartext", where) as running:
        with contextlib.nullcontext() if taken else pytest.raises(poplib.error_proto):
            stat(running)


def test_ipv6_and_unix_sockets(tmp_path: Path) -> None:
    with serving("--host", "::1") as running:
        assert running.first.startswith("listening on pop3://[::1]:")
        socket.create_connection(("::1", running.port), 30).close()
    path = tmp_path / "socket"
    with serving("--unix-socket", path) as running:
        assert running.first == f"listening on {path}\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert client.recv(100).startswith(b"+OK")
        assert f"--unix-socket {path}" in running.end()


def test_the_ready_file(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with serving("--tls", "stls", "--ready-file", ready) as running:
        first, second = running.first, running.next_line()
        running.end()
    assert list(tmp_path.iterdir()) == []
    with serving("--ready-file", ready) as running:
        stat(running)
        assert ready.read_text() == running.first
    assert (first[:12], second[:8]) == ("listening on", "ca file ")


def test_quiet(message: Path) -> None:
    with serving(message, "--quiet") as running:
        stat(running)
        said = running.end()
    assert "USER" not in said
    assert "stopped: 1 session" in said


def test_a_log_that_is_read_late_is_whole() -> None:
    """It fills the pipe long before it is read; what is read then are all lines, each once, in order."""
    with serving() as running:
        with login(running) as pop:
            for _ in range(1500):
                pop.noop()
                pop.stat()
            pop.quit()
        assert running.child.stderr is not None
        commands = []
        while commands[-1:] != ["QUIT"]:
            commands += re.findall(r" \[1\] C: (.*)$", running.child.stderr.readline())
    assert commands == ["USER alice", "PASS ****", *["NOOP", "STAT"] * 1500, "QUIT"]


def test_a_reply_that_a_fault_changed_is_shown_at_once() -> None:
    with serving("--fault", "NOOP cut=3") as running, login(running) as pop:
        assert running.child.stderr is not None
        pop._putcmd("NOOP")  # type: ignore[attr-defined]
        lines = iter(running.child.stderr.readline, "")
        assert any(line.endswith("!! NOOP cut=3\n") for line in lines)
        assert next(lines).endswith(" [1] S: +OK\n")
        assert next(lines).endswith(" [1]      (3 of 18 octets went out)\n")


def test_it_ends_though_nobody_reads_its_log() -> None:
    """The log fills the pipe; the server goes on, and a signal is heard."""
    with serving("--user", "alice:secret") as running:
        with login(running) as pop:
            for _ in range(3000):
                pop.noop()
        running.child.terminate()
        assert running.child.wait(30) == 0


def test_it_ends_when_its_log_is_closed() -> None:
    with serving() as running:
        assert running.child.stderr is not None
        running.child.stderr.close()
        with socket.create_connection(("127.0.0.1", running.port), 30):
            assert running.child.wait(30) == os.EX_IOERR


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_open_session_ends_with_it_and_deletes_nothing(message: Path, signal_number: signal.Signals) -> None:
    with serving(message) as running:
        with login(running) as pop:
            pop.dele(1)
            said = running.end(signal_number)
            assert pop.sock.recv(1) == b""
    assert "0 deleted" in said


# ---- what is wrong with the options ----


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--user", ":s3cret"], "NAME:SECRET is wanted"),
        (["--user", "alice:"], "NAME:SECRET is wanted"),
        (["--user", "a:s3cret", "--user", "a:s3cret"], "--user a is given twice"),
        (["--mail", "bob=/dev/null"], "there is no --user bob"),
        (["--mail", "bob"], "NAME=PATH is wanted"),
        (["--port", "many"], "invalid int value"),
        (["--port", "70000"], "port"),
        (["--inactivity", "0"], "inactivity"),
        (["--tls", "perhaps"], "invalid choice"),
        (["--tls", "never", "--blemish", "expired"], "which of the two"),
        (["--cert", "/dev/null", "--blemish", "expired"], "which of the two"),
        (["--key", "/dev/null"], "--key without --cert"),
        (["--blemish", "rusty"], "--list-blemishes"),
        (["--fault", "RETR dropafter=1"], "drop_after"),
        (["--fault", "RETR"], "RETR"),
        (["--quirk", "long-unique-id"], "long-unique-ids"),
        (["--attack", "none"], "none"),
        (["--attack", "doubled-cr"], "a quirk"),
        (["--quirk", "stls-stripped"], "an attack"),
        (["--auth", "NTLM"], "SCRAM-SHA-256"),
        (["--auth", "EXTERNAL"], "client_ca_file"),
        (["--client-ca-file", "/dev/null"], "EXTERNAL"),
        (["--failed-login-delay", "-1"], "failed_login_delay"),
        (["--login-delay", "soon"], "invalid int value"),
        (["--lock", "shared"], "'snapshot'"),
        (["--lock", "none", "--lock-wait", "1"], "lock='exclusive'"),
        (["--lock-wait", "-1"], "lock_wait"),
        (["--expire", "soon"], "a number of days is wanted, or never"),
        (["--expire", "9" * 20], "expire"),
        (["--max-sessions", "0"], "max_sessions is not from 1"),
        (["--limit", "max_lines=300"], "max_line, max_sasl_line"),
        (["--limit", "max_line"], "max_line is a number, not nothing"),
        (["--limit", "max_line=1.5"], "max_line is a number, not 1.5"),
        (["--limit", "max_line=300", "--limit", "max_line=400"], "--limit max_line is given twice"),
        (["--limit", "max_line=100"], "max_line is 255 at least"),
        (["--limit", "max_bad_commands=-1"], "max_bad_commands must be from 0"),
        (["--limit", "stall=nan"], "stall must be more than 0"),
        (["--no-such-option"], "unrecognized arguments"),
    ],
)
def test_usage_errors(options: list[str], words: str) -> None:
    status, line = refused(*options)
    assert status == os.EX_USAGE
    assert words in line
    assert "s3cret" not in line


def test_a_user_without_a_secret(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    environment = {name: value for name, value in os.environ.items() if name != "POPLIN_PASSWORD"}
    done = subprocess.run([*SERVE, "--user", "bob"], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, "--password-file" in done.stderr) == (os.EX_USAGE, True)
    assert refused("--user", "bob", "--password-file", empty)[0] == os.EX_DATAERR


def test_files_that_are_not_there(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    no_password: list[object] = ["--password-file", nowhere, "--user", "b"]
    no_mail: list[object] = ["--mail", f"alice={nowhere}"]
    for options in ([nowhere], no_mail, ["--cert", nowhere], ["--languages", nowhere], no_password):
        status, line = refused(*options)
        assert (status, str(nowhere) in line, "No such file" in line) == (os.EX_NOINPUT, True, True)
    status, line = refused("--ready-file", nowhere / "ready")
    assert (status, str(nowhere) in line) == (os.EX_CANTCREAT, True)


def test_a_certificate_that_is_none(message: Path) -> None:
    status, _ = refused("--cert", message)
    assert status == os.EX_DATAERR


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ('{"de": ', os.EX_DATAERR, "no JSON: Expecting value: line 1"),
        ("[" * 100_000, os.EX_DATAERR, "no JSON"),
        ("\udcff", os.EX_DATAERR, "no text"),
        ('["de"]', os.EX_USAGE, "languages must be a dict"),
        ('{"de": "Deutsch"}', os.EX_USAGE, "'de' needs a name and texts"),
        ('{"d_e": ["Deutsch", {}]}', os.EX_USAGE, "languages is not as it should be: tags"),
    ],
)
def test_languages_that_are_none(tmp_path: Path, text: str, status: int, words: str) -> None:
    catalogue = tmp_path / "languages.json"
    catalogue.write_text(text, "utf-8", errors="surrogateescape")
    told, line = refused("--languages", catalogue)
    assert (told, words in line) == (status, True), line


def test_an_address_that_cannot_be_had() -> None:
    with serving() as running:
        status, line = refused("--port", running.port)
        assert (status, "in use" in line) == (os.EX_UNAVAILABLE, True)
    status, line = refused("--host", "192.0.2.1")
    assert (status, "192.0.2.1" in line) == (os.EX_UNAVAILABLE, True)


# ---- help ----


def ask(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "poplin", *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("option", "table"),
    [
        ("--list-quirks", poplin.testing.QUIRKS),
        ("--list-attacks", poplin.testing.ATTACKS),
        ("--list-blemishes", poplin.testing.BLEMISHES),
    ],
)
def test_lists(option: str, table: dict[str, str]) -> None:
    text = ask("serve", option)
    assert re.findall(r"^(\S+)", text, re.MULTILINE) == list(table)
    assert " ".join(text.split()) == " ".join(" ".join(item) for item in table.items())


def test_the_list_of_fault_settings() -> None:
    names = re.findall(r"^(\S+)", ask("serve", "--list-faults"), re.MULTILINE)
    assert {"nth", "times", "drop_after", "delay", "jitter", "omit_line"} <= set(names)


def test_help() -> None:
    assert "serve" in ask("--help")
    assert "--fault TEXT" in ask("serve", "--help")
    assert ask("--version") == f"poplin {poplin.__version__}\n"
