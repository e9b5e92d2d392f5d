"""What all Python tests share: a throw-away certificate authority."""

import pytest

from peer import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of the test run's own."""
    return Authority(tmp_path_factory.mktemp("authority"))
