"""The contract of writing: Optuna's storage, opened by a study's owner."""

import abc
from collections.abc import Callable
from typing import TypeVar

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

_T = TypeVar("_T")

OptunaStorage = RDBStorage
"""Optuna's storage, for those who name it without importing Optuna."""


class AbstractWriter(abc.ABC):
    """Optuna's storage in the hands of a study's owner; each call is durable when it returns."""

    @property
    @abc.abstractmethod
    def storage(self) -> RDBStorage:
        """The storage; `commit` guards every use of it."""

    @abc.abstractmethod
    def check_place(self) -> None:
        """Makes sure that a commit would go to the ledger that was opened.

        Raises:
            LedgerMoved: another file has its name now, or none.
        """

    @abc.abstractmethod
    def commit(self, action: Callable[[], _T]) -> _T:
        """Carries out one commit, which must be safe to repeat.

        Raises:
            StudyOwned: the study has another owner by now; nothing was written.
            LedgerError: storage fails; what was committed before is safe.
        """

    @abc.abstractmethod
    def create_trial(self, study_id: int, trial: FrozenTrial) -> int:
        """Adds a trial, once, and returns its id.

        Raises:
            StudyOwned: as in `commit`.
            LedgerError: as in `commit`.
        """

    @abc.abstractmethod
    def sign(self, study_id: int) -> None:
        """Marks the study as ours, so that a later owner's writing cannot go unnoticed.

        Raises:
            StudyOwned: as in `commit`.
            LedgerError: as in `commit`.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Closes every connection but the lock's."""
