"""docs/python.md: its examples run as they stand, against a test server in the place of mail.example.org."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from poplin.testing import Server

GUIDE = (Path(__file__).resolve().parents[2] / "docs/python.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
TOKENS = {"alice": "ya29.new..."}


@pytest.fixture
def server() -> Server:
    made = Server(users={"alice": "secret"}, tokens=TOKENS)
    for subject in ("one", "done"):
        made.deliver("alice", f"Subject: {subject}\r\nContent-Type: text/plain\r\n\r\nhello\r\n".encode())
    return made


def run(code: str, server: Server) -> list[str]:
    """What it prints. What stands behind a print as a comment is among it."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code.replace("pop3s://mail.example.org", server.url), "example", "exec"), {})
    lines = said.getvalue().splitlines()
    for expected in re.findall(r"^\s*print\(.*\)\s+# (.*)$", code, re.MULTILINE):
        assert expected in lines
    return lines


@pytest.mark.parametrize("code", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_each_example(code: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with server:
        run(code, server)


def example(words: str) -> str:
    (code,) = (code for code in EXAMPLES if words in code)
    return code


def test_the_script_that_looks(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells of each message once."""
    monkeypatch.chdir(tmp_path)
    code = example("since_uid=")
    with server:
        assert run(code, server) == ["new: one", "new: done"]
        assert run(code, server) == []
        server.deliver("alice", b"Subject: later\r\n\r\n")
        assert run(code, server) == ["new: later"]


def test_what_deletes_and_what_does_not(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with server:
        run(EXAMPLES[0], server)
        assert len(server.messages("alice")) == 2
        run(example("pop.rset()"), server)
        assert [mail.email()["subject"] for mail in server.messages("alice")] == ["one"]


def test_its_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^##+ (.*)$", GUIDE, re.MULTILINE)
    }
    targets = re.findall(r"\]\(([^)]+)\)", GUIDE)
    assert len(targets) > 8
    for target in targets:
        page, _, anchor = target.partition("#")
        assert (Path(__file__).resolve().parents[2] / "docs" / page).exists()
        assert page or anchor in headings
