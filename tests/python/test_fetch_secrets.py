"""
Where `python -m poplin fetch` has its secrets from. That none comes out again is looked for in all that it says
(`fetch_commands.end`), and in what others can see of it.
"""

import contextlib
import json
import os
import pty
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drops import messages
from fetch_commands import FETCH, SECRET, Cron, Ran, end

import poplin.testing
from poplin._command import Problem
from poplin._secrets import _entries

New = Callable[..., Cron]


@pytest.fixture
def new(served: Any, tmp_path: Path) -> New:
    """new(**options) gives a home, and a server with two messages of alice's."""

    def make(**options: Any) -> Cron:
        return Cron(served(messages(2), **{"users": {"alice": SECRET}, **options}), tmp_path)

    return make


def fetched(ran: Ran) -> bool:
    return ran.status == 0 and ran.out.startswith("2 messages fetched")


# ---- the environment, a command ----


@pytest.mark.holds("T-SEC-1", "C")
def test_others_see_no_secret(new: New) -> None:
    cron = new()
    fault = cron.server.fault("RETR", stall_before=True)
    with cron.running(*cron.into, POPLIN_PASSWORD=SECRET) as child:
        cron.server.wait_for(lambda _: fault.fired, 30)
        assert SECRET.encode() not in Path(f"/proc/{child.pid}/cmdline").read_bytes()
        child.terminate()
        end(child)
    assert all(SECRET.encode() not in file.read_bytes() for file in cron.home.rglob("*") if file.is_file())


def test_a_password_from_a_command(new: New) -> None:
    cron = new()
    (cron.home / "vault").write_text(f"{SECRET}\nuser: alice\n")
    assert fetched(cron.run(*cron.into, "--password-command", "cat ~/vault", POPLIN_PASSWORD="wrong"))


@pytest.mark.parametrize("command", [f"echo {SECRET}; exit 3", "true", "echo; echo x", r"printf '\377\n'", "no-such"])
def test_a_command_that_gives_no_password(new: New, command: str) -> None:
    cron = new()
    ran = cron.run(*cron.into, "--password-command", command)
    assert ran.status == os.EX_CONFIG
    assert "fetch: --password-command: " in ran.said
    assert cron.server.sessions == []


def test_a_wrong_password_is_not_told(new: New) -> None:
    ran = new(users={"alice": "another one"}).fetch()
    assert ran.status == os.EX_NOPERM


def test_tokens(new: New) -> None:
    cron = new(tokens={"alice": SECRET}, auth="OAUTHBEARER XOAUTH2")
    assert fetched(cron.run(*cron.into, POPLIN_TOKEN=SECRET))
    script = cron.home / "token"
    script.write_text(
        f'echo "[$POPLIN_TOKEN_ANSWER]" >>~/asked\n[ -n "$POPLIN_TOKEN_ANSWER" ] && echo {SECRET} || echo old'
    )
    ran = cron.run(*cron.into, "--token-command", f"sh {shlex.quote(str(script))}")
    assert ran.out == "0 messages fetched, 0 octets; 2 known from before\n"
    first, second = (cron.home / "asked").read_text().splitlines()
    assert first == "[]"
    assert "invalid_token" in second
    assert cron.run(*cron.into, POPLIN_TOKEN=SECRET, POPLIN_PASSWORD=SECRET).status == os.EX_USAGE


def test_a_command_that_gives_a_token_once(new: New) -> None:
    cron = new(tokens={"alice": SECRET}, auth="OAUTHBEARER")
    command = f"mkdir ~/once && echo {SECRET}"
    ran = cron.run(*cron.into, "--json", "--keep", "none", "--commit-every", "1", "--token-command", command)
    total = json.loads(ran.out.splitlines()[-1])
    assert (ran.status, total["status"], total["delivered"], total["deleted"]) == (os.EX_CONFIG, os.EX_CONFIG, 1, 1)
    assert ran.said.endswith("fetch: --token-command: it ended with status 1\n")
    assert len(cron.left()) == 1


def test_a_client_certificate_needs_no_password(new: New) -> None:
    ca = poplin.testing.CA()
    cron = new(tls="stls", auth="EXTERNAL", client_ca_pem=ca.pem)
    with ca.client("alice") as own:
        both = cron.home / "alice.pem"
        both.write_text(own.cert_pem + own.key_pem)
        tls = ["--ca-file", cron.server.ca_file, "--tls", "stls", "--client-cert", both, "--auth", "EXTERNAL"]
        assert fetched(cron.run(*cron.into, *tls))


def test_without_a_password_or_a_terminal(new: New) -> None:
    cron = new()
    ran = cron.run(*cron.into, POPLIN_PASSWORD="")
    assert (ran.status, cron.server.sessions) == (os.EX_CONFIG, [])
    assert "--password-command" in ran.complaint


# ---- a terminal ----


@pytest.mark.parametrize(("typed", "status"), [(SECRET, 0), ("", os.EX_CONFIG)])
def test_a_password_is_asked_for_on_a_terminal(new: New, typed: str, status: int) -> None:
    cron = new()
    ours, theirs = pty.openpty()
    settings = {"stdin": theirs, "start_new_session": True}
    with cron.running(*cron.into, settings=settings) as child:
        os.close(theirs)
        assert child.stderr is not None
        asked = "".join(iter(lambda: child.stderr.read(1), ":"))  # type: ignore[union-attr]
        assert asked == "Password of alice at 127.0.0.1"
        os.write(ours, typed.encode() + b"\n")
        ran = end(child)
        with pytest.raises(OSError):  # EIO, since nothing was echoed
            os.read(ours, 1000)
        os.close(ours)
    assert ran.status == status
    assert len(cron.server.sessions) == (status == 0)


