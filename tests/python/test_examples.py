"""The documents' Python code and the examples, run as they stand."""

import contextlib
import io
import mailbox
import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nameserver import name_server
from programs import Program

import poplin
import poplin.testing
from poplin import _core

ROOT = Path(__file__).resolve().parent.parent.parent
TESTING = (ROOT / "docs/testing.md").read_text("utf-8")


def blocks(text: str) -> list[str]:
    """The Python code in a document."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


BLOCKS = [
    block
    for name in ("README.md", "docs/testing.md", "docs/logins.md", "docs/offers.md", "docs/aio.md", "docs/protocol.md")
    for block in blocks((ROOT / name).read_text("utf-8"))
]
TESTS = [block for block in BLOCKS if "def test_" in block and "pop3_server)" in block]
PROGRAMS = [block for block in BLOCKS if block not in TESTS]
SAMPLES = sorted((ROOT / "examples/mail").glob("*.eml"))


def run(*command: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


@contextlib.contextmanager
def running(*command: object, **environment: str) -> Iterator[Program]:
    """A program that serves until it is interrupted."""
    with Program(
        [sys.executable, "-X", "dev", "-W", "error", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as child:
        yield child
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=20)
        assert (child.returncode, output, errors) == (0, "", "")


def line_of(child: Program) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


FETCHED = f"{len(SAMPLES)} messages fetched"


def fetch(url: str, folder: Path, password: str = "secret") -> "subprocess.CompletedProcess[str]":
    """All mail into a Maildir in the folder, none of it left on the server; what is remembered is there, too."""
    program = ROOT / "examples/python/fetch.py"
    folder.mkdir(exist_ok=True)
    return run(program, url, folder / "mail", "none", POPLIN_PASSWORD=password, XDG_STATE_HOME=str(folder / "state"))


def test_the_documents_have_python() -> None:
    assert blocks(TESTING)
    assert PROGRAMS
    assert TESTS


@pytest.mark.parametrize("block", PROGRAMS)
def test_the_documents_python(block: str) -> None:
    """What stands behind a print as a comment is what it prints."""
    done = run("-c", block)
    assert done.returncode == 0, done.stderr
    if "unittest" not in block:
        assert done.stderr == ""
    for expected in re.findall(r"^\s*print\(.*\)\s+# (.*)$", block, re.MULTILINE):
        assert expected in done.stdout.splitlines()


MY_PROGRAM = """
import poplin

def run_my_program(*address):
    url = f"pop3://127.0.0.1:{address[-1]}"
    for _ in range(2):
        try:
            with poplin.connect(url, user="alice", password="secret") as pop:
                for message in pop.retr_all():
                    message.dele()
            break
        except poplin.ConnectionLost:
            pass

