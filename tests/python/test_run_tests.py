"""How suites are run and counted (tools/run_tests.py): whatever goes wrong with a test program is a failure."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PASSED = '<testcase name="a"/><testcase name="b"/>'
FAILED = '<testcase name="c"><failure message="why">where</failure></testcase>'
SKIPPED = '<testcase name="d"><skipped/></testcase>'


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program as a module, for a tree that is empty; it has two cores."""
    spec = importlib.util.spec_from_file_location("run_tests", ROOT / "tools/run_tests.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "run_tests", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.chdir(tmp_path)  # main() goes to the root
    return module


class Jobs:
    """Makes jobs of shell scripts, each with a folder for its report."""

    def __init__(self, runner: ModuleType, folder: Path) -> None:
        self._runner = runner
        self._folder = folder

    def __call__(self, suite: str, script: str, report: str | None = None) -> Any:
        folder = self._folder / f"{suite}-{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        if report is not None:
            (folder / "wanted.txt").write_text(f"<testsuites>{report}</testsuites>")
            script = f"cp {folder}/wanted.txt {folder}/report/report.xml; {script}"
        return self._runner.Job(suite, "job", ["sh", "-c", script], folder / "report")


@pytest.fixture
def job(runner: ModuleType, tmp_path: Path) -> Jobs:
    return Jobs(runner, tmp_path)


def runs_of(runner: ModuleType, *jobs: Any) -> dict[str, Any]:
    """What came of jobs, by suite."""
    with runner.Workers() as workers:
        return {run.job.suite: run for run in workers.run(jobs)}


Door = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def door(runner: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Door:
    """door(name=function, ...) goes through a door with such suites: exit status, and the lines that it prints."""

    def go(**suites: Callable[[], list[Any]]) -> tuple[int, list[str]]:
        monkeypatch.setattr(runner, "Suites", lambda _: SimpleNamespace(table=suites))
        return runner.main("door", list(suites)), capfd.readouterr().out.splitlines()

    return go


@pytest.mark.parametrize(
    ("script", "report", "counts"),
    [
        ("exit 0", PASSED + SKIPPED, "2 passed, 0 failed, 1 skipped"),
        ("exit 1", PASSED + FAILED, "2 passed, 1 failed, 0 skipped"),
        ("exit 23", PASSED, "2 passed, 1 failed, 0 skipped"),  # a leak, perhaps
        ("kill -SEGV $$", PASSED, "2 passed, 1 failed, 0 skipped"),
        ("exit 0", "", "0 passed, 1 failed, 0 skipped"),
        ("exit 0", "<", "0 passed, 1 failed, 0 skipped"),
        ("exit 0", None, "0 passed, 1 failed, 0 skipped"),
    ],
)
def test_a_job_is_counted(runner: ModuleType, job: Jobs, script: str, report: str | None, counts: str) -> None:
    runs = runs_of(runner, job("some", script, report), job("other", "exit 0", PASSED))
    assert str(runs["some"].counts()) == counts
    assert str(runs["other"].counts()) == "2 passed, 0 failed, 0 skipped"


def test_a_job_that_takes_too_long_is_ended(runner: ModuleType, job: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runner.LIMITS, "some", 0.1)
    runs = runs_of(runner, job("some", "sleep 600", PASSED), job("other", "exit 0", PASSED))
    assert str(runs["some"].counts()) == "2 passed, 1 failed, 0 skipped"
    assert "ended after 0.1 s" in runs["some"].output


def test_nothing_stays_behind(runner: ModuleType, job: Jobs, tmp_path: Path) -> None:
    """Where the run is left early, the jobs that still run are ended, and those that wait do not start."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    jobs = [job("long", f"echo $$ >{fifo}; exec sleep 600"), job("short", f"cat {fifo}; exit 1")]
    jobs += [job("waiting", "sleep 600") for _ in range(2)]
    with pytest.raises(KeyboardInterrupt), runner.Workers() as workers:
        for run in workers.run(jobs):
            process = int(run.output)
            raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert not jobs[-1].report.exists()


def test_the_last_line_counts_all_suites(door: Door, job: Jobs) -> None:
    one = [job("one", "exit 0", PASSED), job("one", "exit 0", PASSED + SKIPPED)]
    status, lines = door(one=lambda: one, two=lambda: [job("two", "exit 0", PASSED)])
    assert status == 0
    assert lines[-1] == "6 passed, 0 failed, 1 skipped"
    assert any(line.startswith("[one] 4 passed, 0 failed, 1 skipped, in ") for line in lines)
    assert any(line.startswith("[two] 2 passed, 0 failed, 0 skipped, in ") for line in lines)


def test_a_failure_is_shown(door: Door, job: Jobs) -> None:
    failing = job("one", "echo what it says; exit 1", PASSED + FAILED)
    status, lines = door(one=lambda: [failing, job("one", "exit 0", PASSED)])
    assert status == 1
    assert lines[-1] == "4 passed, 1 failed, 0 skipped"
    assert {"---- one: job ended with exit status 1", "FAILED c", "why", "where", "what it says"} <= set(lines)


def test_why_a_test_was_skipped_is_shown(door: Door, job: Jobs) -> None:
    skipping = job("one", "echo 'SKIPPED [1] for a reason'; echo more", PASSED + SKIPPED)
    _, lines = door(one=lambda: [skipping, job("one", "exit 0", PASSED)])
    assert lines[0] == "SKIPPED [1] for a reason"
    assert "more" not in lines


def test_a_suite_without_tests_is_a_failure(door: Door, job: Jobs) -> None:
    status, lines = door(one=lambda: [job("one", "exit 0", PASSED)], two=list)
    assert (status, lines[-1]) == (1, "2 passed, 1 failed, 0 skipped")
    assert "---- two has no tests" in lines


def test_a_suite_that_is_not_built_is_a_failure(runner: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert runner.main("door", ["c"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == "0 passed, 1 failed, 0 skipped"
    assert lines[0].startswith("---- c ")


def test_a_program_that_is_missing_is_a_failure(runner: ModuleType, door: Door, tmp_path: Path) -> None:
    status, lines = door(one=lambda: [runner.Job("one", "job", ["/nowhere/program"], tmp_path / "report")])
    assert (status, lines[-1]) == (1, "0 passed, 1 failed, 0 skipped")
    assert any("/nowhere/program" in line for line in lines)


def test_each_file_of_tests_is_in_one_part(runner: ModuleType, tmp_path: Path) -> None:
    names = [f"tests/{folder}/test_{at:02}.py" for folder in ("install", "peer", "python") for at in range(9)]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "tests/python/helper.py").touch()
    jobs = runner.Suites(tmp_path / "reports").table["python"]()
    assert len(jobs) == runner.PARTS
    assert sorted(word for job in jobs for word in job.command if word.startswith("tests/")) == names
    assert len({job.report for job in jobs}) == len(jobs)


@pytest.mark.parametrize(("times", "failed"), [(1, 0), (2, 1)])
def test_leak_check_without_answer_is_asked_once_more(
    runner: ModuleType, job: Jobs, tmp_path: Path, times: int, failed: int
) -> None:
    said = tmp_path / "said"
    died = f"echo x >> {said}; test $(wc -l < {said}) -gt {times} || {{ echo '{runner.NO_ANSWER}'; exit 1; }}"
    run = runs_of(runner, job("sanitized", died, PASSED), job("another", "exit 0", PASSED))["sanitized"]
    assert run.counts() == runner.Counts(passed=2, failed=failed)
    assert len(said.read_text().splitlines()) == 2
