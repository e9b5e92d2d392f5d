"""
`python -m poplin fetch`: new mail from a server to here, for a person at a terminal and for cron.

Standard output gets what was done, standard error the problems and how far it is.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from types import FrameType
from typing import Any, NamedTuple, Self

import poplin
from poplin import _core
from poplin._command import Problem
from poplin._fetch_telling import (
    Output,
    json_lines,
    problem_lines,
    progress_on,
    report_lines,
    visible,
    write_problem,
    write_result,
)
from poplin._mbox import problem_with
from poplin._secrets import login_of

STATUSES: list[tuple[type[Exception], int]] = [  # the first that fits
    (poplin.AuthError, os.EX_NOPERM),
    (poplin.InUse, os.EX_TEMPFAIL),
    (poplin.Temporary, os.EX_TEMPFAIL),
    (poplin.Refused, os.EX_UNAVAILABLE),
    (poplin.Unsupported, os.EX_UNAVAILABLE),
    (poplin.Timeout, os.EX_TEMPFAIL),
    (poplin.ConnectionLost, os.EX_TEMPFAIL),
    (poplin.TLSError, os.EX_PROTOCOL),
    (poplin.ProtocolError, os.EX_PROTOCOL),
    (poplin.LimitExceeded, os.EX_PROTOCOL),
    (poplin.NetworkError, os.EX_UNAVAILABLE),
    (poplin.Error, os.EX_SOFTWARE),
]
DOINGS = {  # where it is no matter of the server's
    "opening a Maildir for delivery": os.EX_CANTCREAT,
    "delivering a message": os.EX_IOERR,
    "TLS credentials": os.EX_CONFIG,
}
FILES = {  # a file or folder that cannot be used; of other kinds the same may be a matter of the server's
    "fetch": os.EX_CANTCREAT,
    "certificate check": os.EX_CANTCREAT,
}
STORE_STATUSES = {
    "BUSY": os.EX_TEMPFAIL,
    "READ_ONLY": os.EX_CANTCREAT,
    "NOT_OPENED": os.EX_CANTCREAT,
    "A_FOLDER": os.EX_CANTCREAT,
    "A_LINK": os.EX_CANTCREAT,
    "NO_FILE": os.EX_CANTCREAT,
    "DAMAGED": os.EX_DATAERR,
    "NOT_SQLITE": os.EX_DATAERR,
    "FOREIGN": os.EX_DATAERR,
    "CHANGED": os.EX_DATAERR,
    "LATER": os.EX_DATAERR,
    "TOO_MANY": os.EX_DATAERR,
}


def run(options: argparse.Namespace) -> int:
    """Fetches; returns the exit status."""
    with Interruption() as interruption:
        try:
            ended = _fetch(options, interruption)
            return _tell(options, ended)
        except KeyboardInterrupt:  # before there was anything to tell, or while it was told
            return interruption.status


class Interruption:
    """
    The first of the signals that end a program is a KeyboardInterrupt, wherever it comes. What comes after it finds the
    program ending, until `let_go`, when all is recorded: from then on it ends the program on the spot.
    """

    def __init__(self) -> None:
        self._number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if handler != signal.SIG_IGN:
                self._before[number] = handler
                signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def status(self) -> int:
        """As a shell tells it."""
        return 128 + self._number

    @property
    def words(self) -> str:
        return f"stopped by {signal.Signals(self._number).name}"

    def check(self) -> None:
        """KeyboardInterrupt, should the first one have come where nobody could hear it."""
        if self._number:
            raise KeyboardInterrupt

    def let_go(self) -> None:
        for number in self._before:
            signal.signal(number, signal.SIG_DFL)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if not self._number:
            self._number = number
            raise KeyboardInterrupt


# ---- the fetch ----


class Ended(NamedTuple):
    """How the fetch has ended."""

    report: poplin.Report
    status: int
    problem: str | None


def _fetch(options: argparse.Namespace, interruption: Interruption) -> Ended:
    try:
        report = _fetched(options, interruption)
        failed = any(message.error for message in report.messages)
        return Ended(report, os.EX_TEMPFAIL if failed else os.EX_OK, None)
    except Problem as problem:
        if not hasattr(problem, "report"):
            raise
        return Ended(_report_of(problem, options), problem.status, str(problem))  # a token command's
    except poplin.Error as error:
        return Ended(_report_of(error, options), _status_of(error), _as_options(str(error)))
    except KeyboardInterrupt as error:
        interruption.let_go()
        return Ended(_report_of(error, options), interruption.status, interruption.words)
    except ValueError as error:
        raise Problem(os.EX_USAGE, _as_options(str(error))) from error


def _fetched(options: argparse.Namespace, interruption: Interruption) -> poplin.Report:
    if options.large == "headers" and options.max_octets is None:
        raise Problem(os.EX_USAGE, "--large headers says nothing without --max-octets")
    into = _destinations(options)
    login = login_of(options)
    words = options.account or poplin.URL.parse(options.url).host
    with progress_on(Output(sys.stderr), words, options.quiet) as tell:

        def progress(now: poplin.Progress) -> None:
            interruption.check()
            tell(now)

        return poplin.fetch(
            options.url,
            into=into,
            seen=options.seen,
            account=options.account,
            keep=options.keep,
            limit=options.limit,
            newest_first=options.newest_first,
            max_octets=options.max_octets,
            large=options.large,
            commit_every=options.commit_every,
            dry_run=options.dry_run,
            progress=progress,
            user=login.user,
            password=login.password,
            token=login.token,
            auth=options.auth,
            tls=options.tls,
            ca_file=options.ca_file,
            pins=options.pin,
            trust_on_first_use=options.trust_on_first_use,
            client_cert=options.client_cert,
            timeout=options.timeout,
            pipelining=False if options.no_pipelining else None,
        )


def _destinations(options: argparse.Namespace) -> Any:
    """What the options name. Problem: there is none, or one that cannot be."""
    for path in options.mbox:
        if why := problem_with(os.fspath(path)):
            raise Problem(os.EX_CANTCREAT, f"--mbox {path}: {why}")
    into = [*options.into, *map(poplin.Mbox, options.mbox)]
    into += [_lmtp(address, recipient) for address, recipient in options.lmtp]
    if not into and options.dry_run:
        into.append(_nowhere)
    if not into:
        raise Problem(os.EX_USAGE, "where to? --into, --mbox or --lmtp says it (--help tells more)")
    return into


def _nowhere(message: poplin.Incoming) -> None:
    """Where a dry run takes messages: it asks for a place, and takes nothing there."""
    raise AssertionError(f"a dry run has delivered message {message.number}")


def _lmtp(address: str, recipient: str) -> poplin.LMTP:
    if address.startswith("/"):
        return poplin.LMTP(address, recipient)
    found = re.fullmatch(r"(?:\[(?P<literal>[^]]+)]|(?P<host>[^:]+))(?::(?P<port>[0-9]{1,5}))?", address)
    if not found or not 0 < int(found["port"] or 24) < 65536:
        raise Problem(os.EX_USAGE, f"--lmtp {address}: HOST:PORT is wanted, or the path of a socket")
    return poplin.LMTP(found["literal"] or found["host"], recipient, port=int(found["port"] or 24))


# ---- how it has ended ----


def _report_of(error: BaseException, options: argparse.Namespace) -> poplin.Report:
    """What was done before it was stopped."""
    report: poplin.Report | None = getattr(error, "report", None)
    nothing = poplin.Progress(0, 0, 0, 0, 0, 0, 0)
    return report or poplin.Report(options.account or "", options.dry_run, [], nothing)


def _status_of(error: poplin.Error) -> int:
    if "the seen store" in error.doing:
        known = (status for name, status in STORE_STATUSES.items() if _core.SEEN_PROBLEMS[name] in error.reason)
        return next(known, os.EX_IOERR)
    if error.doing in DOINGS:
        return DOINGS[error.doing]
    if isinstance(error, poplin.NetworkError) and error.doing in FILES:
        return FILES[error.doing]
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def _as_options(text: str) -> str:
    """What a message of the library's says of arguments, as the options say it."""
    text = re.sub(r"\b(tls)='([a-z]+)'", r"--\1 \2", visible(text)).replace("ca_file=", "--ca-file")
    return text.replace("leave it out and give it as password=", "leave it out (--help tells how to give it)")


def _tell(options: argparse.Namespace, ended: Ended) -> int:
    """Says it, and returns the exit status, which is that of the output where nothing else is wrong."""
    report, status, problem = ended
    write_problem(problem_lines(report, options.verbose) + (f"{options.prog}: {problem}\n" if problem else ""))
    if options.json:
        text = json_lines(report, status, problem)
    elif options.quiet or (problem and not report.messages):
        text = ""
    else:
        text = report_lines(report, options.verbose)
    try:
        write_result(text)
    except Problem as failure:
        return status or failure.status
    return status
