"""The steps of a script, as values: each is the call of the method of Link that has its name, made later."""

import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from peer.link import Cuts, Failure, Link


@dataclass(frozen=True)
class Step:
    """One step: which method of Link, with which arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def run(self, link: Link) -> None:
        getattr(link, self.name)(**self.arguments)

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={str(value)[:80]}" for name, value in self.arguments.items())
        return f"{self.name}({shown})"


def run(script: Iterable[Step], link: Link) -> None:
    """Takes the steps one after the other; a failure says which one it was. At the end the connection is closed."""
    with link:
        for number, step in enumerate(script, 1):
            try:
                step.run(link)
            except Failure as failure:
                raise Failure(f"step {number}, {step}: {failure}") from None
            except OSError as error:
                raise link.failure(f"step {number}, {step}: {error}") from error


def send(data: bytes, cuts: Cuts = (), layer: Literal["text", "wire"] = "text") -> Step:
    return Step("send", {"data": data, "cuts": cuts, "layer": layer})


def taken() -> Step:
    return Step("taken")


def send_until_closed(data: bytes, limit: int = 1 << 26) -> Step:
    return Step("send_until_closed", {"data": data, "limit": limit})


def expect(pattern: bytes | re.Pattern[bytes]) -> Step:
    return Step("expect", {"pattern": pattern})


def expect_eof(how: Literal["clean", "cut", "any"] = "any") -> Step:
    return Step("expect_eof", {"how": how})


def silence() -> Step:
    return Step("silence")


def starttls(context: ssl.SSLContext | None = None, fails: bool = False) -> Step:
    return Step("starttls", {"context": context, "fails": fails})


def shutdown() -> Step:
    return Step("shutdown")


def close(how: Literal["clean", "cut"] = "clean") -> Step:
    return Step("close", {"how": how})


def reset() -> Step:
    return Step("reset")


def mark(name: str) -> Step:
    return Step("mark", {"name": name})


def hold(name: str) -> Step:
    return Step("hold", {"name": name})
