"""What all Python tests share: a throw-away certificate authority, and a look for leaks at the end."""

import ctypes
import gc
import os

import pytest

from peer import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of the test run's own."""
    return Authority(tmp_path_factory.mktemp("authority"))


def pytest_unconfigure() -> None:
    """
    Under LeakSanitizer, looks for leaks while the interpreter still stands: what that leaves behind when it ends is
    not ours, and cannot be told from what is.
    """
    if os.environ.get("LEAK_CHECK"):
        gc.collect()
        if ctypes.CDLL(None).__lsan_do_recoverable_leak_check():
            os._exit(23)
