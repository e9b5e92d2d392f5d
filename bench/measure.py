"""The measuring itself: how often each client runs, in which order, and what becomes of the samples of both tables."""

import argparse
import fnmatch
import math
import os
import sys

import processes
import report
import server_report
import servers
import setting
from setting import BARE, CLIENTS, ROWS, SERVER_ROWS, Client, Row

LEAST_SECONDS = 0.3  # that a client works for one sample
MOST_SECONDS = 30.0  # that a client works for all samples of a row, though there are always two
BUSY = 0.5  # processes that wanted to run in the last minute, from which on the machine counts as busy


class Runner:
    """One client in one row."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.sessions = 1
        self.rounds = 0
        self.samples: list[processes.Sample | None] = []  # one a round

    def calibrate(self, row: Row, server: processes.Server, port: int, rounds: int) -> None:
        """Find out how many sessions make a sample, and how many rounds there is time for."""
        first = processes.run_client(self.client, row, server, port, 1)
        self.sessions = max(1, math.ceil(LEAST_SECONDS / first.wall))
        affordable = int(MOST_SECONDS / (self.sessions * first.wall))
        self.rounds = min(rounds, max(2, affordable))
        if self.rounds < rounds:
            self.samples.append(first)  # what takes so long needs no warming up

    def run(self, row: Row, server: processes.Server, port: int, number: int) -> None:
        """Take the sample of one round, unless it is there already or this client is done."""
        if number >= self.rounds:
            self.samples.append(None)
        elif number >= len(self.samples):
            self.samples.append(processes.run_client(self.client, row, server, port, self.sessions))


def measure_row(row: Row, clients: list[Client], server: processes.Server, rounds: int) -> dict[str, Runner]:
    """Run the clients in turn, round by round, in changing order, so that a disturbance meets all alike."""
    port = server.port(row)
    runners = []
    for client in clients:
        runner = Runner(client)
        try:
            runner.calibrate(row, server, port, rounds)
            runners.append(runner)
        except processes.WrongError as error:
            print(f"left out of {row.key}: {error}", file=sys.stderr)
    for number in range(rounds):
        for runner in runners if number % 2 == 0 else reversed(runners):
            runner.run(row, server, port, number)
    return {runner.client.name: runner for runner in runners}


def choose(arguments: argparse.Namespace) -> tuple[list[Row], list[Client]]:
    """Choose what the command line asks for, of what is there."""
    rows = [row for row in ROWS if is_wanted(row.key, arguments.rows)]
    clients = []
    for client in CLIENTS if rows else []:
        if client.name != BARE and not is_wanted(client.name, arguments.clients):
            continue
        missing = client.missing()
        if missing is None:
            clients.append(client)
        else:
            print(f"left out: {client.name}, without {missing}", file=sys.stderr)
    return rows, clients


def is_wanted(name: str, patterns: list[str]) -> bool:
    """Tell whether one of the patterns fits."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def measure_clients(arguments: argparse.Namespace) -> list[report.Result]:
    """Fill the first table, a row at a time."""
    rows, clients = choose(arguments)
    results: list[report.Result] = []
    started: dict[tuple[str, int, int], processes.Server] = {}
    try:
        for row in rows:
            key = (row.server, row.messages, row.octets)
            if key not in started:
                started[key] = processes.Server(row)
            runners = measure_row(row, clients, started[key], arguments.rounds)
            result = report.Result(row, {name: runner.samples for name, runner in runners.items()})
            results.append(result)
            result.show()
    finally:
        for server in started.values():
            server.stop()
    return results


def measure_servers(arguments: argparse.Namespace) -> list[server_report.Result]:
    """Fill the second table."""
    rows = [row for row in SERVER_ROWS if is_wanted(row.key, arguments.rows)]
    peers = [
        peer
        for peer in setting.TEST_SERVERS
        if rows and (peer.name == setting.BASE or is_wanted(peer.name, arguments.servers))
    ]
    return servers.measure(rows, servers.those_there(peers), arguments.rounds)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    keys = ", ".join([row.key for row in ROWS] + [row.key for row in SERVER_ROWS])
    parser = argparse.ArgumentParser(description="Measure poplin beside others.")
    parser.add_argument("--rows", nargs="+", default=["*"], metavar="PATTERN", help=keys)
    parser.add_argument("--clients", nargs="+", default=["*"], metavar="PATTERN", help="as in the table: 'poplin*'")
    parser.add_argument("--servers", nargs="+", default=["*"], metavar="PATTERN", help="the test servers, likewise")
    parser.add_argument("--rounds", type=int, default=7, help="samples of each in each row (default 7)")
    parser.add_argument("--check", action="store_true", help="fail where a promise is not kept")
    return parser.parse_args()


def main() -> None:
    """Measure, print the tables, write the results."""
    arguments = parse_arguments()
    missing = processes.tool_missing()
    if missing is not None:
        sys.exit(f"bench/run needs {missing}")
    if not setting.LIBRARY.exists():
        sys.exit(f"bench/run needs {setting.LIBRARY}: run make bench")
    for name in processes.compile_programs():
        print(f"left out: {name}, whose library pkg-config does not know", file=sys.stderr)
    if os.getloadavg()[0] > BUSY:
        print(f"the machine is busy (load {os.getloadavg()[0]:.1f}): do not trust what follows", file=sys.stderr)
    results = measure_clients(arguments)
    server_results = measure_servers(arguments)
    report.write(results, server_results, setting.BUILD / "results.json")
    print("\nPromises")
    broken = report.show_promises(results) + server_report.show_promises(server_results)
    if broken and arguments.check:
        sys.exit(1)
