"""TLS from the client's side: implicit, STLS, what is verified, and what a hostile server may try."""

import ssl
from typing import Any

import pytest
from drops import Backend, messages
from scripts import CAPABILITIES, GREETING, LEAVE, join

import poplin
import poplin.testing
from peer import Authority, Server, Step, close, expect, expect_eof, hold, send, silence, starttls

WITH_STLS = b"+OK\r\nSTLS\r\nUSER\r\n.\r\n"
STRICT: dict[str, Any] = {"tls": "stls"}


@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_mail_over_tls(served: Any, tls: str) -> None:
    server = served(messages(20, 100_000), tls=tls)
    content = {mail.uid: mail.data for mail in server.messages("alice")}
    url = server.url.replace("127.0.0.1", "localhost")
    with poplin.connect(url, tls=tls, user="alice", password="secret", ca_file=server.ca_file) as pop:
        assert pop.tls is not None
        assert str(pop.tls).startswith("TLS1.3")
        for message in pop.retr_all():
            assert message.data == content[message.uid]
            message.dele()
    server.sessions[0].assert_quit().assert_deleted(*content).assert_no_cleartext_secret()


def test_a_url_says_which_tls(served: Any, certificate: Any) -> None:
    server = served(certificate=certificate)
    assert server.url == f"pop3s://127.0.0.1:{server.port}"
    with poplin.connect(f"localhost:{server.port}", user="alice", password="secret", ca_pem=certificate.ca_pem) as pop:
        assert pop.tls
    server = served(tls="stls", certificate=certificate)
    assert server.url == f"pop3://127.0.0.1:{server.port}"
    with poplin.connect(server.url, user="alice", password="secret") as pop:
        assert pop.tls is None, "a loopback address needs none"
    with poplin.connect(
        server.url, user="alice", password="secret", ca_pem=certificate.ca_pem, loopback_protected=False
    ) as pop:
        assert pop.tls


def test_stls_by_hand(served: Any, connect: Any) -> None:
    server = served(messages(1), tls="stls")
    pop = connect(server, tls="never", user=None, password=None, ca_pem=server.ca_pem)
    assert "STLS" in pop.capabilities
    pop.stls()
    assert pop.tls
    assert "STLS" not in pop.capabilities
    pop.login("alice", "secret")
    assert pop.stat().count == 1


def test_an_unknown_ca_is_refused_unless_told_otherwise(pop3_server_tls: Any, connect: Any) -> None:
    server = pop3_server_tls
    with pytest.raises(poplin.CertificateError, match="unknown CA"):
        connect(server)
    with pytest.raises(poplin.CertificateError):
        connect(server, ca_pem=poplin.testing.certificate().ca_pem)
    assert connect(server, verify=False).tls


def test_another_name_is_refused(served: Any, connect: Any) -> None:
    other = poplin.testing.certificate("mail.example.org")
    server = served(certificate=other)
    with pytest.raises(poplin.CertificateError):
        connect(server, ca_pem=other.ca_pem)


def test_certificates_that_cannot_be_read(tmp_path: Any, certificate: Any) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for settings in ({"ca_file": tmp_path / "none.pem"}, {"ca_file": empty}, {"ca_pem": "nonsense"}):
        with pytest.raises(poplin.CertificateError):
            poplin.connect("localhost", **settings)
    with pytest.raises(poplin.CertificateError):
        poplin.Server(Backend({}), cert_file=certificate.cert_file)


# ---- a hostile server ----


def stripped(capabilities: bytes) -> list[Step]:
    """A server that offers this and to which nothing more may be said."""
    return [send(b"+OK <1.2@host> hi\r\n"), expect(b"CAPA\r\n"), send(capabilities), expect_eof()]


