"""Backends that know alice: by her password, her SCRAM keys, by a check or by tokens; at once, or later."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from drops import Backend as Mail
from drops import Drop

import poplin

PASSWORD = "correct horse battery"
TOKEN = "ya29.a-token-of-alice"
KEYS = poplin.scram_keys(PASSWORD, salt=b"sixteen octets..")

METHODS: dict[str, Callable[..., Any]] = {
    "password": lambda user: PASSWORD if user == "alice" else None,
    "scram_keys": lambda user: KEYS if user == "alice" else None,
    "authenticate": lambda user, password: (user, password) == ("alice", PASSWORD),
    "token": lambda user, token: token == TOKEN and (user == "alice" or ("alice" if user is None else False)),
}

WAYS = {
    "password": ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "USER", "LOGIN", "CRAM-MD5", "APOP"),
    "scram_keys": ("SCRAM-SHA-256", "PLAIN", "USER", "LOGIN"),
    "authenticate": ("PLAIN", "USER", "LOGIN"),
    "token": ("OAUTHBEARER", "XOAUTH2"),
}
"""The ways to log in, where a backend has one of these methods."""

_POOL = ThreadPoolExecutor(2)


def later(method: Callable[..., Any]) -> Callable[..., Future[Any]]:
    """The same, answering by a Future that another thread completes."""
    return lambda *arguments: _POOL.submit(method, *arguments)


class Account:
    """A backend with the methods named; others may be given. It notes whose maildrops were opened, and who failed."""

    def __init__(self, *names: str, **methods: Callable[..., Any]) -> None:
        self.opened: list[str] = []
        self.failed: list[tuple[str, str]] = []
        self.told = threading.Semaphore(0)
        self.mail = Mail({"uid-1": b"Subject: hi\r\n\r\nhello\r\n"})
        for name, method in {**{name: METHODS[name] for name in names}, **methods}.items():
            setattr(self, name, method)

    def maildrop(self, user: str) -> Drop:
        self.opened.append(user)
        return Drop(self.mail)

    def login_failed(self, user: str, address: str) -> None:
        self.failed.append((user, address))
        self.told.release()


def proof(way: str, good: bool = True) -> dict[str, Any]:
    """What alice gives to connect(): her secret, or one that is wrong."""
    if way in WAYS["token"]:
        return {"user": "alice", "token": TOKEN if good else "ya29.another-token"}
    return {"user": "alice", "password": PASSWORD if good else "not her password"}
