"""How long mail stays: by age, until it was fetched, and by user, as LOGIN-DELAY may be; on clocks that tests move."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from drops import Backend, Drop, mail

import poplin
from poplin import _core
from poplin.testing import Server

DAY = 24 * 60 * 60


def join(server: Server | poplin.Server, user: str = "alice") -> poplin.Client:
    return poplin.connect(server.url, user=user, password="secret", timeout=20)


def stat(server: Server | poplin.Server) -> int:
    """How many messages a session sees."""
    with join(server) as pop:
        return pop.stat().count


def both(**options: Any) -> list[Any]:
    """Both kinds of test server, with two messages."""
    return [
        pytest.param({"users": {"alice": "secret"}} | options, id="memory"),
        pytest.param({"backend": Backend(mail(2))} | options, id="script"),
    ]


# ---- until it was fetched ----


@pytest.mark.holds("POP-UPD-7", "S")
@pytest.mark.parametrize("options", both(expire=0))
def test_what_was_fetched_goes_at_quit(options: dict[str, Any]) -> None:
    with Server(**options) as server:
        if "users" in options:
            server.deliver("alice", b"one\r\n")
            server.deliver("alice", b"two\r\n")
        pop = join(server)
        pop.retr(1)
        pop.close()  # without QUIT
        server.wait_for(lambda server: server.sessions[0].outcome == "dropped")
        with join(server) as pop:
            assert pop.stat().count == 2
            uid = pop.uidl(1).uid
            pop.retr(1)
            pop.top(2, 10)
            pop.rset()
            assert pop.capabilities.expire == 0
        server.sessions[1].assert_quit().assert_deleted(uid)
        assert stat(server) == 1


@pytest.mark.holds("POP-UPD-7", "S")
def test_a_commit_that_fails_deletes_nothing_that_was_fetched() -> None:
    class Keeping(Drop):
        def dele(self, uids: list[str]) -> None:
            raise poplin.Temporary("not now")

    backend = Backend(mail(1))
    backend.maildrop = lambda user: Keeping(backend)  # type: ignore[method-assign]
    with Server(backend=backend, expire=0) as server:
        pop = join(server)
        pop.retr(1)
        with pytest.raises(poplin.Temporary):
            pop.quit()
        server.sessions[0].assert_deleted()
        assert stat(server) == 1


@pytest.mark.holds("POP-UPD-7", "S")
@pytest.mark.parametrize("options", both(expire=0, lock="snapshot"))
def test_sessions_side_by_side_delete_once(options: dict[str, Any]) -> None:
    with Server(**options) as server:
        if "users" in options:
            server.deliver("alice", b"one\r\n")
            server.deliver("alice", b"two\r\n")
        with join(server) as other:
            other.retr(1)
            with join(server) as one:
                one.retr(1)
            with pytest.raises(poplin.Refused):
                other.retr(1)
            other.retr(2)
        assert stat(server) == 0


# ---- by age ----


@pytest.mark.holds("POP-EXP-1", "S")
def test_mail_in_memory_goes_by_the_servers_clock() -> None:
    with Server({"alice": "secret"}, expire=14) as server:
        server.deliver("alice", b"old\r\n")
        server.clock.advance(13 * DAY)
        server.deliver("alice", b"young\r\n")
        assert stat(server) == 2
        server.clock.advance(DAY)
        assert len(server.messages("alice")) == 2  # until a session opens the maildrop
        with join(server) as pop:
            assert (pop.capabilities.expire, pop.retr(1)) == (14, b"young\r\n")
    server.deliver("alice", b"afterwards\r\n")  # there is no clock any more
    assert [message.data for message in server.messages("alice")] == [b"young\r\n", b"afterwards\r\n"]


def test_mail_does_not_go_while_a_session_has_it_open() -> None:
    with Server({"alice": "secret"}, expire=1, lock="none", inactivity=4 * DAY) as server:
        server.deliver("alice", b"old\r\n")
        with join(server) as pop:
            server.clock.advance(2 * DAY)
            assert stat(server) == 1
            assert pop.retr(1) == b"old\r\n"
        assert stat(server) == 0


@pytest.mark.parametrize("expire", [0, "never", None])
def test_without_days_nothing_goes_by_age(expire: Any) -> None:
    with Server({"alice": "secret"}, expire=expire) as server:
        server.deliver("alice", b"old\r\n")
        server.clock.advance(40 * DAY)
        assert stat(server) == 1


# ---- Maildirs ----


class Maildirs:
    """Alice's mail in a Maildir in which it stays for some days."""

    def __init__(self, path: Path, expire: Any) -> None:
        self.path, self.expire = path, expire

    def password(self, user: str) -> str:
        return "secret"

    def maildrop(self, user: str) -> poplin.Maildir:
        return poplin.Maildir(self.path, expire=self.expire)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A Maildir with a message of today and one of ten days ago, which its name does not tell."""
    for folder in ("new", "cur", "tmp"):
        (tmp_path / folder).mkdir()
    for name in ("new/9.old", "cur/1.young:2,S"):
        (tmp_path / name).write_bytes(name.encode() + b"\n")
    long_ago = time.time() - 10 * DAY - 60
    os.utime(tmp_path / "new/9.old", (time.time(), long_ago))
    return tmp_path


@pytest.mark.holds("POP-EXP-1", "S")
@pytest.mark.parametrize(("expire", "kept"), [(10, 1), (11, 2), (0, 2), ("never", 2), (None, 2)])
def test_mail_in_a_maildir_goes_by_its_files_times(path: Path, expire: Any, kept: int) -> None:
    with poplin.Server(Maildirs(path, expire), expire=expire) as server:
        assert stat(server) == kept
        assert (path / "new/9.old").exists() == (kept == 2)
        assert (path / "cur/1.young:2,S").exists()
        assert server.errors == []


@pytest.mark.holds("T-UPD-2", "S")
def test_what_cannot_be_removed_is_told_and_served(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        """The core's, but that nothing can be removed."""

        def __new__(cls, path: Path) -> Any:
            return _core.Maildir(path)

        @staticmethod
        def expire(path: Path, days: int) -> None:
            raise poplin.NetworkError(f"{path} {days}: no")

    monkeypatch.setattr("poplin._maildir._core", type("Core", (), {"Maildir": Failing}))
    with poplin.Server(Maildirs(path, 10), expire=10) as server:
        assert stat(server) == 2
        assert [str(error) for error in server.errors] == [f"{path} 10: no"]


