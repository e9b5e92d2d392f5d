"""What a client may throw at the server: each command is refused, or the session ends, and nothing is deleted."""

import ssl
from typing import Any

import pytest
from drops import mail

from peer import Authority, Link
from peer import connect as connect_raw
from poplin.testing import CA, Certificate, Server

LOGIN = b"USER alice\r\nPASS secret\r\n"


def logged_in(server: Any) -> Any:
    link = connect_raw(server.host, server.port)
    link.send(LOGIN)
    for _ in range(3):
        assert link.read_line().startswith(b"+OK")
    return link


@pytest.fixture
def with_stls(serve: Any, certificate: Any) -> Any:
    return serve(mail(2), tls="stls", cert_pem=certificate.cert_pem, key_pem=certificate.key_pem)


@pytest.mark.holds("T-STLS-1", "S")
@pytest.mark.holds("T-STLS-2", "S")
@pytest.mark.holds("T-STLS-3", "S")
@pytest.mark.parametrize(
    ("injected", "cuts"),
    [
        (b"USER alice\r\nPASS secret\r\n", []),
        (b"USER alice\r\nPASS secret\r\n", [2]),
        (b"USER alice\r\nPASS secret\r\n", [6]),
        (b"USER al", [4]),
        (b"\r\n", []),
        (b"\x16\x03\x01\x02\x00\x01", [5]),
    ],
)
def test_what_comes_in_clear_behind_stls_is_never_run(with_stls: Any, injected: bytes, cuts: list[int]) -> None:
    server, backend = with_stls
    with connect_raw(server.host, server.port) as link:
        link.read_line()
        link.send(b"STLS\r\n" + injected, cuts=cuts)
        link.silence()
    assert backend.closed.acquire(blocking=False) is False


@pytest.mark.holds("T-STLS-11", "S")
@pytest.mark.holds("T-STLS-18", "S")
def test_stls_forgets_the_user_and_comes_once(with_stls: Any, certificate: Any, authority: Authority) -> None:
    server, _ = with_stls
    context = ssl.create_default_context(cadata=certificate.ca_pem)
    with connect_raw(server.host, server.port, context=context, server_name="localhost") as link:
        link.read_line()
        link.send(b"STLS x\r\nUSER alice\r\n")
        assert link.read_line().startswith(b"-ERR")
        assert link.read_line().startswith(b"+OK")
        link.send(b"STLS\r\n")
        assert link.read_line().startswith(b"+OK")
        link.starttls()
        link.send(b"PASS secret\r\nSTLS\r\n" + LOGIN + b"STLS\r\nNOOP\r\n")
        replies = [link.read_line()[:3] for _ in range(6)]
    assert replies == [b"-ER", b"-ER", b"+OK", b"+OK", b"-ER", b"+OK"]


@pytest.mark.holds("T-STLS-14", "B")
def test_a_handshake_of_garbage(with_stls: Any) -> None:
    server, _ = with_stls
    with connect_raw(server.host, server.port) as link:
        link.read_line()
        link.send(b"STLS\r\n")
        assert link.read_line().startswith(b"+OK")
        link.send(b"NOOP\r\n" * 20)
        link.silence()


# ---- TLS that is not what the server's policy wants ----


def begin_tls(server: Server, context: ssl.SSLContext) -> Link:
    """A connection that has said STLS, and been told to begin."""
    link = connect_raw(server.host, server.port, context=context, server_name="localhost")
    link.read_line()
    link.send(b"STLS\r\n")
    assert link.read_line().startswith(b"+OK")
    return link


def trusting(certificate: Certificate, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=certificate.ca_pem)
    context.minimum_version = min(version, ssl.TLSVersion.TLSv1_2)
    context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL refuses old versions by itself
    return context


@pytest.mark.holds("POP-STLS-6", "S")
@pytest.mark.holds("POP-STLS-7", "S")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")  # it is old, that is the point
def test_a_version_below_the_policy_ends_the_session_before_any_credential(certificate: Certificate) -> None:
    with Server({"alice": "secret"}, tls="stls", certificate=certificate) as server:
        with begin_tls(server, trusting(certificate, ssl.TLSVersion.TLSv1_1)) as link:
            link.starttls(fails=True)
        session = server.sessions[0].assert_outcome("failed")
        assert "unsupported version" in session.error
        assert (session.commands, session.tls) == (("STLS",), "")
        with begin_tls(server, trusting(certificate, ssl.TLSVersion.TLSv1_2)) as link:
            link.starttls()
            link.send(LOGIN)
            assert [link.read_line()[:3] for _ in range(2)] == [b"+OK"] * 2


