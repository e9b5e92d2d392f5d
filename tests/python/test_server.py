"""The server with a script's backend: what it may return, raise, and put off."""

import base64
import contextlib
import io
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from drops import Backend, Drop, mail

import poplin
from peer import connect as connect_raw

TEXT = b"Subject: body\r\n\r\n.line\r\n"


# ---- what retr may return ----


def regular_file(tmp_path: Path) -> Any:
    path = tmp_path / "mail"
    path.write_bytes(b"skipped " + TEXT)
    file = path.open("rb")
    assert file.read(8) == b"skipped "
    return file


def path_of(tmp_path: Path) -> Path:
    path = tmp_path / "mail"
    path.write_bytes(TEXT)
    return path


def temporary_file(tmp_path: Path) -> Any:
    file = tempfile.SpooledTemporaryFile()
    file.write(TEXT)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    "body",
    [
        lambda _: TEXT,
        lambda _: bytearray(TEXT),
        lambda _: memoryview(TEXT),
        path_of,
        regular_file,
        temporary_file,
        lambda _: io.BytesIO(TEXT),
        lambda _: [TEXT[:3], b"", TEXT[3:]],
        lambda _: (TEXT[at : at + 1] for at in range(len(TEXT))),
        lambda _: iter([TEXT, b""]),
    ],
)
def test_a_body_in_every_shape(serve: Any, connect: Any, tmp_path: Path, body: Any) -> None:
    server, _ = serve({"m": lambda: body(tmp_path)})
    pop = connect(server)
    assert pop.retr(1) == TEXT
    assert pop.top(1) == b"Subject: body\r\n\r\n"
    assert pop.list(1).octets == len(TEXT)


def test_large_pieces_flow(serve: Any, connect: Any) -> None:
    pieces = [bytes([65 + number % 26]) * 70_000 + b"\r\n" for number in range(60)]
    server, _ = serve({"m": lambda: iter(pieces), "f": lambda: io.BytesIO(b"".join(pieces))})
    pop = connect(server)
    assert pop.retr(1) == pop.retr(2) == b"".join(pieces)


def test_an_iterator_is_closed_where_the_client_drops(serve: Any, connect: Any) -> None:
    closed = threading.Event()

    def endless() -> Any:
        try:
            while True:
                yield b"x" * 70 + b"\r\n"
        finally:
            closed.set()

    class Sized(Drop):
        def list(self) -> Any:
            return [("m", 1000)]

    backend = Backend({"m": endless})
    backend.maildrop = lambda user: Sized(backend)  # type: ignore[method-assign]
    server, _ = serve(backend=backend)
    pop = connect(server)

    class Enough(Exception):
        pass

    def one(piece: bytes) -> None:
        raise Enough

    with pytest.raises(Enough):
        pop.retr(1, into=one)
    pop.close()
    assert closed.wait(20)
    backend.wait_closed()


@pytest.mark.holds("T-API-1", "B")
@pytest.mark.holds("T-API-3", "B")
@pytest.mark.parametrize("body", ["text", 5, None, ["text"], io.StringIO("text"), Path("/no/where"), Path("/dev")])
def test_a_body_that_is_none(connect: Any, body: Any) -> None:
    backend = Backend({"m": lambda: body, "good": TEXT})
    with poplin.Server(WithSizes(backend)) as server:
        pop = connect(server)
        with pytest.raises((poplin.Temporary, poplin.ConnectionLost)):
            pop.retr(1)
        pop.close()
        assert connect(server).retr(2) == TEXT
    assert isinstance(server.errors[0], TypeError | OSError)


