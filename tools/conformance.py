#!/usr/bin/env python3
"""
Writes docs/conformance.md: each requirement of the protocol and each threat, on each side that it binds, and the tests
that hold it. A test holds what its markers say (markers.py), and only where it ran and passed in the last run of its
door: a marker on a test that did not is an error, and so is one that the sheets (sheets.py) do not know.

With --check the file is compared instead. A door without reports (a fresh clone has none) is then taken at its
markers' word. With --ids FOLDER the list of ids is made anew from the sheets in that folder.
"""

import argparse
import contextlib
import difflib
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import markers
import sheets
from markers import Marker, Test
from sheets import Requirement

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path("docs/conformance.md")
REASONS = Path("tools/conformance_reasons.txt")
SHEETS_BESIDE = Path("../shared")

TESTS_SHOWN = 2
DIFFERENCES_SHOWN = 30
SIDE_NAMES = {"C": "client", "S": "server"}

HEAD = """\
# Conformance

What the protocol asks of a client (C) and of a server (S), and what attackers try, with the tests that hold it.
`make conformance` makes this file from the markers on the tests and the reports of `make test` and `make interop`;
`make lint` checks it. A test counts only where it ran and passed. Files are those in `tests/`. The level is that of the
RFC; DEF is a definition, POL this project's own rule where the RFCs are silent or too loose.
"""

SHARED = re.compile(r"(?:test_case\[|cases of )(\w+\.json): (.*), [a-z ]+\]?")
"""The name that a report has for one of the cases that Python and Lua share: its list, its own name, and the face."""

Key = tuple[str, str]
"""An id and one side, C or S."""


@dataclass(frozen=True)
class Case:
    """A test case of a report; a test with parameters has many."""

    name: str
    outcome: str
    suite: str