@pytest.mark.holds("T-STLS-6", "C")
@pytest.mark.holds("T-STLS-9", "C")
def test_no_stls_no_session() -> None:
    with Server(stripped(b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n")) as peer:
        with pytest.raises(poplin.Unsupported, match="offers no STLS"):
            join(peer, **STRICT)


@pytest.mark.holds("T-STLS-8", "C")
def test_no_capabilities_no_session() -> None:
    with Server(stripped(b"-ERR what?\r\n")) as peer, pytest.raises(poplin.Unsupported, match="offers no STLS"):
        join(peer, loopback_protected=False)


@pytest.mark.holds("T-STLS-7", "C")
def test_stls_refused() -> None:
    script = [*GREETING, send(WITH_STLS), expect(b"STLS\r\n"), send(b"-ERR no\r\n"), expect_eof()]
    with Server(script) as peer, pytest.raises(poplin.TLSError, match="refused STLS"):
        join(peer, **STRICT)


@pytest.mark.holds("T-STLS-4", "C")
@pytest.mark.holds("T-STLS-5", "C")
@pytest.mark.parametrize("injected", [b"+OK\r\nSASL PLAIN\r\n.\r\n+OK\r\n", b"+OK partial", b"\r\n", b"\0\xff"])
def test_what_comes_in_clear_behind_the_stls_reply_ends_it(authority: Authority, injected: bytes) -> None:
    script = [*GREETING, send(WITH_STLS), expect(b"STLS\r\n"), send(b"+OK go\r\n" + injected), silence()]
    with Server(script) as peer, pytest.raises((poplin.TLSError, poplin.ProtocolError)):
        join(peer, **STRICT, verify=False)


@pytest.mark.holds("T-STLS-12", "C")
def test_capabilities_under_tls_replace_those_before(authority: Authority) -> None:
    script = [
        *GREETING,
        send(b"+OK\r\nSTLS\r\nSASL PLAIN\r\nUIDL\r\n.\r\n"),
        expect(b"STLS\r\n"),
        send(b"+OK go\r\n"),
        starttls(),
        expect(b"CAPA\r\n"),
        send(CAPABILITIES),
        expect(b"USER alice\r\n"),
        send(b"+OK\r\n"),
        expect(b"PASS secret\r\n"),
        send(b"+OK\r\n"),
        *LEAVE,
    ]
    identity = authority.issue()
    with Server(script, context=identity.server_context()) as peer:
        with join(peer, **STRICT, ca_file=authority.file) as pop:
            assert "SASL" not in pop.capabilities


@pytest.mark.holds("T-STLS-13", "C")
def test_a_handshake_that_never_begins_times_out() -> None:
    script = [*GREETING, send(WITH_STLS), expect(b"STLS\r\n"), send(b"+OK go\r\n"), silence()]
    with Server(script) as peer, pytest.raises(poplin.Timeout, match="handshake"):
        join(peer, **STRICT, timeout=1)


@pytest.mark.holds("T-STLS-14", "B")
def test_a_handshake_that_fails_ends_the_connection() -> None:
    script = [
        *GREETING,
        send(WITH_STLS),
        expect(b"STLS\r\n"),
        send(b"+OK go\r\n"),
        hold("hello"),
        send(b"x" * 64),
        silence(),
    ]
    with Server(script) as peer:
        peer.release("hello")
        with pytest.raises((poplin.TLSError, poplin.ProtocolError)):
            join(peer, **STRICT, verify=False)


@pytest.mark.holds("T-STLS-17", "C")
def test_clear_text_on_a_tls_port_and_tls_on_a_clear_one(authority: Authority) -> None:
    with Server([send(b"+OK hi\r\n"), silence()]) as peer, pytest.raises(poplin.TLSError):
        join(peer, "pop3s")
    with Server([send(b"\x15\x03\x03\x00\x02\x02\x28"), close()]) as peer:
        with pytest.raises(poplin.Error):
            join(peer)


@pytest.mark.holds("T-STLS-10", "C")
def test_there_is_no_session_before_the_login() -> None:
    script = [send(b"+OK maildrop has 2 messages\r\n"), expect(b"CAPA\r\n"), send(b"+OK\r\nUSER\r\n.\r\n"), silence()]
    with Server(script) as peer:
        pop = join(peer, user=None, password=None)
        with pytest.raises(poplin.StateError):
            pop.stat()
        pop.close()


def test_tickets_before_the_greeting(authority: Authority) -> None:
    context = authority.issue().server_context()
    context.num_tickets = 4
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with Server(
        [send(b"+OK hi\r\n"), expect(b"CAPA\r\n"), send(CAPABILITIES), *LEAVE], context=context, implicit=True
    ) as peer:
        with join(peer, "pop3s", ca_file=authority.file, user=None, password=None) as pop:
            assert pop.greeting == "hi"


def test_truncated_tls_is_no_end(authority: Authority) -> None:
    script = [
        send(b"+OK hi\r\n"),
        expect(b"CAPA\r\n"),
        send(CAPABILITIES),
        expect(b"CAPA\r\n"),
        send(b"+OK\r\nUIDL\r\n"),
        close("cut"),
    ]
    with Server(script, context=authority.issue().server_context(), implicit=True) as peer:
        pop = join(peer, "pop3s", ca_file=authority.file, user=None, password=None)
        with pytest.raises(poplin.ConnectionLost):
            pop.capa()
        pop.close()
