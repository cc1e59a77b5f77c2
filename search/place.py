"""The contract of a place that keeps ledgers: who reads there, who owns a study, who writes."""

import abc
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from search.writer import AbstractWriter, OptunaStorage


class AbstractReading(abc.ABC):
    """One unchanging view of a place's tables; nothing can be written through it."""

    @abc.abstractmethod
    def has_tables(self) -> bool:
        """Says whether anything was ever written there."""

    @abc.abstractmethod
    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Returns what a query finds; a `?` in it stands for each value."""


class AbstractLock(abc.ABC):
    """Makes one process the owner of a study, from `acquire` to `release` or to its end."""

    @abc.abstractmethod
    def acquire(self) -> Self:
        """Takes the lock.

        Raises:
            StudyOwned: another living process has it; the message names that process.
            LedgerError: the place cannot be written, or does not answer.
        """

    @abc.abstractmethod
    def release(self) -> None:
        """Gives the lock up; twice is no error."""

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class AbstractPlace(abc.ABC):
    """Where ledgers are kept: what differs between a file and a server, and nothing else.

    As text it is what people may see: without a password.
    """

    @property
    @abc.abstractmethod
    def has_password(self) -> bool:
        """Whether whoever named the place told a password with it."""

    @abc.abstractmethod
    def exists(self) -> bool:
        """Says whether there is something to read; creates nothing."""

    @abc.abstractmethod
    def reading(self, study: str | None) -> AbstractContextManager[AbstractReading]:
        """Opens the place for reading, for as short a time as it takes to fetch.

        Args:
            study: The study to be read; None: all of them.

        Raises:
            LedgerError: there is none, or it cannot be reached or read.
        """

    @abc.abstractmethod
    def owner(self, reading: AbstractReading, study: str) -> str | None:
        """Returns who owns a study right now, in words; None: nobody."""

    @abc.abstractmethod
    def updated(self, reading: AbstractReading, study: str) -> datetime | None:
        """Returns when the study's ledger was last written, UTC, as far as the place knows."""

    @abc.abstractmethod
    def damage(self, study: str) -> tuple[str, ...]:
        """Returns what is broken in the database, a line each."""

    @abc.abstractmethod
    def about(self) -> str:
        """Returns what the place is, in a line, for a check of the machine.

        Raises:
            LedgerError: as in `reading`.
        """

    @abc.abstractmethod
    def lock(self, study: str) -> AbstractLock:
        """Returns the lock of a study, not yet taken."""

    @abc.abstractmethod
    def writer(self, lock: AbstractLock, study: str) -> "AbstractWriter":
        """Opens the place for the owner of a study; creates what is missing.

        Args:
            lock: The study's lock, taken; whoever took it releases it.
            study: The study's name.

        Raises:
            LedgerError: the place cannot be written.
        """

    @abc.abstractmethod
    def viewing(self) -> "OptunaStorage":
        """Opens Optuna's storage on connections that can only read: for viewers of others."""
