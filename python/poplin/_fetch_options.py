"""The options of `python -m poplin fetch`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from poplin import _command_fetch
from poplin._command import add_command
from poplin._fetching import keep_seconds
from poplin._secrets import PASSWORD_VARIABLE, TOKEN_VARIABLE

DESCRIPTION = """\
Fetch the mail that was not fetched before: deliver it, make it durable, remember it, and only then delete it on the
server, where it is not to stay. It may be stopped at any instant; the next run goes on from there.
"""

EPILOG = f"""\
The password comes from --password-command, --netrc or ${PASSWORD_VARIABLE}, or is asked for on a terminal; an OAuth 2
token comes from --token-command or ${TOKEN_VARIABLE}. Neither is one of the command line's own words, which others can
read.

What was done is on standard output, problems and progress are on standard error. The exit status is one of sysexits.h:
0 done, 64 usage, 65 the seen store holds what it should not, 69 no such server, or it will not do it, 73 a file or
folder cannot be made, 74 the disk or the output failed, 75 try again: the line dropped, the maildrop is in use, or
single messages failed and stay, 76 the server breaks the protocol or cannot prove who it is, 77 the login was refused,
78 a secret or certificate cannot be had; and 129, 130 or 143 stopped by SIGHUP, Ctrl-C or SIGTERM.

examples:
  python -m poplin fetch pop3s://alice@mail.example.org --into ~/Maildir --keep 14d --netrc
  python -m poplin fetch mail.example.org --user alice --mbox mail.mbox --password-command 'pass show mail'
  python -m poplin fetch pop3s://alice@mail.example.org --lmtp /run/dovecot/lmtp alice --keep none --quiet
"""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the subcommand to those of the command line."""
    parser = add_command(
        commands,
        "fetch",
        _command_fetch.run,
        help="new mail from a server to here, nothing lost and nothing twice",
        usage="URL (--into PATH | --mbox PATH | --lmtp ADDRESS RECIPIENT)... [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("url", metavar="URL", help="pop3s://USER@HOST[:PORT] (TLS), pop3:// (STLS), or a bare host")
    _add_destinations(parser.add_argument_group("where to; as many as wanted, and each message goes to all"))
    _add_choice(parser.add_argument_group("which messages, and how long they stay"))
    _add_login(parser.add_argument_group("login"))
    _add_connection(parser.add_argument_group("connection"))
    _add_telling(parser.add_argument_group("telling"))


def _add_destinations(group: argparse._ArgumentGroup) -> None:
    repeated: dict[str, Any] = {"action": "append", "default": []}
    group.add_argument("--into", **repeated, type=_path, metavar="PATH", help="a Maildir, made where there is none")
    group.add_argument("--mbox", **repeated, type=_path, metavar="PATH", help="an mbox to append to, made likewise")
    group.add_argument(
        "--lmtp",
        **repeated,
        nargs=2,
        metavar=("ADDRESS", "RECIPIENT"),
        help="an LMTP server, HOST[:PORT] or the path of its Unix socket, and for whom",
    )


def _add_choice(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--keep",
        type=_keep,
        default="forever",
        metavar="TIME",
        help="forever; none: until they are delivered; 14d: so many days from when they were first seen (default: "
        "%(default)s)",
    )
    group.add_argument("--limit", type=_count, metavar="N", help="messages to take, at most")
    group.add_argument("--newest-first", action="store_true", help="take the highest numbers first")
    group.add_argument(
        "--max-octets",
        type=_octets,
        metavar="N[k|M]",
        help="larger messages are left where they are (k: 1,024, M: 1,048,576)",
    )
    group.add_argument(
        "--large", choices=["skip", "headers"], default="skip", help="headers: deliver the header of a larger one, once"
    )
    group.add_argument(
        "--commit-every",
        type=_count,
        metavar="N",
        help="after so many messages leave and connect again, so that deletions are made",
    )
    group.add_argument("--dry-run", action="store_true", help="only tell what would be done; needs no place")
    group.add_argument(
        "--seen",
        type=_path,
        metavar="PATH",
        help="what is remembered (default: poplin/seen.sqlite below $XDG_STATE_HOME or ~/.local/state)",
    )
    group.add_argument("--account", metavar="NAME", help="its name therein (default: USER@HOST)")


def _add_login(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--user", metavar="NAME", help="who logs in, in place of the URL's")
    group.add_argument("--auth", metavar="NAMES", help="mechanisms that may be used, 'SCRAM-SHA-256 PLAIN', say")
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--password-command", metavar="COMMAND", help="run by the shell; the first line that it prints is the password"
    )
    source.add_argument("--token-command", metavar="COMMAND", help="the same for an OAuth 2 access token")
    source.add_argument(
        "--netrc",
        nargs="?",
        type=_path,
        const=Path("~/.netrc"),
        metavar="FILE",
        help="has the password, and the user where none is named (default: ~/.netrc); only its owner may read it",
    )


def _add_connection(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--tls",
        choices=["auto", "implicit", "stls", "never"],
        default="auto",
        help="auto: as the URL says; never: a password may go out in clear (default: %(default)s)",
    )
    group.add_argument("--ca-file", type=_path, metavar="FILE", help="the CAs to trust, PEM, instead of the system's")
    group.add_argument(
        "--pin",
        action="append",
        metavar="PIN",
        help="the server's key must be this, or one of these: SHA-256 in base64",
    )
    group.add_argument(
        "--trust-on-first-use", type=_path, metavar="FILE", help="of servers' keys, in place of CAs; grows by itself"
    )
    group.add_argument("--client-cert", type=_path, metavar="FILE", help="a certificate of one's own with its key, PEM")
    group.add_argument("--no-pipelining", action="store_true", help="one command at a time, whatever the server says")
    group.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="of silence, at most (default: 60)"
    )


def _add_telling(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--json", action="store_true", help="a JSON object a line: for each message, then for all")
    amount = group.add_mutually_exclusive_group()
    amount.add_argument("--quiet", action="store_true", help="tell of problems only")
    amount.add_argument("--verbose", action="store_true", help="tell of each message")


def _path(text: str) -> Path:
    """A shell leaves the ~ of --into=~/Maildir as it is."""
    if not text:
        raise argparse.ArgumentTypeError("it is an empty path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"there is no home folder for {text}") from None


def _keep(text: str) -> str:
    try:
        keep_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise argparse.ArgumentTypeError(f"a number from 1 to 999999999 is wanted, not {text}")
    return int(text)


def _octets(text: str) -> int:
    units = {"k": 1 << 10, "M": 1 << 20}
    digits = text[:-1] if text[-1:] in units else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12 and int(digits)):
        raise argparse.ArgumentTypeError(f"a number of octets is wanted, 500k or 20M, say, not {text}")
    return int(digits) * units.get(text[-1], 1)
