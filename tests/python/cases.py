"""
The list of cases that drives the Python and the Lua tests alike, read and looked at: tests/cases/README.md has its
format. A key that is not known is an error.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parents[1] / "cases"
FORMAT: dict[str, Any] = json.loads((FOLDER / "format.json").read_text("utf-8"))


class Case(NamedTuple):
    """One of them."""

    file: str
    name: str
    text: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"

    @property
    def holds(self) -> list[tuple[str, str]]:
        """The requirements that it holds, each with its side."""
        return [(name, side) for name, side in (one.split(" ") for one in self.text.get("holds", ()))]


def check_keys(given: Iterable[str], known: Iterable[str], where: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{where}: unknown: {', '.join(unknown)}")


def verb_of(step: Mapping[str, Any], where: str) -> str:
    """What a step is to do: it has one verb."""
    check_keys(step, [*FORMAT["verbs"], *FORMAT["modifiers"]], where)
    verbs = [key for key in step if key in FORMAT["verbs"]]
    if len(verbs) != 1:
        raise ValueError(f"{where}: a step has one verb, not {verbs}")
    return verbs[0]


def _check_steps(steps: Iterable[Mapping[str, Any]], where: str) -> None:
    for step in steps:
        verb_of(step, where)
        check_keys(step.get("fails", ()), FORMAT["fails"], where)
        check_keys(step.get("report", ()), FORMAT["report"], where)
        _check_steps(step.get("inside", ()), where)


def check(case: Case) -> None:
    where = str(case)
    check_keys(case.text, FORMAT["case"], where)
    check_keys(case.text["shows"], FORMAT["features"], where)
    _check_steps(case.text["steps"], where)
    for session in case.text.get("sessions", ()):
        check_keys(session, FORMAT["session"], where)
    check_keys(case.text.get("trace", ()), FORMAT["trace"], where)
    for server in ("server", "serve"):
        check_keys(case.text.get(server, {}).get("backend", {}), FORMAT["backend"], where)


def read() -> Iterator[Case]:
    """All cases of all lists, in order."""
    for file in FORMAT["lists"]:
        for text in json.loads((FOLDER / file).read_text("utf-8")):
            case = Case(file, text["name"], text)
            check(case)
            yield case


def octets(value: Any) -> bytes:
    """What a text stands for: itself in UTF-8; {"hex": …}; {"repeat": text, "times": n}; an array of these, joined."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return b"".join(octets(one) for one in value)
    if value.keys() == {"hex"}:
        return bytes.fromhex(value["hex"])
    check_keys(value, ("repeat", "times"), "octets")
    return octets(value["repeat"]) * int(value["times"])


def same(expected: Any, actual: Any) -> bool:
    """Whether what came is what a case says; octets are compared as such."""
    if isinstance(actual, bytes):
        return expected is not None and not isinstance(expected, bool | int | float) and octets(expected) == actual
    if isinstance(actual, list | tuple) and isinstance(expected, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    if isinstance(actual, dict) and isinstance(expected, dict):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    if isinstance(actual, str) and isinstance(expected, list | dict):
        return octets(expected) == actual.encode()
    return type(expected) is type(actual) and bool(expected == actual)


def table(cases: Iterable[Case], features: Mapping[str, str]) -> str:
    """The features that both faces have, and the cases that show each."""
    shown: dict[str, dict[str, int]] = {}
    for case in cases:
        for feature in case.text["shows"]:
            files = shown.setdefault(feature, {})
            files[case.file] = files.get(case.file, 0) + 1
    rows = ["| feature | what it is | cases |", "| --- | --- | --- |"]
    for feature, meaning in features.items():
        counts = ", ".join(f"{file} {count}" for file, count in shown.get(feature, {}).items())
        rows.append(f"| `{feature}` | {meaning} | {counts} |")
    return "\n".join(rows) + "\n"


def inventory() -> str:
    """The table of these, as README.md has it."""
    return table(read(), FORMAT["features"])


if __name__ == "__main__":
    print(inventory(), end="")
