"""The servers of one test: started for it, stopped after it, and what they have to say when it fails."""

from __future__ import annotations

import traceback
from typing import Any

from poplin.testing._server import Server

USERS = {"alice": "secret"}
"""Who may log in at a server for which a test names neither users nor a backend."""

LINES_SHOWN = 400
"""Of one transcript: half of them its first, half its last."""


class Evidence:
    """
    What is shown with a test's failure: the transcript of each of its servers, and the errors of their backends. An
    error that no failure has shown is raised when the servers are stopped.
    """

    def __init__(self) -> None:
        self._servers: list[Server] = []
        self._raising: list[Server] = []
        self._told: list[BaseException] = []

    def start(self, **options: Any) -> Server:
        """A server with these options, for alice where they name nobody; it serves, until `stop`."""
        if options.get("users") is None and options.get("backend") is None:
            options["users"] = USERS
        server = Server(**options)
        self._servers.append(server)
        if options.get("raise_errors", True):
            self._raising.append(server)
        server.start()
        return server

    def sections(self, message: str) -> list[tuple[str, str]]:
        """Titles and texts for a failure's report, which begins with this message; what that shows is not repeated."""
        found = []
        for server in self._servers:
            where = server.url if server.path is None else server.path
            transcript = server.transcript
            if not transcript:
                found.append((f"poplin server {where} transcript", "no client connected\n"))
            elif transcript.rstrip() not in message:
                found.append((f"poplin server {where} transcript", _cut(transcript)))
            if errors := self._untold(server):
                self._told += errors
                texts = ["".join(traceback.format_exception(error)) for error in errors]
                found.append((f"poplin server {where} errors of the backend", "\n".join(texts)))
        return found

    def stop(self) -> None:
        """Stops all, the newest first. Raises the errors that were not told: one as it is, several as a group."""
        for server in reversed(self._servers):
            server.stop()
        errors = [error for server in self._raising for error in self._untold(server)]
        self._told += errors
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("errors of the servers' backends", errors)

    def _untold(self, server: Server) -> list[BaseException]:
        return [error for error in server.errors if not any(error is told for told in self._told)]


def _cut(transcript: str) -> str:
    lines = transcript.splitlines(keepends=True)
    if len(lines) <= LINES_SHOWN:
        return transcript
    half = LINES_SHOWN // 2
    return "".join([*lines[:half], f"... {len(lines) - 2 * half} lines ...\n", *lines[-half:]])
