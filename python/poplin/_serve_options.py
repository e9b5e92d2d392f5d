"""The options of `python -m poplin serve`."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from poplin import _serve, testing
from poplin._command import add_command
from poplin._offers import SECONDS, ServerLimits

DESCRIPTION = """\
Serve mail to any POP3 client, as a test server: it can misbehave on demand, and it shows what is said. The mail is read
once, into memory; what clients delete is deleted there and nowhere else.
"""

EPILOG = f"""\
The first line on standard output is "listening on URL"; with a throw-away certificate the second is "ca file PATH". All
else is on standard error. Ctrl-C or SIGTERM ends it. The exit status is one of sysexits.h: 0 stopped, 64 usage, 65 what
is in a file is not what it should be, 66 a file cannot be read, 69 the address cannot be listened on, 73 the ready file
cannot be written.

A user NAME without SECRET has the one in --password-file or in ${_serve.PASSWORD_VARIABLE}; in NAME:SECRET the list of
processes shows it.

examples:
  python -m poplin serve ~/Maildir --user alice:secret --port 1110
  python -m poplin serve mail.mbox --user alice:secret --tls auto --fault 'RETR nth=2 drop_after=100'
  python -m poplin serve --user alice:secret --user bob:hidden --mail bob=bobs.mbox --quirk guessed-sizes
