#!/usr/bin/env python3
"""
Runs test suites and counts: run_tests.py DOOR SUITE...

The suites of a door run side by side: each is cut into jobs, which are processes of their own (a program of the C
tests, a part of the files of the Python tests), and a worker for each core takes one after the other, long ones first.

Every job writes a report in JUnit's XML under build/reports/DOOR, and the counts come from there, so that a job that
crashed, hung or ran nothing counts as a failure whatever it printed. The last line of output is "N passed, N failed, N
skipped" for all suites together; the exit status is 0 only where nothing failed.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / "build/venv/bin/python"
SUPPRESSIONS = ROOT / "tools/lsan.supp"
VALGRIND = [
    *("valgrind", "--quiet", f"--suppressions={ROOT / 'tools/valgrind.supp'}"),
    *("--leak-check=full", "--errors-for-leak-kinds=definite", "--error-exitcode=99"),
]
LIMITS = {"c": 120, "asan-c": 400, "valgrind": 800, "interop": 1500, "soak": 7200, "asan-python": 1500, "asan-lua": 800}
"""Seconds that one job of a suite may take; 400 for those that are not here."""
PARTS = 6
"""Of the Python tests. More would share the cores better, but each has to start Python and to import everything."""
LONG = ("test_lua_memory", "test_calls_model", "test_server_secrets")
"""The C tests that take the longest; jobs of other suites than C's are long anyway."""
THINNED = {"TEST_STRIDE": "8"}
"""For tests that go through very many cases: one in eight, where valgrind goes through what asan-c has whole."""
NO_ANSWER = "LeakSanitizer has encountered a fatal error"
"""The tool itself died when it looked for leaks, which says nothing of the tests: the job runs once more."""


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
class Job:
    """A test program to run."""

    suite: str
    name: str
    command: Sequence[str]
    report: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    long: bool = True


