"""The table of results at the end of the run, and what the interoperation tests share."""

from dataclasses import astuple, dataclass, fields

import pytest


@dataclass(frozen=True)
class Row:
    """What one peer did in one mode."""

    peer: str
    version: str
    mode: str
    messages: int
    equal: int
    left_out: int
    seconds: float


_rows: list[Row] = []


def _shown(cell: object) -> str:
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


@pytest.fixture(scope="session")
def results() -> list[Row]:
    """The rows of the table; a test adds its own."""
    return _rows


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _rows:
        return
    names = [field.name.replace("_", " ") for field in fields(Row)]
    cells = [names, *(list(map(_shown, astuple(row))) for row in _rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    terminalreporter.section("interoperation")
    for line in cells:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
