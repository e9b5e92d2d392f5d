"""What a server does with TLS: several certificates by name, tickets, a key log."""

import socket
from pathlib import Path
from typing import Any

import pytest
from drops import Backend

import poplin
import poplin.testing


@pytest.fixture
def two() -> Any:
    """Certificates for one.example and two.example, of CAs of their own."""
    with poplin.testing.certificate("one.example") as one, poplin.testing.certificate("two.example") as other:
        yield one, other


def look(server: poplin.Server, domain: str, ca_pem: str, **settings: Any) -> Any:
    """The certificate that is shown to who asks for this name, over a socket of the test's."""
    sock = socket.create_connection((server.host, server.port))
    with poplin.connect(f"pop3s://{domain}", sock=sock, ca_pem=ca_pem, **settings) as pop:
        return pop.tls


@pytest.mark.holds("POP-TLS-11", "S")
@pytest.mark.parametrize("pair", [True, False])
def test_the_name_chooses_the_certificate(two: Any, pair: bool, tmp_path: Path) -> None:
    one, other = two
    whole = tmp_path / "whole.pem"
    whole.write_text(other.cert_pem + other.key_pem)
    certificates = [(other.cert_file, other.key_file) if pair else whole]
    with poplin.Server(Backend({}), cert_pem=one.cert_pem, key_pem=one.key_pem, certificates=certificates) as server:
        first, second = look(server, "one.example", one.ca_pem), look(server, "two.example", other.ca_pem)
        assert (first.server_name, second.server_name) == ("one.example", "two.example")
        assert first.certificate != second.certificate
        with pytest.raises(poplin.TLSError, match="server name"):
            look(server, "three.example", one.ca_pem)


def test_a_staple_is_handed_out() -> None:
    """One that says that the certificate is revoked, which the client looks at."""
    with poplin.testing.certificate("one.example", blemish="revoked") as revoked:
        pair: dict[str, Any] = {"cert_pem": revoked.cert_pem, "key_pem": revoked.key_pem}
        for staple in (None, revoked.staple):
            with poplin.Server(Backend({}), staple=staple, **pair) as server:
                if staple is None:
                    assert look(server, "one.example", revoked.ca_pem).verified == "ca"
                else:
                    with pytest.raises(poplin.CertificateError, match="revoked"):
                        look(server, "one.example", revoked.ca_pem)
    with pytest.raises(ValueError, match="staple= and key_log= go with a first certificate"):
        poplin.Server(Backend({}), staple=b"x")
    with pytest.raises(TypeError, match="staple"):
        poplin.Server(Backend({}), staple="x", **pair)  # type: ignore[arg-type]


def test_certificates_that_cannot_be(two: Any) -> None:
    one, other = two
    first: dict[str, Any] = {"cert_pem": one.cert_pem, "key_pem": one.key_pem}
    with pytest.raises(ValueError, match="go with a first certificate"):
        poplin.Server(Backend({}), certificates=[other.cert_file])
    with pytest.raises(TypeError, match="several files"):
        poplin.Server(Backend({}), certificates=str(other.cert_file), **first)
    with pytest.raises(poplin.CertificateError, match="cannot be used"):
        poplin.Server(Backend({}), certificates=[other.cert_file], **first)
    with pytest.raises(poplin.CertificateError, match="is not that of the certificate"):
        poplin.Server(Backend({}), certificates=[(other.cert_file, one.key_file)], **first)


def test_tickets_may_be_refused(two: Any) -> None:
    one, _ = two
    for resumption in (True, False):
        with poplin.Server(Backend({}), cert_pem=one.cert_pem, key_pem=one.key_pem, resumption=resumption) as server:
            look(server, "one.example", one.ca_pem)
            assert look(server, "one.example", one.ca_pem).resumed == resumption


def test_a_key_log(two: Any, tmp_path: Path) -> None:
    one, _ = two
    log = tmp_path / "keys"
    with poplin.Server(Backend({}), cert_pem=one.cert_pem, key_pem=one.key_pem, key_log=log) as server:
        look(server, "one.example", one.ca_pem)
        assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()
        assert log.stat().st_mode & 0o777 == 0o600
