"""Measures a Python server's callbacks: how much it serves of each shape that `retr` may give, also beside work."""

import dataclasses
import functools
import json
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import processes
import setting
from rounds import Runner, run_in_turn
from servers import Program
from setting import CallbackRow, Shape

LEAST_SECONDS = 0.03  # that a shape is served for one sample
MOST_SECONDS = 0.8  # that a shape is served for all samples of a row, but for the fewest
FEWEST = 3  # samples: who gets the interpreter lock when is partly chance
ALONE = (3, 0.1)  # how often the main thread computes beside an idle server, and for how many seconds
COLUMNS = f"{'':31}{'messages/s':>11}{'MB/s':>8}   {'throughput, bytes = 1':<25}{'main thread':>11}"


@dataclasses.dataclass
class Sample(processes.Sample):
    """What one session cost; and how fast the main thread computed beside it, of how fast it does alone."""

    main: float | None = None


class Server:
    """The server of one row, in a process of its own."""

    def __init__(self, row: CallbackRow) -> None:
        self.row = row
        self.program = Program(row.key, [setting.PYTHON, *row.command])
        self.plain = int(json.loads(self.program.read())["port"])
        self.ca_file = Path("/dev/null")
        self.alone: float | None = None

    def cpu(self) -> float:
        """Give the seconds of processor time that it has used."""
        return processes.cpu_of(self.program.process.pid)

    def measure_alone(self) -> None:
        """Find out how fast the main thread computes, at the best, where nobody else wants to."""
        self.program.ask("compute")
        speeds = []
        for _ in range(ALONE[0]):
            before = self.program.ask("count")
            time.sleep(ALONE[1])
            speeds.append(self.speed_since(before))
        self.alone = max(speeds)

    def speed_since(self, before: dict[str, float]) -> float:
        """Give the steps a second that the main thread has computed."""
        after = self.program.ask("count")
        return (after["steps"] - before["steps"]) / (after["seconds"] - before["seconds"])

    def take(self, shape: Shape, sessions: int) -> Sample:
        """Have sessions fetch everything in one shape."""
        load = self.row.load
        self.program.ask("serve", shape.key, load.messages, load.octets)
        self.program.ask("compute" if shape.computing else "rest")
        before = self.program.ask("count")
        got = processes.run_client(setting.CALLBACK_CLIENT, load, self, self.plain, sessions)
        main = self.speed_since(before) / self.alone if shape.computing and self.alone else None
        return Sample(**dataclasses.asdict(got), main=main)


@dataclasses.dataclass
class Result:
    """The samples of one row: for each shape one a round, None where it was not served any more."""

    row: CallbackRow
    samples: dict[str, Sequence[Sample | None]]

    def median(self, name: str) -> Sample:
        """Give a shape's medians."""
        there = [sample for sample in self.samples[name] if sample is not None]
        main = [sample.main for sample in there if sample.main is not None]
        return Sample(
            statistics.median(sample.wall for sample in there),
            statistics.median(sample.cpu for sample in there),
            statistics.median(sample.server for sample in there),
            statistics.median(main) if main else None,
        )

    def ratios(self, name: str) -> list[float]:
        """Compare a shape's throughput with that of bytes, beside an idle main thread, round by round."""
        pairs = zip(self.samples[name], self.samples[setting.CALLBACK_BASE], strict=True)
        return [base.wall / mine.wall for mine, base in pairs if mine is not None and base is not None]

    def show(self) -> None:
        """Print the row."""
        load = self.row.load
        print(f"\n{self.row.title}\n{COLUMNS}")
        for name in self.samples:
            typical, ratios = self.median(name), self.ratios(name)
            per_second = load.messages / typical.wall
            spread = f"{statistics.median(ratios):6.3f}  ({min(ratios):.3f} - {max(ratios):.3f})"
            main = f"{typical.main:11.0%}" if typical.main is not None else ""
            line = f"  {name:29}{per_second:11,.0f}{per_second * load.octets / 1e6:8.0f}   {spread:25}{main}"
            print(line.rstrip(), flush=True)

    def as_json(self) -> dict[str, Any]:
        """Give everything that was measured."""
        return {
            "key": self.row.key,
            "face": self.row.face,
            "workers": self.row.workers,
            "messages": self.row.load.messages,
            "octets": self.row.load.octets,
            "base": setting.CALLBACK_BASE,
            "shapes": {
                name: {
                    **dataclasses.asdict(self.median(name)),
                    "messages_per_second": self.row.load.messages / self.median(name).wall,
                    "octets_per_second": self.row.load.messages * self.row.load.octets / self.median(name).wall,
                    "ratio": statistics.median(self.ratios(name)),
                    "ratio_min": min(self.ratios(name)),
                    "ratio_max": max(self.ratios(name)),
                    "samples": [dataclasses.asdict(sample) for sample in samples if sample is not None],
                }
                for name, samples in self.samples.items()
            },
        }


def measure_row(row: CallbackRow, rounds: int) -> Result:
    """Have one server give every shape in turn."""
    server = Server(row)
    try:
        if row.face == "thread":
            server.measure_alone()
        runners = {
            shape.name: Runner(functools.partial(server.take, shape), LEAST_SECONDS, MOST_SECONDS, FEWEST)
            for shape in setting.shapes_of(row)
        }
        for runner in runners.values():
            runner.take(1)
            runner.calibrate(rounds)
        run_in_turn(list(runners.values()), rounds)
        return Result(row, {name: runner.samples for name, runner in runners.items()})
    finally:
        server.program.end()


def measure(rows: Iterable[CallbackRow], rounds: int) -> list[Result]:
    """Fill the third kind of table, a row at a time."""
    results = []
    for row in rows:
        try:
            results.append(measure_row(row, rounds))
            results[-1].show()
        except (OSError, processes.WrongError) as error:
            print(f"left out: {row.key}: {error}", file=sys.stderr)
    return results
