"""
The tables of results at the end of the run, and what the interoperation tests share. The rows also go to a file, from
which tools/interop.py makes docs/interop.md.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

import pytest

from interop.messages import ROOT

RECORD = ROOT / "build/reports/interop/rows.json"


@dataclass(frozen=True)
class Row:
    """What one meeting came to: the version is the foreign side's."""

    server: str
    client: str
    version: str
    mode: str
    messages: int
    equal: int
    left_out: int
    seconds: float


@dataclass(frozen=True)
class Met:
    """What came of a client's meeting with a fault."""

    shows: str
    fault: str
    client: str
    tls: str
    ended: str
    delivered: int


_rows: list[Row] = []
_met: list[Met] = []


def _shown(cell: object) -> str:
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


@pytest.fixture(scope="session")
def results() -> list[Row]:
    """The rows of the table; a test adds its own."""
    return _rows


@pytest.fixture(scope="session")
def met() -> list[Met]:
    """The same for meetings with faults."""
    return _met


def _write(reporter: pytest.TerminalReporter, title: str, kind: type[Any], rows: Sequence[Any]) -> None:
    if not rows:
        return
    names = [field.name.replace("_", " ") for field in fields(kind)]
    cells = [names, *(list(map(_shown, astuple(row))) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    reporter.section(title)
    for line in cells:
        reporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    _write(terminalreporter, "interoperation", Row, _rows)
    _write(terminalreporter, "clients and faults", Met, _met)


def pytest_sessionfinish() -> None:
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps([asdict(row) for row in _rows]))
