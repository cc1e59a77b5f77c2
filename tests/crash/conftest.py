"""The processes that are killed, and where their studies lie."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from herd import Herd


@pytest.fixture(scope="session")
def herd() -> Iterator[Herd]:
    """Starts processes by forks of one that has imported everything."""
    herd = Herd()
    yield herd
    herd.close()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one, else on the disk.

    kill -9 takes nothing back that the kernel was given, so a disk would only be slower.
    """
    shm = Path("/dev/shm")  # noqa: S108 - a folder of its own in there
    if not os.access(shm, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shm, prefix="mnist-hpo-") as folder:
        yield Path(folder)
