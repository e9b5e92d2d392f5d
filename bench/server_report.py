"""The table of the test servers, and its promises."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

from setting import BASE, TEST_SERVERS, ServerRow

COLUMNS = f"{'':26}{'µs':>10}{'a second':>10}{'server CPU µs':>15}   times {BASE}"


@dataclasses.dataclass
class Sample:
    """What one start, one stop or one session took, in seconds; of a session, the server's processor time too."""

    seconds: float
    cpu: float | None = None


def median(samples: Sequence[Sample]) -> Sample:
    """Give the median of each."""
    cpu = [sample.cpu for sample in samples if sample.cpu is not None]
    return Sample(statistics.median(sample.seconds for sample in samples), statistics.median(cpu) if cpu else None)


@dataclasses.dataclass
class Result:
    """The samples of one row: for each server one a round, in the order of the servers."""

    row: ServerRow
    samples: dict[str, list[Sample]]

    def ratios(self, name: str, base: str = BASE) -> list[float]:
        """Compare a server with another, round by round."""
        pairs = zip(self.samples[name], self.samples[base], strict=True)
        return [mine.seconds / others.seconds for mine, others in pairs]

    def show(self) -> None:
        """Print the row."""
        print(f"\n{self.row.title}\n{COLUMNS}")
        for name in self.samples if BASE in self.samples else ():
            ratios, typical = self.ratios(name), median(self.samples[name])
            session = f"{1 / typical.seconds:10,.0f}{1e6 * typical.cpu:15.1f}" if typical.cpu is not None else ""
            spread = f"{statistics.median(ratios):8.2f}  ({min(ratios):.2f} - {max(ratios):.2f})"
            print(f"  {name:24}{1e6 * typical.seconds:10,.1f}{session:25}   {spread}", flush=True)

    def as_json(self) -> dict[str, Any]:
        """Give everything that was measured."""
        return {
            **dataclasses.asdict(self.row),
            "base": BASE,
            "servers": {
                name: {
                    **dataclasses.asdict(median(samples)),
                    "ratio": statistics.median(self.ratios(name)),
                    "ratio_min": min(self.ratios(name)),
                    "ratio_max": max(self.ratios(name)),
                    "samples": [dataclasses.asdict(sample) for sample in samples],
                }
                for name, samples in self.samples.items()
                if BASE in self.samples
            },
        }


def show_promises(results: Sequence[Result]) -> int:
    """Tell which promises are kept: each of poplin's ahead of every other server, and within the limit of the row."""
    broken = 0
    for result in results:
        ours = [peer.name for peer in TEST_SERVERS if peer.ours and peer.name in result.samples]
        others = [peer.name for peer in TEST_SERVERS if not peer.ours and peer.name in result.samples]
        for name in ours:
            limit, seconds = result.row.limit, median(result.samples[name]).seconds
            margins = [(statistics.median(result.ratios(other, name)), other) for other in others]
            kept = all(margin > 1 for margin, _ in margins) and (limit is None or seconds <= limit)
            broken += not kept
            nearest = "{:5.2f} times ahead of {}".format(*min(margins)) if margins else ""
            within = "" if limit is None else f", {1e3 * seconds:.2f} of {1e3 * limit:g} ms"
            print(f"  {'kept' if kept else 'BROKEN':8}{result.row.key:18}{name:16}{nearest}{within}")
    return broken
