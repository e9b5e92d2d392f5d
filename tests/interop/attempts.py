"""
Foreign clients that are told to fetch all of a maildrop and delete it there, quickly, from a server that misbehaves:
what comes of it is a value, whatever it is.
"""

import contextlib
import os
import poplib
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from interop.peers import PEERS
from poplin.testing import Server

TLS = Literal["never", "if offered", "stls", "implicit"]
LIMIT = 60
"""Seconds after which a client has failed the test; its own patience is much shorter."""


@dataclass(frozen=True)
class Attempt:
    """What a client did."""

    code: int | str
    """Its exit status; of poplib 0, or the exception's name."""

    said: str
    """What it printed; of poplib, the exception's text."""

    mail: tuple[bytes, ...] = ()
    """What it delivered, in order."""


@dataclass(frozen=True)
class Client:
    """A client with its options."""

    name: str
    tls: TLS
    attempt: Callable[[Server], Attempt]


def run(
    folder: Path, command: Sequence[str | Path], environment: dict[str, str] | None = None, **options: Any
) -> Attempt:
    """Runs a client whose home is the folder, and looks for what it has delivered to "mail" in there."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "HOME": str(folder), "LC_ALL": "C", **(environment or {})},
        timeout=LIMIT,
        check=False,
        **options,
    )
    files = sorted(file for file in (folder / "mail").rglob("*") if file.is_file())  # their names tell their order
    said = done.stdout.decode(errors="backslashreplace")
    return Attempt(done.returncode, said, tuple(file.read_bytes() for file in files))


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A client's, with a place for its mail."""
    with tempfile.TemporaryDirectory(prefix="poplin-interop-") as name:
        Path(name, "mail").mkdir()
        yield Path(name)


def write(file: Path, text: str, mode: int = 0o600) -> Path:
    """A file of a client's."""
    file.write_text(text)
    file.chmod(mode)
    return file


def curl(*options: str, what: str = "[1-2]", tls: TLS = "never", patience: float = 10) -> Client:
    """Retrieves messages, or with -X and what="" says another command. It deletes nothing of its own accord."""

    def attempt(server: Server) -> Attempt:
        words = ["--silent", "--show-error", "--disable", "--ipv4", "--max-time", str(patience)]
        words += {"stls": ["--ssl-reqd"], "if offered": ["--ssl"]}.get(tls, [])
        words += ["--cacert", str(server.ca_file)] if server.ca_file else []
        url = f"{'pop3s' if tls == 'implicit' else 'pop3'}://localhost:{server.port}/{what}"
        with temporary_folder() as folder:
            words += ["--output", f"{folder}/mail/{'#1' if '[' in what else 'one'}"] if what else []
            return run(folder, ["curl", *words, *options, "--user", "alice:secret", url])

    return Client("curl", tls, attempt)


def fetchmail(*, tls: TLS = "never", patience: int = 10) -> Client:
    """Fetches all and deletes it. It delivers with LF."""

    def attempt(server: Server) -> Attempt:
        trust = f"sslcertfile '{server.ca_file}'"
        words = {
            "never": "sslproto ''",
            "if offered": trust,
            "stls": f"sslproto 'tls1.2+' {trust}",
            "implicit": f"ssl sslproto 'tls1.2+' {trust}",
        }[tls]
        with temporary_folder() as folder:
            deliver = write(folder / "deliver", f"#!/bin/sh\ncd {folder}/mail && exec cat >$(ls | wc -l)\n", 0o700)
            rules = write(
                folder / "rc",
                f"set no bouncemail\nset invisible\nset no syslog\n"
                f"poll localhost protocol pop3 port {server.port} timeout {patience} bad-header accept\n"
                f"user 'alice' password 'secret' mda '{deliver}' fetchall nokeep no rewrite stripcr {words}\n",
            )
            where = {"FETCHMAILHOME": str(folder), "LD_LIBRARY_PATH": str(PEERS / "usr/lib/x86_64-linux-gnu")}
            alone = ["--nodetach", "--pidfile", folder / "pid"]  # root's would be the system's
            return run(folder, [PEERS / "usr/bin/fetchmail", "--fetchmailrc", rules, *alone], where)

    return Client("fetchmail", tls, attempt)


def mpop(*, tls: TLS = "never", patience: int = 10) -> Client:
    """Fetches all and deletes it. It delivers with LF."""

    def attempt(server: Server) -> Attempt:
        trust = f"tls on\ntls_trust_file {server.ca_file}\ntls_starttls"
        words = {"never": "tls off", "implicit": f"{trust} off"}.get(tls, f"{trust} on")
        with temporary_folder() as folder:
            for part in ("cur", "new", "tmp"):
                (folder / "mail" / part).mkdir()
            rules = write(
                folder / "rc",
                f"account default\nhost localhost\nport {server.port}\n{words}\n"
                f"user alice\npassword secret\nauth plain\n"
                f"delivery maildir {folder}/mail\nuidls_file {folder}/uidls\nkeep off\nreceived_header off\n"
                f"timeout {patience}\n",
            )
            return run(folder, ["mpop", f"--file={rules}", "--quiet"])

    return Client("mpop", tls, attempt)


Job = Callable[[poplib.POP3, list[bytes]], object]


def fetch(pop: poplib.POP3, mail: list[bytes]) -> None:
    """All that is listed is fetched and deleted."""
    for number in range(1, len(pop.list()[1]) + 1):
        mail.append(b"".join(line + b"\r\n" for line in pop.retr(number)[1]))
        pop.dele(number)


def by_poplib(job: Job = fetch, *, tls: TLS = "never", patience: float = 10) -> Client:
    """Logs in, does a job that may deliver mail, and says QUIT."""

    def attempt(server: Server) -> Attempt:
        context = ssl.create_default_context(cadata=server.ca_pem)
        mail: list[bytes] = []
        with contextlib.ExitStack() as stack:
            # A failed handshake has taken the socket away from poplib.
            stack.enter_context(contextlib.suppress(OSError))
            try:
                if tls == "implicit":
                    pop: poplib.POP3 = poplib.POP3_SSL("localhost", server.port, context=context, timeout=patience)
                else:
                    pop = poplib.POP3("localhost", server.port, timeout=patience)
                stack.callback(pop.close)
                if tls == "stls":
                    pop.stls(context)
                pop.user("alice")
                pop.pass_("secret")
                said = job(pop, mail)
                pop.quit()
            except (poplib.error_proto, OSError) as error:
                return Attempt(type(error).__name__, str(error), tuple(mail))
            return Attempt(0, repr(said), tuple(mail))
        raise AssertionError("nothing came of it")

    return Client("poplib", tls, attempt)