def test_a_maildir_tells_what_it_was_given(path: Path) -> None:
    with contextlib.closing(poplin.Maildir(path, expire=10)) as maildir:
        assert (maildir.expire, maildir.failure, maildir.list()) == (10, None, [("1.young", None)])
    for expire, error in ((-1, ValueError), ("soon", TypeError), (True, TypeError), (1.5, TypeError)):
        with pytest.raises(error, match="expire"):
            poplin.Maildir(path, expire=expire)  # type: ignore[arg-type]
    with pytest.raises(poplin.NetworkError, match="no folder"):
        poplin.Maildir(path / "new", expire=10)


# ---- by user ----


class Differing(Backend):
    """Users each of whom has terms of their own."""

    def __init__(self, **terms: dict[str, Any]) -> None:
        super().__init__(mail(2))
        self.terms = terms

    def password(self, user: str) -> str | None:
        return "secret"

    def maildrop(self, user: str) -> Any:
        drop = Drop(self)
        drop.__dict__.update(self.terms.get(user, {}))
        return drop


@pytest.mark.holds("POP-EXP-1", "S")
@pytest.mark.holds("POP-DLY-1", "S")
@pytest.mark.holds("POP-CAPA-7", "C")
def test_each_user_is_told_the_own_terms() -> None:
    backend = Differing(
        alice={"expire": "never", "login_delay": 5}, bob={"expire": 14, "login_delay": None}, carol={"login_delay": 0}
    )
    options: dict[str, Any] = {"expire_by_user": True, "login_delay_by_user": True}
    with Server(backend=backend, expire=7, login_delay=60, **options) as server:
        with poplin.connect(server.url, timeout=20) as pop:
            assert pop.capabilities["EXPIRE"] == ("7", "USER")
            assert pop.capabilities["LOGIN-DELAY"] == ("60", "USER")
        found = {}
        for user in ("alice", "bob", "carol", "dave"):
            with join(server, user) as pop:  # which asks again after the login
                assert pop.capabilities == pop.capa()
                found[user] = pop.capabilities["EXPIRE"], pop.capabilities["LOGIN-DELAY"]
        assert found == {
            "alice": (("NEVER",), ("5",)), "bob": (("14",), ("60",)),
            "carol": (("7",), ("0",)), "dave": (("7",), ("60",)),
        }  # fmt: skip