@pytest.mark.parametrize(("key", "status", "said"), [(b"\3", 130, "stopped by"), (b"\4", os.EX_CONFIG, "no password")])
def test_who_enters_no_password_is_told_in_a_line_of_its_own(new: New, key: bytes, status: int, said: str) -> None:
    cron = new()
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execve(FETCH[0], [*FETCH, *map(str, cron.into)], cron.environment())
        finally:
            os._exit(127)
    told = b""
    with contextlib.suppress(OSError):  # EIO: it has ended
        while octets := os.read(terminal, 1000):
            asked = b"127.0.0.1: " in told
            told += octets
            if b"127.0.0.1: " in told and not asked:
                os.write(terminal, key)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
    lines = told.decode().replace("\r", "").replace("^C", "").split("\n")
    assert lines[0] == "Password of alice at 127.0.0.1: "
    assert said in lines[1]


# ---- a netrc ----


def netrc(cron: Cron, text: str, mode: int = 0o600, name: str = ".netrc") -> Path:
    path = cron.home / name
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"machine 127.0.0.1 login alice password {SECRET}\n",
        f"machine other login alice password x\nmachine 127.0.0.1\n\tlogin alice\n\taccount a\n\tpassword {SECRET}",
        f"machine 127.0.0.1 login bob password x\nmachine 127.0.0.1 login alice password {SECRET}\n",
        f'# machine 127.0.0.1 login alice password x\ndefault login alice password "{SECRET}" # mine',
        f"machine 127.0.0.1 password {SECRET}\n",
        f"macdef init\nmachine 127.0.0.1 login alice password x\n\nmachine 127.0.0.1 login alice password {SECRET}\n",
    ],
)
def test_a_password_from_a_netrc(new: New, text: str) -> None:
    cron = new()
    netrc(cron, text)
    assert fetched(cron.run(*cron.into, "--netrc", POPLIN_PASSWORD="wrong"))


def test_a_user_from_a_netrc(new: New) -> None:
    cron = new()
    path = netrc(cron, f"machine 127.0.0.1 login alice password {SECRET}\n", name="mine")
    assert fetched(cron.run(cron.server.url, "--into", cron.maildir, "--netrc", path))
    assert cron.server.sessions[0].user == "alice"
    assert list(poplin.seen(cron.store).accounts()) == [f"alice@127.0.0.1:{cron.server.port}"]


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (f"machine 127.0.0.1 login alice password {SECRET}\n", 0o640, "chmod 600"),
        (f"machine 127.0.0.1 login alice password {SECRET}\n", 0o604, "chmod 600"),
        (f"machine 127.0.0.1 login alice password {SECRET}\n", 0o620, "chmod 600"),
        (f"machine 127.0.0.1 login bob password {SECRET}\n", 0o600, "no password of alice at 127.0.0.1"),
        (f"machine 127.0.0.2 login alice password {SECRET}\n", 0o600, "no password of alice at 127.0.0.1"),
        (f"machine 127.0.0.1 login alice\n{SECRET} word\n", 0o600, "line 2 is not understood"),
        (f"machine 127.0.0.1 login alice password {SECRET}\udcff\n", 0o600, "no UTF-8"),
        ("machine 127.0.0.1 login alice password\n", 0o600, "no password"),
    ],
)
def test_a_netrc_that_gives_no_password(new: New, text: str, mode: int, words: str) -> None:
    cron = new()
    path = cron.home / ".netrc"
    path.write_text(text, errors="surrogateescape")
    path.chmod(mode)
    ran = cron.run(*cron.into, "--netrc", POPLIN_PASSWORD=SECRET)
    assert (ran.status, cron.server.sessions) == (os.EX_CONFIG, [])
    assert words in ran.complaint


def test_a_netrc_that_is_no_file_of_ones_own(new: New) -> None:
    cron = new()
    assert cron.run(*cron.into, "--netrc").complaint == "~/.netrc: No such file or directory"
    ran = cron.run(*cron.into, "--netrc", cron.home)
    assert ran.status == os.EX_CONFIG
    assert re.search("directory|no file", ran.complaint)
    if os.geteuid() == 0:
        path = netrc(cron, f"machine 127.0.0.1 login alice password {SECRET}\n")
        os.chown(path, 12345, -1)
        assert "somebody else" in cron.run(*cron.into, "--netrc").complaint


def test_words_of_a_netrc() -> None:
    text = (
        'machine a login "o\'neil \\"x\\"" password pass\\ word\\\\\n'
        "machine b\n  login b # mine\n  password #hash\n\n"
        "macdef one\n  machine c password d\n  two\n\n"
        'default\npassword "open'
    )
    found = [(entry.machine, entry.login, entry.password) for entry in _entries(Path("x"), text)]
    assert found == [("a", 'o\'neil "x"', "pass word\\"), ("b", "b", "#hash"), (None, None, '"open')]
    with pytest.raises(Problem, match="line 10 is not"):
        list(_entries(Path("x"), text.replace("default", "defaulted")))


def test_the_command_line_has_no_place_for_a_secret(new: New) -> None:
    """An option that takes one would be seen by all; a password in the URL is refused, see the wrong options."""
    ran = new().run("--help")
    assert ran.status == 0
    assert sorted(re.findall(r"^  (--[a-z-]*(?:pass|token|secret)[a-z-]*)", ran.out, re.MULTILINE)) == [
        "--password-command",
        "--token-command",
    ]
