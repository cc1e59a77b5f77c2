"""A ledger without storage: for a replay, which is had again sooner than it is read."""

from typing import final

from search import changes
from search.ledger import AbstractLedger
from search.records import Budget, Epoch, Facts, Failure, History, Job, Trial, Verdict


@final
class MemoryLedger(AbstractLedger):
    """A study in the memory of this process; it is gone when the process is."""

    def __init__(self, facts: Facts, budget: Budget) -> None:
        self._history = History(facts=facts, budget=budget)

    @property
    def history(self) -> History:
        return self._history

    def check_place(self) -> None:
        """Does nothing: memory stays where it is."""

    def add(self, trial: Trial) -> None:
        self._history = changes.added(self._history, trial)

    def start(self, job: Job) -> None:
        self._history = changes.started(self._history, job)

    def release(self, job: Job) -> None:
        self._history = changes.released(self._history, job)

    def record(self, job: Job, epochs: tuple[Epoch, ...], *, elapsed: float) -> None:
        for number, epoch in enumerate(epochs, start=job.start):
            self._history = changes.recorded(
                self._history, job, number=number, epoch=epoch, elapsed=elapsed
            )

    def fail(self, failure: Failure, trial_number: int, *, elapsed: float) -> None:
        self._history = changes.failed(self._history, failure, trial_number, elapsed=elapsed)
        verdict = changes.verdict_of_failures(self._history, trial_number)
        if verdict is not None:
            self.judge(trial_number, verdict)

    def judge(self, trial_number: int, verdict: Verdict) -> None:
        self._history = changes.judged(self._history, trial_number, verdict)

    def set_budget(self, budget: Budget) -> None:
        self._history = changes.budget_set(self._history, budget)

    def end(self, reason: str) -> None:
        self._history = changes.ended(self._history, reason)
