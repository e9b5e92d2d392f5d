"""How often each of those that are compared runs, and in which order."""

import math
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import processes

S = TypeVar("S", bound=processes.Sample)


class Runner(Generic[S]):
    """One of those that are compared."""

    def __init__(self, take: Callable[[int], S], least: float, most: float, fewest: int = 2) -> None:
        """
        take: runs so many sessions, and gives what one cost. least: seconds that it works for a sample; most: for all
        of them, though there are always the fewest.
        """
        self.take = take
        self.least = least
        self.most = most
        self.fewest = fewest
        self.sessions = 1
        self.rounds = 0
        self.samples: list[S | None] = []  # one a round

    def calibrate(self, rounds: int) -> None:
        """Find out how many sessions make a sample, and how many rounds there is time for."""
        first = self.take(1)
        self.sessions = max(1, math.ceil(self.least / first.wall))
        affordable = int(self.most / (self.sessions * first.wall))
        self.rounds = min(rounds, max(self.fewest, affordable))
        if self.rounds < rounds:
            self.samples.append(first)  # what takes so long needs no warming up

    def run(self, number: int) -> None:
        """Take the sample of one round, unless it is there already or this one is done."""
        if number >= self.rounds:
            self.samples.append(None)
        elif number >= len(self.samples):
            self.samples.append(self.take(self.sessions))


def run_in_turn(runners: Sequence[Runner[S]], rounds: int) -> None:
    """Take the samples round by round, in changing order, so that a disturbance meets all alike."""
    for number in range(rounds):
        for runner in runners if number % 2 == 0 else reversed(runners):
            runner.run(number)
