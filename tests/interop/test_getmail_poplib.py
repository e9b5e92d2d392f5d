"""
getmail, unchanged, fetches from a private Dovecot with poplin.poplib in the place of the standard module: Python runs
sitecustomize.py first, which puts it there.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import poplin
from interop.dovecot import Dovecot
from interop.messages import Message, all_messages
from interop.peers import Account, Getmail
from peer import Authority

# The audit hook notes whose class it is that talks: getmail's own, which derives from it, or poplib's.
CUSTOMIZE = """
import sys
from pathlib import Path
from poplin import poplib

def note(event, arguments):
    if event == "poplib.putline":
        Path("witness").write_text(" ".join(kind.__module__ for kind in type(arguments[0]).__mro__))

sys.addaudithook(note)
poplib.install()
"""


class TrustingGetmail(Getmail):
    """It verifies nothing itself, so what is verified is poplib's doing."""

    names_ca = False


def messages() -> list[Message]:
    """
    Every tenth, since getmail delivers each by a process of its own, and all go through it elsewhere. None begins with
    a dot, which Dovecot does not stuff there.
    """
    return [one for one in all_messages()[::10] if Getmail().takes(one) and not one.stored.startswith(b".")]


@pytest.fixture(scope="module")
def dovecot(authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(authority.issue(common_name="localhost")) as running:
        running.add("getmail", messages())
        yield running


@pytest.fixture
def folder(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that getmail's user may read, with all that it needs in it."""
    made = Path(tempfile.mkdtemp(prefix="poplin-getmail-"))
    made.chmod(0o755)
    shutil.copy(authority.file, made / "ca.pem")
    shutil.copytree(Path(poplin.__file__).parent, made / "path/poplin")
    (made / "path/sitecustomize.py").write_text(CUSTOMIZE)
    monkeypatch.setenv("PYTHONPATH", str(made / "path"))
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize(
    ("mode", "getmail"),
    [("plain", Getmail()), ("implicit", Getmail()), ("implicit", TrustingGetmail())],
    ids=["plain", "TLS by getmail", "TLS by poplib"],
)
def test_getmail_fetches_everything(
    mode: str,
    getmail: Getmail,
    dovecot: Dovecot,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    mail = messages()
    port = dovecot.tls_port if mode == "implicit" else dovecot.port
    delivered = Counter(getmail.fetch(Account(port, mode, "getmail", folder / "ca.pem", folder, len(mail))))
    assert "poplin.poplib" in (folder / "witness").read_text().split()
    wanted = Counter(getmail.delivered(message.wire) for message in mail)
    assert delivered == wanted


def test_getmail_trusts_no_unknown_authority(dovecot: Dovecot, folder: Path) -> None:
    """With the standard module it would fetch, and send its password to whoever answers."""
    with pytest.raises(AssertionError, match="CERTIFICATE_VERIFY_FAILED"):
        TrustingGetmail().fetch(Account(dovecot.tls_port, "implicit", "getmail", folder / "ca.pem", folder, 0))
    assert not (folder / "witness").exists()
