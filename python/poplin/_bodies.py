"""What a maildrop's `retr` may return, and how each kind reaches the core."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from poplin import _core
from poplin._calls import Held, Strand

PIECE = 1 << 20  # octets that a file or an iterator is asked for at a time


class FilePieces:
    """A file object that only Python can read."""

    def __init__(self, strand: Strand, file: Any) -> None:
        self.strand = strand
        self._file = file

    def next(self) -> tuple[bytes, bool]:
        """The next piece, and whether it is the last."""
        piece = _octets(self._file.read(PIECE), "read()")
        return piece, not piece

    def close(self) -> None:
        """No more is wanted."""
        close = getattr(self._file, "close", None)
        if close is not None:
            close()


class IteratorPieces:
    """An iterator of octets, small ones joined."""

    def __init__(self, strand: Strand, pieces: Iterator[Any]) -> None:
        self.strand = strand
        self._pieces = pieces

    def next(self) -> tuple[bytes, bool]:
        """The next piece, and whether it is the last."""
        parts: list[bytes] = []
        size = 0
        for piece in self._pieces:
            parts.append(_octets(piece, "a piece"))
            size += len(parts[-1])
            if size >= PIECE:
                return b"".join(parts), False
        return b"".join(parts), True

    def close(self) -> None:
        """No more is wanted: a generator's finally runs now."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()


class AsyncPieces:
    """An asynchronous iterator of octets, small ones joined."""

    def __init__(self, strand: Strand, pieces: AsyncIterator[Any]) -> None:
        self.strand = strand
        self._pieces = pieces

    async def next(self) -> tuple[bytes, bool]:
        """The next piece, and whether it is the last."""
        parts: list[bytes] = []
        size = 0
        async for piece in self._pieces:
            parts.append(_octets(piece, "a piece"))
            size += len(parts[-1])
            if size >= PIECE:
                return b"".join(parts), False
        return b"".join(parts), True

    async def close(self) -> None:
        """No more is wanted: a generator's finally runs now."""
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()


Pieces = FilePieces | IteratorPieces | AsyncPieces


def give(core: _core.Server, held: Held, request: int, strand: Strand, body: Any) -> None:
    """Answers a request for a message. TypeError: it is nothing that can be sent. OSError: a file cannot be read."""
    if isinstance(body, bytes | bytearray | memoryview):
        core.body(request, bytes(body))
    elif isinstance(body, os.PathLike):
        core.body_file(request, _open(body))
    elif isinstance(body, io.FileIO | io.BufferedReader | io.BufferedRandom) and _is_regular(body.fileno()):
        with body:
            core.body_file(request, _duplicate(body))
    elif hasattr(body, "read"):
        _give_pieces(core, held, request, FilePieces(strand, body))
    elif isinstance(body, AsyncIterable):
        _give_pieces(core, held, request, AsyncPieces(strand, aiter(body)))
    elif isinstance(body, Iterable) and not isinstance(body, str):
        _give_pieces(core, held, request, IteratorPieces(strand, iter(body)))
    else:
        hint = ": encode it, or make a Path of it" if isinstance(body, str) else ""
        raise TypeError(f"retr() must return bytes, a path, a binary file or pieces, not {type(body).__name__}{hint}")


def _give_pieces(core: _core.Server, held: Held, request: int, pieces: Pieces) -> None:
    number = held.put(pieces)
    if not core.pieces(request, number):
        held.take(number)
        pieces.strand.run(pieces.close, lambda value, error: None)


def _octets(piece: Any, what: str) -> bytes:
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise TypeError(f"{what} of a message must be bytes, not {type(piece).__name__}")
    return bytes(piece)


def _is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _open(path: os.PathLike[str]) -> int:
    """A regular file's descriptor. Anything else is refused: it could block, as a named pipe does when opened."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not _is_regular(descriptor):
        os.close(descriptor)
        raise OSError(f"{os.fspath(path)} is no regular file")
    return descriptor


def _duplicate(file: io.FileIO | io.BufferedReader | io.BufferedRandom) -> int:
    """A descriptor that stands where the file object does, whatever that has read ahead."""
    file.flush()
    position = file.tell()
    descriptor = os.dup(file.fileno())
    os.lseek(descriptor, position, os.SEEK_SET)
    return descriptor