@dataclass(frozen=True)
class Run:
    """A finished job: how it ended, what it said, and what its report says, if there is one."""

    job: Job
    status: int
    output: str
    seconds: float
    report: Counts | None
    failures: Sequence[str] = ()

    def counts(self) -> Counts:
        """What the report says; one failure more where the program ended badly and the report does not know why."""
        if self.report is None or self.report == Counts():
            return (self.report or Counts()) + Counts(failed=1)
        if self.status != 0 and self.report.failed == 0:
            return self.report + Counts(failed=1)
        return self.report

    def show(self) -> None:
        """What is worth reading: all where something failed, else only why tests were skipped."""
        if not self.counts().failed:
            skipped = [line for line in self.output.splitlines() if line.startswith("SKIPPED")]
            print(*skipped, sep="\n", end="\n" * bool(skipped))
            return
        problem = f"ended with exit status {self.status}"
        if self.report is None:
            problem = f"left no report (exit status {self.status})"
        elif self.report == Counts():
            problem = "ran no test"
        print(f"---- {self.job.suite}: {self.job.name} {problem}", *self.failures, self.output, sep="\n")


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
    """The jobs of the suites by name."""

    def __init__(self, reports: Path) -> None:
        self._reports = reports
        self.table: Mapping[str, Callable[[], list[Job]]] = {
            "c": lambda: self._c("c", ROOT / "build/cmake"),
            "python": lambda: self._python("python", python_tests()),
            "lua": lambda: self._busted("lua", ROOT / "build/cmake"),
            "interop": lambda: [self._pytest("interop", "interop", ["-s", "tests/interop"])],
            "soak": lambda: [self._pytest("soak", "killed", ["tests/python/test_fetch_killed.py"])],
            "asan-c": lambda: self._c("asan-c", ROOT / "build/asan", environment=sanitizers()),
            "tsan-c": lambda: self._c("tsan-c", ROOT / "build/tsan", environment=thread_sanitizer()),
            "asan-python": self._asan_python,
            "asan-lua": lambda: self._busted("asan-lua", ROOT / "build/asan", preloaded_sanitizers()),
            "valgrind": lambda: self._c(
                "valgrind", ROOT / "build/cmake", VALGRIND, {"PEER_DEADLINE": "200", **THINNED}
            ),
        }

    def _c(
        self, suite: str, build: Path, wrapper: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> list[Job]:
        """The C tests, each a program."""
        listing = subprocess.run(
            ["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True, check=True
        )
        jobs = []
        for test in json.loads(listing.stdout)["tests"]:
            program = test["command"][0]
            name = Path(program).name
            report = self._reports / suite / name
            xml = {"CMOCKA_MESSAGE_OUTPUT": "xml", "CMOCKA_XML_FILE": str(report / "%g.xml")}
            jobs.append(Job(suite, name, [*wrapper, program], report, {**(environment or {}), **xml}, name in LONG))
        return jobs

    def _pytest(
        self, suite: str, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Job:
        report = self._reports / suite / name
        command = [str(PYTHON), "-m", "pytest", "-q", f"--junitxml={report / 'report.xml'}", "-p", "no:cacheprovider"]
        return Job(suite, name, [*command, *arguments], report, environment or {})

    def _python(self, suite: str, files: Sequence[str], environment: Mapping[str, str] | None = None) -> list[Job]:
        """The files of Python tests, dealt like cards."""
        parts = [files[at::PARTS] for at in range(min(PARTS, len(files)))]
        return [self._pytest(suite, f"part-{at}", part, environment) for at, part in enumerate(parts, 1)]

    def _asan_python(self) -> list[Job]:
        environment = preloaded_sanitizers()
        # Python is built without frame pointers: only the slow way of unwinding shows who asked for memory. It need not
        # go further back than the functions that tools/lsan.supp names; with all frames it takes ten times as long.
        environment["ASAN_OPTIONS"] += ":fast_unwind_on_malloc=0:malloc_context_size=8"
        environment["LSAN_OPTIONS"] += ":leak_check_at_exit=0"  # tests/conftest.py checks before
        environment |= {"LEAK_CHECK": "1", "PYTHONPATH": str(ROOT / "build/asan/python"), "PYTHONMALLOC": "malloc"}
        # These use nothing of C that the others do not: the plugin's tests start a pytest each, which takes minutes
        # here; this program's own start ctest, which the sanitizers' library can hang up at its exit.
        without = ("/test_pytest_plugin.py", "/test_run_tests.py")
        files = [file for file in python_tests("tests/python") if not file.endswith(without)]
        return self._python("asan-python", files, environment)

    def _busted(self, suite: str, build: Path, environment: Mapping[str, str] | None = None) -> list[Job]:
        report = self._reports / suite
        paths = {
            "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/lua/?/init.lua;{ROOT}/tests/lua/?.lua;;",
            "LUA_CPATH": f"{build}/lua/?.so;;",
        }
        command = ["lua5.4", shutil.which("busted") or "busted", "-o", "junit", f"-Xoutput={report / 'report.xml'}"]
        return [Job(suite, "tests/lua", [*command, "tests/lua"], report, {**(environment or {}), **paths})]


def python_tests(*folders: str) -> list[str]:
    folders = folders or ("tests/python", "tests/peer", "tests/install")
    return [str(file.relative_to(ROOT)) for folder in folders for file in sorted((ROOT / folder).glob("test_*.py"))]


def sanitizers() -> dict[str, str]:
    return {
        "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}:print_suppressions=0",
        "PEER_DEADLINE": "100",
    }


def thread_sanitizer() -> dict[str, str]:
    return {"TSAN_OPTIONS": f"suppressions={ROOT / 'tools/tsan.supp'}:print_suppressions=0", "PEER_DEADLINE": "100"}


def preloaded_sanitizers() -> dict[str, str]:
    """For an interpreter that was built without them."""
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    return {**sanitizers(), "LD_PRELOAD": str(Path(library.stdout.strip()).resolve())}


class Workers:
    """Run jobs, one for each core. A context manager: where it is left early, nothing stays behind."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        self._running: set[subprocess.Popen[bytes]] = set()
        self._leaving = False

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *failure: object) -> None:
        self._leaving = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in list(self._running):
            kill(process)
        self._pool.shutdown()

    def run(self, jobs: Iterable[Job]) -> Iterable[Run]:
        """The runs of all jobs, each when it has ended. A job that is alone shows at once what it says."""
        ordered = sorted(jobs, key=lambda job: not job.long)
        running: list[Future[Run]] = [self._pool.submit(self._finish, job, len(ordered) == 1) for job in ordered]
        return (future.result() for future in as_completed(running))

    def _finish(self, job: Job, show: bool) -> Run:
        try:
            run = self._run(job, show)
            if NO_ANSWER in run.output:
                print(f"---- {job.suite}: {job.name} runs once more: {NO_ANSWER}", flush=True)
                shutil.rmtree(job.report)
                run = self._run(job, show)
            return run
        except OSError as error:  # a program is missing, perhaps
            return Run(job, 127, str(error), 0, None)

    def _run(self, job: Job, show: bool) -> Run:
        """Runs one job to its end, or to its time limit."""
        limit = LIMITS.get(job.suite, 400)
        environment = {**os.environ, "PEER": f"{PYTHON} {ROOT / 'tests/peer'}", **job.environment}
        job.report.mkdir(parents=True)
        started = time.monotonic()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                job.command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=None if show else said,
                stderr=None if show else said,
                start_new_session=True,
            )
            self._running.add(process)
            if self._leaving:
                kill(process)
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                kill(process)
                status = process.wait()
                said.write(f"\nended after {limit} s".encode())
            self._running.discard(process)
            said.seek(0)
            output = said.read().decode(errors="replace")
        counts, failures = read_report(job.report) or (None, ())
        return Run(job, status, output, time.monotonic() - started, counts, () if show else failures)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """With all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def make_jobs(suites: Suites, names: Iterable[str]) -> tuple[list[Job], Counts]:
    """The jobs of all suites; a suite without any is a failure."""
    jobs, missing = [], Counts()
    for name in names:
        try:
            made = suites.table[name]()
            problem = "has no tests"
        except (OSError, subprocess.SubprocessError) as error:
            made, problem = [], f"could not be run: {error}"
        if not made:
            print(f"---- {name} {problem}")
            missing += Counts(failed=1)
        jobs += made
    return jobs, missing


def main(door: str, names: list[str]) -> int:
    os.chdir(ROOT)
    reports = ROOT / "build/reports" / door
    shutil.rmtree(reports, ignore_errors=True)
    started = time.monotonic()
    jobs, total = make_jobs(Suites(reports), names)
    left = {name: [job for job in jobs if job.suite == name] for name in names}
    counts = dict.fromkeys(names, Counts())
    seconds = dict.fromkeys(names, 0.0)
    with Workers() as workers:
        for run in workers.run(jobs):
            suite = run.job.suite
            run.show()
            left[suite].remove(run.job)
            counts[suite] += run.counts()
            seconds[suite] += run.seconds
            if not left[suite]:
                print(f"[{suite}] {counts[suite]}, in {seconds[suite]:.0f} s of a core", flush=True)
    total = sum(counts.values(), total)
    print(f"{time.monotonic() - started:.0f} s", total, sep="\n", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