"""


@pytest.mark.parametrize("block", TESTS)
def test_the_documents_tests(block: str, tmp_path: Path) -> None:
    """With a program that comes back after a lost connection they pass; with one that does not they fail."""
    for attempts, status in ((2, 0), (1, 1)):
        suite = tmp_path / f"test_{attempts}.py"
        suite.write_text(MY_PROGRAM.replace("range(2)", f"range({attempts})") + block)
        done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", suite)
        assert done.returncode == status, done.stdout


@pytest.mark.parametrize(
    ("table", "kinds"),
    [
        (_core.FAULT_SETTINGS, True),
        (poplin.testing.QUIRKS, False),
        (poplin.testing.ATTACKS, False),
        ({name: meaning for name, meaning in poplin.testing.BLEMISHES.items() if name != "none"}, False),
    ],
)
def test_the_document_tells_what_there_is(table: dict[str, Any], kinds: bool) -> None:
    """Each setting, quirk, attack and blemish of the core, in its own words, and none that it does not have."""
    words = {"flag": "", "signed": "±number", "share": "0 to 1"}
    rows = {
        f"| `{name}` | {f'{words.get(told[0], told[0])} | {told[1]}' if kinds else told} |"
        for name, told in table.items()
    }
    lines = TESTING.splitlines()
    assert rows - set(lines) == set()
    first = min(lines.index(row) for row in rows)
    last = max(lines.index(row) for row in rows)
    assert [line for line in lines[first:last] if line.startswith("| `") and line not in rows] == []


def test_the_documents_faults() -> None:
    examples = re.search(r"^```\n(RETR nth.*?)^```$", TESTING, re.MULTILINE | re.DOTALL)
    assert examples
    server = poplin.testing.Server()
    for line in examples.group(1).splitlines():
        server.fault_text(line.partition("   ")[0])


def test_serve_and_fetch(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    for sample in SAMPLES:
        shutil.copy(sample, folder)
    examples = ROOT / "examples/python"
    with running(examples / "serve.py", folder, "alice", POPLIN_PASSWORD="secret") as server:
        url = line_of(server).replace("://", "://alice@")
        refused = fetch(url, tmp_path, password="wrong")
        assert refused.returncode == 1
        assert refused.stderr.startswith("fetch: login at ")
        fetched = fetch(url, tmp_path)
    assert (FETCHED in fetched.stdout, fetched.stderr) == (True, "")
    assert len(mailbox.Maildir(tmp_path / "mail")) == len(SAMPLES)
    assert list(folder.iterdir()) == []


def test_serve_a_maildir_and_fetch(tmp_path: Path) -> None:
    source = mailbox.Maildir(tmp_path / "served")
    for sample in SAMPLES:
        source.add(sample.read_bytes())
    examples = ROOT / "examples/python"
    with running(examples / "maildir.py", tmp_path / "served", "alice", POPLIN_PASSWORD="secret") as server:
        url = line_of(server).replace("://", "://alice@")
        fetched = fetch(url, tmp_path)
    assert (FETCHED in fetched.stdout, fetched.stderr) == (True, "")
    assert len(mailbox.Maildir(tmp_path / "mail")) == len(SAMPLES)
    assert len(source) == 0


def test_serve_a_folder_with_coroutines_and_fetch_several_accounts_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    for sample in SAMPLES:
        shutil.copy(sample, folder)
    examples = ROOT / "examples/python"
    with running(examples / "aio_serve.py", folder, "alice", POPLIN_PASSWORD="secret") as server:
        url = line_of(server).partition(" on ")[2].replace("://", "://alice@")
        gone = "pop3://alice@127.0.0.1:1"
        counted = run(examples / "aio_fetch.py", "", url, gone, POPLIN_PASSWORD="secret")
        fetched = fetch(url, tmp_path)
    assert counted.stderr == ""
    assert f"{url}: {len(SAMPLES)} messages" in counted.stdout
    assert f"{gone}: " in counted.stdout
    assert FETCHED in fetched.stdout
    assert sorted(file.name for file in folder.iterdir()) == sorted(f".deleted-{sample.name}" for sample in SAMPLES)


def test_the_protocol_over_sockets(tmp_path: Path, certificate: poplin.testing.Certificate) -> None:
    """The example's client from its own server by STLS, that server with another client, that client by pop3s."""
    folder, mail = tmp_path / "served", tmp_path / "mail"
    folder.mkdir()
    mail.mkdir()
    for sample in SAMPLES:
        shutil.copy(sample, folder)
    example = ROOT / "examples/python/protocol_sockets.py"
    ca, pem = certificate.ca_file, tmp_path / "server.pem"
    pem.write_text(certificate.cert_pem + certificate.key_pem)
    with running(example, "serve", folder, "alice", pem, POPLIN_PASSWORD="secret") as server:
        url = line_of(server).replace("://", "://alice@")
        done = run(example, "fetch", url, mail, ca, POPLIN_PASSWORD="secret")
        wrong = run(example, "fetch", url, mail, ca, POPLIN_PASSWORD="wrong")
        strange = run(example, "fetch", url, mail, POPLIN_PASSWORD="secret")
        assert (done.stdout, done.stderr) == (f"{len(SAMPLES)} messages\n", "")
        assert (wrong.returncode, "did not accept the credentials" in wrong.stderr) == (1, True)
        assert (strange.returncode, "certificate verify failed" in strange.stderr) == (1, True)
        assert len(list(folder.iterdir())) == len(SAMPLES)
        other = fetch(url, tmp_path / "other")
        assert (FETCHED in other.stdout, other.stderr) == (True, "")
        assert list(folder.iterdir()) == []
        assert run(example, "fetch", url, mail, ca, POPLIN_PASSWORD="secret").stdout == "0 messages\n"
    wire = [re.sub(rb"\r?\n", b"\r\n", sample.read_bytes()) for sample in SAMPLES]
    fetched = [(mail / f"{number}.eml").read_bytes() for number in range(1, len(SAMPLES) + 1)]
    assert fetched == [octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n" for octets in wire]
    with poplin.testing.Server({"alice": "secret"}, tls="implicit", certificate=certificate) as implicit:
        implicit.deliver("alice", b"Subject: one\r\n\r\n")
        done = run(example, "fetch", implicit.url_for("alice"), mail, ca, POPLIN_PASSWORD="secret")
        assert (done.stdout, done.stderr) == ("1 messages\n", "")
        implicit.sessions[-1].assert_quit()


def test_the_protocol_under_trio(certificate: poplin.testing.Certificate) -> None:
    example = ROOT / "examples/python/protocol_trio.py"
    with contextlib.ExitStack() as stack:
        urls = []
        for tls in ("implicit", "stls"):
            made = poplin.testing.Server({"alice": "secret"}, tls=tls, certificate=certificate)
            server = stack.enter_context(made)
            server.deliver("alice", b"Subject: one\r\n\r\n")
            urls.append(server.url_for("alice"))
        done = run(example, "--ca", certificate.ca_file, *urls, POPLIN_PASSWORD="secret")
        assert done.stderr == ""
        assert sorted(done.stdout.splitlines()) == sorted(f"{url}: 1 messages, 16 octets" for url in urls)
        wrong = run(example, "--ca", certificate.ca_file, *urls, POPLIN_PASSWORD="wrong")
        assert (wrong.returncode, wrong.stdout, wrong.stderr.count("AuthError")) == (1, "", 2)
        strange = run(example, *urls, POPLIN_PASSWORD="secret")
        assert (strange.returncode, strange.stdout) == (1, "")
        assert strange.stderr.count("certificate verify failed") == 2


def test_discover() -> None:
    zone = {
        "_pop3s._tcp.example.org.": ["10 0 995 pop.example.org."],
        "_pop3._tcp.example.org.": ["0 0 110 pop.provider.test."],
    }
    with name_server({**zone}) as server:
        done = run(ROOT / "examples/python/discover.py", "alice@example.org", "127.0.0.1", server.port)
        nothing = run(ROOT / "examples/python/discover.py", "alice@example.net", "127.0.0.1", server.port)
    assert done.stderr == ""
    assert [line.strip() for line in done.stdout.splitlines()] == [
        "pop3s://pop.example.org tls=implicit",
        "pop3://pop.provider.test tls=stls (ask the user whether he knows it)",
        "user names to try: alice@example.org alice",
    ]
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (1, "", "")


def test_the_demonstration(tmp_path: Path) -> None:
    demo = ROOT / "examples/demo"
    with running(demo / "server.py") as server:
        url, ca_file = line_of(server), line_of(server)
        shown = run(demo / "fetch.py", url, ca_file)
        assert (shown.returncode, shown.stderr) == (0, "")
        with poplin.connect(url, user="demo", password="demo", ca_file=ca_file) as pop:
            fetched = [message.data for message in pop.retr_all()]
    assert f"{len(SAMPLES)} messages fetched" in shown.stdout
    wire = [re.sub(rb"\r?\n", b"\r\n", sample.read_bytes()) for sample in SAMPLES]
    assert fetched == [octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n" for octets in wire]


def test_the_demonstration_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples/demo"))
    import fetch

    output = io.StringIO()
    with contextlib.redirect_stdout(output), fetch.plain_lines(1, 10) as advance:
        message = poplin.Message(None, 1, "uid", 10)  # type: ignore[arg-type]
        message.data = b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe=1B[2J?=\r\n\r\n"
        advance(message)
    assert output.getvalue() == "  1/1       10 octets  gr\u00fc\u00dfe?[2J\n"


def test_the_sample_projects_tests(tmp_path: Path) -> None:
    """The mail fetcher's own suite, run where it stands, as somebody would who has copied it."""
    report = tmp_path / "report.xml"
    sample = ROOT / "examples/python-mailfetch"
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={sample}", f"--junitxml={report}", sample)
    assert done.returncode == 0, done.stdout
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    assert [suite.get(kind) for kind in ("failures", "errors", "skipped")] == ["0"] * 3
    assert int(suite.get("tests", 0)) >= 14
