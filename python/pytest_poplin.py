"""
poplin's pytest plugin: POP3 servers for tests, as fixtures.

It stands outside the package so that a test run that uses none of the fixtures does not import poplin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from poplin.testing import CA, Server, ServerFactory
    from poplin.testing._evidence import Evidence

__all__ = ["pop3_ca", "pop3_server", "pop3_server_factory", "pop3_server_tls"]

_EVIDENCE: pytest.StashKey[Evidence] = pytest.StashKey()


@pytest.fixture
def pop3_server(pop3_server_factory: ServerFactory) -> Server:
    r"""
    A POP3 server (poplin.testing.Server) of the test's own, on 127.0.0.1, without TLS; user "alice", password "secret".

        def test_fetch(pop3_server):
            pop3_server.deliver("alice", b"Subject: hi\r\n\r\nhello\r\n")
            fetch(pop3_server.host, pop3_server.port, "alice", "secret")
            pop3_server.sessions[0].assert_quit()

    Where the test fails, its report shows the transcript of every session, passwords masked.
    """
    return pop3_server_factory()


@pytest.fixture
def pop3_server_tls(pop3_server_factory: ServerFactory, pop3_ca: CA) -> Server:
    """
    Like pop3_server, with TLS from the first octet, for localhost, 127.0.0.1 and ::1; pop3_ca signed the certificate.

    Clients trust it by `pop3_server_tls.ca_file` (a path) or `pop3_server_tls.ca_pem` (text).
    """
    return pop3_server_factory(tls="implicit", certificate=pop3_ca.certificate())


@pytest.fixture(scope="session")
def pop3_ca() -> CA:
    """
    A throw-away certificate authority (poplin.testing.CA) of the test run's own.

    `pop3_ca.certificate("mail.example.org")` is good for that name; `blemish="expired"` and the others of
    poplin.testing.BLEMISHES give certificates that a client has to refuse. `pop3_ca.pem` is what to trust.
    """
    from poplin.testing import CA

    return CA()


@pytest.fixture
def pop3_server_factory(request: pytest.FixtureRequest) -> Iterator[ServerFactory]:
    """
    A function that starts POP3 servers: it takes the options of poplin.testing.Server; all are stopped after the test.

        def test_two_accounts(pop3_server_factory):
            old = pop3_server_factory(users={"alice": "secret"}, quirks=["guessed-sizes"])
            new = pop3_server_factory(tls="stls", host="::1")

    Without users and backend the user is "alice", the password "secret". An exception in a backend's method is an error
    of the test, at its end; where the test has failed by then, the report shows it.
    """
    from poplin.testing._evidence import Evidence

    evidence = Evidence()
    request.node.stash[_EVIDENCE] = evidence
    yield cast("ServerFactory", evidence.start)
    evidence.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure, in whichever phase, what the test's servers saw."""
    report = yield
    evidence = item.stash.get(_EVIDENCE, None)
    if evidence is not None and report.failed and call.excinfo is not None:
        report.sections += evidence.sections(call.excinfo.exconly())
    if evidence is not None and call.when == "teardown":
        del item.stash[_EVIDENCE]
    return report
