"""
What goes to the loggers "poplin.client" and "poplin.server": conversations, connections and logins, backends' problems.
"""

import asyncio
import contextlib
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from accounts import PASSWORD, WAYS, Account, proof
from drops import mail
from programs import program

import poplin
import poplin.aio
import poplin.testing
from poplin import _trace
from poplin.testing import Certificate

CLIENT = "poplin.client"
SERVER = "poplin.server"


def lines(caplog: pytest.LogCaptureFixture, logger: str) -> list[tuple[int, str]]:
    """Level and text of each line, without the peer, whose port differs from run to run."""
    records = [record for record in caplog.records if record.name == logger]
    return [(record.levelno, record.getMessage().partition(" ")[2]) for record in records]


def texts(caplog: pytest.LogCaptureFixture, logger: str) -> list[str]:
    return [text for _, text in lines(caplog, logger)]


@contextlib.contextmanager
def handling(handler: logging.Handler) -> Iterator[None]:
    """Has the handler handle what clients log."""
    logger = logging.getLogger(CLIENT)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def as_configured() -> Iterator[None]:
    """Nothing but the root logger's level counts, whatever the tests' own watch has set."""
    logger = logging.getLogger("poplin")
    before = logger.level
    logger.setLevel(logging.NOTSET)
    yield
    logger.setLevel(before)


# ---- what is logged ----


def test_a_conversation(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "poplin")
    account = Account("authenticate")
    with poplin.Server(account) as server:
        with poplin.connect(server.url, user="alice", password=PASSWORD, timeout=20) as pop:
            assert [message.number for message in pop.retr_all()] == [1]
            pop.dele(1)
        account.mail.wait_closed()
    info, debug = logging.INFO, logging.DEBUG
    assert [line for line in lines(caplog, CLIENT) if "connected to" not in line[1]][-17:] == [
        (debug, "#1 > AUTH PLAIN ****"),
        (debug, "#1 < +OK 1 messages"),
        (info, "#1 - logged in as alice by PLAIN"),
        (debug, "#1 > LIST"),
        (debug, "#1 > UIDL"),
        (debug, "#1 < +OK 1 messages"),
        (debug, "#1 < 1 line of listing"),
        (debug, "#1 < +OK 1 messages"),
        (debug, "#1 < 1 line of listing"),
        (debug, "#1 > RETR 1"),
        (debug, "#1 < +OK 22 octets"),
        (debug, "#1 < 22 octets of message"),
        (debug, "#1 > DELE 1"),
        (debug, "#1 < +OK message 1 marked"),
        (debug, "#1 > QUIT"),
        (debug, "#1 < +OK bye"),
        (info, "#1 - closed after QUIT"),
    ]
    served = lines(caplog, SERVER)
    assert served[:2] == [(info, "#1 - connected"), (debug, "#1 > +OK poplin ready")]
    assert (info, "#1 - logged in as alice by PLAIN") in served
    assert served[-5:] == [
        (debug, "#1 < DELE 1"),
        (debug, "#1 > +OK message 1 marked"),
        (debug, "#1 < QUIT"),
        (debug, "#1 > +OK bye"),
        (info, "#1 - committed"),
    ]
    assert caplog.records[-1].getMessage().startswith("127.0.0.1:")


@pytest.mark.holds("POP-TLS-18", "S")
@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_info_is_connections_tls_and_logins(
    tls: str, caplog: pytest.LogCaptureFixture, certificate: Certificate
) -> None:
    caplog.set_level(logging.INFO, "poplin")
    account = Account("password")
    pem: Any = {"cert_pem": certificate.cert_pem, "key_pem": certificate.key_pem, "tls": tls}
    with poplin.Server(account, **pem) as server:
        url = server.url.replace("pop3://", "pop3s://") if tls == "implicit" else server.url
        mode: Any = {"tls": "stls"} if tls == "stls" else {}
        with poplin.connect(url, user="alice", password=PASSWORD, ca_pem=certificate.ca_pem, timeout=20, **mode):
            pass
        account.mail.wait_closed()
    for logger, verified in ((CLIENT, "; certificate verified"), (SERVER, "")):
        first, secured, login, _ = texts(caplog, logger)
        assert first.startswith("#1 - connected")
        assert secured.startswith("#1 - TLS1.3, TLS_")
        assert secured.endswith(verified)
        assert login.startswith("#1 - logged in as alice by SCRAM-SHA-256")
    assert {record.levelno for record in caplog.records} == {logging.INFO}


