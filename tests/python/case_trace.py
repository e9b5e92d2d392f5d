"""What a case's conversation gives in the logs: tests/cases/README.md has what is looked for."""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any


class Trace(logging.Handler):
    """The lines of one case, without the peers and the connections' numbers, where the case says something of them."""

    def __init__(self, expected: dict[str, Any] | None) -> None:
        super().__init__()
        self.expected = expected
        self.lines: dict[str, list[str]] = {"client": [], "server": []}

    def emit(self, record: logging.LogRecord) -> None:
        text = re.sub(r"^\S+ #\d+ ", "", record.getMessage())
        self.lines[record.name.removeprefix("poplin.")].append(text)

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        if self.expected is None:
            yield
            return
        logger = logging.getLogger("poplin")
        before = logger.level
        logger.addHandler(self)
        logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.setLevel(before)

    def judge(self, filled: Callable[[Any], Any]) -> None:
        """Whether the lines came, in this order, and nothing with what must not be told."""
        if self.expected is None:
            return
        for side in ("client", "server"):
            came = iter(self.lines[side])
            for line in self.expected.get(side, ()):
                assert any(_is(line, one, filled) for one in came), f"{side}, {line}: {self.lines[side]}"
        for words in self.expected.get("without", ()):
            assert not [line for lines in self.lines.values() for line in lines if words in line]


def _is(expected: Any, line: str, filled: Callable[[Any], Any]) -> bool:
    if isinstance(expected, dict):
        return line.startswith(filled(expected["begins"]))
    return bool(line == filled(expected))
