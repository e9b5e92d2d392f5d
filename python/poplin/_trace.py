"""
Where conversations go: to the loggers "poplin.client" and "poplin.server", as far as these are enabled.

This module does not import logging: a program that has not done so has nowhere to log to, and pays for nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

_CLIENT = "poplin.client"
_SERVER = "poplin.server"

_SENT, _RECEIVED, _NOTE = range(3)
_SIGNS = (">", "<", "-")

_NOTES = 1 << _NOTE
_EVERYTHING = 1 << _SENT | 1 << _RECEIVED | _NOTES


def _logger(name: str) -> logging.Logger | None:
    """The logger, where there is logging. Nothing is printed on behalf of a program that has not configured it."""
    module = sys.modules.get("logging")
    get = getattr(module, "getLogger", None)  # None too where logging is just being imported
    if module is None or get is None:
        return None
    top = get("poplin")
    if not top.handlers:
        top.addHandler(module.NullHandler())
    found: logging.Logger = get(name)
    return found


def kinds(server: bool) -> int:
    """Which kinds of lines somebody wants to see, as poplin/trace.h numbers them."""
    logger = _logger(_SERVER if server else _CLIENT)
    if logger is None or not logger.isEnabledFor(20):  # INFO
        return 0
    return _EVERYTHING if logger.isEnabledFor(10) else _NOTES  # DEBUG


def emit(lines: list[tuple[int, bool, int, str, str]]) -> None:
    """Logs what was said at DEBUG, and what became of connections at INFO."""
    loggers = (_logger(_CLIENT), _logger(_SERVER))
    for kind, server, connection, peer, text in lines:
        logger = loggers[server]
        if logger is not None:
            level = 20 if kind == _NOTE else 10
            logger.log(level, "%s #%d %s %s", peer or "-", connection, _SIGNS[kind], text)


def problem(error: BaseException) -> None:
    """Logs what went wrong in a server's backend, at ERROR."""
    logger = _logger(_SERVER)
    if logger is not None:
        logger.error("the backend failed: %s", type(error).__name__, exc_info=error)
