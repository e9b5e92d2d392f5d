"""What `python -m poplin fetch` tells: how far it is, and in the end what was done, to a person or as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from poplin._command import Problem
from poplin._fetch_results import FetchedMessage, Progress, Report, problems

if TYPE_CHECKING:
    import rich.progress

PROBLEMS_MAX = 20  # lines
HINT = "pip install 'poplin[cli]' draws a progress bar here\n"


class Output:
    """
    Standard output or standard error, without a buffer, so that nothing is left to be written when the program ends.
    Where it was closed from the beginning, nobody wants to hear.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self._descriptor = None if stream is None else stream.fileno()

    def write(self, text: str) -> None:
        """Lines, whole. OSError: nobody will take them."""
        rest = b"" if self._descriptor is None else text.encode(errors="backslashreplace")
        while rest and self._descriptor is not None:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])

    def is_terminal(self) -> bool:
        return self._descriptor is not None and os.isatty(self._descriptor)


# ---- how far it is ----


class _Teller(Protocol):
    def tell(self, progress: Progress) -> None:
        """This is new. OSError: nobody will know."""

    def close(self) -> None:
        """It has ended, well or not."""


class _Silence:
    def tell(self, progress: Progress) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines:
    """A line when it is known how much there is, and one for each tenth of it."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._tenths = -1

    def tell(self, progress: Progress) -> None:
        tenths = 10 * progress.octets_done // max(1, progress.octets_to_do)
        if not progress.messages_to_do or tenths <= self._tenths or tenths >= 10:
            return
        first, self._tenths = self._tenths < 0, tenths
        done = "" if first else f"{progress.messages_done:,} of "
        octets = "" if first else f"{progress.octets_done:,} of "
        self._output.write(f"{done}{_messages(progress.messages_to_do)}, {octets}{progress.octets_to_do:,} octets\n")

    def close(self) -> None:
        pass


class _Bar:
    """A bar on a terminal, from when there is something to fetch. Whoever tells draws it, so it needs no thread."""

    EVERY = 0.1  # seconds between two drawings

    def __init__(self, bar: rich.progress.Progress, words: str) -> None:
        self._bar = bar
        self._words = words
        self._task: rich.progress.TaskID | None = None
        self._drawn = 0.0

    def tell(self, progress: Progress) -> None:
        if not progress.messages_to_do:
            return
        if self._task is None:
            self._task = self._bar.add_task(self._words, messages="", total=progress.octets_to_do)
            self._bar.start()
        self._bar.update(
            self._task,
            completed=progress.octets_done,
            total=max(progress.octets_to_do, progress.octets_done),
            messages=f"{progress.messages_done:,} of {_messages(progress.messages_to_do)}",
        )
        if time.monotonic() - self._drawn >= self.EVERY:
            self._bar.refresh()
            self._drawn = time.monotonic()

    def close(self) -> None:
        if self._task is not None:
            self._bar.stop()


def _bar_on(output: Output, words: str) -> _Bar | None:
    """A bar for this terminal; None where it cannot show one. ImportError: there is no rich."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(file=output.stream)
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[messages]}", markup=False),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    # What this program says does not pass by the bar: it comes when the bar has ended.
    bar = Progress(*columns, console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    return _Bar(bar, words)


def _teller_on(output: Output, words: str) -> _Teller:
    if output.is_terminal():
        try:
            bar = _bar_on(output, words)
        except ImportError:
            output.write(HINT)
        else:
            return bar or _Lines(output)
    return _Lines(output)


@contextlib.contextmanager
def progress_on(output: Output, words: str, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """
    A progress callback that shows on standard error how far a fetch is. words: what is fetched. Where nobody can see it
    any more, the fetch goes on all the same.
    """
    teller: _Teller = _Silence() if quiet else _teller_on(output, visible(words))

    def tell(progress: Progress) -> None:
        nonlocal teller
        try:
            teller.tell(progress)
        except OSError:
            teller = _Silence()

    try:
        yield tell
    finally:
        with contextlib.suppress(OSError):
            teller.close()


# ---- what was done ----


def report_lines(report: Report, verbose: bool) -> str:
    """For a person: what was done, but for the problems."""
    lines = [_message_line(message) for message in report.messages] if verbose else []
    lines.append(str(report).split("\n", 1)[0])
    return "".join(f"{visible(line)}\n" for line in lines)


def problem_lines(report: Report, verbose: bool) -> str:
    """
    For a person: the messages with a problem, and what it is. One problem may be that of thousands, a full disk, say,
    and cron sends each line by mail.
    """
    lines = problems(report)
    if not verbose and len(lines) > PROBLEMS_MAX:
        more = len(lines) - (PROBLEMS_MAX - 1)
        lines[PROBLEMS_MAX - 1 :] = [f"{more:,} more messages have a problem (--verbose or --json tells of each)"]
    return "".join(f"{visible(line)}\n" for line in lines)


def json_lines(report: Report, status: int, problem: str | None) -> str:
    """For a program: an object for each message, and one for all. docs/fetch.md has the names."""
    objects: list[dict[str, Any]] = [_message_object(message) for message in report.messages]
    objects.append(
        {
            "type": "report",
            "account": report.account,
            "dry_run": report.dry_run,
            "delivered": report.delivered,
            "deleted": report.deleted,
            "skipped": report.skipped,
            "failed": report.failed,
            "listed": report.listed,
            "known": report.known,
            "octets": report.octets,
            "status": status,
            "problem": problem,
        }
    )
    return "".join(f"{json.dumps(each)}\n" for each in objects)


def write_result(text: str) -> None:
    """To standard output. Problem, without words: nobody takes it; all is done, and on record, nevertheless."""
    try:
        Output(sys.stdout).write(text)
    except OSError as error:
        raise Problem(os.EX_IOERR, "") from error


def write_problem(text: str) -> None:
    """To standard error, if somebody takes it."""
    with contextlib.suppress(OSError):
        Output(sys.stderr).write(text)


def _message_object(message: FetchedMessage) -> dict[str, Any]:
    return {
        "type": "message",
        "number": message.number,
        "uid": message.uid,
        "octets": message.octets,
        "result": message.result,
        "deleted": message.deleted,
        "places": list(message.places),
        "resumed": message.resumed,
        "problem": message.reason or None,
    }


def _message_line(message: FetchedMessage) -> str:
    facts = [message.uid or "no unique-id"]
    if message.octets is not None:
        facts.append(f"{message.octets} octets")
    parts = [f"message {message.number} ({', '.join(facts)}): {message.result}"]
    parts += ["deleted on the server"] if message.deleted else []
    parts += [message.reason] if message.reason and message.reason != message.result else []
    return "; ".join([*parts, *message.places])


def _messages(count: int) -> str:
    return f"{count:,} message{'' if count == 1 else 's'}"


def visible(text: str) -> str:
    """What others have said in one line, with what is not printable made visible: a terminal would obey it."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
