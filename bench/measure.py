"""The measuring itself: what of the tables is filled, how long the clients work, and what becomes of all samples."""

import argparse
import fnmatch
import functools
import os
import sys
from collections.abc import Sequence

import callbacks
import fetch_report
import fetchers
import fetching
import processes
import report
import server_report
import servers
import setting
from rounds import Runner, run_in_turn
from setting import BARE, CALLBACK_ROWS, CLIENTS, ROWS, SERVER_ROWS, Client, Row

LEAST_SECONDS = 0.3  # that a client works for one sample
MOST_SECONDS = 30.0  # that a client works for all samples of a row, though there are always two
BUSY = 0.5  # processes that wanted to run in the last minute, from which on the machine counts as busy

ClientRunner = Runner[processes.Sample]


def measure_row(row: Row, clients: list[Client], server: processes.Server, rounds: int) -> dict[str, ClientRunner]:
    """Run the clients in turn."""
    port = server.port(row)
    runners: dict[str, ClientRunner] = {}
    for client in clients:
        runner = Runner(functools.partial(processes.run_client, client, row, server, port), LEAST_SECONDS, MOST_SECONDS)
        try:
            runner.calibrate(rounds)
            runners[client.name] = runner
        except processes.WrongError as error:
            print(f"left out of {row.key}: {error}", file=sys.stderr)
    run_in_turn(list(runners.values()), rounds)
    return runners


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


def measure_callbacks(arguments: argparse.Namespace) -> list[callbacks.Result]:
    """Fill the third kind of table."""
    rows = [row for row in CALLBACK_ROWS if is_wanted(row.key, arguments.rows)]
    return callbacks.measure(rows, arguments.rounds)


def measure_fetches(arguments: argparse.Namespace) -> list[fetch_report.Result]:
    """Fill the fourth kind of table."""
    rows = [row for row in setting.FETCH_ROWS if is_wanted(row.key, arguments.rows)]
    programs = [
        program
        for program in fetchers.ALL
        if program.name == setting.FETCH_BASE or is_wanted(program.name, arguments.clients)
    ]
    return fetching.measure(rows, programs, arguments.rounds)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    tables: list[Sequence[Row | setting.ServerRow | setting.CallbackRow | setting.FetchRow]] = [
        ROWS,
        SERVER_ROWS,
        CALLBACK_ROWS,
        setting.FETCH_ROWS,
    ]
    keys = "; ".join(", ".join(row.key for row in table) for table in tables)
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
    callback_results = measure_callbacks(arguments)
    fetch_results = measure_fetches(arguments)
    report.write(results, server_results, callback_results, fetch_results, setting.BUILD / "results.json")
    print("\nPromises")
    broken = report.show_promises(results) + server_report.show_promises(server_results)
    broken += fetch_report.show_promises(fetch_results)
    if broken and arguments.check:
        sys.exit(1)
