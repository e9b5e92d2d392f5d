#!/usr/bin/env python3
"""
Runs test suites and counts: run_tests.py DOOR SUITE...

Every suite writes a report in JUnit's XML under build/reports/DOOR, and the counts come from there, so that a suite
that crashed, hung or ran nothing counts as a failure whatever it printed. The last line of output is
"N passed, N failed, N skipped" for all suites together; the exit status is 0 only where nothing failed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / "build/venv/bin/python"
SUPPRESSIONS = ROOT / "tools/lsan.supp"
VALGRIND = ["valgrind", "--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite", "--error-exitcode=99"]
LIMITS = {"c": 120, "asan-c": 400, "valgrind": 800, "interop": 1500, "asan-python": 1500, "asan-lua": 800}
"""Seconds that one program of a suite may take; 400 for those that are not here."""


@dataclass(frozen=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Run:
    """A finished test program: how it ended and what it said."""

    name: str
    status: int
    output: str
    report: Counts | None

    def counts(self) -> Counts:
        """What the report says; one failure more where the program ended badly and the report does not know why."""
        if self.report is None or self.report == Counts():
            return (self.report or Counts()) + Counts(failed=1)
        if self.status != 0 and self.report.failed == 0:
            return self.report + Counts(failed=1)
        return self.report

    def problem(self) -> str:
        if self.report is None:
            return f"{self.name} left no report (exit status {self.status})"
        if self.report == Counts():
            return f"{self.name} ran no test"
        return f"{self.name} ended with exit status {self.status}"


def read_report(folder: Path) -> tuple[Counts, list[str]] | None:
    """Adds up the reports in a folder: the counts, and what the failed tests say. None where there is no report."""
    counts, failures, found = Counts(), [], False
    for file in sorted(folder.rglob("*.xml")):
        try:
            tree = ElementTree.parse(file)
        except ElementTree.ParseError:
            return None
        found = True
        for case in tree.iter("testcase"):
            problem = case.find("failure")
            problem = case.find("error") if problem is None else problem
            if problem is not None:
                counts += Counts(failed=1)
                failures.append(f"FAILED {case.get('name')}\n{problem.get('message') or ''}\n{problem.text or ''}")
            elif case.find("skipped") is not None:
                counts += Counts(skipped=1)
            else:
                counts += Counts(passed=1)
    return (counts, failures) if found else None


class Suites:
    """The suites by name. Each prints what is worth reading and returns its counts."""

    def __init__(self, reports: Path) -> None:
        self._reports = reports
        self.table: Mapping[str, Callable[[], Counts]] = {
            "c": lambda: self._c("c", ROOT / "build/cmake"),
            "python": lambda: self._pytest("python", "tests/python", "tests/peer", "tests/install"),
            "lua": lambda: self._busted("lua", ROOT / "build/cmake"),
            "interop": lambda: self._pytest("interop", "-s", "tests/interop"),
            "asan-c": lambda: self._c("asan-c", ROOT / "build/asan", environment=sanitizers()),
            "asan-python": self._asan_python,
            "asan-lua": lambda: self._busted("asan-lua", ROOT / "build/asan", preloaded_sanitizers()),
            "valgrind": lambda: self._c("valgrind", ROOT / "build/cmake", VALGRIND, {"PEER_DEADLINE": "200"}),
        }

    def _c(
        self, suite: str, build: Path, wrapper: list[str] | None = None, environment: Mapping[str, str] | None = None
    ) -> Counts:
        """The C tests, two at a time, each a program."""
        listing = subprocess.run(
            ["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True, check=True
        )
        programs = [test["command"][0] for test in json.loads(listing.stdout)["tests"]]

        def one(program: str) -> tuple[Run, list[str]]:
            report = self._reports / suite / Path(program).name
            report.mkdir(parents=True)
            xml = {"CMOCKA_MESSAGE_OUTPUT": "xml", "CMOCKA_XML_FILE": str(report / "%g.xml")}
            return self._finish(suite, report, [*(wrapper or []), program], {**(environment or {}), **xml})

        with ThreadPoolExecutor(2) as pool:
            return self._add_up(suite, list(pool.map(one, programs)))

    def _pytest(self, suite: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Counts:
        report = self._reports / suite
        command = [str(PYTHON), "-m", "pytest", "-q", f"--junitxml={report / 'report.xml'}", "-p", "no:cacheprovider"]
        run = self._finish(suite, report, [*command, *arguments], environment or {}, show=True)
        return self._add_up(suite, [run], told=True)

    def _asan_python(self) -> Counts:
        environment = preloaded_sanitizers()
        # Python is built without frame pointers: only the slow way of unwinding shows who asked for memory.
        environment["ASAN_OPTIONS"] += ":fast_unwind_on_malloc=0"
        environment["LSAN_OPTIONS"] += ":leak_check_at_exit=0"  # tests/conftest.py checks before
        environment |= {"LEAK_CHECK": "1", "PYTHONPATH": str(ROOT / "build/asan/python"), "PYTHONMALLOC": "malloc"}
        # Each of the plugin's tests starts a pytest of its own, which takes minutes here and uses nothing of C that the
        # other tests do not.
        return self._pytest(
            "asan-python", "--ignore=tests/python/test_pytest_plugin.py", "tests/python", environment=environment
        )

    def _busted(self, suite: str, build: Path, environment: Mapping[str, str] | None = None) -> Counts:
        report = self._reports / suite
        report.mkdir(parents=True)
        paths = {
            "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/lua/?/init.lua;{ROOT}/tests/lua/?.lua;;",
            "LUA_CPATH": f"{build}/lua/?.so;;",
        }
        command = ["lua5.4", shutil.which("busted") or "busted", "-o", "junit", f"-Xoutput={report / 'report.xml'}"]
        run = self._finish(suite, report, [*command, "tests/lua"], {**(environment or {}), **paths})
        return self._add_up(suite, [run])

    def _finish(
        self, suite: str, report: Path, command: list[str], environment: Mapping[str, str], show: bool = False
    ) -> tuple[Run, list[str]]:
        """Runs one test program to its end, or to its time limit."""
        limit = LIMITS.get(suite, 400)
        environment = {**os.environ, "PEER": f"{PYTHON} {ROOT / 'tests/peer'}", **environment}
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=None if show else said,
                stderr=None if show else said,
                start_new_session=True,
            )
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                status = process.wait()
                said.write(f"\nended after {limit} s".encode())
            said.seek(0)
            output = said.read().decode(errors="replace")
        read = read_report(report)
        name = Path(command[-1]).name if suite.endswith(("c", "valgrind")) else suite
        return Run(name, status, output, read[0] if read else None), read[1] if read else []

    @staticmethod
    def _add_up(suite: str, runs: list[tuple[Run, list[str]]], told: bool = False) -> Counts:
        total = Counts()
        for run, failures in runs:
            total += run.counts()
            if run.status != 0 or run.counts().failed:
                print(f"---- {run.problem()}")
                for line in [] if told else [*failures, run.output]:
                    print(line)
        if total == Counts():
            print(f"---- {suite} has no tests")
            total = Counts(failed=1)
        return total


def sanitizers() -> dict[str, str]:
    return {
        "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}:print_suppressions=0",
        "PEER_DEADLINE": "100",
    }


def preloaded_sanitizers() -> dict[str, str]:
    """For an interpreter that was built without them."""
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    return {**sanitizers(), "LD_PRELOAD": str(Path(library.stdout.strip()).resolve())}


def main(door: str, names: list[str]) -> int:
    os.chdir(ROOT)
    reports = ROOT / "build/reports" / door
    shutil.rmtree(reports, ignore_errors=True)
    suites = Suites(reports)
    total = Counts()
    for name in names:
        print(f"[{name}]", flush=True)
        started = time.monotonic()
        try:
            counts = suites.table[name]()
        except (OSError, subprocess.SubprocessError) as error:
            print(f"---- {name} could not be run: {error}")
            counts = Counts(failed=1)
        print(f"[{name}] {counts}, in {time.monotonic() - started:.0f} s", flush=True)
        total += counts
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
