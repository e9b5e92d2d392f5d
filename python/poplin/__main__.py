"""`python -m poplin COMMAND`: the command line. Each command has a module of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from poplin import __version__, _fetch_options, _serve_options
from poplin._command import Parser, Problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    parser = Parser(prog="python -m poplin", description="POP3 on the command line.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"poplin {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _fetch_options.add_to(commands)
    _serve_options.add_to(commands)
    options = parser.parse_args(arguments)
    _fill_descriptors()
    try:
        status: int = options.run(options)
    except Problem as problem:
        if str(problem):
            print(f"{options.prog}: {problem}", file=sys.stderr)
        return problem.status
    return status


def _fill_descriptors() -> None:
    """
    Nothing is opened as 0, 1 or 2, should one of them be closed: what a library, or the interpreter as it dies, writes
    to standard error would go into the mail that is delivered.
    """
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(file)


if __name__ == "__main__":
    sys.exit(main())
