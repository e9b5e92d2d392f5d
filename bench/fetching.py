"""Measures programs that fetch new mail into a Maildir: whole runs of each, which lose nothing of what is there."""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fetch_report
import processes
from fetch_report import Sample
from fetchers import Fetcher, Task
from rounds import Runner, run_in_turn
from setting import FetchRow

LEAST_SECONDS = 0.1  # that a program works for one sample, if it is not run too often
MOST_SECONDS = 1.5  # that a program works for all samples of a row, but for the fewest
FEWEST = 2
MOST_RUNS = 10  # in a sample: each begins a process
MEMORY = Path("/dev/shm")
DISK = Path("/var/tmp")
LEAST_ARRIVED = 0.95  # of the octets: line ends are shorter in the files, and headers may be others


def folder_of(row: FetchRow) -> Path:
    """Say where the Maildirs are made."""
    return MEMORY if not row.disk and MEMORY.is_dir() else DISK


@contextlib.contextmanager
def a_place(row: FetchRow, server: processes.Server, port: int) -> Iterator[Task]:
    """Give an empty Maildir, with nothing remembered of the server."""
    with tempfile.TemporaryDirectory(dir=folder_of(row), prefix="poplin-bench-") as name:
        task = Task(port, row.tls, row.keep, Path(name))
        task.folder.chmod(0o755)
        for part in ("cur", "new", "tmp"):
            (task.mail / part).mkdir(parents=True)
        shutil.copyfile(server.ca_file, task.ca_file)
        yield task


def check(row: FetchRow, fetcher: Fetcher, task: Task) -> None:
    """See that each message is there once."""
    sizes = [file.stat().st_size for file in (task.mail / "new").iterdir()]
    if len(sizes) != row.messages or sum(sizes) < LEAST_ARRIVED * row.octets:
        raise processes.WrongError(f"{fetcher.name} delivered {len(sizes)} messages, {sum(sizes)} octets")


def begin(fetcher: Fetcher, task: Task) -> subprocess.Popen[bytes]:
    """Start the program."""
    command = [str(word) for word in fetcher.command(task)]
    options: dict[str, Any] = fetcher.hand_over(task)
    with (task.folder / "errors").open("wb") as errors:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if fetcher.says_go else subprocess.DEVNULL,
            stderr=errors,
            env=fetcher.environment(task),
            cwd=task.folder,
            **options,
        )


def run_once(fetcher: Fetcher, task: Task, server: processes.Server) -> Sample:
    """Run the program. What is measured begins where it says "go", and ends where it says "done"; else it is all."""
    server_before = server.cpu()
    started = time.perf_counter()
    process = begin(fetcher, task)
    go, done, cpu_before = started, None, 0.0
    if process.stdout is not None:
        process.stdout.readline()
        go, cpu_before = time.perf_counter(), processes.cpu_of(process.pid)
        process.stdout.readline()
        done = time.perf_counter()
        process.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    wall = (done or time.perf_counter()) - go
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in fetcher.statuses:
        said = (task.folder / "errors").read_text(errors="replace").strip().splitlines()
        raise processes.WrongError(f"{fetcher.name} ended with {process.returncode}: {'; '.join(said[-4:])}")
    cpu = used.ru_utime + used.ru_stime - cpu_before
    return Sample(wall, cpu, server.cpu() - server_before, go - started)


def take(row: FetchRow, fetcher: Fetcher, server: processes.Server, port: int, again: Task | None, runs: int) -> Sample:
    """Run a program so often, in an empty Maildir each time, or where it has been before. The quickest counts."""
    samples = []
    for _ in range(min(runs, MOST_RUNS)):
        with contextlib.nullcontext(again) if again is not None else a_place(row, server, port) as task:
            samples.append(run_once(fetcher, task, server))
            check(row, fetcher, task)
    return min(samples, key=lambda sample: sample.wall)


def runner_of(
    row: FetchRow, fetcher: Fetcher, server: processes.Server, port: int, places: contextlib.ExitStack
) -> Runner[Sample]:
    """Make one ready."""
    again = None
    if row.again:
        again = places.enter_context(a_place(row, server, port))
        run_once(fetcher, again, server)
    return Runner(functools.partial(take, row, fetcher, server, port, again), LEAST_SECONDS, MOST_SECONDS, FEWEST)


def measure_row(
    row: FetchRow, fetchers: Sequence[Fetcher], server: processes.Server, rounds: int
) -> fetch_report.Result:
    """Run the programs in turn."""
    port = server.port(row.load)
    runners: dict[str, Runner[Sample]] = {}
    with contextlib.ExitStack() as places:
        for fetcher in fetchers:
            try:
                runner = runner_of(row, fetcher, server, port, places)
                runner.calibrate(rounds)
                runners[fetcher.name] = runner
            except processes.WrongError as error:
                print(f"left out of {row.key}: {error}", file=sys.stderr)
        run_in_turn(list(runners.values()), rounds)
    return fetch_report.Result(row, {name: runner.samples for name, runner in runners.items()})


def those_there(fetchers: Iterable[Fetcher]) -> list[Fetcher]:
    """Leave out the programs that are missing."""
    there = []
    for fetcher in fetchers:
        missing = fetcher.missing()
        if missing is None:
            there.append(fetcher)
        else:
            print(f"left out: {fetcher.name}, without {missing}", file=sys.stderr)
    return there


def measure(rows: Sequence[FetchRow], fetchers: Iterable[Fetcher], rounds: int) -> list[fetch_report.Result]:
    """Fill the table, a row at a time."""
    results: list[fetch_report.Result] = []
    there = those_there(fetchers) if rows else []
    started: dict[str, processes.Server] = {}
    try:
        for row in rows:
            if row.load.key not in started:
                started[row.load.key] = processes.Server(row.load)
            try:
                results.append(measure_row(row, there, started[row.load.key], rounds))
                results[-1].show()
            except processes.WrongError as error:
                print(f"left out: {row.key}: {error}", file=sys.stderr)
    finally:
        for server in started.values():
            server.stop()
    return results
