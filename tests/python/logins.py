"""Clients of the test server, by Python's own poplib."""

import contextlib
import poplib
from collections.abc import Iterator

from poplin.testing import Server

USERS = {"alice": "secret"}
MAIL = b"Subject: hi\r\n\r\n.hello\r\n"


@contextlib.contextmanager
def login(server: Server, user: str = "alice", password: str = "secret") -> Iterator[poplib.POP3]:
    """A session that is dropped unless it says QUIT."""
    pop = poplib.POP3(server.host, server.port, timeout=20)
    try:
        pop.user(user)
        pop.pass_(password)
        yield pop
    finally:
        pop.close()


def fetch_and_delete(server: Server) -> None:
    """The job of every client: all mail is fetched, deleted, and gone."""
    with login(server) as pop:
        for number in range(1, pop.stat()[0] + 1):
            pop.retr(number)
            pop.dele(number)
        pop.quit()
