"""Optuna's own tests of storages, on ours: what its samplers and tools rely on holds here, too.

The suite is Optuna's, as installed. It gets storage as the owner of a study has it: with our
settings, hooks and locks, in a file and on a server.
"""

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import BaseStorage, RDBStorage
from optuna.testing.pytest_storages import StorageTestCase

from search.places import place_at, place_of

# A copy of a storage, made by a test of the suite, is never closed.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")


@pytest.fixture(scope="module")
def in_a_file() -> Iterator[Callable[[], RDBStorage]]:
    """Gives the storage of a file, with tables and without rows.

    In memory where that can be had: the suite asks what is stored, not whether a disk keeps it.
    """
    shm = Path("/dev/shm")  # noqa: S108 - a folder of its own in there
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None) as folder:
        place = place_of(Path(folder) / "study.db")
        with place.lock("demo") as lock:
            writer = place.writer(lock, "demo")
            writer.close()
            empty = Path(str(place)).read_bytes()

            def emptied() -> RDBStorage:
                writer.close()  # its connections; the next use opens others
                Path(str(place)).write_bytes(empty)
                return writer.storage

            yield emptied
            writer.close()


class TestInAFile(StorageTestCase):
    """The default: an SQLite file."""

    @pytest.fixture
    def storage(self, in_a_file: Callable[[], RDBStorage]) -> BaseStorage:
        return in_a_file()


@pytest.fixture(scope="module")
def on_a_server(_server: Any) -> Iterator[Callable[[], RDBStorage]]:
    """Gives the storage of a database, its study's lock taken, with tables and without rows."""
    _server.sql("CREATE DATABASE optunas_own", database="postgres")
    place = place_at(_server.url("optunas_own"))
    with place.lock("demo") as lock:
        writer = place.writer(lock, "demo")

        def emptied() -> RDBStorage:
            _server.sql("TRUNCATE studies CASCADE", database="optunas_own")
            return writer.storage

        yield emptied
        writer.close()


class TestOnAServer(StorageTestCase):
    """PostgreSQL."""

    @pytest.fixture
    def storage(self, on_a_server: Callable[[], RDBStorage]) -> BaseStorage:
        return on_a_server()

    @pytest.mark.xfail(
        strict=True,
        raises=(AttributeError, TypeError, pickle.PicklingError),
        reason="the storage holds a function that connects, no URL: a pickle would carry the "
        "password to a worker",
    )
    def test_pickle_storage(self, storage: BaseStorage) -> None:
        super().test_pickle_storage(storage)


def test_every_commit_of_the_suite_was_made_as_ours_are(
    in_a_file: Callable[[], RDBStorage],
) -> None:
    """With a rollback journal, synced with its folder; else the suite would say nothing of us."""
    with in_a_file().engine.connect() as db:
        found: dict[str, Any] = {
            name: db.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert found == {"journal_mode": "delete", "synchronous": 3, "foreign_keys": 1}
