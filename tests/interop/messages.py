"""The messages that go through every peer: 2,000 generated ones, the samples, the corpus where a checkout has it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLES = ROOT / "examples/mail"
CORPUS = ROOT.parent / "shared/corpus"
GENERATED = 2000


@dataclass(frozen=True)
class Message:
    """A message as it is stored, and where it is from."""

    name: str
    stored: bytes

    @property
    def wire(self) -> bytes:
        """As POP3 has to deliver it: each line end is CRLF, and the last line has one."""
        return on_the_wire(self.stored)


def on_the_wire(stored: bytes) -> bytes:
    lines = stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return lines if not lines or lines.endswith(b"\r\n") else lines + b"\r\n"


def _text(source: random.Random) -> bytes:
    return b" ".join(source.choice(_WORDS) for _ in range(source.randint(1, 12)))


def _dots(source: random.Random) -> bytes:
    return b"." * source.randint(1, 4) + source.choice([b"", b"", b" ", b"hidden", b"\t."])


def _eight_bit(source: random.Random) -> bytes:
    return bytes(source.choice(_EIGHT_BIT) for _ in range(source.randint(1, 60)))


def _long(source: random.Random) -> bytes:
    return b"x" * source.choice([76, 510, 512, 998]) + b"."


def _status_line(source: random.Random) -> bytes:
    return source.choice([b"+OK", b"-ERR no", b"From here on", b">From there on", b"QUIT", b""])


_WORDS = b"a the ferry berth harbour tide table mooring of and leaves at noon lighthouse . .. ...".split()
_EIGHT_BIT = [octet for octet in range(0x20, 0x100) if octet != 0x7F]
_LINES: list[Callable[[random.Random], bytes]] = [_text] * 12 + [_dots] * 3 + [_eight_bit, _long, _status_line]


def _generate(number: int) -> Message:
    source = random.Random(number)
    end = source.choice([b"\n", b"\r\n"])
    header = [
        b"From: Sender <sender@example.net>",
        b"To: alice@example.org",
        f"Subject: generated message {number}".encode(),
        f"Message-ID: <{number}.{source.getrandbits(64):016x}@example.net>".encode(),
        b"Date: Sat, 01 Mar 2025 12:00:00 +0000",
    ]
    size = source.choice([0, 1, 5, 40, 40, 40, 300])
    body = [source.choice(_LINES)(source) for _ in range(size)]
    last = source.choice([end, end, end, b""]) if body and body[-1] else end
    return Message(f"generated/{number:04}", end.join([*header, b"", *body]) + last)


def _read(folder: Path) -> list[Message]:
    files = sorted(folder.rglob("*.eml"))
    return [Message(str(file.relative_to(folder.parent)), file.read_bytes()) for file in files]


def sample_messages() -> list[Message]:
    return _read(SAMPLES)


@cache
def all_messages() -> tuple[Message, ...]:
    """Every message, in an order that does not change; the first ones are generated."""
    return (*map(_generate, range(GENERATED)), *_read(SAMPLES), *_read(CORPUS))
