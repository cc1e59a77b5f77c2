"""Optuna's storage on SQLite, set so that a commit is durable when it returns."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar, final

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import event
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from search.errors import LedgerError, LedgerMoved
from search.moved import Opened
from search.writer import AbstractWriter

_T = TypeVar("_T")


@final
class SqliteWriter(AbstractWriter):
    """Writes an SQLite file. What fails on a disk fails again, so nothing is repeated.

    Not by Optuna either: it would repeat the creation of a trial, even one that had come through.
    """

    def __init__(self, path: Path, study: str) -> None:
        self._path = path
        self._study = study
        self._moved: LedgerMoved | None = None
        with storing(path):
            self._storage = open_storage(path)
            self._opened = Opened.at(path)
        event.listen(self._storage.engine, "handle_error", self._answer_errors)

    def _answer_errors(self, context: ExceptionContext) -> BaseException | None:
        """Turns an error of the disk into one that Optuna does not know."""
        if isinstance(context.sqlalchemy_exception, OperationalError):
            return _failed(self._path, context.original_exception)
        return None

    @property
    def storage(self) -> RDBStorage:
        return self._storage

    def check_place(self) -> None:
        # SQLite refuses to write to a file without its name, too, but as one that is read-only;
        # and a new connection would go to whatever has the name now.
        if self._moved is None and not self._opened.is_there():
            self._storage.remove_session()
            self._moved = self._opened.moved(self._study)
        if self._moved is not None:
            raise self._moved

    def commit(self, action: Callable[[], _T]) -> _T:
        self.check_place()
        with storing(self._path):
            return action()

    def create_trial(self, study_id: int, trial: FrozenTrial) -> int:
        return self.commit(lambda: self._storage.create_new_trial(study_id, trial))

    def sign(self, study_id: int) -> None:
        """Does nothing: the kernel's lock cannot be lost, so no other owner can come between."""

    def close(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()


def open_storage(path: Path) -> RDBStorage:
    """Opens Optuna's storage on SQLite, every commit durable when it returns.

    DELETE journal, not WAL: read-only readers of WAL would create files. EXTRA also syncs the
    folder after the journal is gone, so power loss cannot bring a journal back and undo a
    commit. BEGIN IMMEDIATE: a transaction that reads before it writes cannot fail half-way
    for want of the write lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}})

    @event.listens_for(storage.engine, "connect")
    def _configure(db: sqlite3.Connection, _: object) -> None:
        db.isolation_level = None  # the driver would otherwise begin transactions itself
        for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "foreign_keys=ON"):
            db.execute(f"PRAGMA {pragma}")

    @event.listens_for(storage.engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()  # the constructor's own connection was opened without them
    return storage


def open_for_viewing(connect: Callable[[], sqlite3.Connection]) -> RDBStorage:
    """Opens Optuna's storage on connections that the caller makes; creates no table.

    A connection lives no longer than its transaction, so none keeps the file from its owner.
    """
    return RDBStorage(
        "sqlite://",
        engine_kwargs={"creator": connect, "poolclass": NullPool},
        skip_compatibility_check=True,
        skip_table_creation=True,
    )


def _failed(path: Path, detail: BaseException) -> LedgerError:
    return LedgerError(f"Cannot write the ledger {path}: {detail}.")


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turns what storage says into one error that names the file."""
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, OSError) as error:
        cause = error.__cause__ or error.__context__ or error
        detail = getattr(cause, "orig", None) or cause
        raise _failed(path, detail) from error
    except (LookupError, ValueError) as error:
        # What Optuna reads before it writes: states, distributions and attributes that are none.
        raise LedgerError(
            f"The ledger {path} is corrupt: {type(error).__name__}: {error}."
        ) from error
