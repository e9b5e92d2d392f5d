"""What a client's TLS tells of itself, and whom it believes: pins, trust on first use, the mail domain; resumption."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import poplin
import poplin.testing

STRANGER = "A" * 43 + "="


def look(server: Any, **settings: Any) -> Any:
    """What a short visit without login tells of its TLS."""
    with poplin.connect(server.url, **settings) as pop:
        return pop.tls


def test_what_was_negotiated(pop3_server_tls: Any) -> None:
    tls = look(pop3_server_tls, ca_pem=pop3_server_tls.ca_pem)
    assert (tls.version, tls.cipher, tls.alpn) == ("TLS1.3", "TLS_AES_128_GCM_SHA256", "pop3")
    assert tls.group
    assert tls.server_name is None, "an address is not sent"
    assert (tls.resumed, tls.verified) == (False, "ca")
    assert len(bytes.fromhex(tls.certificate)) == 32
    assert len(tls.pin) == 44
    assert timedelta() < tls.not_after - datetime.now(UTC) < timedelta(days=31)
    assert str(tls) == "TLS1.3 AES-128-GCM"
    with pytest.raises(AttributeError):
        tls.verified = None


def test_a_name_is_sent_and_told(pop3_server_tls: Any) -> None:
    url = pop3_server_tls.url.replace("127.0.0.1", "localhost")
    with poplin.connect(url, ca_pem=pop3_server_tls.ca_pem) as pop:
        assert pop.tls is not None
        assert pop.tls.server_name == "localhost"


def test_pins(pop3_server_tls: Any) -> None:
    server, ca_pem = pop3_server_tls, pop3_server_tls.ca_pem
    pin = look(server, verify=False).pin
    assert look(server, ca_pem=ca_pem, pins=pin).verified == "ca+pin"
    assert look(server, ca_pem=ca_pem, pins=[STRANGER, pin]).verified == "ca+pin"
    with pytest.raises(poplin.CertificateError, match="none of those pinned") as refusal:
        look(server, ca_pem=ca_pem, pins=[STRANGER])
    assert pin in str(refusal.value)
    with pytest.raises(poplin.CertificateError, match="unknown CA"):
        look(server, pins=pin)


@pytest.mark.holds("POP-TLS-19", "C")
def test_a_pin_alone_only_where_verification_is_off(pop3_server_tls: Any) -> None:
    pin = look(pop3_server_tls, verify=False).pin
    assert look(pop3_server_tls, verify=False, pins=pin).verified == "pin"
    with pytest.raises(poplin.CertificateError, match="none of those pinned"):
        look(pop3_server_tls, verify=False, pins=STRANGER)
    assert look(pop3_server_tls, verify=False).verified is None


def test_pins_that_are_none(pop3_server_tls: Any) -> None:
    for pins in ([], "", [STRANGER, ""], f"{STRANGER} {STRANGER}"):
        with pytest.raises(ValueError, match="no pin"):
            look(pop3_server_tls, pins=pins)
    with pytest.raises(TypeError):
        look(pop3_server_tls, pins=[b"x"])
    with pytest.raises(poplin.CertificateError, match="is no pin"):
        look(pop3_server_tls, pins="hello")


def test_trust_on_first_use(served: Any, tmp_path: Path) -> None:
    known = tmp_path / "known_keys"
    server = served(certificate=poplin.testing.certificate())
    tls = look(server, trust_on_first_use=known)
    assert tls.verified == "first-use"
    line = f"127.0.0.1:{server.port} {tls.pin}\n"
    assert known.read_text() == line
    assert look(server, trust_on_first_use=str(known)).verified == "known-key"
    known.write_text(line.replace(tls.pin, STRANGER))
    with pytest.raises(poplin.CertificateError, match="remove the line of") as refusal:
        look(server, trust_on_first_use=known)
    assert tls.pin in str(refusal.value)
    assert STRANGER in str(refusal.value)


def test_first_use_takes_the_place_of_cas(pop3_server_tls: Any, tmp_path: Path) -> None:
    for settings in ({"verify": False}, {"ca_pem": pop3_server_tls.ca_pem}):
        with pytest.raises(poplin.CertificateError, match="takes the place of the CAs"):
            look(pop3_server_tls, trust_on_first_use=tmp_path / "known", **settings)
    with pytest.raises(ValueError, match="trust_on_first_use holds a NUL"):
        look(pop3_server_tls, trust_on_first_use="known\0keys")


@pytest.mark.holds("POP-TLS-8", "C")
def test_the_mail_domain(served: Any) -> None:
    certificate = poplin.testing.certificate("example.org")
    server = served(certificate=certificate)
    assert look(server, ca_pem=certificate.ca_pem, mail_domain="example.org").verified == "ca"
    with pytest.raises(poplin.CertificateError, match=r"nor the POP3 server of example\.net"):
        look(server, ca_pem=certificate.ca_pem, mail_domain="example.net")
    with pytest.raises(poplin.CertificateError, match="is no domain"):
        look(server, ca_pem=certificate.ca_pem, mail_domain="alice@example.org")


def test_sessions_are_resumed(pop3_server_tls: Any) -> None:
    server, ca_pem = pop3_server_tls, pop3_server_tls.ca_pem
    assert not look(server, ca_pem=ca_pem).resumed
    tls = look(server, ca_pem=ca_pem)
    assert (tls.resumed, tls.verified) == (True, "ca")
    assert not look(server, ca_pem=ca_pem, resumption=False).resumed
    assert not look(server, ca_pem=ca_pem, pins=tls.pin).resumed, "another trust, other sessions"


def test_a_ca_file_that_changes_is_read_again(served: Any, tmp_path: Path) -> None:
    certificate = poplin.testing.certificate()
    server, ca_file = served(certificate=certificate), tmp_path / "ca.pem"
    ca_file.write_text(certificate.ca_pem)
    assert look(server, ca_file=ca_file).verified == "ca"
    ca_file.write_text(poplin.testing.certificate().ca_pem + "\n")
    with pytest.raises(poplin.CertificateError, match="unknown CA"):
        look(server, ca_file=ca_file)


def test_a_key_log_by_name_only(pop3_server_tls: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, named = tmp_path / "environment", tmp_path / "named"
    monkeypatch.setenv("SSLKEYLOGFILE", str(environment))
    look(pop3_server_tls, ca_pem=pop3_server_tls.ca_pem)
    look(pop3_server_tls, ca_pem=pop3_server_tls.ca_pem, key_log=named)
    assert not environment.exists()
    assert "CLIENT_TRAFFIC_SECRET_0 " in named.read_text()
    assert named.stat().st_mode & 0o777 == 0o600
    with pytest.raises(poplin.NetworkError, match="key log"):
        look(pop3_server_tls, key_log=tmp_path)
