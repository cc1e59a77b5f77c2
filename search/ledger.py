"""The contract of a ledger: what the loop tells it, and what it then knows."""

import abc

from search.records import Budget, Epoch, Failure, History, Job, Trial, Verdict


class AbstractLedger(abc.ABC):
    """The history of one study, which one process changes.

    A change is kept before it is seen in `history`: nothing is decided on or shown that could
    be taken back. What it makes of the history is the same in every ledger: `search.changes`
    says it. Any change raises LedgerError where storage fails.
    """

    @property
    @abc.abstractmethod
    def history(self) -> History:
        """Everything kept so far."""

    @abc.abstractmethod
    def check_place(self) -> None:
        """Makes sure that the study is where it was opened: before files are written beside it.

        Raises:
            LedgerError: it was removed, renamed or replaced.
        """

    @abc.abstractmethod
    def add(self, trial: Trial) -> None:
        """Adds a candidate, whole at once; its number is the next one."""

    @abc.abstractmethod
    def start(self, job: Job) -> None:
        """Counts an attempt at a job, before it starts: a job that kills us is seen to.

        Raises:
            LedgerError: the trial is final.
        """

    @abc.abstractmethod
    def release(self, job: Job) -> None:
        """Takes an attempt back: the job was given up on purpose, not by a crash.

        Raises:
            LedgerError: as in `start`.
        """

    @abc.abstractmethod
    def record(self, job: Job, epochs: tuple[Epoch, ...], *, elapsed: float) -> None:
        """Keeps the finished epochs of a job, one after another.

        Args:
            job: What was trained: its run, and the epoch that `epochs` begin with.
            epochs: The finished epochs, in order.
            elapsed: Seconds the study has been searched by now.

        Raises:
            LedgerError: an epoch is not the next one of its fold's present run, or the trial
                is final.
        """

    @abc.abstractmethod
    def fail(self, failure: Failure, trial_number: int, *, elapsed: float) -> None:
        """Keeps a failed run of a fold; after the last retry the trial is failed.

        Raises:
            LedgerError: as in `start`.
        """

    @abc.abstractmethod
    def judge(self, trial_number: int, verdict: Verdict) -> None:
        """Keeps a final verdict.

        Raises:
            LedgerError: as in `start`.
        """

    @abc.abstractmethod
    def set_budget(self, budget: Budget) -> None:
        """Keeps new totals."""

    @abc.abstractmethod
    def end(self, reason: str) -> None:
        """Keeps that the study is done under its present budget."""
