"""Appending to an mbox beside other programs: its locks, what is written, and what is taken back."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path

from poplin._paths import is_folder

_LOCKED: dict[str, object] = {}
"""Who of this process appends, by path: a lock by fcntl holds off other processes, not other threads."""


def append(path: str, octets: bytes, flush_folder: bool) -> bool:
    """
    Appends octets, and flushes them to the disk, and before that the folder, where the file may be new. False: it is
    locked, or another file is in its place by now. OSError: it could not be written; what was begun is taken back.
    """
    where, ours = os.path.realpath(path), object()
    try:
        return _LOCKED.setdefault(where, ours) is ours and _append_alone(path, octets, flush_folder)
    finally:
        if _LOCKED.get(where) is ours:
            del _LOCKED[where]


def problem_with(path: str) -> str:
    """
    Why nothing can be appended here; "" where nothing speaks against it. The file is neither made nor opened: to close
    it would end a lock by fcntl that another thread has on it.
    """
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        folder = Path(os.path.realpath(path)).parent
        if not is_folder(folder):
            return f"there is no folder {folder}"
        return "" if os.access(folder, os.W_OK | os.X_OK) else f"its folder {folder} may not be written to"
    except OSError as error:
        return error.strerror or "it cannot be opened"
    if stat.S_ISDIR(mode):
        return "it is a folder"
    return "" if os.access(path, os.R_OK | os.W_OK) else "it may not be read and written to"


def _append_alone(path: str, octets: bytes, flush_folder: bool) -> bool:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    lock = _DotLock(path)
    try:
        if not (_lock_by_fcntl(file) and lock.take() and _is_at(path, file)):
            return False
        if flush_folder:
            _flush_folder(Path(path).parent)
        _append_whole(file, octets)
        return True
    finally:
        lock.release()
        os.close(file)  # which ends the lock by fcntl


def _is_at(path: str, file: int) -> bool:
    """Whether it is still this file. Another program may have put a new one in its place before it was locked."""
    try:
        return os.path.samestat(os.fstat(file), Path(path).stat())
    except FileNotFoundError:
        return False


def _append_whole(file: int, octets: bytes) -> None:
    size = os.lseek(file, 0, os.SEEK_END)
    tail = os.pread(file, 2, max(0, size - 2))
    gap = b"" if not tail or tail == b"\n\n" else b"\n" if tail.endswith(b"\n") else b"\n\n"
    try:
        for part in (gap, octets):
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except BaseException:
        os.ftruncate(file, size)
        os.fsync(file)
        raise


def _flush_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# ---- locks ----


def _lock_by_fcntl(file: int) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # either may say that another has it
        return False
    return True


class _DotLock:
    """
    The lock of programs that do not know of fcntl: a file beside the mbox. It holds a process's number, by which some
    of them see that one is left over, and a mark. Taken by who has the lock by fcntl, it tells him that whoever made
    a marked one was killed: it would hold that lock, too.
    """

    MARK = b" poplin\n"

    def __init__(self, path: str) -> None:
        self._path = Path(f"{path}.lock")
        self._made: os.stat_result | None = None

    def take(self) -> bool:
        """False: another program has it. True also where there can be none, in a spool that is not ours, say."""
        ours = Path(f"{self._path}.poplin")
        with suppress(OSError):
            ours.unlink()
        try:
            self._make(ours)
            return self._put(ours) or (self._is_left_over() and self._put(ours))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and self._made is None:
                return True
            raise
        finally:
            ours.unlink(missing_ok=True)

    def release(self) -> None:
        with suppress(FileNotFoundError):
            if self._made is not None and os.path.samestat(self._made, self._path.lstat()):
                self._path.unlink()

    def _make(self, path: Path) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            self._made = os.fstat(file)
            os.write(file, b"%d%s" % (os.getpid(), self.MARK))
        finally:
            os.close(file)

    def _put(self, ours: Path) -> bool:
        """It is there at once, and whole."""
        try:
            os.link(ours, self._path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            try:
                self._make(self._path)
            except FileExistsError:
                return False
        return True

    def _is_left_over(self) -> bool:
        """Removes what another fetch has left."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            left = os.read(file, 100).endswith(self.MARK)
        finally:
            os.close(file)
        if left:
            with suppress(FileNotFoundError):
                self._path.unlink()
        return left


# ---- what is appended ----


def mbox_octets(data: bytes) -> bytes:
    """A message as it stands in an mbox: its From line, LF line ends, quoted, an empty line behind it."""
    text = re.sub(rb"^(>*From )", rb">\1", data.replace(b"\r\n", b"\n"), flags=re.MULTILINE)
    end = b"\n\n" if text and not text.endswith(b"\n") else b"\n"
    when = time.asctime(time.gmtime())
    return b"".join((f"From {sender_of(data) or 'MAILER-DAEMON'} {when}\n".encode("ascii"), text, end))


def sender_of(data: bytes) -> str:
    """Who sent it, by its Return-Path; "" where there is none, or it holds no address."""
    end = data.find(b"\r\n\r\n")
    header = data[: end + 2] if end >= 0 else data
    found = re.search(rb"^Return-Path:[ \t]*<([!-;=?-~]{1,254})>[ \t]*\r$", header, re.MULTILINE | re.IGNORECASE)
    return found[1].decode("ascii") if found else ""
