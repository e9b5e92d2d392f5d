"""The tables of the programs that fetch into a Maildir, and their promises."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

import fetchers
import processes
from setting import FETCH_BASE, FetchRow

COLUMNS = f"{'':20}{'wall ms':>10}{'CPU ms':>10}{'server ms':>11}{'start ms':>10}   times {FETCH_BASE}"


@dataclasses.dataclass
class Sample(processes.Sample):
    """What one run cost, without its start; and how long that took, of a program that says when it begins."""

    start: float


def median(samples: Sequence[Sample]) -> Sample:
    """Give the median of each."""
    names = [field.name for field in dataclasses.fields(Sample)]
    return Sample(**{name: statistics.median(getattr(sample, name) for sample in samples) for name in names})


@dataclasses.dataclass
class Result:
    """The samples of one row: for each program one a round, None where it was not run any more."""

    row: FetchRow
    samples: dict[str, Sequence[Sample | None]]

    def median(self, name: str) -> Sample:
        """Give a program's medians."""
        return median([sample for sample in self.samples[name] if sample is not None])

    def ratios(self, name: str, base: str = FETCH_BASE) -> list[float]:
        """Compare a program with another, round by round."""
        pairs = zip(self.samples[name], self.samples[base], strict=True)
        return [mine.wall / others.wall for mine, others in pairs if mine is not None and others is not None]

    def show(self) -> None:
        """Print the row."""
        print(f"\n{self.row.title}\n{COLUMNS}")
        for name in self.samples if FETCH_BASE in self.samples else ():
            typical, ratios = self.median(name), self.ratios(name)
            times = f"{1e3 * typical.wall:10.1f}{1e3 * typical.cpu:10.1f}{1e3 * typical.server:11.1f}"
            start = f"{1e3 * typical.start:10.0f}" if typical.start else " " * 10
            spread = f"{statistics.median(ratios):8.2f}  ({min(ratios):.2f} - {max(ratios):.2f})"
            print(f"  {name:18}{times}{start}   {spread}", flush=True)

    def as_json(self) -> dict[str, Any]:
        """Give everything that was measured."""
        return {
            **dataclasses.asdict(self.row),
            "messages": self.row.messages,
            "octets": self.row.octets,
            "base": FETCH_BASE,
            "programs": {
                name: {
                    **dataclasses.asdict(self.median(name)),
                    "ratio": statistics.median(self.ratios(name)),
                    "ratio_min": min(self.ratios(name)),
                    "ratio_max": max(self.ratios(name)),
                    "samples": [dataclasses.asdict(sample) for sample in samples if sample is not None],
                }
                for name, samples in self.samples.items()
                if FETCH_BASE in self.samples
            },
        }


def show_promises(results: Sequence[Result]) -> int:
    """Tell which promises are kept: each of poplin's is ahead of every other program, but for what the disk decides."""
    broken = 0
    for result in results:
        if result.row.disk:
            continue
        ours = [program.name for program in fetchers.ALL if program.ours and program.name in result.samples]
        others = [program.name for program in fetchers.ALL if not program.ours and program.name in result.samples]
        for name in ours:
            margins = [(statistics.median(result.ratios(other, name)), other) for other in others]
            kept = all(margin > 1 for margin, _ in margins)
            broken += not kept
            nearest = "{:5.2f} times ahead of {}".format(*min(margins)) if margins else ""
            print(f"  {'kept' if kept else 'BROKEN':8}{result.row.key:20}{name:16}{nearest}")
    return broken
