"""A throw-away certificate authority for tests, independent of poplin's own, and what it issues."""

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import trustme


@dataclass(frozen=True)
class Identity:
    """A certificate chain and its key, as one PEM file."""

    file: Path

    def server_context(self, **options: Any) -> ssl.SSLContext:
        """A server that is this; options are attributes of the context (minimum_version, ...), or alpn."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return _with_options(context, options)


class Authority:
    """A certificate authority; its files are kept in folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self._issued = 0
        self.file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(
        self,
        *names: str,
        common_name: str | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Identity:
        """A certificate for the names and addresses; for localhost and the loopback addresses if none are given."""
        issued = self._authority.issue_cert(
            *(names or ("localhost", "127.0.0.1", "::1")),
            common_name=common_name,
            not_before=not_before,
            not_after=not_after,
        )
        self._issued += 1
        file = self._folder / f"identity-{self._issued}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(file))
        return Identity(file)

    def client_context(self, **options: Any) -> ssl.SSLContext:
        """A client that trusts this authority; options as for Identity.server_context."""
        return _with_options(ssl.create_default_context(cafile=str(self.file)), options)


def _with_options(context: ssl.SSLContext, options: dict[str, Any]) -> ssl.SSLContext:
    alpn = options.pop("alpn", None)
    if alpn:
        context.set_alpn_protocols(alpn)
    for name, value in options.items():
        setattr(context, name, value)
    return context
