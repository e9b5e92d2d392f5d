"""Throw-away certificates: good ones are accepted, and each blemish is refused by poplin and by Python's ssl."""

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

import poplin
from poplin.testing import BLEMISHES, CA, Server, certificate

BAD = [blemish for blemish in BLEMISHES if blemish != "none"]


@pytest.fixture(scope="module")
def ca() -> CA:
    return CA()


def serving(ca: CA, blemish: str, **settings: Any) -> Server:
    return Server({"alice": "secret"}, certificate=ca.certificate(blemish=blemish), **settings)


def by_poplin(server: Server, **settings: Any) -> None:
    url = server.url.replace("127.0.0.1", "localhost")
    with poplin.connect(url, user="alice", password="secret", ca_pem=server.ca_pem, **settings) as pop:
        assert pop.tls


def by_ssl(server: Server) -> None:
    context = ssl.create_default_context(cadata=server.ca_pem)
    context.hostname_checks_common_name = False
    with socket.create_connection((server.host, server.port), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            assert secured.recv(3) == b"+OK"


def test_a_good_one_is_accepted(ca: CA) -> None:
    with serving(ca, "none") as server:
        by_poplin(server)
        by_ssl(server)
    for session in server.sessions:
        assert session.tls


@pytest.mark.holds("T-TLS-1", "C")
@pytest.mark.holds("T-TLS-2", "C")
@pytest.mark.holds("T-TLS-3", "C")
@pytest.mark.parametrize("tls", ["implicit", "stls"])
@pytest.mark.parametrize("blemish", BAD)
def test_poplin_refuses(ca: CA, blemish: str, tls: Any) -> None:
    with serving(ca, blemish, tls=tls) as server:
        with pytest.raises((poplin.CertificateError, poplin.TLSError)):
            by_poplin(server, loopback_protected=False)
        (session,) = server.sessions
        session.assert_outcome("failed").assert_no_cleartext_secret()
        assert (session.user, session.tls) == ("", "")


@pytest.mark.parametrize("blemish", [blemish for blemish in BAD if blemish != "revoked"])
def test_ssl_refuses(ca: CA, blemish: str) -> None:
    with serving(ca, blemish) as server, pytest.raises(ssl.SSLError):
        by_ssl(server)


def test_ssl_looks_at_no_staple(ca: CA) -> None:
    """Python's ssl knows no OCSP, so that a revoked certificate is good to it; nothing else is wrong with it."""
    with serving(ca, "revoked") as server:
        by_ssl(server)
    assert ca.certificate(blemish="revoked").staple
    assert ca.certificate().staple is None


def test_one_ca_signs_many(ca: CA) -> None:
    first, second = ca.certificate("localhost"), ca.certificate("localhost", "mail.example.org")
    assert first.ca_pem == second.ca_pem == ca.pem
    assert first.cert_pem != second.cert_pem
    assert CA().pem != ca.pem


def test_files(ca: CA) -> None:
    made = ca.certificate()
    with made:
        folder = made.ca_file.parent
        assert (made.ca_file.read_text(), made.cert_file.read_text()) == (made.ca_pem, made.cert_pem)
        assert made.key_file.read_text() == made.key_pem
    assert not folder.exists()
    with pytest.raises(RuntimeError):
        _ = made.ca_file


@pytest.mark.holds("T-SEC-1", "B")
def test_a_key_is_not_shown(ca: CA) -> None:
    made = ca.certificate(blemish="expired")
    assert repr(made) == "<poplin.testing.Certificate, expired>"
    assert repr(certificate()) == "<poplin.testing.Certificate>"
    assert repr(ca) == "<poplin.testing.CA>"


@pytest.mark.parametrize(
    ("names", "blemish", "kind"),
    [
        (["not a host name"], "none", poplin.CertificateError),
        (["local\0host"], "none", ValueError),
        ([b"localhost"], "none", TypeError),
        ([], "no-such-blemish", ValueError),
        ([], None, TypeError),
    ],
)
def test_what_cannot_be_made(ca: CA, names: list[Any], blemish: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        ca.certificate(*names, blemish=blemish)


def test_a_folder_for_the_ca_goes_with_the_server(ca: CA) -> None:
    server = Server(certificate=ca.certificate())
    file = server.ca_file
    assert isinstance(file, Path)
    assert server.ca_file == file
    server.stop()
    assert not file.parent.exists()


@pytest.mark.parametrize("name", ["a b", "", "a\n"])
def test_a_name_that_is_none(ca: CA, name: str) -> None:
    with pytest.raises(poplin.CertificateError, match="neither a host name nor an IP address"):
        ca.certificate("localhost", name)


def test_a_blemish_that_is_none(ca: CA) -> None:
    with pytest.raises(ValueError, match="BLEMISHES"):
        ca.certificate(blemish="rusty")


def test_files_are_there_inside_the_context() -> None:
    made = certificate()
    with made:
        folder = made.ca_file.parent
        assert (made.ca_file.read_text(), made.key_file.read_text()) == (made.ca_pem, made.key_pem)
    assert not folder.exists()
    with pytest.raises(RuntimeError):
        assert made.ca_file
