"""The README's Python code and the examples, run as they stand."""

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

import pytest
from programs import Program

import poplin

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
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


def test_the_readme_has_python() -> None:
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_the_readmes_python(block: str) -> None:
    """What stands behind a print as a comment is what it prints."""
    done = run("-c", block)
    assert (done.returncode, done.stderr) == (0, "")
    for expected in re.findall(r"^\s*print\(.*\)\s+# (.*)$", block, re.MULTILINE):
        assert expected in done.stdout.splitlines()


def test_serve_and_fetch(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    for sample in SAMPLES:
        shutil.copy(sample, folder)
    examples = ROOT / "examples/python"
    with running(examples / "serve.py", folder, "alice", POPLIN_PASSWORD="secret") as server:
        url = line_of(server).replace("://", "://alice@")
        refused = run(examples / "fetch.py", url, tmp_path / "mail", POPLIN_PASSWORD="wrong")
        assert refused.returncode == 1
        assert refused.stderr.startswith("fetch: login at ")
        fetched = run(examples / "fetch.py", url, tmp_path / "mail", POPLIN_PASSWORD="secret")
    assert (fetched.stdout, fetched.stderr) == (f"{len(SAMPLES)} messages\n", "")
    assert len(mailbox.Maildir(tmp_path / "mail")) == len(SAMPLES)
    assert list(folder.iterdir()) == []


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
