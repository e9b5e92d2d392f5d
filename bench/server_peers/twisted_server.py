"""
Twisted's POP3, twisted.mail.pop3, with a mailbox of its own kind and a reactor on a thread, as a test that blocks needs
it. A reactor can be started once in a process: that is not counted, only that it begins and ceases to listen.
"""

import io
import threading

from twisted.cred import checkers, portal
from twisted.internet import defer, protocol, reactor, threads
from twisted.logger import globalLogBeginner
from twisted.mail import pop3
from zope.interface import implementer

import peer


@implementer(pop3.IMailbox)
class Mailbox(pop3.Mailbox):
    """The messages."""

    def listMessages(self, i: int | None = None) -> list[int] | int:  # noqa: N802
        """Tell the size of one or of all."""
        return [len(message) for message in peer.MESSAGES] if i is None else len(peer.MESSAGES[i])

    def getMessage(self, i: int) -> io.BytesIO:  # noqa: N802
        """Open one."""
        return io.BytesIO(peer.MESSAGES[i])

    def getUidl(self, i: int) -> bytes:  # noqa: N802
        """Name one."""
        return b"%d" % i


@implementer(portal.IRealm)
class Realm:
    """One mailbox for everybody."""

    def requestAvatar(self, who: bytes, mind: object, *interfaces: object) -> tuple[object, Mailbox, object]:  # noqa: N802
        """Open it."""
        del who, mind, interfaces
        return pop3.IMailbox, Mailbox(), lambda: None


class Factory(protocol.ServerFactory):
    """Makes the sessions, and knows those that are open: Twisted does not."""

    noisy = False

    def __init__(self, whom: portal.Portal) -> None:
        """Begin without any."""
        self.portal = whom
        self.sessions: dict[Session, defer.Deferred[None]] = {}

    def buildProtocol(self, addr: object) -> "Session":  # noqa: N802
        """Make one."""
        del addr
        session = Session()
        session.factory, session.portal = self, self.portal
        return session


class Session(pop3.POP3):
    """Tells the factory that it begins and ends."""

    def connectionMade(self) -> None:  # noqa: N802
        """Begin."""
        self.factory.sessions[self] = defer.Deferred()
        super().connectionMade()

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        """End."""
        super().connectionLost(reason)
        self.factory.sessions.pop(self).callback(None)


class Twisted(peer.Peer):
    """What a suite would write around it."""

    def start(self) -> int:
        """Listen."""
        users = checkers.InMemoryUsernamePasswordDatabaseDontUse()
        users.addUser(peer.USER.encode(), peer.PASSWORD.encode())
        self.factory = Factory(portal.Portal(Realm(), [users]))
        self.port = threads.blockingCallFromThread(reactor, reactor.listenTCP, 0, self.factory, interface="127.0.0.1")
        return self.port.getHost().port

    async def close(self) -> None:
        """Cease to listen, and end the sessions."""
        await defer.maybeDeferred(self.port.stopListening)
        ends = list(self.factory.sessions.values())
        for session in self.factory.sessions:
            session.transport.loseConnection()
        await defer.gatherResults(ends)

    def stop(self) -> None:
        """Stop it."""
        threads.blockingCallFromThread(reactor, lambda: defer.ensureDeferred(self.close()))


globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
threads.blockingCallFromThread(reactor, lambda: None)
peer.run(Twisted)
