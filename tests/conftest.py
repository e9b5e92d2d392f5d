"""What all Python tests share: a throw-away certificate authority, and a look for leaks at the end."""

import ctypes
import gc
import os
import sys
from pathlib import Path

import pytest

from peer import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of the test run's own."""
    return Authority(tmp_path_factory.mktemp("authority"))


def pytest_configure() -> None:
    """
    Under LeakSanitizer, makes sure that it is the sanitized poplin that is tested. The programs that tests start look
    for no leaks, and so need not note in the slow way who asked for memory.
    """
    if os.environ.get("LEAK_CHECK"):
        from poplin import _core

        if b"__asan_init" not in Path(str(_core.__file__)).read_bytes():
            raise pytest.UsageError(f"{_core.__file__} is built without AddressSanitizer")
        os.environ["ASAN_OPTIONS"] += ":fast_unwind_on_malloc=1"


def pytest_unconfigure() -> None:
    """
    Under LeakSanitizer, looks for leaks while the interpreter still stands: what that leaves behind when it ends is
    not ours, and cannot be told from what is.
    """
    if os.environ.get("LEAK_CHECK"):
        gc.collect()
        sys.stdout.flush()
        if ctypes.CDLL(None).__lsan_do_recoverable_leak_check():
            os._exit(23)
