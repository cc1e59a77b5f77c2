"""Optuna's storage on PostgreSQL: commits outlive a restart of the server, and no other owner.

Each transaction begins by making sure that the study's lock is still held. The order matters:
the writing session is there already, so if the server is restarted afterwards that session goes
as well and its commit fails.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar, final

import psycopg
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from search.errors import LedgerError, StudyOwned
from search.postgres_connection import Unanswered, connect, detail_of
from search.postgres_lock import AdvisoryLock, key_of
from search.postgres_url import PostgresUrl
from search.writer import AbstractWriter

_T = TypeVar("_T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two tries; doubled from one to the other."""

_SIGNATURE = "owner"
"""The study's attribute that each new owner overwrites."""


@final
class PostgresWriter(AbstractWriter):
    """Writes a study on a server: repeats what was not answered, for a bounded time."""

    def __init__(
        self, url: PostgresUrl, lock: AdvisoryLock, study: str, *, patience: float
    ) -> None:
        self._url = url
        self._lock = lock
        self._study = study
        self._patience = patience
        self._signature: str | None = None
        self._doubtful = False
        self._taken_over: StudyOwned | None = None
        try:
            self._storage = open_storage(url)
        except (psycopg.Error, SQLAlchemyError, OptunaError, RuntimeError) as error:
            raise self._failed(error) from None
        event.listen(self._storage.engine, "handle_error", self._answer_errors)
        event.listen(self._storage.engine, "begin", self._begin)

    @property
    def storage(self) -> RDBStorage:
        return self._storage

    def check_place(self) -> None:
        """Does nothing: a database has no name that could lead elsewhere."""

    def commit(self, action: Callable[[], _T]) -> _T:
        began, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                return action()
            except Unanswered as error:
                if time.monotonic() + pause > began + self._patience:
                    raise self._given_up(error) from None
            except (psycopg.Error, SQLAlchemyError, OptunaError) as error:
                raise self._failed(error) from None
            self._wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def create_trial(self, study_id: int, trial: FrozenTrial) -> int:
        def create() -> int:
            with self._storage.engine.begin() as db:
                # If this is a repetition, the lost try's transaction may still be about to
                # commit: it holds this row, so once we have it that is over, one way or other.
                db.execute(
                    text("SELECT 1 FROM studies WHERE study_id = :study FOR UPDATE"),
                    {"study": study_id},
                )
                found = db.execute(
                    text("SELECT trial_id FROM trials WHERE study_id = :study AND number = :own"),
                    {"study": study_id, "own": trial.number},
                ).scalar()
            if found is not None:
                return int(found)
            return self._storage.create_new_trial(study_id, trial)

        return self.commit(create)

    def sign(self, study_id: int) -> None:
        signature = secrets.token_hex(8)
        self.commit(lambda: self._storage.set_study_user_attr(study_id, _SIGNATURE, signature))
        self._signature = signature

    def close(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _begin(self, connection: Connection) -> None:
        """Refuses a transaction of a process that does not own the study any more."""
        if self._taken_over is not None:
            raise self._taken_over
        try:
            # The doubt outlives a check that the server broke off.
            self._doubtful |= self._lock.retake()
            if self._doubtful and self._signature is not None:
                self._check_signature(connection)
            self._doubtful = False
        except StudyOwned as error:
            self._taken_over = error
            raise

    def _check_signature(self, connection: Connection) -> None:
        """Finds out whether the study had another owner while its lock was lost.

        What we know of it would be out of date, although nobody has it now.
        """
        found = connection.execute(
            text(
                "SELECT value_json FROM study_user_attributes JOIN studies USING (study_id) "
                "WHERE study_name = :study AND key = :key"
            ),
            {"study": self._study, "key": _SIGNATURE},
        ).scalar()
        if found != f'"{self._signature}"':
            raise StudyOwned(self._study, "another process, which took it while its lock was lost")

    def _answer_errors(self, context: ExceptionContext) -> BaseException | None:
        """Turns a lost server into an error that only `commit` catches.

        Optuna itself would repeat the creation of a trial, even one that had come through.
        """
        error = context.sqlalchemy_exception
        lost = isinstance(error, OperationalError) or context.is_disconnect
        if lost and not context.is_pre_ping:
            return Unanswered(detail_of(context.original_exception, self._url))
        return None

    def _wait(self, seconds: float) -> None:
        try:
            time.sleep(seconds)
        except BaseException:
            self._patience = 0.0  # whoever interrupts does not want to wait for the next one
            raise

    def _given_up(self, error: Unanswered) -> LedgerError:
        waited, self._patience = self._patience, 0.0  # what follows must not wait as long again
        return LedgerError(
            f"The ledger {self._url} did not answer for {waited:.0f} s: {error}. All epochs "
            f"that it acknowledged are safe. Once it is back, go on with "
            f"`mnist-hpo resume {self._study}` and the same storage."
        )

    def _failed(self, error: BaseException) -> LedgerError:
        cause: BaseException | None = error.__cause__ or error
        if isinstance(cause, DBAPIError):
            cause = cause.orig
        detail = detail_of(cause or error, self._url)
        return LedgerError(f"Cannot write the ledger {self._url}: {detail}.")


def open_storage(url: PostgresUrl) -> RDBStorage:
    """Opens Optuna's storage, every commit durable when it returns; creates missing tables.

    Optuna and SQLAlchemy get a function that connects, and no URL that holds a password.
    """
    with connect(url, name="mnist-hpo schema", autocommit=True) as connection:
        # Two studies started at once in an empty database would both create its tables.
        connection.execute("SELECT set_config('lock_timeout', '60s', false)")
        connection.execute("SELECT pg_advisory_lock(%s)", (key_of("the tables"),))
        pool = QueuePool(lambda: _writing(url), pre_ping=True)
        try:
            return RDBStorage("postgresql+psycopg://", engine_kwargs={"pool": pool})
        except BaseException:
            pool.dispose()  # there is no storage that could be closed
            raise


def open_for_viewing(url: PostgresUrl) -> RDBStorage:
    """Opens Optuna's storage on sessions that can only read; creates no table."""

    def reading() -> Any:  # noqa: ANN401 - as in `_writing`
        connection = connect(url, name="mnist-hpo viewer")
        connection.read_only = True
        return connection

    pool = QueuePool(reading, pre_ping=True)
    try:
        return RDBStorage(
            "postgresql+psycopg://",
            engine_kwargs={"pool": pool},
            skip_compatibility_check=True,
            skip_table_creation=True,
        )
    except BaseException:
        pool.dispose()
        raise


def _writing(url: PostgresUrl) -> Any:  # noqa: ANN401 - SQLAlchemy's protocol is not psycopg's
    connection = connect(url, name="mnist-hpo writer")
    try:
        # A server may be set to acknowledge before it has written. Stricter settings stay.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection
