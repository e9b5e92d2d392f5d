"""The test server's users and their mail."""

import poplib
from pathlib import Path
from typing import Any

import pytest
from logins import MAIL, USERS, login

import poplin
from poplin.testing import Server

# ---- users ----


def test_users_come_and_go(server: Server) -> None:
    server.add_user("bob", "hidden")
    assert server.users == {"alice": "secret", "bob": "hidden"}
    server.deliver("bob", MAIL)
    with login(server, "bob", "hidden") as pop:
        server.remove_user("bob")
        with pytest.raises(poplib.error_proto):
            pop.retr(1)
    assert server.users == USERS
    with pytest.raises(poplib.error_proto), login(server, "bob", "hidden"):
        pass
    for misuse in (
        lambda: server.add_user("alice", "other"),
        lambda: server.remove_user("bob"),
        lambda: server.messages("bob"),
        lambda: server.deliver("bob", MAIL),
        lambda: server.load("bob", "/dev/null"),
        lambda: server.clear("bob"),
        lambda: server.remove("alice", "no-such-uid"),
    ):
        with pytest.raises(ValueError):
            misuse()


@pytest.mark.holds("T-SEC-1", "B")
def test_passwords_are_shown_nowhere() -> None:
    secret = "a rather long secret"
    with Server({"alice": secret}) as server:
        with pytest.raises(poplib.error_proto), login(server, password=secret + "!"):
            pass
        with login(server, password=secret) as pop, pytest.raises(poplib.error_proto):
            pop._shortcmd(f"XYZZY {secret}")
        session = server.wait_for(lambda server: server.sessions[1].outcome and server.sessions[1])
        fault = server.fault("RETR", delay=1)
        shown = [repr(server), server.transcript, repr(fault)]
        for session in server.sessions:
            shown += [repr(session), repr(session.exchanges), session.transcript, session.error]
            with pytest.raises(AssertionError) as raised:
                session.assert_no_cleartext_secret()
            shown.append(str(raised.value))
        assert "PASS ****" in server.transcript
        assert not [text for text in shown if secret in text]


# ---- mail ----


def email_message() -> Any:
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = "hi"
    message.set_content("From here on\n.hello\n")
    return message


def older_message() -> Any:
    import email

    return email.message_from_bytes(b"Subject: hi\n\nFrom here on\n.hello\n")


def file_message(tmp_path: Path) -> Any:
    path = tmp_path / "mail.eml"
    path.write_bytes(MAIL)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda _: MAIL,
        lambda _: bytearray(MAIL),
        lambda _: memoryview(MAIL),
        lambda _: MAIL.replace(b"\r\n", b"\n"),
        file_message,
        lambda _: email_message(),
        lambda _: older_message(),
    ],
)
def test_what_can_be_delivered(server: Server, tmp_path: Path, make: Any) -> None:
    uid = server.deliver("alice", make(tmp_path))
    (mail,) = server.messages("alice")
    assert mail.uid == uid
    assert mail.email()["subject"] == "hi"
    with poplin.connect(server.url_for("alice"), password="secret") as pop:
        sent = pop.retr(1)
        assert pop.uidl(1).uid == uid
    assert len(sent) == mail.octets
    assert sent.replace(b"\r\n", b"\n") == mail.data.replace(b"\r\n", b"\n")
    assert b">From" not in sent
    assert sent.endswith(b"\r\n.hello\r\n")


@pytest.mark.holds("T-API-3", "B")
@pytest.mark.parametrize("message", ["text", 5, None, [b"octets"]])
def test_what_cannot_be_delivered(server: Server, message: Any) -> None:
    with pytest.raises(TypeError):
        server.deliver("alice", message)


def mbox(path: Path, count: int) -> Path:
    path.write_bytes(b"".join(b"From me Thu Jan  1 00:00:00 1970\nSubject: %d\n\nhello\n\n" % n for n in range(count)))
    return path


def folder(path: Path, count: int) -> Path:
    path.mkdir()
    for number in range(count):
        (path / f"{number}.eml").write_bytes(b"Subject: %d\r\n\r\nhello\r\n" % number)
    return path


def maildir(path: Path, count: int) -> Path:
    for name in ("new", "tmp", "cur"):
        (path / name).mkdir(parents=True)
    for number in range(count):
        (path / "new" / f"{number}.host").write_bytes(b"Subject: %d\n\nhello\n" % number)
    return path


@pytest.mark.parametrize("make", [mbox, folder, maildir])
def test_loading(server: Server, tmp_path: Path, make: Any) -> None:
    before = server.deliver("alice", MAIL)
    uids = server.load("alice", make(tmp_path / "mail", 3))
    mail = server.messages("alice")
    assert [message.uid for message in mail] == [before, *uids]
    assert [message.email()["subject"] for message in mail[1:]] == ["0", "1", "2"]


@pytest.mark.parametrize("make", [lambda path: mbox(path, 2), lambda path: folder(path, 1), lambda path: path])
def test_one_message_is_delivered_and_many_are_loaded(server: Server, tmp_path: Path, make: Any) -> None:
    with pytest.raises(ValueError, match="load takes many"):
        server.deliver("alice", make(tmp_path / "mail"))
    assert server.messages("alice") == []


def test_an_mbox_of_one_is_one_message(server: Server, tmp_path: Path) -> None:
    server.deliver("alice", mbox(tmp_path / "mail", 1))
    assert server.messages("alice")[0].data.startswith(b"Subject: 0")


def test_loading_what_is_not_there(server: Server, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        server.load("alice", tmp_path / "none")


def test_max_message(tmp_path: Path) -> None:
    server = Server(USERS, max_message=100)
    server.deliver("alice", bytes(100))
    with pytest.raises(poplin.LimitExceeded):
        server.deliver("alice", bytes(101))
    (tmp_path / "mail").write_bytes(bytes(101))
    with pytest.raises(poplin.LimitExceeded):
        server.load("alice", tmp_path / "mail")


def test_mail_is_removed_under_a_session(server: Server) -> None:
    first, second, third = (server.deliver("alice", MAIL) for _ in range(3))
    with login(server) as pop:
        server.remove("alice", first)
        with pytest.raises(poplib.error_proto):
            pop.retr(1)
        pop.retr(2)
        server.clear("alice")
        with pytest.raises(poplib.error_proto):
            pop.retr(3)
        pop.quit()
    assert server.messages("alice") == []
    server.sessions[0].assert_retrieved(second)
    with pytest.raises(AssertionError, match=third):
        server.sessions[0].assert_retrieved(third)


def test_reset(server: Server) -> None:
    server.deliver("alice", MAIL)
    server.fault("NOOP", refuse="no")
    with login(server) as gone:
        gone.quit()
    server.sessions[0].assert_quit()
    with login(server) as pop:
        with pytest.raises(poplib.error_proto):
            pop.noop()
        server.reset()
        pop.noop()
        assert [session.number for session in server.sessions] == [2]
    assert server.messages("alice") == []
    assert server.users == USERS
