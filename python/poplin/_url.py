"""URLs of POP3 servers, as values."""

from __future__ import annotations

from typing import Literal, Never, Self

from poplin import _core


class URL:
    """
    Where to connect, and as whom (RFC 2384): `connect` takes one in place of its text, and `str()` writes it.

    host: a name in ASCII, or an IP address without brackets.
    scheme: "pop3s" (TLS from the first octet), "pop3" (STLS), or RFC 2384's "pop", which means the same as "pop3".
    port: 0 stands for the scheme's own, and becomes it: 995, or 110 for the other two. The tls= of `connect` may choose
      another then; a port that was given stays.
    user: who logs in, as the server knows him; what a URL cannot hold as it is is percent-encoded in the text.
    auth: the only mechanism that may be used; "*" is any; "+APOP" for APOP, which is no SASL mechanism.

    A URL holds no password. ValueError: no URL has these parts.

    >>> url = poplin.URL("mail.example.org", user="alice@example.org", auth="SCRAM-SHA-256")
    >>> str(url)
    'pop3s://alice%40example.org;AUTH=SCRAM-SHA-256@mail.example.org'
    >>> url.port
    995
    """

    __slots__ = ("_text", "auth", "host", "port", "scheme", "user")

    host: str
    """A name, or an IP address without brackets."""

    scheme: Literal["pop3s", "pop3", "pop"]
    """In lower case."""

    port: int
    """As it was given, or else the scheme's own."""

    user: str | None
    """Who logs in; None: it does not say."""

    auth: str | None
    """The mechanism; None: it does not say."""

    _text: str

    def __init__(
        self,
        host: str,
        *,
        scheme: Literal["pop3s", "pop3", "pop"] = "pop3s",
        port: int = 0,
        user: str | None = None,
        auth: str | None = None,
    ) -> None:
        text = _core.format_url(scheme, host, port, user, auth)
        self._take(text if not port or text.endswith(f":{port}") else f"{text}:{port}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        The URL, or bare host, that this text is. ValueError: it is none; the message says what to do.

        >>> poplin.URL.parse("pop3://alice@mail.example.org:1110").user
        'alice'
        """
        url = object.__new__(cls)
        url._take(text)
        return url

    def __str__(self) -> str:
        return _core.format_url(self.scheme, self.host, self.port, self.user, self.auth)

    def __repr__(self) -> str:
        return f"poplin.URL.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, URL) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return type(self).parse, (self._text,)

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError(f"a URL does not change: make another one with another {name}")

    def _take(self, text: str) -> None:
        scheme, host, port, user, auth, _ = _core.parse_url(text, "auto")
        for name, value in (("scheme", scheme), ("host", host), ("port", port), ("user", user), ("auth", auth)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_text", text)


def text_of(url: str | URL) -> str:
    """The text that a URL was made of: unlike `str()` of it, it has the scheme's own port where that was given."""
    return url._text if isinstance(url, URL) else url