class Reports:
    """What the last run of each door says of its test cases."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._cases: dict[str, list[Case]] = defaultdict(list)
        reports = root / "build/reports"
        self.doors = {door for door in ("test", "interop") if any((reports / door).rglob("*.xml"))}
        for door in self.doors:
            for report in sorted((reports / door).rglob("*.xml")):
                for case in cases_in(report):
                    relative = report.relative_to(reports / door)
                    file, name = self._named(relative, case)
                    self._cases[file].append(Case(name, outcome(case), relative.parts[0]))

    def _named(self, report: Path, case: ElementTree.Element) -> tuple[str, str]:
        """The source file and the name of a case."""
        name, group = case.get("name", ""), case.get("classname", "")
        if shared := SHARED.fullmatch(name):
            return f"tests/cases/{shared[1]}", shared[2]
        if report.parts[0] == "c":
            program = report.parts[1]
            return "tests/fuzz/random_inputs.c" if "_fuzz_" in program else f"tests/c/{program}.c", name
        if report.parts[0] == "lua":
            return group.rpartition(":")[0], name
        module = group.split(".")
        classes: list[str] = []
        while module and not (self._root / ("/".join(module) + ".py")).is_file():
            classes.insert(0, module.pop())
        return "/".join(module) + ".py", "::".join([*classes, name.partition("[")[0]])

    def ran(self, file: str) -> bool:
        return file in self._cases

    def problem(self, test: Test) -> str:
        """Why a test does not count, or nothing. All its cases must have passed, shared ones on both faces."""
        found = [case for case in self._cases.get(test.file, ()) if is_case_of(case, test)]
        outcomes = {case.outcome for case in found}
        if test.file.endswith(".json") and not {"python", "lua"} <= {case.suite for case in found}:
            outcomes.add("did not run on both faces")
        return min(outcomes - {"passed"}, default="") if outcomes else "did not run"


def cases_in(report: Path) -> Iterator[ElementTree.Element]:
    """A program that crashed leaves a report cut short, or none: its tests did not run."""
    with contextlib.suppress(ElementTree.ParseError):
        yield from ElementTree.parse(report).iter("testcase")


def outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "was skipped" if case.find("skipped") is not None else "passed"


def is_case_of(case: Case, test: Test) -> bool:
    """In Lua the groups' titles stand before a test's own, and what a loop adds to it behind."""
    if test.file.endswith(".lua"):
        return re.search(rf"(?:^| ){re.escape(test.name)}(?!\w)", case.name) is not None
    return case.name == test.name


def door_of(test: Test) -> str:
    return "interop" if test.file.startswith("tests/interop/") else "test"


def read_reasons(root: Path) -> Iterator[tuple[int, str, str, str]]:
    """Line, id, side and text of the reasons why something is held by no test."""
    for number, line in enumerate((root / REASONS).read_text("utf-8").splitlines(), 1):
        if line and not line.startswith("#"):
            name, side, text = [*line.split(maxsplit=2), "", ""][:3]
            yield number, name, side, text


class Conformance:
    """Who holds what, and all that is wrong with what the tests say about it."""

    def __init__(self, root: Path, trust_absent_doors: bool) -> None:
        self.root = root
        self.requirements = sheets.read(root)
        self.reports = Reports(root)
        self.held: dict[Key, set[Test]] = defaultdict(set)
        self.reasons: dict[Key, str] = {}
        self._sides: dict[str, set[str]] = defaultdict(set)
        for requirement in self.requirements:
            self._sides[requirement.id].add(requirement.side)
        found, self.problems = markers.collect(root)
        self._hold(found)
        self._ask_reports(found, trust_absent_doors)
        self._read_reasons()

    def _keys(self, name: str, side: str) -> list[Key] | str:
        """What an id and a side (B: both) stand for, or what is wrong with them."""
        if name not in self._sides:
            return f"no sheet knows {name}"
        if side not in sheets.SIDES:
            return f"{name} without a side (C, S or B)"
        if not self._sides[name].issuperset(sheets.SIDES[side]):
            return f"{name} is for the {' and the '.join(SIDE_NAMES[one] for one in self._sides[name])}, not {side}"
        return [(name, one) for one in sheets.SIDES[side]]

    def _hold(self, found: Iterable[Marker]) -> None:
        for marker in found:
            keys = self._keys(marker.id, marker.side)
            if isinstance(keys, str):
                self.problems.append(f"{marker.test.file}:{marker.line}: {keys}")
                continue
            for key in keys:
                self.held[key].add(marker.test)

    def _ask_reports(self, found: Iterable[Marker], trust_absent_doors: bool) -> None:
        """Each marked test must have run and passed. Of a file that did not run at all one line is enough."""
        first = {marker.test: marker for marker in reversed(list(found))}
        absent = set()
        for test, marker in sorted(first.items(), key=lambda item: (item[0].file, item[1].line)):
            door = door_of(test)
            if trust_absent_doors and door not in self.reports.doors:
                continue
            if not self.reports.ran(test.file):
                if test.file not in absent:
                    self.problems.append(f"{test.file}: its tests are marked, but did not run in the last make {door}")
                absent.add(test.file)
            elif problem := self.reports.problem(test):
                where = f"{test.file}:{marker.line}"
                self.problems.append(f"{where}: {test.name} is marked, but {problem} in the last make {door}")

    def _read_reasons(self) -> None:
        for line, name, side, text in read_reasons(self.root):
            keys = self._keys(name, side)
            if not isinstance(keys, str) and not text:
                keys = f"{name} {side} has no reason"
            if isinstance(keys, str):
                self.problems.append(f"{REASONS}:{line}: {keys}")
                continue
            for key in keys:
                if self.held.get(key):
                    self.problems.append(f"{REASONS}:{line}: {key[0]} {key[1]} is held by a test; it needs no reason")
                self.reasons[key] = text

    def state(self, requirement: Requirement) -> str:
        key = requirement.id, requirement.side
        return "held" if self.held.get(key) else "reason" if key in self.reasons else "not yet"

    def sections(self) -> dict[str, list[Requirement]]:
        sections: dict[str, list[Requirement]] = defaultdict(list)
        for requirement in self.requirements:
            sections[requirement.section].append(requirement)
        return sections

    def summary(self) -> Iterator[str]:
        """How many there are of each state, by section and in all; each id counts once a side."""
        counts = {
            section: Counter(self.state(requirement) for requirement in requirements)
            for section, requirements in self.sections().items()
        }
        yield from ("| section | held | not, for a reason | not yet |", "| --- | ---: | ---: | ---: |")
        for section, count in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
            yield f"| {section} | {count['held']} | {count['reason']} | {count['not yet']} |"

    def table(self) -> str:
        lines = [HEAD, *self.summary()]
        for section, requirements in self.sections().items():
            lines += ["", f"## {section[:1].upper() + section[1:]}", ""]
            lines += ["| id | side | level | about | held by |", "| --- | --- | --- | --- | --- |"]
            lines += [self._row(requirement) for requirement in requirements]
        return "\n".join(lines) + "\n"

    def _row(self, requirement: Requirement) -> str:
        key = requirement.id, requirement.side
        cells = [requirement.id, requirement.side, requirement.level, requirement.title, self._holders(key)]
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    def _holders(self, key: Key) -> str:
        tests = sorted(self.held.get(key, ()))
        shown = [f"`{test.file.removeprefix('tests/')}: {test.name}`" for test in tests[:TESTS_SHOWN]]
        more = [f"and {len(tests) - TESTS_SHOWN} more"] if len(tests) > TESTS_SHOWN else []
        return ", ".join([*shown, *more]) or self.reasons.get(key, "not yet")


def differences(conformance: Conformance) -> list[str]:
    """What the committed file says otherwise than the last run."""
    file = conformance.root / TABLE
    committed = file.read_text("utf-8").splitlines() if file.is_file() else []
    wanted = conformance.table().splitlines()
    changes = [line for line in difflib.unified_diff(committed, wanted, "", "", n=0, lineterm="") if line[:2] != "@@"]
    return changes[2:]


def check_ids(root: Path) -> list[str]:
    """Where the sheets are beside the project, the list must be theirs."""
    beside = root / SHEETS_BESIDE
    if not all((beside / sheet).is_file() for sheet in sheets.SHEETS):
        return []
    if sheets.extract(beside) == (root / sheets.IDS).read_text("utf-8"):
        return []
    return [f"{sheets.IDS} is not what the sheets say: tools/conformance.py --ids {SHEETS_BESIDE}"]


def check(root: Path) -> int:
    conformance = Conformance(root, trust_absent_doors=True)
    problems = [*check_ids(root), *conformance.problems]
    for door in sorted({"test", "interop"} - conformance.reports.doors):
        print(f"conformance: no reports of make {door}; the markers of its tests are not counted, only looked at")
    if not problems and (changes := differences(conformance)):
        problems = [f"{TABLE} is not what the tests say (- file, + tests); make conformance writes it:"]
        problems += changes[:DIFFERENCES_SHOWN]
        if len(changes) > DIFFERENCES_SHOWN:
            problems.append(f"and {len(changes) - DIFFERENCES_SHOWN} lines more")
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


def write(root: Path) -> int:
    conformance = Conformance(root, trust_absent_doors=False)
    if conformance.problems:
        print(*conformance.problems, f"{TABLE} is left as it was", sep="\n")
        return 1
    (root / TABLE).write_text(conformance.table(), "utf-8")
    print(*conformance.summary(), sep="\n")
    return 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="writes docs/conformance.md from the last run of the tests")
    parser.add_argument("--check", action="store_true", help="compare it with the last run")
    parser.add_argument("--ids", type=Path, metavar="FOLDER", help=f"make {sheets.IDS} from the sheets in FOLDER")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project (default: this one)")
    options = parser.parse_args(arguments)
    if options.ids:
        (options.root / sheets.IDS).write_text(sheets.extract(options.ids), "utf-8")
        return 0
    return check(options.root) if options.check else write(options.root)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
