"""poplin.testing.Server. Several sessions may have the maildrop open at once, as with the other servers."""

import peer
from poplin.testing import Server


class Poplin(peer.Peer):
    """Its log is on, as always."""

    def start(self) -> int:
        """As `with Server(...)` does."""
        self.server = Server(users={peer.USER: peer.PASSWORD}, exclusive=False)
        self.server.start()
        return self.server.port

    def fill(self) -> None:
        """Deliver."""
        for message in peer.MESSAGES:
            self.server.deliver(peer.USER, message)

    def stop(self) -> None:
        """As leaving the context does."""
        self.server.stop()


peer.run(Poplin)
