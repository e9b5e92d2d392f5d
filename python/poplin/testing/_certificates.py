"""Throw-away certificates, good ones and bad ones, from a CA in memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from poplin import _core
from poplin._alone import Alone

if TYPE_CHECKING:
    from poplin.testing._files import Files

BLEMISHES: dict[str, str] = _core.BLEMISHES
"""What can be wrong with a certificate that a client must refuse: word and meaning. "none" is a good one."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class CA(Alone):
    """
    A certificate authority of one's own, thrown away with this object, for several certificates.

    >>> ca = poplin.testing.CA()
    >>> expired = ca.certificate("mail.test", blemish="expired")
    >>> with poplin.testing.Server(tls="implicit", certificate=expired) as server:
    ...     poplin.connect(server.url, ca_pem=ca.pem)
    Traceback (most recent call last):
    poplin.CertificateError: ...
    """

    _alone = "keeps its key to itself"

    def __init__(self) -> None:
        self._authority = _core.Authority()

    @cached_property
    def pem(self) -> str:
        """The CA's certificate as PEM text: what a client has to trust."""
        return self.certificate().ca_pem

    def certificate(self, *names: str, blemish: str = "none") -> Certificate:
        """
        A server certificate for these host names and IP addresses, valid for 30 days; for "localhost" and the loopback
        addresses where there are none. blemish: what is wrong with it, a word of `BLEMISHES`.

        CertificateError: one of the names is no host name. ValueError: there is no such blemish.
        """
        return Certificate(*self._authority.issue(names or LOOPBACK, blemish), blemish=blemish)

    def client(self, user: str) -> Certificate:
        """
        A client certificate that names this user, valid for 30 days: for client_cert= of `poplin.connect`, at a server
        that has this CA as client_ca_pem=. A name with an "@" is in it as an e-mail address too.

        CertificateError: the name is empty, longer than 64 octets, or no plain text.

        >>> ca = poplin.testing.CA()
        >>> clients = {"auth": "EXTERNAL", "client_ca_pem": ca.pem}
        >>> server = poplin.testing.Server({"alice": "secret"}, tls="implicit", **clients)
        >>> with server, ca.client("alice") as alice:
        ...     shown = alice.cert_file, alice.key_file
        ...     with poplin.connect(server.url, ca_pem=server.ca_pem, auth="EXTERNAL", client_cert=shown) as pop:
        ...         print(pop.mechanism)
        EXTERNAL
        """
        return Certificate(*self._authority.issue_client(user), blemish="none")

    def __repr__(self) -> str:
        return "<poplin.testing.CA>"


class Certificate:
    """
    A server's or client's certificate and key, signed by a throw-away CA: PEM text, and as a context manager files
    too, in a temporary folder that is removed at the end.

    >>> with poplin.testing.certificate("mail.test") as certificate:
    ...     certificate.cert_file.name, certificate.key_file.name, certificate.ca_file.name
    ('cert.pem', 'key.pem', 'ca.pem')
    """

    ca_pem: str
    """The CA's certificate: what a client has to trust."""

    cert_pem: str
    """The certificate."""

    key_pem: str
    """Its private key."""

    staple: bytes | None
    """The OCSP response that goes with it, DER, where there is one: it says that the certificate is revoked."""

    blemish: str
    """What is wrong with it; "none" where it is good."""

    def __init__(self, ca_pem: str, cert_pem: str, key_pem: str, staple: bytes | None, *, blemish: str) -> None:
        self.ca_pem = ca_pem
        self.cert_pem = cert_pem
        self.key_pem = key_pem
        self.staple = staple
        self.blemish = blemish
        self._files: Files | None = None

    def __getstate__(self) -> dict[str, object]:
        """A copy has no files: it would remove those of the original."""
        return {**vars(self), "_files": None}

    def __enter__(self) -> Self:
        from poplin.testing._files import Files

        self._files = Files({"ca.pem": self.ca_pem, "cert.pem": self.cert_pem, "key.pem": self.key_pem})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._files is not None:
            self._files.remove()
            self._files = None

    @property
    def ca_file(self) -> Path:
        """The file of `ca_pem`, inside the context. RuntimeError: outside."""
        return self._file("ca.pem")

    @property
    def cert_file(self) -> Path:
        """The file of `cert_pem`, inside the context. RuntimeError: outside."""
        return self._file("cert.pem")

    @property
    def key_file(self) -> Path:
        """The file of `key_pem`, inside the context. RuntimeError: outside."""
        return self._file("key.pem")

    def __repr__(self) -> str:
        return f"<poplin.testing.Certificate{'' if self.blemish == 'none' else f', {self.blemish}'}>"

    def _file(self, name: str) -> Path:
        if self._files is None:
            raise RuntimeError("a certificate has files only inside its context: with certificate(...) as it")
        return self._files.folder / name

    def _credentials(self, clients: Mapping[str, object]) -> _core.Credentials:
        """What a server takes; clients: settings of the CAs of its clients."""
        settings: dict[str, object] = {**clients, "server": True, "cert_pem": self.cert_pem, "key_pem": self.key_pem}
        if self.staple is not None:
            settings["staple"] = self.staple
        return _core.Credentials(settings)


def certificate(*names: str, blemish: str = "none") -> Certificate:
    """
    A certificate of a CA of its own, as `CA.certificate`.

    >>> poplin.testing.certificate("mail.test").cert_pem.splitlines()[0]
    '-----BEGIN CERTIFICATE-----'
    """
    return CA().certificate(*names, blemish=blemish)
