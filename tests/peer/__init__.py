"""The scripted raw peer: the other side of a POP3 conversation, in exact bytes. README.md says how to use it."""

from peer.authority import Authority, Identity
from peer.link import Failure, Link
from peer.server import Server, connect
from peer.stage import Stage
from peer.steps import (
    Step,
    close,
    expect,
    expect_eof,
    hold,
    mark,
    reset,
    send,
    send_until_closed,
    shutdown,
    silence,
    starttls,
    taken,
)

__all__ = [
    "Authority",
    "Failure",
    "Identity",
    "Link",
    "Server",
    "Stage",
    "Step",
    "close",
    "connect",
    "expect",
    "expect_eof",
    "hold",
    "mark",
    "reset",
    "send",
    "send_until_closed",
    "shutdown",
    "silence",
    "starttls",
    "taken",
]
