"""
Where the command line has its secrets from: a command, a netrc, the environment, a terminal. Never from its own words,
which the list of processes shows; and no complaint here shows what was found.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from poplin import _core
from poplin._command import Problem
from poplin._connecting import mechanism_names

PASSWORD_VARIABLE = "POPLIN_PASSWORD"
TOKEN_VARIABLE = "POPLIN_TOKEN"
ANSWER_VARIABLE = "POPLIN_TOKEN_ANSWER"
NETRC_MAX = 1 << 20

_WORD = re.compile(r'"(?:\\.|[^"\\])*"|(?:\\.|[^\s\\])+|\\')
_MACRO = re.compile(r"^[ \t]*macdef\s.*?(?:\n[ \t]*(?=\n)|\Z)", re.MULTILINE | re.DOTALL)


class Login(NamedTuple):
    """Who logs in, and how: arguments of `poplin.connect`."""

    user: str | None
    password: str | None
    token: str | Callable[[str | None], str] | None


def login_of(options: argparse.Namespace) -> Login:
    """The login that the options ask for. ValueError: the URL is none. Problem: there is no secret for it."""
    _, host, _, url_user, url_auth, _ = _core.parse_url(options.url, options.tls)
    user: str | None = options.user or url_user
    if options.netrc is not None:
        return _from_netrc(options.netrc, host, user)
    mechanisms = mechanism_names(options.auth or url_auth)
    free = mechanisms is not None and _core.need_no_secret(mechanisms)
    if user is None and not free:
        raise Problem(os.EX_USAGE, "who logs in? --user NAME says it, or NAME@ in the URL")
    if options.token_command is not None:
        return Login(user, None, _token_of(options.token_command))
    if options.password_command is not None:
        return Login(user, _output_of("--password-command", options.password_command), None)
    if free:
        return Login(user, None, None)
    token, password = os.environ.get(TOKEN_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
    if token and password:
        raise Problem(os.EX_USAGE, f"${TOKEN_VARIABLE} and ${PASSWORD_VARIABLE} are both set: which is meant?")
    if token:
        return Login(user, None, token)
    return Login(user, password or _asked_for(f"Password of {user} at {host}: "), None)


def _asked_for(prompt: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise Problem(
            os.EX_CONFIG,
            f"there is no password: --password-command, --netrc or ${PASSWORD_VARIABLE} gives it, or a terminal, on "
            "which it is asked for",
        )
    import getpass

    try:
        given = getpass.getpass(prompt)
    except EOFError:
        given = ""
        _end_line()
    except KeyboardInterrupt:
        _end_line()
        raise
    if not given:
        raise Problem(os.EX_CONFIG, "no password was entered")
    return given


def _end_line() -> None:
    """Of the prompt, behind which nothing was entered."""
    with contextlib.suppress(OSError):
        print(file=sys.stderr)


# ---- a command ----


def _token_of(command: str) -> Callable[[str | None], str]:
    def token(answer: str | None) -> str:
        return _output_of("--token-command", command, answer)

    return token


def _output_of(option: str, command: str, answer: str | None = None) -> str:
    """The first line that a command prints. answer: what the server said of the token that it printed before."""
    told = {} if answer is None else {ANSWER_VARIABLE: answer.replace("\0", "")}
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, env={**os.environ, **told}, check=False)
    if done.returncode:
        raise Problem(os.EX_CONFIG, f"{option}: it ended with status {done.returncode}")
    try:
        lines = done.stdout.decode().splitlines()
    except UnicodeDecodeError:
        lines = []
    if not lines or not lines[0]:
        raise Problem(os.EX_CONFIG, f"{option}: the first line that it printed is empty, or no UTF-8")
    return lines[0]


# ---- a netrc ----


class _Entry:
    """What a netrc says of one machine; of "default", any."""

    def __init__(self, machine: str | None) -> None:
        self.machine = machine
        self.login: str | None = None
        self.password: str | None = None

    def fits(self, host: str, user: str | None) -> bool:
        at = self.machine is None or self.machine.lower() == host.lower()
        who = (user or self.login) is not None and (user is None or self.login in (None, user))
        return at and who and bool(self.password)


def _from_netrc(path: Path, host: str, user: str | None) -> Login:
    for entry in _entries(path, _read_netrc(path)):
        if entry.fits(host, user):
            return Login(user or entry.login, entry.password, None)
    whose = "a user" if user is None else user
    raise Problem(os.EX_CONFIG, f"{path}: there is no password of {whose} at {host}")


def _read_netrc(path: Path) -> str:
    """What is in the file. Problem: it cannot be read, or others than its owner could."""
    try:
        with path.expanduser().open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise Problem(os.EX_CONFIG, f"{path}: this is no file")
            if found.st_uid != os.geteuid():
                raise Problem(os.EX_CONFIG, f"{path}: it belongs to somebody else")
            if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Problem(os.EX_CONFIG, f"{path}: others can read it, or change it: chmod 600 {path}")
            return file.read(NETRC_MAX).decode()
    except OSError as error:
        raise Problem(os.EX_CONFIG, f"{path}: {error.strerror}") from error
    except RuntimeError as error:
        raise Problem(os.EX_CONFIG, f"{path}: there is no home folder") from error
    except UnicodeDecodeError:  # it would show the password
        raise Problem(os.EX_CONFIG, f"{path}: this is no UTF-8") from None


def _entries(path: Path, text: str) -> Iterator[_Entry]:
    r"""The machines of a netrc, in its order. Words are as ftp and Python's netrc read them: in quotes, or with \."""
    entry: _Entry | None = None
    keyword = ""  # whose value comes next
    for number, line in enumerate(_MACRO.sub(_blank_lines, text).split("\n"), 1):
        for word in _WORD.findall(line):
            if not keyword and word.startswith("#"):
                break
            if keyword in ("login", "password") and entry is not None:
                setattr(entry, keyword, _unquoted(word))
            if keyword == "machine" or (not keyword and word == "default"):
                if entry is not None:
                    yield entry
                entry = _Entry(_unquoted(word) if keyword else None)
            elif not keyword and word not in ("machine", "login", "password", "account"):
                raise Problem(os.EX_CONFIG, f"{path}: line {number} is not understood")
            keyword = "" if keyword or word == "default" else word
    if entry is not None:
        yield entry


def _blank_lines(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def _unquoted(word: str) -> str:
    bare = word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word
    return re.sub(r"\\(.)", r"\1", bare)
