"""
The tables of results at the end of the run, and what the interoperation tests share. The rows also go to a file, from
which tools/interop.py makes docs/interop.md.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
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


@dataclass(frozen=True)
class Fetched:
    """What a fetch brought from a server into a Maildir, all of it; commands: those of a second one."""

    server: str
    version: str
    face: str
    unique_ids: bool
    messages: int
    commands: int


@dataclass(frozen=True)
class ReadBack:
    """How many messages another program has found where a fetch had delivered them, each as it was."""

    reader: str
    place: str
    version: str
    messages: int


_rows: list[Row] = []
_met: list[Met] = []
_fetched: list[Fetched] = []
_read_back: list[ReadBack] = []


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


@pytest.fixture(scope="session")
def fetched() -> list[Fetched]:
    """The same for what fetches have brought."""
    return _fetched


@pytest.fixture(scope="session")
def read_back() -> list[ReadBack]:
    """The same for the places of delivery."""
    return _read_back


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
    _write(terminalreporter, "fetching", Fetched, _fetched)
    _write(terminalreporter, "places of delivery", ReadBack, _read_back)


def pytest_sessionfinish() -> None:
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Sequence[Any]] = {"peers": _rows, "fetched": _fetched, "read_back": _read_back}
    RECORD.write_text(json.dumps({name: [asdict(row) for row in rows] for name, rows in tables.items()}))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where an fsync costs nothing, on a machine that has such a place: it is not the disk that is tested here."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="poplin-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)
