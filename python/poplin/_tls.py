"""TLS: what a client trusts and shows, and what came of it; a server's further certificates."""

import functools
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from poplin import _core

KEPT = 16  # kinds of trust whose sessions are kept at the same time

AnyPath = str | os.PathLike[str]


class TLSInfo(NamedTuple):
    """
    What was negotiated, and what was verified of the server; `str` of it is version and cipher in words.

    >>> with poplin.testing.Server(tls="implicit") as secure:
    ...     with poplin.connect(secure.url, ca_pem=secure.ca_pem) as pop:
    ...         print(pop.tls.version, pop.tls.verified)
    TLS1.3 ca
    """

    version: str
    """Of the protocol: "TLS1.3"."""

    cipher: str
    """The cipher suite by its registered name: "TLS_AES_128_GCM_SHA256"."""

    group: str | None
    """Of the key exchange, "X25519"; None where a session was resumed without one."""

    alpn: str | None
    """The protocol agreed on by ALPN, "pop3"; None where the server does not speak of it."""

    server_name: str | None
    """The name that was sent (SNI); None for an address."""

    resumed: bool
    """An earlier connection's session was taken up again; the server was verified all the same."""

    verified: Literal["ca", "ca+pin", "pin", "first-use", "known-key"] | None
    """
    How: by a trusted CA, for the host's name; by that and a pin; by a pin alone; its key was seen for the first time
    and kept, or was the one that had been kept. None: nothing was looked at.
    """

    certificate: str
    """The SHA-256 of the server's certificate, in hexadecimal."""

    pin: str
    """Of its key, as `connect` takes it in pins=."""

    not_after: datetime
    """When the certificate ends."""

    words: str
    """Version and cipher, for people."""

    def __str__(self) -> str:
        return self.words


def tls_info(link: _core.Link) -> TLSInfo | None:
    """The TLS of a link, None where there is none."""
    told = link.tls()
    if told is None:
        return None
    words, version, cipher, group, alpn, server_name, resumed, verified, certificate, pin, not_after = told
    return TLSInfo(
        version=version,
        cipher=cipher,
        group=group,
        alpn=alpn,
        server_name=server_name,
        resumed=resumed,
        verified=verified,
        certificate=certificate,
        pin=pin,
        not_after=datetime.fromtimestamp(not_after, UTC),
        words=words,
    )


def trust(
    *,
    ca_file: AnyPath | None,
    ca_pem: str | None,
    verify: bool,
    client_cert: AnyPath | tuple[AnyPath, AnyPath] | None,
    pins: str | Iterable[str] | None,
    trust_on_first_use: AnyPath | None,
    resumption: bool,
    key_log: AnyPath | None,
) -> _core.Credentials:
    """What to trust and to show: the same object as before where nothing has changed, so that sessions are resumed."""
    settings: dict[str, object] = {"verify": verify, "no_resumption": not resumption}
    files = {"ca_file": ca_file, "trust_on_first_use": trust_on_first_use, "key_log": key_log}
    settings |= {name: os.fsencode(path) for name, path in files.items() if path is not None}
    if ca_pem is not None:
        settings["ca_pem"] = ca_pem
    if pins is not None:
        settings["pins"] = _pin_list(pins)
    if isinstance(client_cert, tuple):
        settings["cert_file"], settings["key_file"] = map(os.fsencode, client_cert)
    elif client_cert is not None:
        settings["cert_file"] = os.fsencode(client_cert)
    if not resumption or client_cert is not None or key_log is not None:
        return _core.Credentials(settings)
    return _kept(tuple(settings.items()), None if ca_file is None else _state_of(ca_file))


def further_certificates(
    certificates: Iterable[AnyPath | tuple[AnyPath, AnyPath]],
) -> tuple[tuple[bytes, bytes | None], ...]:
    """A server's certificates by SNI, as the core takes them: of each its file and that of its key."""
    if isinstance(certificates, str | bytes | os.PathLike):
        raise TypeError("certificates must be several files, or pairs of them")
    pairs = (one if isinstance(one, tuple) else (one, None) for one in certificates)
    paths = tuple((os.fsencode(cert), None if key is None else os.fsencode(key)) for cert, key in pairs)
    if any(b"\0" in path for pair in paths for path in pair if path is not None):
        raise ValueError("a path in certificates holds a NUL")
    return paths


def _pin_list(pins: str | Iterable[str]) -> str:
    names = [pins] if isinstance(pins, str) else [*pins]
    if not all(isinstance(pin, str) for pin in names):
        raise TypeError("pins must be a string or several")
    if not names or any(not pin or " " in pin for pin in names):
        raise ValueError("pins= holds no pin, or one with spaces; without pins= any key will do")
    return " ".join(names)


@functools.lru_cache(KEPT)
def _kept(settings: tuple[tuple[str, object], ...], _state: object) -> _core.Credentials:
    return _core.Credentials(dict(settings))


def _state_of(file: AnyPath) -> object:
    """What changes with a file; None where it cannot be read, which the core tells better."""
    try:
        status = Path(os.fsdecode(file)).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
