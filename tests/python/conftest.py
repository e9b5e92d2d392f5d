"""What the Python face's tests share: servers with a script's backend, and a throw-away certificate."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drops import Backend
from fetched import FACES, Account
from hypothesis import HealthCheck, settings
from secrets_watch import secrets_watch

import poplin
import poplin.testing

__all__ = ["secrets_watch"]  # pytest finds it here: it watches every test

# The same examples each time, however slow the machine: a test that fails, fails again.
_STEADY: dict[str, Any] = {"deadline": None, "derandomize": True, "database": None}
settings.register_profile("steady", suppress_health_check=list(HealthCheck), **_STEADY)
settings.load_profile("steady")


# A shell's background job ignores interrupts, and what nohup starts hang-ups: so would the programs that the tests
# start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def certificate() -> Iterator[poplin.testing.Certificate]:
    """A certificate for localhost and the loopback addresses, with files."""
    with poplin.testing.certificate() as made:
        yield made


Serve = Callable[..., tuple[poplin.Server, Backend]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """
    serve(mail, **settings) starts a server with alice's mail in it and gives it with its backend. At the end of the
    test all are stopped, and an error in a backend is the test's.
    """
    with contextlib.ExitStack() as stack:
        started: list[poplin.Server] = []

        def start(mail: dict[str, Any] | None = None, **settings: Any) -> tuple[poplin.Server, Backend]:
            backend = settings.pop("backend", None) or Backend(mail or {})
            server = stack.enter_context(poplin.Server(backend, **settings))
            started.append(server)
            return server, backend

        yield start
        stack.close()
        for server in started:
            for error in server.errors:
                raise error


@pytest.fixture
def server(pop3_server: poplin.testing.Server) -> poplin.testing.Server:
    """A test server with alice, whose password is "secret"."""
    return pop3_server


@pytest.fixture
def served(pop3_server_factory: Callable[..., poplin.testing.Server]) -> Callable[..., poplin.testing.Server]:
    """served(messages, **options) starts a test server with alice's mail in it."""

    def start(messages: Iterable[bytes] = (), **options: Any) -> poplin.testing.Server:
        server = pop3_server_factory(**options)
        for message in messages:
            server.deliver("alice", message)
        return server

    return start


@pytest.fixture(params=FACES)
def account(request: pytest.FixtureRequest, served: Callable[..., Any], tmp_path: Path) -> Callable[..., Account]:
    """account(messages, **options) gives alice's account on a test server, to be fetched by one face or the other."""

    def make(messages: Iterable[bytes] = (), **options: Any) -> Account:
        return Account(served(messages, **options), tmp_path, request.param)

    return make


@pytest.fixture
def connect() -> Iterator[Callable[..., poplin.Client]]:
    """connect(server, **settings) logs alice in. At the end of the test what is still open is dropped."""
    with contextlib.ExitStack() as stack:

        def open_client(server: poplin.Server | poplin.testing.Server, **settings: Any) -> poplin.Client:
            login = {"user": "alice", "password": "secret", "timeout": 20, **settings}
            return stack.enter_context(contextlib.closing(poplin.connect(server.url, **login)))

        yield open_client
