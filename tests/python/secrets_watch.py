"""
Every test is watched for secrets that come out: whatever was given to log in with, and whatever a server's user has, is
looked for in each error that came about, each transcript of a test server, each server's errors, and all that was
printed or logged; whole conversations are.
"""

import base64
import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

import poplin
import poplin.aio
import poplin.testing

_TELLING = 8
"""A secret shorter than this may be a word of somebody's sentence ("secret", "wrong"): only its encoded forms tell."""

_ENCODABLE = 4


class Watch:
    """What one test has for secrets, and all that was said while it ran."""

    def __init__(self) -> None:
        self.secrets: set[bytes] = set()
        self.said: list[str] = []

    def keep(self, secret: object) -> None:
        """Notes a secret, if it is one."""
        if isinstance(secret, str) and secret:
            self.secrets.add(secret.encode("utf-8", "surrogatepass"))

    def leaks(self) -> list[str]:
        """The places where one was told."""
        forms = {form for secret in self.secrets for form in _forms(secret)}
        return [text for text in self.said if any(form in text for form in forms)]


def _forms(secret: bytes) -> Iterator[str]:
    """As it is, and inside of base64, wherever in the message it begins."""
    if len(secret) >= _TELLING:
        yield secret.decode("utf-8", "replace")
    if len(secret) < _ENCODABLE:
        return
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret).decode()
        first = (before * 8 + 5) // 6  # characters that the octets before it have a part in
        yield encoded[first : len(encoded) - (0 if (before + len(secret)) % 3 == 0 else 4)]


def _watched_connect(watch: Watch, connect: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(connect)
    def watched(*arguments: Any, **settings: Any) -> Any:
        for name in ("password", "token"):
            given = settings.get(name)
            watch.keep(given)
            if callable(given):
                settings[name] = _watched_call(watch, given)
        return connect(*arguments, **settings)

    return watched


def _watched_call(watch: Watch, function: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*arguments: Any) -> Any:
        secret = function(*arguments)
        watch.keep(secret)
        return secret

    return watched


def _keeping_last(watch: Watch, method: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose last argument is a secret."""

    @functools.wraps(method)
    def watched(self: Any, *arguments: Any, **named: Any) -> Any:
        for secret in (*arguments[-1:], named.get("password"), named.get("token")):
            watch.keep(secret)
        return method(self, *arguments, **named)

    return watched


def _watch_errors(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    original = poplin.Error.__init__

    def init(self: poplin.Error, *arguments: Any, **parts: Any) -> None:
        original(self, *arguments, **parts)
        watch.said.append(f"{self!s} {self!r} {vars(self)!r}")

    monkeypatch.setattr(poplin.Error, "__init__", init)


def _watch_servers(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = poplin.testing.Server
    for name in ("add_user", "set_token"):
        monkeypatch.setattr(kept, name, _keeping_last(watch, getattr(kept, name)))
    make, stop, stop_backend = kept.__init__, kept.stop, poplin.Server.stop

    def init(self: poplin.testing.Server, *arguments: Any, **settings: Any) -> None:
        for name in ("users", "tokens"):
            given = settings.get(name)
            for secret in given.values() if isinstance(given, Mapping) else ():
                watch.keep(secret)
        make(self, *arguments, **settings)

    def stopped(self: poplin.testing.Server) -> None:
        stop(self)
        with contextlib.suppress(poplin.StateError):  # in a child after fork nothing can be seen of it
            watch.said.append(f"{self!r} {self.transcript} {self.errors!r}")

    def stopped_with_backend(self: poplin.Server) -> None:
        stop_backend(self)
        watch.said.append(f"{self!r} {self.errors!r}")

    monkeypatch.setattr(kept, "__init__", init)
    monkeypatch.setattr(kept, "stop", stopped)
    monkeypatch.setattr(poplin.Server, "stop", stopped_with_backend)


@pytest.fixture(autouse=True)
def secrets_watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Fails a test in which a secret was told. A test that tells one on purpose empties `secrets` first."""
    watch = Watch()
    logging.getLogger("poplin").setLevel(logging.DEBUG)
    monkeypatch.setattr(poplin, "connect", _watched_connect(watch, poplin.connect))
    monkeypatch.setattr(poplin.aio, "connect", _watched_connect(watch, poplin.aio.connect))
    for kind in (poplin.Client, poplin.aio.Client):
        monkeypatch.setattr(kind, "login", _keeping_last(watch, kind.login))
    _watch_errors(watch, monkeypatch)
    _watch_servers(watch, monkeypatch)
    yield watch
    logging.getLogger("poplin").setLevel(logging.NOTSET)
    watch.said += [text for _, _, text in request.node._report_sections]
    leaks = watch.leaks()
    assert not leaks, "a secret was told: " + leaks[0]
