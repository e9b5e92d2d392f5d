"""`poplin.fetch` and `poplin.aio.fetch`: what is taken, kept, deleted and told, also where it is ended early."""

import datetime
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drops import messages
from fetched import Account, raising
from wire import serve as serve_two

import poplin
import poplin.testing
from poplin._fetching import account_of, keep_seconds
from poplin.testing import ATTACKS, QUIRKS

Make = Callable[..., Account]


# ---- taken, kept, deleted ----


def test_what_was_fetched_is_not_fetched_again(account: Make) -> None:
    alice = account(messages(3))
    report = alice.fetch()
    assert (report.delivered, report.known, report.listed, report.deleted) == (3, 0, 3, 0)
    assert [message.result for message in report.messages] == ["delivered"] * 3
    assert alice.mail() == sorted(messages(3)) == alice.left()
    alice.server.deliver("alice", b"Subject: new\r\n\r\n")
    report = alice.fetch()
    assert (report.delivered, report.known, report.octets) == (1, 3, 16)
    assert alice.fetch().messages == []
    session = alice.server.sessions[-1].assert_quit()
    assert session.retrieved == ()
    assert len(alice.mail()) == 4


def test_what_is_not_to_stay_is_deleted_when_it_is_delivered(account: Make) -> None:
    alice = account(messages(3))
    report = alice.fetch(keep="none")
    assert (report.delivered, report.deleted) == (3, 3)
    assert all(message.deleted for message in report.messages)
    assert (alice.left(), alice.mail()) == ([], sorted(messages(3)))
    assert alice.steps() == {"confirmed": 3}
    assert str(report) == f"3 messages fetched, {report.octets} octets; 3 deleted on the server"


@pytest.mark.parametrize("keep", ["14d", datetime.timedelta(weeks=2)])
def test_what_has_stayed_long_enough_is_deleted(account: Make, keep: Any) -> None:
    alice = account(messages(2))
    assert alice.fetch(keep=keep).deleted == 0
    alice.age(13)
    assert alice.fetch(keep=keep).deleted == 0
    alice.age(1)
    alice.server.deliver("alice", b"Subject: new\r\n\r\n")
    report = alice.fetch(keep=keep)
    assert [(message.result, message.deleted) for message in report.messages] == [
        ("expired", True),
        ("expired", True),
        ("delivered", False),
    ]
    assert alice.left() == [b"Subject: new\r\n\r\n"]
    assert "kept" in report.messages[0].reason


def test_no_more_than_a_number_of_messages_and_the_newest_first(account: Make) -> None:
    alice = account(messages(5))
    assert [message.number for message in alice.fetch(limit=2, newest_first=True).messages] == [4, 5]
    assert [message.number for message in alice.fetch(limit=2).messages] == [1, 2]
    assert alice.fetch().delivered == 1
    assert alice.mail() == sorted(messages(5))


def test_a_large_message_is_left_or_its_header_taken(account: Make) -> None:
    small, large = b"Subject: small\r\n\r\n", b"Subject: large\r\n\r\n" + b"x" * 5000 + b"\r\n"
    alice = account([small, large])
    report = alice.fetch(max_octets=100, keep="none")
    assert [message.result for message in report.messages] == ["delivered", "too large"]
    assert (report.delivered, report.skipped, report.deleted) == (1, 1, 1)
    taken: list[poplin.Incoming] = []
    report = alice.fetch(max_octets=100, large="headers", keep="none", into=[taken.append, alice.maildir])
    assert [message.result for message in report.messages] == ["headers"]
    assert [(message.headers_only, message.data) for message in taken] == [(True, b"Subject: large\r\n\r\n")]
    assert alice.fetch(max_octets=100, large="headers").messages == []
    assert (alice.left(), len(alice.mail())) == ([large], 2)


