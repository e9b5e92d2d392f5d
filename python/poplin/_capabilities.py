"""What a server announces, as a client reads it."""

from __future__ import annotations

from collections.abc import Iterable


class Capabilities(dict[str, tuple[str, ...]]):
    """
    A server's capabilities: each name, in upper case, with its parameters. What is often asked for has a property.

    >>> pop.capabilities["SASL"], pop.capabilities.pipelining
    (('PLAIN',), True)
    >>> "UTF8" in pop.capabilities
    False
    """

    @classmethod
    def told(cls, capabilities: Iterable[tuple[str, str]]) -> Capabilities:
        """From names, each with its parameters in one string; all of them where the name stands twice."""
        self = cls()
        for name, parameters in capabilities:
            self[name] = self.get(name, ()) + tuple(word for word in parameters.split(" ") if word)
        return self

    @property
    def login_delay(self) -> int | None:
        """Seconds that have to pass between two logins; None: the server names no delay."""
        return self._number("LOGIN-DELAY")

    @property
    def expire(self) -> int | None:
        """
        Days for which mail stays on the server at least, 0: it goes when it was fetched; None: it stays, or the server
        does not say. `"EXPIRE" in capabilities` tells those two apart.
        """
        return self._number("EXPIRE")

    @property
    def sasl(self) -> tuple[str, ...]:
        """The mechanisms of AUTH, in upper case."""
        return tuple(name.upper() for name in self.get("SASL", ()))

    @property
    def implementation(self) -> str | None:
        """What the server calls itself. Nothing should depend on it."""
        words = self.get("IMPLEMENTATION")
        return None if words is None else " ".join(words)

    @property
    def user(self) -> bool:
        """Whether USER and PASS can be used."""
        return "USER" in self

    @property
    def stls(self) -> bool:
        """Whether TLS can be started."""
        return "STLS" in self

    @property
    def top(self) -> bool:
        """Whether TOP can be used."""
        return "TOP" in self

    @property
    def uidl(self) -> bool:
        """Whether messages have unique-ids."""
        return "UIDL" in self

    @property
    def pipelining(self) -> bool:
        """Whether commands may be sent ahead."""
        return "PIPELINING" in self

    @property
    def utf8(self) -> bool:
        """Whether mail with UTF-8 in its headers can be asked for."""
        return "UTF8" in self

    @property
    def utf8_user(self) -> bool:
        """Whether USER and PASS take names and passwords in UTF-8."""
        return "USER" in (word.upper() for word in self.get("UTF8", ()))

    @property
    def lang(self) -> bool:
        """Whether the server's messages can be had in other languages."""
        return "LANG" in self

    def _number(self, name: str) -> int | None:
        """The first parameter, where it is a number that can be meant."""
        word = self.get(name, ("",))[:1]
        sane = len(word) == 1 and word[0].isascii() and word[0].isdigit() and len(word[0]) <= 10
        return int(word[0]) if sane else None
