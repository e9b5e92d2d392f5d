"""What every server has: an address, the settings that it listens with, and an end at the interpreter's exit."""

from __future__ import annotations

import atexit
import os
import weakref
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from poplin import _core
from poplin._connecting import milliseconds
from poplin._errors import StateError

STOP_PATIENCE = 5.0  # seconds that exit waits for a callback that does not return


class Address:
    """Where a server listens."""

    def __init__(self, host: str, port: int, path: str | os.PathLike[str] | None, mode: int) -> None:
        self.host = host
        self.port = port
        self.path = None if path is None else Path(os.fsdecode(path))
        self._scheme = "pop3s" if mode == _core.TLS_IMPLICIT else "pop3"

    def url(self, user: str | None = None) -> str:
        """What to give to `poplin.connect`. StateError: on a Unix socket."""
        if self.path is not None:
            raise StateError("a server on a Unix socket has no URL; connect with path=")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self._scheme}://{'' if user is None else quote(user, safe='') + '@'}{host}:{self.port}"

    def __str__(self) -> str:
        return self.url() if self.path is None else str(self.path)


def tls_mode(tls: str, certified: bool) -> int:
    """The core's number for a tls= word. ValueError: there is no such word, or it does not go with the certificate."""
    modes = {
        "auto": _core.TLS_IMPLICIT if certified else _core.TLS_NEVER,
        "implicit": _core.TLS_IMPLICIT,
        "stls": _core.TLS_STLS,
        "never": _core.TLS_NEVER,
    }
    if tls not in modes:
        raise ValueError(f"tls must be 'auto', 'implicit', 'stls' or 'never', not {tls!r}")
    if certified == (modes[tls] == _core.TLS_NEVER):
        raise ValueError(f"tls={tls!r} with{'' if certified else 'out'} a certificate: which of the two is meant?")
    return modes[tls]


def core_settings(
    *,
    host: str,
    port: int,
    path: str | os.PathLike[str] | None,
    mode: int,
    greeting: str,
    inactivity: float,
    max_sessions: int | None,
    allow_cleartext: bool,
    loopback_protected: bool,
) -> dict[str, object]:
    """A server's arguments as the core takes them."""
    settings: dict[str, object] = {
        "host": host,
        "port": port,
        "tls": mode,
        "greeting": greeting,
        "inactivity_ms": milliseconds("inactivity", inactivity),
        "allow_cleartext": allow_cleartext,
        "loopback_protected": loopback_protected,
    }
    if path is not None:
        settings["path"] = os.fsencode(path)
    if max_sessions is not None:
        settings["max_sessions"] = max_sessions
    return settings


class Stoppable(Protocol):
    """Something that runs until it is stopped."""

    def stop(self, patience: float | None = None) -> None:
        """Ends it; patience: seconds to wait at most."""


_running: weakref.WeakSet[Stoppable] = weakref.WeakSet()


def stop_at_exit(running: Stoppable) -> None:
    """Has it stopped when the interpreter ends, if it is still there."""
    _running.add(running)


@atexit.register
def _stop_forgotten() -> None:
    for running in list(_running):
        running.stop(STOP_PATIENCE)
