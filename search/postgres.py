"""Ledgers in a database on a PostgreSQL server: reading them, and who owns a study."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast, final

import psycopg

from search.errors import LedgerError
from search.place import AbstractLock, AbstractPlace, AbstractReading
from search.postgres_connection import Connection, connect, detail_of
from search.postgres_lock import AdvisoryLock, owner_in
from search.postgres_url import PostgresUrl

if TYPE_CHECKING:
    from search.postgres_storage import PostgresWriter
    from search.writer import OptunaStorage

PATIENCE_SECONDS = 60.0
"""How long a commit is repeated: a server restarts in seconds, a standby takes over within a
minute; what lasts longer is news that a person should have."""


@final
class _ServerReading(AbstractReading):
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def has_tables(self) -> bool:
        return self.rows("SELECT to_regclass('studies') IS NOT NULL") == [(True,)]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(
            query.replace("?", "%s").encode(), values or None
        ).fetchall()


@final
@dataclass(frozen=True, slots=True)
class PostgresServer(AbstractPlace):
    """A database on a server, for any number of studies."""

    url: PostgresUrl
    patience: float = PATIENCE_SECONDS
    """Seconds for which a commit is repeated while the server does not answer."""

    def __str__(self) -> str:
        return str(self.url)

    @property
    def has_password(self) -> bool:
        return self.url.has_password

    def exists(self) -> bool:
        return True  # whoever reads learns whether the server has it

    @contextlib.contextmanager
    def reading(self, study: str | None) -> Iterator[AbstractReading]:
        """Opens a transaction in which nothing changes and nothing can be changed."""
        del study
        try:
            with connect(self.url, name="mnist-hpo reader") as connection:
                connection.read_only = True
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                yield _ServerReading(connection)
        except psycopg.Error as error:
            # The driver's own error could repeat what it connected with.
            detail = detail_of(error, self.url)
            raise LedgerError(f"Cannot read the ledger {self}: {detail}.") from None

    def owner(self, reading: AbstractReading, study: str) -> str | None:
        return owner_in(cast("_ServerReading", reading).connection, study)

    def updated(self, reading: AbstractReading, study: str) -> datetime | None:
        # No table of Optuna's keeps the time of an epoch, and databases have no file times.
        ((newest,),) = reading.rows(
            "SELECT max(greatest(datetime_start, datetime_complete)) FROM trials "
            "JOIN studies USING (study_id) WHERE study_name = ?",
            study,
        )
        return None if newest is None else newest.replace(tzinfo=UTC)

    def damage(self, study: str) -> tuple[str, ...]:
        del study  # the server checks its pages itself, as its keeper set it up
        return ()

    def about(self) -> str:
        with self.reading(None) as db:
            ((version, fsync),) = db.rows(
                "SELECT current_setting('server_version'), current_setting('fsync')"
            )
            count = db.rows("SELECT count(*) FROM studies")[0][0] if db.has_tables() else 0
        # With fsync off the server may forget what it acknowledged, at the next power cut.
        return f"PostgreSQL {version}, fsync {fsync}, {count} studies in {self}"

    def lock(self, study: str) -> AdvisoryLock:
        return AdvisoryLock(self.url, study)

    def writer(self, lock: AbstractLock, study: str) -> "PostgresWriter":
        from search.postgres_storage import PostgresWriter  # noqa: PLC0415 - not for readers

        return PostgresWriter(self.url, cast("AdvisoryLock", lock), study, patience=self.patience)

    def viewing(self) -> "OptunaStorage":
        from search.postgres_storage import open_for_viewing  # noqa: PLC0415 - likewise

        return open_for_viewing(self.url)