@pytest.mark.holds("POP-DLY-1", "S")
@pytest.mark.holds("POP-RESP-5", "S")
def test_each_users_own_delay_is_enforced() -> None:
    backend = Differing(alice={"login_delay": 5}, carol={"login_delay": 0})
    with Server(backend=backend, login_delay=60, login_delay_by_user=True) as server:
        waits = {"alice": 5, "bob": 60, "carol": 0}
        for user in waits:
            join(server, user).quit()
        for user, seconds in waits.items():
            if seconds:
                with pytest.raises(poplin.Temporary) as caught:
                    join(server, user)
                assert caught.value.code == "LOGIN-DELAY"
        join(server, "carol").quit()
        server.clock.advance(5)
        join(server, "alice").quit()
        with pytest.raises(poplin.Temporary):
            join(server, "bob")
        server.clock.advance(55)
        join(server, "bob").quit()


@pytest.mark.holds("POP-UPD-7", "S")
def test_mail_goes_for_one_user_only() -> None:
    backend = Differing(bob={"expire": 7})
    with Server(backend=backend, expire=0, expire_by_user=True) as server:
        with join(server, "bob") as pop:
            pop.retr(1)
        server.sessions[0].assert_quit().assert_deleted()
        with join(server, "alice") as pop:
            pop.retr(1)
        server.sessions[1].assert_quit().assert_deleted("uid-1")
    assert backend.deleted == ["uid-1"]


def test_a_maildirs_own_days_are_announced(path: Path) -> None:
    with poplin.Server(Maildirs(path, 30), expire=10, expire_by_user=True) as server, join(server) as pop:
        assert (pop.capabilities.expire, pop.stat().count) == (30, 2)


def test_nobody_differs_unless_the_server_says_so() -> None:
    backend = Differing(alice={"expire": 0, "login_delay": 1})
    with Server(backend=backend, expire=7, login_delay=9) as server, join(server) as pop:
        assert (pop.capabilities.expire, pop.capabilities.login_delay) == (7, 9)
        pop.retr(1)
    assert backend.deleted == []


@pytest.mark.holds("POP-EXP-1", "S")
@pytest.mark.parametrize(
    ("terms", "error", "words"),
    [
        ({"expire": 6}, ValueError, "its expire below"),
        ({"login_delay": 61}, ValueError, "own login_delay is above"),
        ({"expire": "soon"}, TypeError, "'never'"),
        ({"login_delay": "5"}, TypeError, "login_delay"),
        ({"login_delay": -1}, ValueError, "login_delay"),
    ],
)
def test_terms_that_break_what_was_announced_are_the_owners_mistake(
    terms: dict[str, Any], error: type[Exception], words: str
) -> None:
    options: dict[str, Any] = {"expire": 7, "login_delay": 60, "expire_by_user": True, "login_delay_by_user": True}
    backend = Differing(alice=terms)
    with Server(backend=backend, raise_errors=False, **options) as server:
        with pytest.raises(poplin.Temporary):
            join(server)
        backend.wait_closed()
        (problem,) = server.errors
        assert isinstance(problem, error)
        assert words in str(problem)


@pytest.mark.parametrize("options", [{"expire_by_user": True}, {"login_delay_by_user": True}])
def test_differing_from_nothing_makes_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Server(backend=Backend({}), **options)