"""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the subcommand to those of the command line."""
    parser = add_command(
        commands,
        "serve",
        _serve.run,
        help="a test server for clients in any language",
        usage="[PATH] [--user NAME:SECRET]... [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    _add_mail(parser.add_argument_group("mail"))
    _add_connection(parser.add_argument_group("connection"))
    _add_logins(parser.add_argument_group("logins"))
    _add_offers(parser.add_argument_group("offers and limits"))
    _add_misbehaviour(parser.add_argument_group("misbehaviour; each as often as wanted"))
    _add_telling(parser.add_argument_group("telling"))


def _add_mail(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="a message, an mbox, a Maildir or a folder of messages: the mail of every user",
    )
    group.add_argument(
        "--user",
        action="append",
        default=[],
        type=_user,
        metavar="NAME[:SECRET]",
        help="who may log in, as often as wanted; alice:secret where it is not given",
    )
    group.add_argument(
        "--password-file", type=Path, metavar="FILE", help="its first line is the secret of users without one"
    )
    group.add_argument(
        "--mail",
        action="append",
        default=[],
        type=_mail,
        metavar="NAME=PATH",
        help="mail for one user, besides PATH; as often as wanted",
    )


def _add_connection(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    group.add_argument("--port", type=int, default=0, help="port to listen on (default: one that is free)")
    group.add_argument("--unix-socket", type=Path, metavar="PATH", help="listen on a Unix socket instead")
    group.add_argument(
        "--tls",
        choices=["auto", "implicit", "stls", "never"],
        help="implicit (or auto): from the first octet; stls: when the client asks. Without --cert the certificate is "
        "thrown away in the end, and its CA is in a file until then. Default: never, with a certificate implicit",
    )
    group.add_argument("--cert", type=Path, metavar="FILE", help="certificate, PEM")
    group.add_argument("--key", type=Path, metavar="FILE", help="its key, PEM, where FILE of --cert does not hold it")
    group.add_argument(
        "--blemish", metavar="NAME", help="a throw-away certificate that clients must refuse: see --list-blemishes"
    )
    group.add_argument(
        "--cleartext",
        choices=["loopback", "always", "never"],
        default="loopback",
        help="where passwords are taken without TLS (default: %(default)s)",
    )
    group.add_argument(
        "--inactivity",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="how long a client may be silent (default: 600)",
    )


def _add_logins(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--auth",
        metavar="NAMES",
        help="the ways to log in that are offered, 'SCRAM-SHA-256 PLAIN USER APOP', say (default: USER PLAIN)",
    )
    group.add_argument(
        "--failed-login-delay",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="before a failed login is told, growing with each that fails (default: none)",
    )
    group.add_argument(
        "--login-delay",
        type=int,
        default=0,
        metavar="SECONDS",
        help="that a user has to wait between two logins (default: none)",
    )
    group.add_argument(
        "--client-ca-file",
        type=Path,
        metavar="FILE",
        help="CAs whose certificates log clients in, PEM; with --auth EXTERNAL and a certificate",
    )


def _add_offers(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--lock",
        choices=["exclusive", "snapshot", "none"],
        default="exclusive",
        help="exclusive: one session at a time for a user; snapshot: any number, each with the messages that were "
        "there when it began; none: any number (default: %(default)s)",
    )
    group.add_argument(
        "--lock-wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="for which a login waits for the session before it (default: none, it is refused)",
    )
    group.add_argument("--utf8", action="store_true", help="offer UTF8, and names and passwords in UTF-8")
    group.add_argument(
        "--languages",
        type=Path,
        metavar="FILE",
        help='offer LANG; JSON, UTF-8: {"de": ["Deutsch", {"bye": "servus", "{} messages": "{} Nachrichten"}]}',
    )
    group.add_argument(
        "--expire",
        type=_expire,
        metavar="DAYS",
        help="days for which mail stays, announced to clients; 0: until it was fetched; never: for ever",
    )
    group.add_argument("--max-sessions", type=int, metavar="NUMBER", help="more at once are turned away")
    group.add_argument(
        "--limit",
        action="append",
        default=[],
        type=_limit,
        metavar="NAME=VALUE",
        help=f"what a client may do at most, as often as wanted: {', '.join(ServerLimits.__annotations__)}, the last "
        "two in seconds",
    )


def _add_misbehaviour(group: argparse._ArgumentGroup) -> None:
    tables: dict[str, tuple[Mapping[str, str], str]] = {
        "faults": (testing.FAULT_SETTINGS, "the settings of faults"),
        "quirks": (testing.QUIRKS, "the quirks"),
        "attacks": (testing.ATTACKS, "the attacks on STLS"),
        "blemishes": (testing.BLEMISHES, "the blemishes of certificates"),
    }
    repeated: dict[str, Any] = {"action": "append", "default": []}
    group.add_argument(
        "--fault", **repeated, metavar="TEXT", help="'RETR nth=2 drop_after=100', say: see --list-faults"
    )
    group.add_argument("--quirk", **repeated, metavar="NAME", help="do as some servers do: see --list-quirks")
    group.add_argument("--attack", **repeated, metavar="NAME", help="attack STLS: see --list-attacks")
    for name, (table, what) in tables.items():
        group.add_argument(f"--list-{name}", action=_List, const=table, nargs=0, help=f"show {what}, and end")


def _add_telling(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--quiet", action="store_true", help="do not show what is said")
    group.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="made when the server listens, with what is on standard output; removed in the end",
    )


class _List(argparse.Action):
    """Shows a table of names and meanings, and ends."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        table = cast(Mapping[str, str], self.const)
        width = max(map(len, table)) + 2
        for name, meaning in table.items():
            lines = textwrap.wrap(meaning, max(30, 110 - width)) or [""]
            print(f"{name:{width}}{lines[0]}")
            for line in lines[1:]:
                print(" " * width + line)
        parser.exit()


def _user(text: str) -> tuple[str, str | None]:
    name, colon, secret = text.partition(":")
    if not name or (colon and not secret):
        raise argparse.ArgumentTypeError("NAME:SECRET is wanted, or NAME")
    return name, secret if colon else None


def _mail(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError("NAME=PATH is wanted")
    return name, Path(path)


def _expire(text: str) -> int | Literal["never"]:
    if text == "never":
        return "never"
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"a number of days is wanted, or never, not {text}")
    return int(text)


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    known = ServerLimits.__annotations__
    if name not in known:
        raise argparse.ArgumentTypeError(f"NAME=VALUE is wanted, with {', '.join(known)} as NAME, not {text}")
    try:
        return name, float(value) if name in SECONDS else int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{name} is a number, not {value or 'nothing'}") from None