@pytest.mark.holds("POP-STLS-6", "S")
def test_where_certificates_log_in_tls_without_one_takes_no_credential(certificate: Certificate) -> None:
    ca = CA()
    options: dict[str, Any] = {"certificate": certificate, "auth": "EXTERNAL", "client_ca_pem": ca.pem}
    with Server({"alice": "secret"}, tls="stls", **options) as server:
        with begin_tls(server, trusting(certificate)) as link:
            link.starttls()
            link.send(b"AUTH EXTERNAL =\r\nAUTH EXTERNAL YWxpY2U=\r\n" + LOGIN + b"CAPA\r\n")
            told = [link.read_line() for _ in range(4)]
            assert told[:2] == [b"-ERR the client has shown no certificate that names a user\r\n"] * 2
            assert told[2:] == [b"-ERR not offered here\r\n"] * 2
            assert b"SASL" not in link.read_until(b"\r\n.\r\n")
        server.sessions[0].assert_outcome("dropped")
        with CA().client("alice") as forged:
            context = trusting(certificate, ssl.TLSVersion.TLSv1_2)  # a client of 1.3 is through before it is looked at
            context.load_cert_chain(forged.cert_file, forged.key_file)
            with begin_tls(server, context) as link:
                link.starttls(fails=True)
        assert "unknown CA" in server.sessions[1].assert_outcome("failed").error
        assert [session.user for session in server.sessions] == ["", ""]


@pytest.mark.holds("T-NUM-7", "S")
def test_numbers_that_no_message_has(serve: Any) -> None:
    server, _ = serve(mail(2))
    commands = [
        *(b"RETR 0", b"RETR -1", b"RETR 99999999999999999999", b"RETR 3", b"RETR", b"RETR 1 1"),
        *(b"TOP 1 -1", b"TOP 1", b"TOP", b"DELE abc", b"LIST 01", b"UIDL +1"),
    ]
    for command in commands:
        with logged_in(server) as link:
            link.send(command + b"\r\nSTAT\r\n")
            assert link.read_line().startswith(b"-ERR"), command
            assert link.read_line().startswith(b"+OK 2 ")
            link.send(b"QUIT\r\n")
            link.read_line()


@pytest.mark.holds("T-NUM-8", "S")
def test_a_deleted_message_is_refused_everywhere(serve: Any) -> None:
    server, _ = serve(mail(2))
    with logged_in(server) as link:
        link.send(b"DELE 1\r\nRETR 1\r\nTOP 1 0\r\nLIST 1\r\nUIDL 1\r\nDELE 1\r\n")
        assert [link.read_line()[:4] for _ in range(6)] == [b"+OK "] + [b"-ERR"] * 5


@pytest.mark.holds("T-UPD-1", "S")
@pytest.mark.parametrize("end", ["close", "reset", "shutdown"])
def test_no_quit_nothing_is_deleted(serve: Any, end: str) -> None:
    server, backend = serve(mail(2))
    with logged_in(server) as link:
        link.send(b"DELE 1\r\n")
        link.read_line()
        getattr(link, end)()
        if end == "shutdown":
            link.silence()
        backend.wait_closed()
    assert backend.deleted == []


@pytest.mark.holds("T-UPD-1", "S")
def test_too_many_bad_commands_delete_nothing(serve: Any) -> None:
    server, backend = serve(mail(2))
    with logged_in(server) as link:
        link.send(b"DELE 1\r\n" + b"WHAT\r\n" * 20)
        link.silence()
    backend.wait_closed()
    assert backend.deleted == []


@pytest.mark.holds("T-UPD-3", "S")
@pytest.mark.holds("T-UPD-4", "S")
@pytest.mark.parametrize(
    ("commands", "deleted"),
    [(b"DELE 1\r\nQUIT\r\n", ["uid-1"]), (b"DELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n", ["uid-2"])],
)
def test_a_pipelined_quit_deletes_once(serve: Any, commands: bytes, deleted: list[str]) -> None:
    server, backend = serve(mail(2))
    with logged_in(server) as link:
        link.send(commands)
        link.shutdown()
        link.silence()
    backend.wait_closed()
    assert backend.deleted == deleted


@pytest.mark.holds("T-FRM-9", "S")
def test_odd_content_is_stuffed_and_ended(serve: Any) -> None:
    content = {
        "a": (b"a\n.\nb\r.\rc", b"a\r\n..\r\nb"),
        "nul": (b"\0\xff\n", b"\0\xff\r\n"),
        "dots": (b".\n..\n...", b"..\r\n...\r\n....\r\n"),
        "empty": (b"", b""),
    }
    server, _ = serve({uid: stored for uid, (stored, _) in content.items()})
    with logged_in(server) as link:
        for number, (_, wire) in enumerate(content.values(), 1):
            link.send(b"LIST %d\r\nRETR %d\r\n" % (number, number))
            octets = int(link.read_line().split()[2])
            link.read_line()
            sent = link.read_until(b"\r\n.\r\n")[:-3] if wire else link.read_until(b".\r\n")[:-3]
            assert sent.startswith(wire)
            assert b"\n" not in sent.replace(b"\r\n", b"")
            assert octets == len(sent) - sum(line.startswith(b"..") for line in sent.split(b"\r\n"))
