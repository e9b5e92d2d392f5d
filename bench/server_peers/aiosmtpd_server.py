"""
aiosmtpd's controller: for SMTP what comes nearest to a test server for POP3. It cannot find a port by itself, so it
gets one that is free; and it is told its name, since it would look that up for each session otherwise.
"""

import socket

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

import peer

PORTS = iter(range(20_000, 32_000))  # which no system gives to those who ask for any


def is_free(port: int) -> bool:
    """Try it."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


class Aiosmtpd(peer.Peer):
    """As its documentation shows it for tests."""

    def __init__(self) -> None:
        """Find a port."""
        self.port = next(filter(is_free, PORTS))

    def start(self) -> int:
        """Make it and start it, which tries it out by a connection."""
        self.controller = Controller(Sink(), "127.0.0.1", self.port, server_hostname="localhost")
        self.controller.start()
        return self.port

    def stop(self) -> None:
        """Stop it."""
        self.controller.stop()


peer.run(Aiosmtpd)
