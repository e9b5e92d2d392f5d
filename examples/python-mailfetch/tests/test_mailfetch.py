"""The fetcher against servers that behave, and against some that do not."""

from pathlib import Path

import mailfetch
import pytest

from poplin.testing import CA, Server, ServerFactory

MAIL = [b"Subject: %d\r\n\r\n%s\r\n" % (number, b"text " * 20) for number in (1, 2, 3)]


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILFETCH_PASSWORD", "secret")


def run(server: Server, folder: Path, *options: str) -> int:
    return mailfetch.main([server.url_for("alice"), str(folder), *options])


def saved(folder: Path) -> list[bytes]:
    """What is in the Maildir, in the order of the subjects."""
    return sorted(file.read_bytes() for file in (folder / "new").iterdir())


def test_new_mail_is_saved_and_deleted(pop3_server: Server, tmp_path: Path) -> None:
    uids = [pop3_server.deliver("alice", message) for message in MAIL]
    assert run(pop3_server, tmp_path / "mail") == 0
    assert saved(tmp_path / "mail") == MAIL
    assert pop3_server.messages("alice") == []
    pop3_server.sessions[0].assert_quit().assert_retrieved(*uids).assert_deleted(*uids)


def test_no_mail(pop3_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(pop3_server, tmp_path / "mail") == 0
    assert capsys.readouterr().out == "new messages: 0\n"


def test_a_drop_in_the_middle_costs_nothing(pop3_server: Server, tmp_path: Path) -> None:
    uids = [pop3_server.deliver("alice", message) for message in MAIL]
    with pop3_server.fault("RETR", nth=2, drop_after=40) as drop:
        assert run(pop3_server, tmp_path / "mail") == 0
        assert drop.fired == 1
    first, second = pop3_server.sessions
    first.assert_outcome("dropped").assert_deleted()
    second.assert_quit().assert_retrieved(*uids[1:]).assert_deleted(*uids)
    assert first.retrieved == (uids[0],)
    assert saved(tmp_path / "mail") == MAIL


def test_it_gives_up_in_the_end(pop3_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pop3_server.deliver("alice", MAIL[0])
    pop3_server.fault("RETR", drop_after=40)
    assert run(pop3_server, tmp_path / "mail") == 1
    assert len(pop3_server.sessions) == 3
    assert "closed" in capsys.readouterr().err
    assert len(pop3_server.messages("alice")) == 1


def test_a_wrong_password_is_tried_once(
    pop3_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAILFETCH_PASSWORD", "wr0ng")
    assert run(pop3_server, tmp_path / "mail") == 1
    assert len(pop3_server.sessions) == 1
    error = capsys.readouterr().err
    assert error.startswith("mailfetch: login at ")
    assert "wr0ng" not in error


def test_over_tls_the_password_is_protected(pop3_server_tls: Server, tmp_path: Path) -> None:
    pop3_server_tls.deliver("alice", MAIL[0])
    assert run(pop3_server_tls, tmp_path / "mail", "--ca-file", str(pop3_server_tls.ca_file)) == 0
    session = pop3_server_tls.sessions[0].assert_quit().assert_no_cleartext_secret()
    assert session.tls.startswith("TLS1.3")


@pytest.mark.parametrize("blemish", ["expired", "wrong-host", "unknown-root", "self-signed"])
def test_a_bad_certificate_gets_no_password(
    pop3_server_factory: ServerFactory, pop3_ca: CA, tmp_path: Path, blemish: str
) -> None:
    server = pop3_server_factory(tls="implicit", certificate=pop3_ca.certificate(blemish=blemish))
    (tmp_path / "ca.pem").write_text(pop3_ca.pem)
    assert run(server, tmp_path / "mail", "--ca-file", str(tmp_path / "ca.pem")) == 1
    assert [session.commands for session in server.sessions] == [()]


def test_what_the_server_does_not_delete_comes_once(pop3_server: Server, tmp_path: Path) -> None:
    uids = [pop3_server.deliver("alice", message) for message in MAIL]
    with pop3_server.fault("QUIT", refuse="some messages not deleted"):
        assert run(pop3_server, tmp_path / "mail") == 1
    assert len(pop3_server.messages("alice")) == 3
    assert run(pop3_server, tmp_path / "mail") == 0
    assert saved(tmp_path / "mail") == MAIL
    second = pop3_server.sessions[1].assert_quit().assert_deleted(*uids)
    assert second.retrieved == ()


def test_without_unique_ids_it_does_nothing(
    pop3_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pop3_server.deliver("alice", MAIL[0])
    pop3_server.fault("UIDL", refuse="what?")
    assert run(pop3_server, tmp_path / "mail") == 1
    assert "UIDL" in capsys.readouterr().err
    assert len(pop3_server.messages("alice")) == 1
