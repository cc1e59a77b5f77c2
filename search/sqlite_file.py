"""A ledger in an SQLite file: the default, and a file for each study."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from search.errors import LedgerBusy, LedgerError
from search.lock import StudyLock, is_owned, owner_of
from search.place import AbstractLock, AbstractPlace, AbstractReading

if TYPE_CHECKING:
    from search.sqlite_storage import SqliteWriter
    from search.writer import OptunaStorage

_BUSY_SECONDS = 30
"""How long a reader waits for the driver's commit; one takes milliseconds."""

_LOOK = "SELECT count(*) FROM sqlite_schema"

_HOT_JOURNAL = (
    sqlite3.SQLITE_READONLY_ROLLBACK,
    sqlite3.SQLITE_READONLY_RECOVERY,
    sqlite3.SQLITE_CANTOPEN,
)


@final
class _FileReading(AbstractReading):
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def has_tables(self) -> bool:
        # A process may have died between creating the file and its first table.
        return self.rows(_LOOK) != [(0,)]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall()


def _damage(db: AbstractReading, *, most: int) -> tuple[str, ...]:
    """Returns what SQLite finds wrong with the file's pages and indexes."""
    found = tuple(str(row[0]) for row in db.rows(f"PRAGMA integrity_check({most})"))
    return () if found == ("ok",) else found


@final
@dataclass(frozen=True, slots=True)
class SqliteFile(AbstractPlace):
    """An SQLite database, its lock files beside it."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def has_password(self) -> bool:
        return False

    def exists(self) -> bool:
        return self.path.is_file()

    @contextlib.contextmanager
    def reading(self, study: str | None) -> Iterator[AbstractReading]:
        """Opens the file for reading only, once it is known to be whole.

        SQLite itself takes a lost page of rows for rows that never were, and reads on.

        A driver killed inside a commit leaves a hot journal, which a read-only connection may
        not roll back. The one writing a reader ever does is to let SQLite do that. It takes no
        lock of a study for it, which could keep an owner-to-be away: SQLite itself asks whether
        a living process is inside of that commit, and then there is nothing to take back.
        """
        with self._opened(study) as db:
            found = _damage(db, most=1)
            if found:
                raise LedgerError(f"The ledger {self} is corrupt: {found[0]}.")
            yield db

    @contextlib.contextmanager
    def _opened(self, study: str | None) -> Iterator[AbstractReading]:
        if not self.exists():
            raise LedgerError(f"There is no ledger at {self}.")
        try:
            with contextlib.closing(self._probed()) as db:
                db.execute("BEGIN")  # one snapshot for all that is read
                yield _FileReading(db)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise self._busy(study) from error
            raise LedgerError(f"Cannot read the ledger {self}: {error}.") from error
        except UnicodeDecodeError as error:
            # Of SQLite's own message, which repeats a damaged table's name or statement.
            raise LedgerError(f"Cannot read the ledger {self}: its tables are damaged.") from error

    def _probed(self) -> sqlite3.Connection:
        db = self._open("ro")
        try:
            db.execute(_LOOK).fetchone()
        except sqlite3.OperationalError as error:
            db.close()
            if error.sqlite_errorcode not in _HOT_JOURNAL:
                raise
            with contextlib.closing(self._open("rw")) as writable:
                writable.execute(_LOOK).fetchone()
            return self._open("ro")
        except UnicodeDecodeError:
            db.close()
            raise
        return db

    def _open(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_SECONDS,
            check_same_thread=False,  # a pool of a viewer may close it elsewhere
        )

    def _busy(self, study: str | None) -> LedgerBusy:
        known = None if study is None else self._owner(study)
        return LedgerBusy(
            f"The ledger {self} cannot be read: {known or 'another process'} has been inside of "
            f"a commit for {_BUSY_SECONDS:g} s. It may be stopped, by Ctrl-Z or SIGSTOP."
        )

    def owner(self, reading: AbstractReading, study: str) -> str | None:
        del reading
        return self._owner(study)

    def _owner(self, study: str) -> str | None:
        lock = self.lock_path(study)
        return (owner_of(lock) or "another process") if is_owned(lock) else None

    def updated(self, reading: AbstractReading, study: str) -> datetime | None:
        del reading, study
        with contextlib.suppress(OSError):
            return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        return None

    def damage(self, study: str) -> tuple[str, ...]:
        with self._opened(study) as db:
            return _damage(db, most=5)

    def about(self) -> str:
        return f"SQLite file {self}"

    def lock_path(self, study: str) -> Path:
        """Returns the lock file of a study: beside its ledger, wherever that lies."""
        return self.path.parent / f"{study}.lock"

    def lock(self, study: str) -> StudyLock:
        return StudyLock(self.lock_path(study), study)

    def writer(self, lock: AbstractLock, study: str) -> "SqliteWriter":
        del lock  # the kernel's lock cannot be lost while we live
        from search.sqlite_storage import SqliteWriter  # noqa: PLC0415 - readers need no Optuna

        return SqliteWriter(self.path, study)

    def viewing(self) -> "OptunaStorage":
        from search.sqlite_storage import open_for_viewing  # noqa: PLC0415 - likewise

        return open_for_viewing(lambda: self._open("ro"))
