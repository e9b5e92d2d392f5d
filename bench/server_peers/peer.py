"""
What the Python programs with a test server in them share: bench/servers.py tells them by lines on standard input when
to start and to stop it, and reads a line of JSON for each.

    start    {"port": where it listens, "start": seconds, "greeting": seconds from the same moment until a client in
             this process that connects at once has been greeted}
    stop     {"stop": seconds}

The first thing that a program prints is "ready".
"""

import json
import socket
import sys
import time
from collections.abc import Callable

USER, PASSWORD = "guido", "python"  # all that CPython's server knows
MESSAGES = [b"From: a@example.org\r\nSubject: %d\r\n\r\n" % number + b"Hello.\r\n" * 100 for number in range(10)]


class Peer:
    """A test server, once. What its constructor and `fill` do is not counted."""

    def start(self) -> int:
        """Make it and start it: the way that its documentation shows. Give the port."""
        raise NotImplementedError

    def fill(self) -> None:
        """Give it the mail, where there is any."""

    def stop(self) -> None:
        """Stop it, in the way that its documentation shows."""
        raise NotImplementedError


def leave(client: socket.socket) -> None:
    """End the session, so that the server closes first."""
    client.sendall(b"QUIT\r\n")
    while client.recv(512):
        pass


def run(make: Callable[[], Peer]) -> None:
    """Obey until there is no more to obey."""
    print("ready", flush=True)
    peer = Peer()
    for line in sys.stdin:
        if line == "start\n":
            peer = make()
            begin = time.perf_counter()
            port = peer.start()
            started = time.perf_counter()
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.recv(512)
                greeted = time.perf_counter()
                leave(client)
            peer.fill()
            report = {"port": port, "start": started - begin, "greeting": greeted - begin}
        else:
            begin = time.perf_counter()
            peer.stop()
            report = {"stop": time.perf_counter() - begin}
        print(json.dumps(report), flush=True)