@pytest.mark.parametrize("octets", [0, 3_000_000])
def test_messages_of_any_size_arrive_as_they_are(account: Make, octets: int) -> None:
    text = b"Subject: one\r\n\r\n" + b".dots and CR\r in it\r\n" * (octets // 20)
    alice = account([text, b"Subject: two\r\n\r\n"])
    taken: list[poplin.Incoming] = []
    alice.fetch(into=[alice.maildir, taken.append])
    assert [message.data for message in taken] == [text, b"Subject: two\r\n\r\n"]
    assert sorted(alice.mail()) == sorted([text, b"Subject: two\r\n\r\n"])


def test_after_some_messages_the_deletions_are_made(account: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a server that wants some time between two logins gets it."""
    alice = account(messages(5), login_delay=30)
    waited, asked = [], []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        alice.server.clock.advance(seconds)

    async def pause_asyncio(seconds: float) -> None:
        if seconds:
            pause(seconds)

    monkeypatch.setattr("time.sleep", pause)
    monkeypatch.setattr("asyncio.sleep", pause_asyncio)

    def password(user: str) -> str:
        asked.append(user)
        return "secret"

    report = alice.fetch(commit_every=2, keep="none", password=password)
    assert (report.delivered, report.deleted) == (5, 5)
    assert [len(session.deleted) for session in alice.server.sessions] == [2, 2, 1]
    assert (asked, len(waited)) == (["alice"] * 3, 2)
    assert all(29 < seconds <= 30 for seconds in waited)
    assert alice.mail() == sorted(messages(5))


def test_a_dry_run_does_nothing(account: Make) -> None:
    alice = account(messages(2))
    report = alice.fetch(dry_run=True, keep="none", into=[alice.maildir, raising(AssertionError("asked"), 1)])
    assert (report.delivered, report.deleted, report.dry_run) == (2, 2, True)
    assert str(report) == "2 messages would be fetched; 2 would be deleted on the server"
    assert not alice.maildir.exists()
    assert not alice.store.exists()
    assert len(alice.left()) == 2
    alice.fetch()
    assert str(alice.fetch(dry_run=True)) == "0 messages would be fetched; 2 known from before"


def test_a_server_without_unique_ids(account: Make) -> None:
    alice = account(messages(3))
    alice.server.fault("UIDL", refuse="what is that?")
    report = alice.fetch()
    assert [message.uid for message in report.messages] == [None] * 3
    assert alice.fetch().known == 3
    assert alice.mail() == sorted(messages(3))


# ---- whose unique-ids cannot be trusted ----


@pytest.mark.holds("T-UID-4", "C")
def test_several_messages_with_one_unique_id(account: Make) -> None:
    alice = account(messages(3), quirks=["repeated-unique-ids"])
    assert alice.fetch().delivered == 3
    assert alice.fetch(keep="14d").known == 3
    alice.server.deliver("alice", b"Subject: new\r\n\r\n")
    alice.fetch(keep="14d")
    assert len(alice.left()) == 4
    alice.fetch(keep="none")
    assert {*alice.mail()} == {*messages(3), b"Subject: new\r\n\r\n"}


@pytest.mark.holds("T-UID-5", "C")
def test_all_unique_ids_change(account: Make, served: Any) -> None:
    """All counts as new, and nothing is deleted for having been there long."""
    alice = account(messages(3))
    alice.fetch()
    alice.age(20)
    alice.server = served(messages(3))
    report = alice.fetch(keep="14d")
    assert (report.delivered, report.deleted, len(alice.left())) == (3, 0, 3)


@pytest.mark.holds("T-UID-5", "C")
def test_an_old_unique_id_names_another_message(serve: Any, tmp_path: Path) -> None:
    mail = {"one": b"Subject: old\r\n\r\n"}
    server, _ = serve(mail)
    alice = Account(server, tmp_path)
    alice.fetch()
    alice.age(20)
    mail["one"] = b"Subject: quite another\r\n\r\n"
    report = alice.fetch(keep="14d")
    assert (report.delivered, report.deleted) == (1, 0)
    assert alice.mail() == [b"Subject: old\r\n\r\n", b"Subject: quite another\r\n\r\n"]
    assert "one" in mail


@pytest.mark.holds("T-DLV-7", "C")
def test_a_server_that_gives_one_message_for_all(serve: Any, tmp_path: Path) -> None:
    """What comes is delivered, once for each."""
    mail = {uid: (lambda: b"Subject: the same\r\n\r\n") for uid in ("one", "two", "three")}
    server, backend = serve(mail)
    alice = Account(server, tmp_path)
    report = alice.fetch(keep="none")
    assert (report.delivered, report.deleted) == (3, 3)
    assert alice.mail() == [b"Subject: the same\r\n\r\n"] * 3
    assert backend.deleted == ["one", "two", "three"]


@pytest.mark.parametrize("name", [*QUIRKS, *(name for name in ATTACKS if not name.startswith("stls"))])
@pytest.mark.parametrize("pipelining", [True, False])
def test_no_message_is_lost_to_any_server(tmp_path: Path, name: str, pipelining: bool) -> None:
    """It is fetched, or it stays; where what comes is not what was sent, as many come as are deleted."""
    with serve_two(quirks=[name] if name in QUIRKS else []) as server:
        if name in ATTACKS:
            server.attack(name)
        alice = Account(server, tmp_path)
        try:
            report = alice.fetch(keep="none", pipelining=pipelining)
        except poplin.Error as error:
            report = error.report or pytest.fail("it has no report")
        server.wait_for(lambda server: not any(session.outcome is None for session in server.sessions))
        delivered = [*alice.mail()]
        assert len(delivered) + len(alice.left()) >= 2
        assert report.deleted == sum(session.outcome == "committed" for session in server.sessions) * len(delivered)


# ---- the filter ----


def test_what_a_filter_says_is_done(account: Make) -> None:
    alice = account(messages(8))
    elsewhere: list[poplin.Incoming] = []
    said: dict[str, Any] = {
        "number 1": "take",
        "number 2": True,
        "number 3": "skip",
        "number 4": False,
        "number 5": "delete",
        "number 6": alice.folder / "Other",
        "number 7": elsewhere.append,
        "number 8": [elsewhere.append, poplin.Mbox(alice.folder / "mbox")],
    }
    report = alice.fetch(filter=lambda message: said[message.headers()["subject"]], keep="none")
    results = ["delivered"] * 2 + ["skipped"] * 2 + ["rejected"] + ["delivered"] * 3
    assert [message.result for message in report.messages] == results
    assert (report.delivered, report.skipped, report.deleted) == (5, 2, 6)
    assert alice.mail() == sorted(messages(8)[:2])
    assert alice.mail(alice.folder / "Other") == [messages(8)[5]]
    assert [message.data for message in elsewhere] == messages(8)[6:]
    assert b"number 8" in (alice.folder / "mbox").read_bytes()
    assert alice.left() == sorted(messages(8)[2:4])
    assert alice.steps() == {"confirmed": 6}
    assert alice.fetch(filter=lambda message: True).delivered == 2


def test_a_filter_over_several_sessions(account: Make) -> None:
    """Numbers begin anew in each, and what was said of one message is not said of the next with its number."""
    alice = account(messages(4), exclusive=False)
    other = alice.folder / "Other"
    chosen = {"number 1": other}
    wishes: dict[str, Any] = {"filter": lambda message: chosen.get(message.headers()["subject"], "take")}
    assert alice.fetch(commit_every=1, keep="none", **wishes).deleted == 4
    assert (alice.mail(other), alice.mail()) == (messages(4)[:1], messages(4)[1:])


def test_what_a_filter_sees(account: Make) -> None:
    alice = account(messages(2))
    seen: list[poplin.Incoming] = []
    alice.fetch(filter=lambda message: seen.append(message) or False)
    listed = alice.server.messages("alice")
    assert [(one.number, one.uid, one.octets) for one in seen] == [
        (number, mail.uid, len(mail.data)) for number, mail in enumerate(listed, 1)
    ]
    assert [one.data for one in seen] == [b"Subject: number 1\r\n", b"Subject: number 2\r\n"]
    assert [one.email()["subject"] for one in seen] == ["number 1", "number 2"]
    assert repr(seen[0]) == f"<poplin.Incoming 1 uid={seen[0].uid!r} octets={seen[0].octets}>"


def test_a_filter_that_raises_leaves_that_message(account: Make) -> None:
    alice = account(messages(3))
    error = KeyError("no such header")
    told = raising(error, 2)
    report = alice.fetch(filter=lambda message: told(message) or "take", keep="none")
    assert [message.result for message in report.messages] == ["delivered", "failed", "delivered"]
    assert report.messages[1].error is error
    assert "message 2: KeyError: 'no such header'" in str(report)
    assert (alice.left(), report.failed) == ([messages(3)[1]], 1)


@pytest.mark.parametrize("said", [None, "tkae", "/tmp/Mail", 7, [], ["take"], b"take"])
def test_a_filter_that_says_something_else_ends_the_fetch(account: Make, said: Any) -> None:
    alice = account(messages(2))
    with pytest.raises((TypeError, ValueError)) as raised:
        alice.fetch(filter=lambda message: said)
    assert isinstance(raised.value, ValueError if said == [] else TypeError)
    assert said != [] or str(raised.value) == "what the filter returned names no place"
    assert len(alice.left()) == 2
    alice.fetch()
    assert alice.mail() == sorted(messages(2))


def test_a_filter_names_a_place_that_cannot_be_opened(account: Make) -> None:
    alice = account(messages(2))
    nowhere = alice.folder / "file"
    nowhere.write_bytes(b"")
    report = alice.fetch(filter=lambda message: nowhere if message.number == 1 else "take", keep="none")
    assert [message.result for message in report.messages] == ["failed", "delivered"]
    assert isinstance(report.messages[0].error, poplin.NetworkError)
    assert len(alice.left()) == 1


# ---- progress ----


def test_progress_is_told(account: Make) -> None:
    alice = account([*messages(3), b"Subject: large\r\n\r\n" + b"x" * 70 * 50_000 + b"\r\n"])
    told: list[poplin.Progress] = []
    report = alice.fetch(progress=told.append, keep="none")
    assert told[-1] == (4, 4, report.octets, report.octets, 4, 0, 4)
    assert [one.messages_done for one in told] == sorted(one.messages_done for one in told)
    assert {one.messages_done for one in told} >= {0, 1, 2, 3, 4}
    assert len([one for one in told if one.messages_done == 3]) > 2
    assert all(one.octets_done <= one.octets_to_do for one in told)


@pytest.mark.parametrize("dry_run", [False, True])
def test_progress_is_told_also_where_nothing_is_to_do(account: Make, dry_run: bool) -> None:
    alice = account([])
    told: list[poplin.Progress] = []
    alice.fetch(progress=told.append, dry_run=dry_run)
    assert told == [(0, 0, 0, 0, 0, 0, 0)]


# ---- what is wished ----


@pytest.mark.holds("POP-UIDL-5", "C")
@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        ("pop3s://alice@Mail.Example.org", {}, "alice@mail.example.org"),
        ("pop3s://Mail.example.org", {"user": "Alice@example.org"}, "Alice@example.org@mail.example.org"),
        ("pop3://alice@mail.example.org:110", {}, "alice@mail.example.org"),
        ("pop3://alice@mail.example.org:995", {}, "alice@mail.example.org"),
        ("pop3://alice@mail.example.org:1110", {}, "alice@mail.example.org:1110"),
        ("pop3://alice@[::1]:1110", {}, "alice@[::1]:1110"),
        ("mail.example.org", {"user": ("alice@example.org", "alice")}, "alice@example.org@mail.example.org"),
        ("mail.example.org", {"user": "admin", "authorize": "bob"}, "bob@mail.example.org"),
        ("mail.example.org", {}, "mail.example.org"),
        (poplin.URL("mail.example.org", user="al ice"), {}, "al ice@mail.example.org"),
        (None, {"path": Path("/run/Pop"), "user": "alice"}, "alice@/run/Pop"),
        ("pop3://alice@mail.example.org", {"path": "/run/pop"}, "alice@/run/pop"),
    ],
)
def test_the_account_that_is_meant(url: Any, options: dict[str, Any], expected: str) -> None:
    assert account_of(url, options) == expected


def test_the_account_is_what_the_records_are_under(account: Make) -> None:
    alice = account(messages(1))
    alice.fetch(account=None)
    with poplin.seen(alice.store) as store:
        assert store.accounts() == {f"alice@127.0.0.1:{alice.server.port}": 1}
        assert alice.fetch(seen=store, account="alice").delivered == 1
        assert store.accounts().keys() >= {"alice"}


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("forever", None),
        ("none", 0),
        ("1d", 86400),
        ("036500d", 36500 * 86400),
        (datetime.timedelta(hours=1), 3600),
    ],
)
def test_how_long_to_keep(keep: Any, expected: int | None) -> None:
    assert keep_seconds(keep) == expected


@pytest.mark.parametrize(
    ("error", "wishes"),
    [
        (ValueError, {"keep": "14"}),
        (ValueError, {"keep": "0d"}),
        (ValueError, {"keep": "-1d"}),
        (ValueError, {"keep": "36501d"}),
        (ValueError, {"keep": "²d"}),
        (ValueError, {"keep": "two weeks"}),
        (ValueError, {"keep": datetime.timedelta(0)}),
        (TypeError, {"keep": 14}),
        (TypeError, {"keep": None}),
        (ValueError, {"limit": 0}),
        (TypeError, {"limit": True}),
        (ValueError, {"limit": 2**32}),
        (ValueError, {"commit_every": -1}),
        (TypeError, {"max_octets": "1M"}),
        (TypeError, {"newest_first": "no"}),
        (TypeError, {"dry_run": "false"}),
        (ValueError, {"large": "cut"}),
        (ValueError, {"large": "headers"}),
        (TypeError, {"filter": "take"}),
        (TypeError, {"progress": 1}),
        (TypeError, {"into": None}),
        (TypeError, {"into": [7]}),
        (ValueError, {"into": []}),
        (ValueError, {"into": ""}),
        (TypeError, {"into": b"Mail"}),
        (TypeError, {"seen": 7}),
        (ValueError, {"account": ""}),
        (ValueError, {"account": "a\nb"}),
        (TypeError, {"keeep": "none"}),
        (ValueError, {"sock": object(), "commit_every": 3}),
        (ValueError, {"timeout": 0}),
        (TypeError, {"timeout": "1"}),
        (ValueError, {"auth": "FOO"}),
        (TypeError, {"password": 7}),
        (ValueError, {"password": None}),
        (ValueError, {"limits": {"max_line": 0}}),
        (TypeError, {"sock": 7}),
        (poplin.CertificateError, {"pins": "none"}),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, error: type[Exception], wishes: dict[str, Any]) -> None:
    """It is said before anybody is asked."""
    given: dict[str, Any] = {"into": tmp_path / "Mail", "seen": tmp_path / "seen.sqlite", **wishes}
    given = {"user": "alice", "password": "secret", **given}
    with pytest.raises(error):
        poplin.fetch("pop3://127.0.0.1:1", **given)
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(ValueError, match="URL"):
        poplin.fetch(into="Mail")


@pytest.mark.parametrize("name", ["XDG_STATE_HOME", "HOME"])
def test_where_it_is_remembered_by_default(
    account: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv(name, str(tmp_path / "there/or/here"))
    expected = tmp_path / "there/or/here" / (".local/state" if name == "HOME" else "") / "poplin/seen.sqlite"
    alice = account(messages(1))
    assert alice.fetch(seen=None, dry_run=True).delivered == 1
    assert not expected.parent.exists()
    alice.fetch(seen=None)
    assert stat.S_IMODE(expected.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in expected.parents[:3]} == {0o700}
    assert alice.fetch(seen=None).known == 1
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(poplin.NetworkError, match="cannot make"):
        alice.fetch(seen=None)


def test_over_a_socket_that_is_there(account: Make) -> None:
    import socket

    alice = account(messages(1))
    sock = socket.create_connection((alice.server.host, alice.server.port))
    assert alice.fetch(sock=sock).delivered == 1
    (alice.folder / "file").touch()
    sock = socket.create_connection((alice.server.host, alice.server.port))
    with pytest.raises(poplin.NetworkError):
        alice.fetch(sock=sock, into=alice.folder / "file")
    assert sock.fileno() == -1


def test_a_socket_is_good_for_one_session(account: Make) -> None:
    """The message at which a session has ended is tried in one of its own, when the deletions are made."""
    import socket

    alice = account(messages(3))
    alice.server.fault("RETR", message=2, drop_after=20, times=2)
    for error in (poplin.ConnectionLost, poplin.StateError):
        sock = socket.create_connection((alice.server.host, alice.server.port))
        with pytest.raises(error):
            alice.fetch(sock=sock, keep="none")
    assert (alice.left(), len(alice.server.sessions)) == ([messages(3)[1]], 2)


def test_what_is_told_can_be_kept(account: Make) -> None:
    alice = account(messages(1))
    report = alice.fetch()
    copy = pickle.loads(pickle.dumps(report))
    assert (str(copy), copy.messages) == (str(report), report.messages)
    (name,) = report.messages[0].places
    assert [file.name for file in alice.maildir.glob("new/*")] == [name]
    assert repr(report) == "<poplin.Report of alice: delivered=1 deleted=0 skipped=0 failed=0>"
