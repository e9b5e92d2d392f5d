"""The server of CPython's own tests of poplib, one reply a command from a table, on asyncore and a thread."""

import warnings

import peer

warnings.simplefilter("ignore", DeprecationWarning)  # asyncore

from test.test_poplib import DummyPOP3Server  # noqa: E402


class Dummy(peer.Peer):
    """As the tests' setUp and tearDown use it."""

    def start(self) -> int:
        """Make it and start it."""
        self.server = DummyPOP3Server(("127.0.0.1", 0))
        self.server.start()
        return self.server.port

    def stop(self) -> None:
        """Stop it."""
        self.server.stop()


peer.run(Dummy)
