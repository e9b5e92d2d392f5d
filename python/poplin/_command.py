"""What the subcommands of `python -m poplin` share: how arguments are read, and how a problem is told."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any, NoReturn


class Problem(Exception):
    """What ends a command: one line for the user, or none, and the exit status (those of sysexits.h)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, and whose status for it is that of sysexits.h."""

    def error(self, message: str) -> NoReturn:
        """End the program over a usage error."""
        self.exit(os.EX_USAGE, f"{self.prog}: {message} (--help tells more)\n")


def add_command(
    commands: argparse._SubParsersAction[Any],
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    help: str,  # noqa: A002
    usage: str,
    description: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """A subcommand that `run` runs, without arguments as yet. Its texts stand in the help as they are."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        usage=f"%(prog)s {usage}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, prog=parser.prog)
    return parser