@pytest.mark.holds("T-SEC-1", "B")
@pytest.mark.parametrize("good", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("name", ["password", "token"])
def test_no_secret_by_any_way(name: str, good: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "poplin")
    with poplin.Server(Account(name), auth=WAYS[name], failed_login_delay=0) as server:
        for way in WAYS[name]:
            with contextlib.suppress(poplin.AuthError):
                poplin.connect(server.url, auth=way, timeout=20, **proof(way, good=good)).close()
    for logger in (CLIENT, SERVER):
        said = texts(caplog, logger)
        assert sum(" AUTH " in text for text in said) == len({*WAYS[name]} - {"USER", "APOP"})
        assert sum("logged in as alice" in text for text in said) == (len(WAYS[name]) if good else 0)
        shown = [re.search(r" (PASS|APOP alice|AUTH \S+|\+) (.+)", text) for text in said]
        assert {match[2] for match in shown if match} == {"****"}
    # that nothing of it is a secret is for secrets_watch to say, which sees all that was logged


def test_nothing_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    with poplin.Server(Account("password")) as server:
        with poplin.connect(server.url, user="alice", password=PASSWORD, timeout=20) as pop:
            pop.noop()
    assert caplog.records == []


def test_without_logging_there_is_nothing_to_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    logging.getLogger("poplin").setLevel(logging.DEBUG)
    assert _trace.kinds(False) == _trace.kinds(True) == 7
    monkeypatch.delitem(sys.modules, "logging")
    assert _trace.kinds(False) == _trace.kinds(True) == 0
    _trace.problem(ValueError())


@pytest.mark.holds("T-TXT-1", "C")
def test_hostile_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "poplin")
    words = "\x1b]0;pwned\x07 %s%n\t" + "x" * 5000
    with poplin.testing.Server({"alice": "secret"}) as server:
        server.fault("NOOP", reply="+OK " + words)
        with poplin.connect(server.url, user="alice", password="secret", timeout=20) as pop:
            pop.noop()
    (said,) = [text for text in texts(caplog, CLIENT) if "pwned" in text]
    assert said.startswith("#1 < +OK \\x1B]0;pwned\\x07 %s%n\\x09xxx")
    assert len(said) < 600


def test_under_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "poplin")

    async def main() -> None:
        async with poplin.aio.Server(Account("password")) as server:
            async with await poplin.aio.connect(server.url, user="alice", password=PASSWORD, timeout=20) as pop:
                await pop.noop()

    asyncio.run(main())
    assert [*filter(lambda text: "NOOP" in text, texts(caplog, CLIENT))] == ["#1 > NOOP"]
    assert [*filter(lambda text: "NOOP" in text, texts(caplog, SERVER))] == ["#2 < NOOP"]


def test_a_server_under_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    """Its lines come with the loop's steps, since no client of that loop's takes them along."""
    caplog.set_level(logging.DEBUG, "poplin")

    def visit(url: str) -> list[str]:
        with poplin.connect(url, user="alice", password=PASSWORD, timeout=20) as pop:
            pop.noop()
            return texts(caplog, SERVER)

    async def main() -> None:
        async with poplin.aio.Server(Account("password")) as server:
            said = await asyncio.to_thread(visit, server.url)
            assert "#1 < CAPA" in said

    asyncio.run(main())
    assert "#1 - committed" in texts(caplog, SERVER)


# ---- handlers ----


class Handler(logging.Handler):
    """Does something at the first NOOP, where nothing guards it."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self._act = act
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())
        if "> NOOP" in self.seen[-1] and sum("> NOOP" in text for text in self.seen) == 1:
            self._act()


def test_a_handler_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        raise RuntimeError("the handler failed")

    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hooked: unraisable.append(hooked.exc_value))
    with poplin.testing.Server({"alice": "secret"}) as server, handling(handler := Handler(act)):
        with poplin.connect(server.url, user="alice", password="secret", timeout=20) as pop:
            pop.noop()
            pop.noop()
    assert [str(error) for error in unraisable] == ["the handler failed"]
    assert handler.seen[-1].endswith("closed after QUIT")


def test_an_interrupt_in_a_handler_comes_through() -> None:
    def act() -> None:
        raise KeyboardInterrupt

    with poplin.testing.Server({"alice": "secret"}) as server, handling(Handler(act)):
        pop = poplin.connect(server.url, user="alice", password="secret", timeout=20)
        with pytest.raises(KeyboardInterrupt):
            pop.noop()
            pop.noop()
        pop.close()


def test_a_handler_that_uses_clients() -> None:
    results: list[Any] = []

    def act() -> None:
        try:
            pop.stat()
        except poplin.StateError:
            results.append("in use")
        with poplin.connect(server.url, user="bob", password="secret", timeout=20) as other:
            results.append(other.stat().count)

    with poplin.testing.Server({"alice": "secret", "bob": "secret"}) as server, handling(Handler(act)):
        with poplin.connect(server.url, user="alice", password="secret", timeout=20) as pop:
            pop.noop()
            assert pop.stat().count == 0
    assert results == ["in use", 0]


# ---- problems ----


def test_a_problem_of_the_backend(caplog: pytest.LogCaptureFixture) -> None:
    def fail(user: str) -> str:
        raise LookupError("the database is away")

    with poplin.Server(Account(password=fail)) as server:
        with pytest.raises(poplin.Temporary):
            poplin.connect(server.url, user="alice", password=PASSWORD, timeout=20)
        (error,) = server.errors
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == (
        SERVER,
        logging.ERROR,
        "the backend failed: LookupError",
    )
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_nothing_is_printed() -> None:
    text = """
        import logging
        import poplin

        class Backend:
            def password(self, user):
                raise LookupError("the database is away")
            def maildrop(self, user): ...

        with poplin.Server(Backend()) as server:
            try:
                poplin.connect(server.url, user="alice", password="secret", timeout=20)
            except poplin.Temporary:
                print("refused", len(server.errors))
    """
    with program(text) as running:
        assert running.communicate(timeout=60) == ("refused 1\n", "")


def test_much_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "poplin")
    with poplin.testing.Server({"alice": "secret"}) as server:
        for body in mail(500, 10).values():
            server.deliver("alice", body)
        with poplin.connect(server.url, user="alice", password="secret", timeout=20) as pop:
            assert sum(1 for _ in pop.retr_all()) == 500
    said = texts(caplog, CLIENT)
    assert sum("> RETR " in text for text in said) == sum("octets of message" in text for text in said) == 500
    assert not any("not kept" in text for text in said)
