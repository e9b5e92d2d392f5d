r"""
For tests: a POP3 server that is up in a millisecond, notes what happens, and misbehaves when told to.

    from poplin.testing import Server

    with Server(users={"alice": "secret"}) as server:
        uid = server.deliver("alice", b"Subject: hi\r\n\r\nhello")
        server.fault("RETR", nth=2, drop_after=100)
        run_my_program(server.host, server.port)
        server.sessions[0].assert_quit().assert_deleted(uid)

`CA` and `certificate` make throw-away certificates, good ones and bad ones. The pytest plugin gives a test its server
as the fixture `pop3_server`, `PopServerMixin` a unittest one.
"""

from poplin._backend import Outcome
from poplin.testing._certificates import BLEMISHES, CA, Certificate, certificate
from poplin.testing._faults import ATTACKS, FAULT_SETTINGS, QUIRKS, Fault
from poplin.testing._mail import Mail
from poplin.testing._server import Clock, Server, ServerFactory
from poplin.testing._session import Exchange, Session
from poplin.testing._unittest import PopServerMixin

__all__ = [
    "ATTACKS",
    "BLEMISHES",
    "CA",
    "FAULT_SETTINGS",
    "QUIRKS",
    "Certificate",
    "Clock",
    "Exchange",
    "Fault",
    "Mail",
    "Outcome",
    "PopServerMixin",
    "Server",
    "ServerFactory",
    "Session",
    "certificate",
]