class WithSizes:
    """A backend whose sizes are made up, so that nothing is read to count it."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def authenticate(self, user: str, password: str) -> bool:
        return (user, password) == ("alice", "secret")

    def maildrop(self, user: str) -> Any:
        drop = self.backend.maildrop(user)
        drop.list = lambda: [(uid, 24) for uid in self.backend.mail]
        return drop


def test_another_size_than_listed_is_sent_whole_and_told(connect: Any) -> None:
    backend = Backend({"m": TEXT + b"more\r\n"})
    with poplin.Server(WithSizes(backend)) as server:
        assert connect(server).retr(1) == TEXT + b"more\r\n"
    assert any("24" in str(error) for error in server.errors)


@pytest.mark.parametrize("workers", [0, 1])
def test_pieces_that_come_too_late_are_closed(connect: Any, workers: int) -> None:
    asked: list[Future[Any]] = []
    there, closed = threading.Event(), threading.Event()

    class Pieces:
        def __iter__(self) -> Any:
            return self

        def __next__(self) -> bytes:
            raise StopIteration

        def close(self) -> None:
            closed.set()

    def later() -> Future[Any]:
        asked.append(Future())
        there.set()
        return asked[-1]

    server = poplin.Server(WithSizes(Backend({"m": later})), workers=workers)
    server.start()
    with connect_raw(server.host, server.port) as link:
        for line in (b"USER alice\r\n", b"PASS secret\r\n", b"RETR 1\r\n"):
            link.read_line()
            link.send(line)
        assert there.wait(20)
        server.stop()
        asked[0].set_result(Pieces())
    assert closed.wait(20)
    assert server.errors == []


# ---- who may log in ----


def test_authenticate_is_asked_where_there_is_no_password(connect: Any) -> None:
    with poplin.Server(WithSizes(Backend(mail(1))), failed_login_delay=0) as server:
        assert connect(server).stat().count == 1
        with pytest.raises(poplin.AuthError):
            connect(server, password="wrong")
    assert server.errors == []


@pytest.mark.holds("T-API-1", "B")
@pytest.mark.parametrize(
    ("method", "answer"),
    [("password", b"secret"), ("password", True), ("authenticate", b"y"), ("authenticate", None), ("authenticate", 1)],
)
def test_a_login_method_that_returns_nonsense_lets_nobody_in(connect: Any, method: str, answer: Any) -> None:
    methods = {method: lambda self, *_: answer, "maildrop": lambda self, user: Drop(Backend({}))}
    backend = type("Nonsense", (), methods)()
    with poplin.Server(backend) as server:
        with pytest.raises(poplin.Temporary):
            connect(server)
    assert [type(error) for error in server.errors] == [TypeError]


def test_a_password_that_no_client_can_send_lets_nobody_in_and_is_not_kept(serve: Any, connect: Any) -> None:
    class Odd(Backend):
        def password(self, user: str) -> str:
            return "pass\ud800word"

    server, _ = serve(backend=Odd({}), failed_login_delay=0)
    for auth in ("SCRAM-SHA-256", "PLAIN", "USER"):
        with pytest.raises(poplin.AuthError):
            connect(server, auth=auth)
    assert server.errors == [], "an UnicodeEncodeError would hold the password"


def test_a_password_that_is_no_utf8_is_refused_unasked(serve: Any) -> None:
    backend = WithSizes(Backend(mail(1)))
    backend.authenticate = lambda user, password: True  # type: ignore[method-assign]
    server, _ = serve(backend=backend, failed_login_delay=0)
    with connect_raw(server.host, server.port) as link:
        link.read_line()
        link.send(b"USER alice\r\nPASS \xff\xfe\r\n")
        assert link.read_line().startswith(b"+OK")
        assert link.read_line().startswith(b"-ERR [AUTH]")
        link.send(b"AUTH PLAIN %s\r\n" % base64.b64encode(b"\0\xff\xfe\0secret"))
        assert link.read_line().startswith(b"-ERR")


@pytest.mark.parametrize(
    ("raised", "expected", "code"),
    [
        (poplin.InUse("later, please"), poplin.InUse, "IN-USE"),
        (poplin.Temporary("later, please"), poplin.Temporary, "SYS/TEMP"),
        (poplin.AuthError("later, please"), poplin.AuthError, "AUTH"),
    ],
)
def test_maildrop_refuses(serve: Any, connect: Any, raised: Exception, expected: Any, code: str) -> None:
    class Refusing(Backend):
        def maildrop(self, user: str) -> Any:
            raise raised

    server, _ = serve(backend=Refusing({}), failed_login_delay=0)
    with pytest.raises(expected, match="later, please") as caught:
        connect(server)
    assert caught.value.code == code


def test_one_session_at_a_time_unless_told_otherwise(serve: Any, connect: Any) -> None:
    server, _ = serve(mail(1))
    first = connect(server)
    with pytest.raises(poplin.InUse):
        connect(server)
    first.quit()
    assert connect(server).stat().count == 1
    shared, _ = serve(mail(1), exclusive=False)
    assert [connect(shared).stat().count, connect(shared).stat().count] == [1, 1]


# ---- what goes wrong in a backend ----


@pytest.mark.holds("T-API-1", "B")
@pytest.mark.parametrize("method", ["password", "maildrop", "list", "retr", "dele", "close"])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_ends_the_request_and_is_kept(connect: Any, method: str, workers: int) -> None:
    backend = Backend(mail(2))
    broken = threading.Event()
    seen: list[BaseException] = []
    told = threading.Semaphore(0)

    def see(error: BaseException) -> None:
        seen.append(error)
        told.release()

    def fail(*_: Any) -> Any:
        if broken.is_set():
            raise SystemExit("in the backend")
        return original(*_)

    drop = Drop(backend)
    owner = backend if method in ("password", "maildrop") else drop
    original = getattr(owner, method)
    setattr(owner, method, fail)
    if owner is drop:
        backend.maildrop = lambda user: drop  # type: ignore[method-assign]
    with poplin.Server(backend, workers=workers, on_error=see) as server:
        broken.set()
        with contextlib.nullcontext() if method == "close" else pytest.raises(poplin.Temporary):
            with connect(server) as pop:
                pop.dele(1)
                assert pop.retr(2)
        assert told.acquire(timeout=20)
        broken.clear()
        with connect(server) as pop:
            assert pop.stat().count == 2 if method != "close" else 1
    assert str(server.errors[0]) == "in the backend"
    assert list(server.errors) == seen


class Wordless(poplin.Temporary):
    def __str__(self) -> str:
        raise SystemExit("in __str__")


class Fruitless:
    def __iter__(self) -> Any:
        raise SystemExit("in __iter__")


@pytest.mark.holds("T-API-1", "B")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("odd", "kept"), [(Wordless("x"), []), (Fruitless(), [SystemExit])])
def test_objects_that_raise_when_looked_at_end_the_request(connect: Any, workers: int, odd: Any, kept: Any) -> None:
    def retr() -> Any:
        if isinstance(odd, Exception):
            raise odd
        return odd

    backend = Backend({"m": retr, "good": TEXT})
    with poplin.Server(WithSizes(backend), workers=workers) as server:
        with connect(server) as pop:
            with pytest.raises(poplin.Temporary):
                pop.retr(1)
            assert pop.retr(2) == TEXT
        backend.wait_closed()
    assert [type(error) for error in server.errors] == kept


@pytest.mark.holds("T-UPD-2", "S")
def test_a_dele_that_fails_is_told_at_quit_and_nothing_is_claimed(connect: Any) -> None:
    class Full(Drop):
        def dele(self, uids: list[str]) -> None:
            raise OSError("disk full")

    backend = Backend(mail(2))
    backend.maildrop = lambda user: Full(backend)  # type: ignore[method-assign]
    with poplin.Server(backend) as server:
        pop = connect(server)
        pop.dele(1)
        with pytest.raises(poplin.Temporary) as caught:
            pop.quit()
        assert "disk full" not in str(caught.value), "the owner's business only"
        backend.wait_closed()
        assert connect(server).stat().count == 2, "the maildrop is free again, and whole"
    assert str(server.errors[0]) == "disk full"


@pytest.mark.holds("T-API-1", "B")
@pytest.mark.parametrize(
    "entries",
    [
        *(None, 5, "ab", [1], [("a",)], [(b"a", 1)], [("a", "1")], [("a", -1)], [("a", True)], [("a b", 1)], [("", 1)]),
        *([("a", 1), ("a", 1)], [("x" * 71, 1)], [("\ud800", 1)], [("a\0", 1)], [("a", 1 << 64)]),
    ],
)
def test_a_listing_that_is_none(connect: Any, entries: Any) -> None:
    backend = Backend({})
    backend.maildrop = lambda user: drop  # type: ignore[method-assign]
    drop = Drop(backend)
    drop.list = lambda: entries  # type: ignore[method-assign]
    with poplin.Server(backend) as server:
        with pytest.raises(poplin.Temporary):
            connect(server)
        backend.wait_closed()
    assert len(server.errors) == 1
    assert str(server.errors[0])


def test_an_on_error_that_fails_is_kept_too(connect: Any) -> None:
    def fail(error: BaseException) -> None:
        raise KeyError("on_error")

    with poplin.Server(WithSizes(Backend({"m": lambda: None})), on_error=fail) as server:
        with pytest.raises(poplin.Temporary):
            connect(server).retr(1)
    assert [type(error) for error in server.errors] == [TypeError, KeyError]


# ---- later answers ----


def test_a_slow_method_holds_up_nobody_with_workers(serve: Any, connect: Any) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow() -> bytes:
        entered.set()
        assert leave.wait(20)
        return TEXT

    backend = Backend({"slow": slow, "quick": TEXT})
    backend.maildrop = lambda user: _sized(backend)  # type: ignore[method-assign]
    server, _ = serve(backend=backend, workers=2, exclusive=False)
    first = connect(server)
    waiting = threading.Thread(target=lambda: first.retr(1))
    waiting.start()
    assert entered.wait(20)
    assert connect(server).retr(2) == TEXT
    leave.set()
    waiting.join(20)


def _sized(backend: Backend) -> Drop:
    drop = Drop(backend)
    drop.list = lambda: [(uid, len(TEXT)) for uid in backend.mail]  # type: ignore[method-assign]
    return drop


@pytest.mark.parametrize("workers", [0, 1])
def test_futures_answer_later(connect: Any, workers: int) -> None:
    """Every method answers by a Future, which another thread completes when told to."""
    pending: list[tuple[Future[Any], Any]] = []
    there = threading.Semaphore(0)

    def later(value: Any) -> Future[Any]:
        future: Future[Any] = Future()
        pending.append((future, value))
        there.release()
        return future

    class Later:
        def authenticate(self, user: str, password: str) -> Any:
            return later(password == "secret")

        def maildrop(self, user: str) -> Any:
            return later(self)

        def list(self) -> Any:
            return later([("m", len(TEXT))])

        def retr(self, uid: str) -> Any:
            return later(TEXT)

        def dele(self, uids: "list[str]") -> Any:
            return later(None)

    def complete() -> None:
        for _ in range(5):
            assert there.acquire(timeout=20)
            future, value = pending.pop()
            future.set_result(value)

    helper = threading.Thread(target=complete)
    helper.start()
    with poplin.Server(Later(), workers=workers) as server, connect(server) as pop:
        assert pop.retr(1) == TEXT
        pop.dele(1)
        pop.quit()
    helper.join(20)
    assert server.errors == []


def test_an_answer_after_the_client_has_gone_is_harmless(connect: Any) -> None:
    asked: list[Future[Any]] = []
    there = threading.Event()

    def later() -> Future[Any]:
        asked.append(Future())
        there.set()
        return asked[-1]

    backend = Backend({"m": later})
    backend.maildrop = lambda user: _sized(backend)  # type: ignore[method-assign]
    with poplin.Server(backend) as server:
        with connect_raw(server.host, server.port) as link:
            for line in (b"USER alice\r\n", b"PASS secret\r\n", b"RETR 1\r\n"):
                link.read_line()
                link.send(line)
            assert there.wait(20)
        asked[0].set_result(TEXT)
        backend.wait_closed()
        assert connect(server).stat().count == 1
    assert server.errors == []


def test_close_comes_last_also_where_a_call_takes_long(connect: Any) -> None:
    order: list[str] = []
    entered, leave = threading.Event(), threading.Event()

    def slow() -> bytes:
        entered.set()
        assert leave.wait(20)
        order.append("retr")
        return TEXT

    backend = Backend({"m": slow})

    class Ordered(Drop):
        def list(self) -> Any:
            return [("m", len(TEXT))]

        def close(self, outcome: poplin.Outcome, error: poplin.Error | None) -> None:
            order.append("close")
            super().close(outcome, error)

    backend.maildrop = lambda user: Ordered(backend)  # type: ignore[method-assign]
    server = poplin.Server(backend, workers=2)
    server.start()
    with connect_raw(server.host, server.port) as link:
        for line in (b"USER alice\r\n", b"PASS secret\r\n", b"RETR 1\r\n"):
            link.read_line()
            link.send(line)
        assert entered.wait(20)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert server._serving.thread is not None
        server._serving.thread.join(20)  # it has asked for everything by then
        leave.set()
        stopping.join(20)
    assert order == ["retr", "close"]
    assert server.errors == []


def test_a_callback_may_itself_fetch_mail(serve: Any, connect: Any) -> None:
    origin, _ = serve({"m": TEXT})

    def fetch() -> bytes:
        with poplin.connect(origin.url, user="alice", password="secret") as pop:
            return pop.retr(1)

    server, _ = serve({"relayed": fetch})
    pop = connect(server)
    assert pop.retr(1) == TEXT
    assert pop.list(1).octets == len(TEXT)


def test_a_callback_may_be_a_client_of_its_own_server_where_there_are_workers(connect: Any) -> None:
    def fetch() -> bytes:
        with poplin.connect(server.url, user="alice", password="secret") as pop:
            return pop.retr(2)

    backend = Backend({"relayed": fetch, "m": TEXT})
    with poplin.Server(WithSizes(backend), workers=2, exclusive=False) as server:
        assert connect(server).retr(1) == TEXT
    assert server.errors == []


# ---- the server itself ----


@pytest.mark.holds("T-UPD-1", "S")
def test_stop_deletes_nothing_and_closes_every_maildrop(connect: Any) -> None:
    backend = Backend(mail(3))
    with poplin.Server(backend, exclusive=False) as server:
        clients = [connect(server) for _ in range(5)]
        for pop in clients:
            pop.dele(1)
    backend.wait_closed(5)
    assert backend.deleted == []
    with pytest.raises(poplin.ConnectionLost):
        clients[0].stat()
    server.stop()
    assert "stopped" in repr(server)
    with pytest.raises(poplin.StateError):
        server.start()


def test_stop_from_a_callback(connect: Any) -> None:
    class Stopping(Backend):
        def maildrop(self, user: str) -> Any:
            server.stop()
            return super().maildrop(user)

    for workers in (0, 1):
        backend = Stopping(mail(1))
        server = poplin.Server(backend, workers=workers)
        server.start()
        with pytest.raises(poplin.Error):
            connect(server).stat()
        server.stop()
        backend.wait_closed()
        assert server.errors == []


def test_an_address_in_use_and_arguments_that_do_not_fit(serve: Any, certificate: Any) -> None:
    server, _ = serve()
    with pytest.raises(poplin.NetworkError):
        poplin.Server(Backend({}), port=server.port)
    pem = {"cert_pem": certificate.cert_pem, "key_pem": certificate.key_pem}
    for settings in (
        {"tls": "implicit"},
        {"tls": "never", **pem},
        {"tls": "on"},
        {"key_file": "key.pem"},
        {"cert_file": "cert.pem", **pem},
        {"port": 65536},
        {"inactivity": 0},
        {"host": "a\0b"},
        {"max_sessions": 0},
        {"workers": -1},
    ):
        with pytest.raises(ValueError):
            poplin.Server(Backend({}), **settings)
    for settings in ({"host": None}, {"greeting": None}, {"workers": "2"}, {"port": "110"}):
        with pytest.raises(TypeError):
            poplin.Server(Backend({}), **settings)
    with pytest.raises(TypeError, match="maildrop"):
        poplin.Server(object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="password"):
        poplin.Server(type("NoLogin", (), {"maildrop": lambda self, user: None})())


def test_where_there_are_no_more_threads_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    server = poplin.Server(Backend({}))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            server.start()
    server.stop()


@pytest.mark.holds("T-STLS-19", "S")
def test_no_certificate_no_stls(serve: Any) -> None:
    server, _ = serve(mail(1))
    with connect_raw(server.host, server.port) as link:
        link.read_line()
        link.send(b"CAPA\r\nSTLS\r\n")
        assert b"STLS" not in link.read_until(b"\r\n.\r\n")
        assert link.read_line().startswith(b"-ERR")


def test_a_network_needs_tls_for_passwords(connect: Any) -> None:
    with poplin.Server(Backend(mail(1)), loopback_protected=False) as server:
        with pytest.raises(poplin.Unsupported):
            connect(server, tls="never", auth="PLAIN USER")
        assert connect(server, tls="never").mechanism == "SCRAM-SHA-256"
    with poplin.Server(Backend(mail(1)), loopback_protected=False, allow_cleartext=True) as server:
        with pytest.raises(poplin.Unsupported):
            connect(server, loopback_protected=False)
        assert connect(server, loopback_protected=False, tls="never").stat().count == 1


@pytest.mark.holds("T-API-6", "S")
def test_a_greeting_and_a_refusal_cannot_break_the_protocol(connect: Any) -> None:
    class Rude(Backend):
        def maildrop(self, user: str) -> Any:
            raise poplin.InUse("two\r\n+OK lines \0\xe9")

    with poplin.Server(Rude({})) as server:
        with connect_raw(server.host, server.port) as link:
            link.send(b"USER alice\r\nPASS secret\r\nQUIT\r\n")
            lines = [link.read_line() for _ in range(4)]
            link.expect_eof()
    assert [line[:4] for line in lines] == [b"+OK ", b"+OK ", b"-ERR", b"+OK "]
    assert lines[2].startswith(b"-ERR [IN-USE] two")
    assert all(32 <= octet < 127 for octet in lines[2][:-2])
