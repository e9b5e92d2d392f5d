"""Who logs in to a server, and how: what its options and its backend's methods come to; and SCRAM keys to store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Literal

from poplin import _core
from poplin._connecting import mechanism_names, milliseconds
from poplin._conversation import secret_octets

METHODS = {
    "password": _core.ASK_SECRET,
    "authenticate": _core.ASK_CHECK,
    "scram_keys": _core.ASK_KEYS,
    "token": _core.ASK_TOKEN,
}
"""A backend's methods that tell who may log in, each with what the core can ask where it is there."""

ITERATIONS = 4096  # the least that RFC 7677 section 4 allows


def login_methods(backend: Any) -> dict[str, Callable[..., Any]]:
    """Those that the backend has. TypeError: one is no method."""
    found = {name: method for name in METHODS if (method := getattr(backend, name, None)) is not None}
    for name, method in found.items():
        if not callable(method):
            raise TypeError(f"{name} of {type(backend).__name__} must be a method, not {type(method).__name__}")
    return found


def asks_of(backend: Any) -> int:
    """What the core can ask this backend. TypeError: it is none."""
    if isinstance(backend, type):
        raise TypeError(f"a backend is an object, and {backend.__name__} is a class: give {backend.__name__}()")
    if not callable(getattr(backend, "maildrop", None)):
        raise TypeError(f"a backend needs a method maildrop(); {type(backend).__name__} has none")
    tell = getattr(backend, "login_failed", None)
    if tell is not None and not callable(tell):
        raise TypeError(f"login_failed of {type(backend).__name__} must be a method, not {type(tell).__name__}")
    return sum(METHODS[name] for name in login_methods(backend))


def login_settings(
    asks: int,
    *,
    auth: str | Iterable[str] | None,
    name: str | None,
    iterations: int,
    pepper: bytes | None,
    failed_login_delay: float,
    login_delay: int,
) -> dict[str, object]:
    """A server's options of logins as the core takes them. asks: what it can ask who knows the users."""
    mechanisms = mechanism_names(auth)
    if not asks and not all(map(_core.need_no_secret, (mechanisms or "PLAIN").split())):
        raise TypeError("a backend needs at least one of the methods password(), authenticate(), scram_keys(), token()")
    settings: dict[str, object] = {
        "asks": asks,
        "iterations": iterations,
        "failed_login_ms": _delay("failed_login_delay", failed_login_delay),
        "login_delay": login_delay,
    }
    if isinstance(iterations, int) and iterations < ITERATIONS:
        raise ValueError(f"iterations must be {ITERATIONS} or more")
    if name == "":
        raise ValueError("name is empty")
    if pepper == b"":
        raise ValueError("pepper is empty: leave it out to have one made up")
    optional = {"mechanisms": mechanisms, "name": name, "pepper": pepper}
    return settings | {key: value for key, value in optional.items() if value is not None}


def client_ca_settings(
    mechanisms: object, certified: bool, client_ca_file: str | os.PathLike[str] | None, client_ca_pem: str | None
) -> dict[str, object]:
    """
    The CAs of clients who log in by certificate, as the core's credentials take them. mechanisms: of the settings.
    certified: the server itself has a certificate. ValueError: that, the CAs and EXTERNAL do not go together.
    """
    given = client_ca_file is not None or client_ca_pem is not None
    if given != ("EXTERNAL" in str(mechanisms).upper().split()):
        raise ValueError('client_ca_file= or client_ca_pem= and auth="EXTERNAL": neither is of use without the other')
    if client_ca_file is not None and client_ca_pem is not None:
        raise ValueError("client_ca_file= or client_ca_pem=: which of the two is meant?")
    if given and not certified:
        raise ValueError("a client shows its certificate only where the server has one too")
    if client_ca_file is not None:
        return {"clients_ca_file": os.fsencode(client_ca_file)}
    return {} if client_ca_pem is None else {"clients_ca_pem": client_ca_pem}


def _delay(name: str, seconds: float) -> int:
    """Milliseconds, 0 for none."""
    if isinstance(seconds, int | float) and seconds < 0:
        raise ValueError(f"{name} must be 0 or more, not {seconds}")
    return 0 if not isinstance(seconds, bool) and seconds == 0 else milliseconds(name, seconds)


def scram_keys(
    password: str,
    *,
    iterations: int = ITERATIONS,
    salt: bytes | None = None,
    hash: Literal["SHA-256", "SHA-1"] = "SHA-256",  # noqa: A002  (what it is called everywhere)
) -> str:
    """
    Makes the SCRAM keys of a password, as text to store in its place: whoever reads them can check a login, but cannot
    log in. A backend's method `scram_keys` gives them back.

    iterations: how much work it is to try a password, and each login; 4096 or more.
    salt: 1 to 64 octets; None: 16 random ones.
    hash: "SHA-256" for SCRAM-SHA-256, "SHA-1" for SCRAM-SHA-1.

    ValueError: the password, which is prepared by SASLprep, is empty, too long or holds what no login can carry; or the
    other arguments are out of range.

    >>> poplin.scram_keys("secret").split("$")[0]
    'SCRAM-SHA-256'
    """
    hashes = {"SHA-256": _core.SCRAM_SHA_256, "SHA-1": _core.SCRAM_SHA_1}
    if hash not in hashes:
        raise ValueError(f"hash must be 'SHA-256' or 'SHA-1', not {hash!r}")
    return _core.scram_keys(secret_octets("password", password), hashes[hash], iterations, salt)
