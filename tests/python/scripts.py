"""Beginnings that scripted peers share, and how a client joins them."""

from typing import Any

import poplin
from peer import Server, Step, expect, send

CAPABILITIES = b"+OK\r\nUIDL\r\nUSER\r\nTOP\r\nPIPELINING\r\nRESP-CODES\r\n.\r\n"

GREETING: list[Step] = [send(b"+OK hi\r\n"), expect(b"CAPA\r\n")]

LOGIN: list[Step] = [
    *GREETING,
    send(CAPABILITIES),
    expect(b"USER alice\r\n"),
    send(b"+OK\r\n"),
    expect(b"PASS secret\r\n"),
    send(b"+OK\r\n"),
]
"""A server that logs alice in."""

LEAVE: list[Step] = [expect(b"QUIT\r\n"), send(b"+OK\r\n")]


def join(peer: Server, scheme: str = "pop3", **settings: Any) -> poplin.Client:
    """Logs in at the scripted server."""
    login = {"user": "alice", "password": "secret", "timeout": 20, **settings}
    return poplin.connect(f"{scheme}://localhost:{peer.port}", **login)
