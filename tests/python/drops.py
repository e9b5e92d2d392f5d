"""A backend in plain Python for the tests: one user, alice; it notes what is asked of it."""

import threading
from collections.abc import Iterable
from typing import Any

import poplin


class Drop:
    """Alice's maildrop for one session."""

    def __init__(self, backend: "Backend") -> None:
        self.backend = backend

    def list(self) -> Iterable[tuple[str, int | None]]:
        return [(uid, None) for uid in self.backend.mail]

    def retr(self, uid: str) -> Any:
        body = self.backend.mail[uid]
        return body() if callable(body) else body

    def dele(self, uids: "list[str]") -> None:
        for uid in uids:
            del self.backend.mail[uid]
        self.backend.deleted += uids

    def close(self, outcome: poplin.Outcome, error: poplin.Error | None) -> None:
        self.backend.closed.release()


class Backend:
    """Mail by unique-id: octets, or a function that gives what retr is to return."""

    def __init__(self, mail: dict[str, Any]) -> None:
        self.mail = mail
        self.deleted: list[str] = []
        self.closed = threading.Semaphore(0)

    def password(self, user: str) -> str | None:
        return "secret" if user == "alice" else None

    def maildrop(self, user: str) -> Any:
        return Drop(self)

    def wait_closed(self, times: int = 1) -> None:
        """Waits until as many sessions have ended."""
        for _ in range(times):
            assert self.closed.acquire(timeout=20), "a maildrop was never closed"


def messages(count: int, size: int = 200) -> list[bytes]:
    """As many messages, each of about this many octets, with dots at the start of lines."""
    line = b".a line that begins with a dot and goes on for some seventy characters\r\n"
    return [
        b"Subject: number %d\r\n\r\n" % number + line * (size // len(line)) + b"the end\r\n"
        for number in range(1, count + 1)
    ]


def mail(count: int, size: int = 200) -> dict[str, Any]:
    """The same by unique-id, for a backend."""
    return {f"uid-{number}": message for number, message in enumerate(messages(count, size), 1)}
