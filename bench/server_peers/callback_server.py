"""
A server with a backend in Python, whose `retr` gives every message in one shape. It is started with its face ("thread":
poplin.Server; "aio": poplin.aio.Server), its number of workers, and a folder for the files; prints its port as a line
of JSON; and obeys lines on standard input, each answered by a line of JSON.

    serve SHAPE MESSAGES OCTETS    {}: what the sessions find that begin now
    compute, rest                  {}: what poplin.Server's main thread does from now on
    count                          {"steps": that the main thread has computed, "seconds": on a clock}
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import poplin
import poplin.aio

USER = PASSWORD = "bench"
PIECE = 64 * 1024
HEADER = b"From: a@example.org\r\nSubject: bench\r\n\r\n"
LINES = (b"x" * 70 + b"\r\n") * 22 + b"." + b"x" * 69 + b"\r\n"


class Message:
    """One message, in all shapes."""

    def __init__(self, octets: int, folder: Path) -> None:
        """Make it of this size."""
        text = (HEADER + LINES * (octets // len(LINES) + 1))[: octets - 2]
        data = text.rstrip(b"\r\n").ljust(octets - 2, b"x") + b"\r\n"
        lines = data.splitlines(keepends=True)
        pieces = [data[start : start + PIECE] for start in range(0, octets, PIECE)]
        path = folder / f"message-{octets}.eml"
        path.write_bytes(data)
        self.shapes: dict[str, Callable[[], Any]] = {
            "bytes": lambda: data,
            "path": lambda: path,
            "file": lambda: path.open("rb"),
            "pieces": lambda: iter(pieces),
            "lines": lambda: (line for line in lines),
            "async-pieces": lambda: one_by_one(pieces),
            "async-lines": lambda: one_by_one(lines),
        }


async def one_by_one(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Give pieces as they are asked for."""
    for piece in pieces:
        yield piece


class Maildrop:
    """The same message as often as is wanted."""

    def __init__(self, retr: Callable[[], Any], messages: int, octets: int) -> None:
        """retr: gives the message in its shape."""
        self.give = retr
        self.entries = [(str(number), octets) for number in range(messages)]

    def list(self) -> list[tuple[str, int]]:
        """List them."""
        return self.entries

    def retr(self, uid: str) -> Any:
        """Give one."""
        del uid
        return self.give()

    def dele(self, uids: "list[str]") -> None:
        """Never asked for."""


class Backend:
    """One user, and what the main thread is at."""

    def __init__(self, folder: Path) -> None:
        """Begin without mail, at rest."""
        self.folder = folder
        self.made: dict[int, Message] = {}
        self.settings: tuple[Callable[[], Any], int, int] = (bytes, 0, 0)
        self.computing = threading.Event()
        self.steps = 0

    def password(self, user: str) -> str | None:
        """Tell the password."""
        return PASSWORD if user == USER else None

    def maildrop(self, user: str) -> Maildrop:
        """Open what is served now."""
        del user
        return Maildrop(*self.settings)

    def compute(self) -> None:
        """What the main thread does: plain Python that holds the interpreter lock, whenever it is told to."""
        while True:
            self.computing.wait()
            sum(number * number for number in range(1000))
            self.steps += 1

    def obey(self) -> None:
        """Do what the lines say."""
        for line in sys.stdin:
            answer: dict[str, float] = {}
            match line.split():
                case ["serve", shape, messages, octets]:
                    if int(octets) not in self.made:
                        self.made[int(octets)] = Message(int(octets), self.folder)
                    give = self.made[int(octets)].shapes[shape]
                    self.settings = (give, int(messages), int(octets))
                case ["compute"]:
                    self.computing.set()
                case ["rest"]:
                    self.computing.clear()
                case ["count"]:
                    answer = {"steps": self.steps, "seconds": time.perf_counter()}
            print(json.dumps(answer), flush=True)

    def begin(self, port: int) -> None:
        """Tell the port, and obey on a thread of its own."""
        print(json.dumps({"port": port}), flush=True)
        threading.Thread(target=self.obey, daemon=True).start()


async def serve(backend: Backend, workers: int) -> None:
    """Serve on an event loop, until the process is ended."""
    async with poplin.aio.Server(backend, workers=workers, exclusive=False) as server:
        backend.begin(server.port)
        await server.serve_forever()


def main() -> None:
    """Serve."""
    face, workers, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    backend = Backend(folder)
    if face == "aio":
        asyncio.run(serve(backend, workers))
    else:
        with poplin.Server(backend, workers=workers, exclusive=False) as server:
            backend.begin(server.port)
            backend.compute()


main()
