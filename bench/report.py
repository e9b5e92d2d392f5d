"""The table of the clients, its promises, and the results of all tables as JSON."""

import dataclasses
import json
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import callbacks
import fetch_report
import server_report
from processes import Sample
from setting import BARE, CLIENTS, Row

COLUMNS = f"{'':26}{'wall ms':>10}{'CPU ms':>10}{'server ms':>11}{'MB/s':>8}   {'times the bare reader':<24}"


@dataclasses.dataclass
class Result:
    """The samples of one row: for each client one a round, None where it was not run any more."""

    row: Row
    samples: dict[str, Sequence[Sample | None]]

    def median(self, name: str, what: Callable[[Sample], float]) -> float:
        """Give a client's median of something."""
        return statistics.median(what(sample) for sample in self.samples[name] if sample is not None)

    def ratios(self, name: str, what: Callable[[Sample], float] = lambda sample: sample.wall) -> list[float]:
        """Compare a client with the bare reader, round by round."""
        pairs = zip(self.samples[name], self.samples[BARE], strict=True)
        return [what(mine) / what(bare) for mine, bare in pairs if mine is not None and bare is not None]

    def show(self) -> None:
        """Print the row."""
        megabytes = self.row.messages * self.row.octets / 1e6
        print(f"\n{self.row.title} ({megabytes:.0f} MB a session)\n{COLUMNS}")
        for name in self.samples:
            wall = self.median(name, lambda sample: sample.wall)
            cpu = self.median(name, lambda sample: sample.cpu)
            server = self.median(name, lambda sample: sample.server)
            ratios = self.ratios(name)
            spread = f"{statistics.median(ratios):6.2f}  ({min(ratios):.2f} - {max(ratios):.2f})"
            print(
                f"  {name:24}{1e3 * wall:10.1f}{1e3 * cpu:10.1f}{1e3 * server:11.1f}{megabytes / wall:8.0f}   {spread}",
                flush=True,
            )

    def as_json(self) -> dict[str, Any]:
        """Give everything that was measured."""
        return {
            **dataclasses.asdict(self.row),
            "clients": {
                name: {
                    "wall": self.median(name, lambda sample: sample.wall),
                    "cpu": self.median(name, lambda sample: sample.cpu),
                    "server_cpu": self.median(name, lambda sample: sample.server),
                    "ratio": statistics.median(self.ratios(name)),
                    "ratio_min": min(self.ratios(name)),
                    "ratio_max": max(self.ratios(name)),
                    "samples": [dataclasses.asdict(sample) for sample in samples if sample is not None],
                }
                for name, samples in self.samples.items()
            },
        }


def write(
    results: Sequence[Result],
    server_results: Sequence[server_report.Result],
    callback_results: Sequence[callbacks.Result],
    fetch_results: Sequence[fetch_report.Result],
    path: Path,
) -> None:
    """Write the results for a program to read. Times are in seconds, of one session, one start or one stop."""
    everything = {
        "cores": os.cpu_count(),
        "rows": [result.as_json() for result in results],
        "servers": [result.as_json() for result in server_results],
        "callbacks": [result.as_json() for result in callback_results],
        "fetches": [result.as_json() for result in fetch_results],
    }
    path.write_text(json.dumps(everything, indent=2))
    print(f"\nAll samples: {path}")


def show_promises(results: Sequence[Result]) -> int:
    """Tell which promises are kept: within a multiple of the bare reader, and ahead of everybody else's client."""
    broken = 0
    for result in results:
        ours = {
            client.name: client for client in CLIENTS if client.promise is not None and client.name in result.samples
        }
        others = [name for name in result.samples if name != BARE and name not in ours]
        for name, client in ours.items():
            limit = client.promise_far if result.row.delay_ms else client.promise
            assert limit is not None
            ratio = statistics.median(result.ratios(name))
            ahead_of_all = all(ratio < statistics.median(result.ratios(other)) for other in others)
            kept = ratio <= limit and ahead_of_all
            broken += not kept
            print(
                f"  {'kept' if kept else 'BROKEN':8}{result.row.key:18}{name:16}{ratio:5.2f} of {limit}"
                f"{'' if ahead_of_all else ', and behind another client'}"
            )
    return broken
