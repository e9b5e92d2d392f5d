"""
Fetches in programs of their own, one in each language, through a relay that counts; and what stands in a Maildir when
they have ended.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from interop.messages import ROOT

BUILD = Path(os.environ.get("BUILD", ROOT / "build/cmake"))
"""Where CMake has built the program in C and the Lua module."""
PASSWORD = "sesame"
PATIENCE = 300
"""Seconds after which a program hangs."""
KILLED = -signal.SIGKILL

# Each is called with URL USER SEEN KEEP MAILDIR, and trusts what POPLIN_CA_FILE names. The maildrop's name is the
# user's, whatever port leads to it.
_PYTHON = """
import os, sys, poplin
url, user, seen, keep, into = sys.argv[1:]
login = {"user": user, "password": "sesame", "ca_file": os.environ["POPLIN_CA_FILE"]}
print(poplin.fetch(url, into=into, seen=seen, keep=keep, account=user, **login))
"""
_LUA = """
local url, user, seen, keep, into = table.unpack(arg)
local login = { user = user, password = "sesame", ca_file = os.getenv("POPLIN_CA_FILE") }
local wishes = { into = into, seen = seen, keep = keep, account = user }
for name, value in pairs(wishes) do login[name] = value end
print(assert(require("poplin").fetch(url, login)))
"""
FACES = {
    "Python": (sys.executable, "-c", _PYTHON),
    "Lua": ("lua5.4", "-e", _LUA, "-"),
    "C": (str(BUILD / "examples/fetch_maildir"),),
}
ENVIRONMENT = {
    **os.environ,
    "POPLIN_PASSWORD": PASSWORD,
    "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/lua/?/init.lua",
    "LUA_CPATH": f"{BUILD}/lua/?.so",
}


class Fetcher:
    """Fetches a user's mail in one language, into a Maildir in a folder of its own, where it also remembers it."""

    def __init__(self, face: str, user: str, folder: Path, ca_file: Path) -> None:
        self.maildir = folder / "Maildir"
        self._command = FACES[face]
        self._user, self._seen = user, str(folder / "seen.sqlite")
        self._environment = {**ENVIRONMENT, "POPLIN_CA_FILE": str(ca_file)}

    def start(self, url: str, keep: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._command, url, self._user, self._seen, keep, str(self.maildir)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, url: str, keep: str, expected: int = 0) -> str:
        """Fetches, and returns what the program said; expected: how it has to end."""
        process = self.start(url, keep)
        try:
            said, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        assert process.returncode == expected, said[-4000:]
        return said

    def mail(self) -> Counter[bytes]:
        """What stands in the Maildir."""
        return mail_in(self.maildir)


def mail_in(maildir: Path) -> Counter[bytes]:
    """By content, how often."""
    return Counter(file.read_bytes() for part in ("new", "cur") for file in (maildir / part).iterdir())


def as_file(wire: bytes) -> bytes:
    """A message as poplin puts it into a Maildir."""
    return wire.replace(b"\r\n", b"\n")
