"""Measures test servers: how long they take to start and to stop, and how many sessions they hold in a second."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import processes
import server_report
import setting
from server_report import Sample
from setting import ServerRow, TestServer

MORE_ROUNDS = 3  # times as many as clients have, and short: what is so quick is easily disturbed
LEAST_SECONDS = 0.1  # that a server works for one sample
REPEATS = (3, 40)  # in a sample, at the least and at the most
SESSIONS = 200  # of one repeat


class Program:
    """A program that obeys lines and answers each with a line of JSON."""

    def __init__(self, name: str, command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def read(self) -> str:
        """Read a line, which there has to be."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise processes.WrongError(f"{self.name} has ended")
        return line

    def ask(self, *order: object) -> dict[str, float]:
        """Give an order, and read the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, order)) + "\n")
        self.process.stdin.flush()
        answer: dict[str, float] = json.loads(self.read())
        if "error" in answer:
            raise processes.WrongError(f"{order[0]}: {answer['error']}")
        return answer

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


class Runner:
    """One test server in one row, in a process of its own."""

    def __init__(self, row: ServerRow, peer: TestServer, visitor: Program) -> None:
        self.row = row
        self.peer = peer
        self.visitor = visitor
        self.repeats = 1
        self.samples: list[Sample] = []
        self.program = Program(peer.name, peer.command, setting.environment_of(peer))

    def calibrate(self) -> None:
        """Wait until it is ready, and find out how many repeats make a sample."""
        self.program.read()
        self.once()
        begin = time.perf_counter()
        self.once()
        wanted = math.ceil(LEAST_SECONDS / (time.perf_counter() - begin))
        self.repeats = min(max(wanted, REPEATS[0]), REPEATS[1])

    def run(self) -> None:
        """Take a sample: the median of its repeats, since one that is disturbed takes many times as long."""
        self.samples.append(server_report.median([self.once() for _ in range(self.repeats)]))

    def once(self) -> Sample:
        """Start it, have it hold or open the sessions of the row, stop it."""
        answer = self.program.ask("start")
        held = self.hold_sessions(answer["port"]) if self.row.figure == "session" else None
        if self.row.open:
            self.visitor.ask("open", self.peer.protocol, answer["port"], self.row.open)
        answer.update(self.program.ask("stop"))
        left = self.visitor.ask("left")["left"]
        if left:
            raise processes.WrongError(f"{left} sessions are left open")
        return held or Sample(answer[self.row.figure])

    def hold_sessions(self, port: float) -> Sample:
        """Have it hold many sessions, and divide by their number."""
        before = processes.cpu_of(self.program.process.pid)
        seconds = self.visitor.ask("run", self.peer.protocol, port, SESSIONS, self.row.at_once)["seconds"]
        cpu = processes.cpu_of(self.program.process.pid) - before
        return Sample(seconds / SESSIONS, cpu / SESSIONS)


def those_there(peers: Iterable[TestServer]) -> list[TestServer]:
    """Leave out the servers whose modules are missing."""
    there = []
    for peer in peers:
        try:
            environment = setting.environment_of(peer)
            subprocess.run(peer.requires, check=True, capture_output=True, env=environment)
            there.append(peer)
        except (OSError, subprocess.CalledProcessError):
            print(f"left out: {peer.name}, without what `{peer.requires[-1]}` needs", file=sys.stderr)
    return there


def measure(rows: Iterable[ServerRow], peers: Sequence[TestServer], rounds: int) -> list[server_report.Result]:
    """Fill the table, a row at a time."""
    results = []
    visitor = Program("the visitor", [setting.VISITOR])
    try:
        for row in rows:
            result = server_report.Result(row, measure_row(row, peers, visitor, rounds))
            results.append(result)
            result.show()
    finally:
        visitor.end()
    return results


def measure_row(row: ServerRow, peers: Sequence[TestServer], visitor: Program, rounds: int) -> dict[str, list[Sample]]:
    """Have the servers work in turn, round by round, in changing order, so that a disturbance meets all alike."""
    runners = [Runner(row, peer, visitor) for peer in peers]
    try:
        for step in range(-1, MORE_ROUNDS * rounds):
            for runner in runners[:: 1 if step % 2 == 0 else -1]:
                try:
                    runner.run() if step >= 0 else runner.calibrate()
                except processes.WrongError as error:
                    print(f"left out of {row.key}: {runner.peer.name}: {error}", file=sys.stderr)
                    runners.remove(runner)
                    runner.program.end()
        return {runner.peer.name: runner.samples for runner in runners}
    finally:
        for runner in runners:
            runner.program.end()
