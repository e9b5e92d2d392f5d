"""
Serves the files of a folder as messages to one user, with coroutines: while a file is read, others are served.

POPLIN_PASSWORD=... python aio_serve.py FOLDER USER [PORT]

Deleted messages become files named .deleted-NAME.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import poplin.aio


class Folder:
    """The maildrop: each file's name is the message's unique-id."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def list(self) -> list[tuple[str, int | None]]:
        names = await asyncio.to_thread(lambda: sorted(file.name for file in self.path.glob("[!.]*")))
        return [(name, None) for name in names]  # how long a message is on the wire, reading it will tell

    async def retr(self, uid: str) -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            with (self.path / uid).open("rb") as file:
                while piece := await asyncio.to_thread(file.read, 1 << 20):
                    yield piece

        return pieces()

    async def dele(self, uids: Iterable[str]) -> None:
        for uid in uids:
            await asyncio.to_thread((self.path / uid).rename, self.path / f".deleted-{uid}")


class Backend:
    """One user, whose password is in the environment."""

    def __init__(self, path: Path, user: str) -> None:
        self.path = path
        self.user = user

    async def password(self, user: str) -> str | None:
        return os.environ["POPLIN_PASSWORD"] if user == self.user else None

    async def maildrop(self, user: str) -> Folder:
        return Folder(self.path)


async def main(folder: str, user: str, port: str = "0") -> None:
    server = poplin.aio.Server(Backend(Path(folder), user), port=int(port))
    print(f"serving on {server.url}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
