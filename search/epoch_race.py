"""Racing over epochs only: whole cross-validations, promoted from rung to rung."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import final

from search.policy import AbstractPolicy, Action, Allowance, Propose, Wait, going_on
from search.records import History, Job, Trial


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EpochsPolicy(AbstractPolicy):
    """Promotes the best third of those that trained every fold up to a rung.

    References:
        Li et al. (2020), "A system for massively parallel hyperparameter tuning", MLSys.
    """

    factor: float = 3.0
    rungs: tuple[int, ...] = (1, 3)

    name = "epochs"

    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        """Returns a begun rung's next fold, else a promotion, else asks for another trial."""
        busy = {job.lane for job in running}
        if not allowance.may_widen:
            leader = self.leader(history)
            if leader is None:
                return Propose() if allowance.may_propose else Wait()
            if history.incumbent is not None:
                return Wait()
            return next(_up_to(leader, history.facts.epochs, busy), Wait())
        closing = not allowance.may_propose
        return next(self._work(history, busy, closing=closing), Wait() if closing else Propose())

    def leader(self, history: History) -> Trial | None:
        """Returns the incumbent, else the trial that got furthest, the better one of equals."""
        unfinished = [t for t in history.trials if not t.is_final(history.facts.epochs)]
        if history.incumbent is not None or not unfinished:
            return history.incumbent
        return max(unfinished, key=lambda t: (_level(t), _mean(t, _level(t)), -t.number))

    def _work(
        self, history: History, busy: set[tuple[int, int]], *, closing: bool
    ) -> Iterator[Action]:
        rungs = (*(r for r in self.rungs if r < history.facts.epochs), history.facts.epochs)
        alive = [trial for trial in history.trials if trial.verdict is None]
        for trial in alive:
            furthest = max(len(curve) for curve in trial.curves)
            target = next(rung for rung in rungs if rung >= max(furthest, 1))
            yield from _up_to(trial, target, busy)
        for i in range(len(rungs) - 2, -1, -1):
            reached = [trial for trial in alive if _level(trial) >= rungs[i]]
            reached.sort(key=lambda t: (-_mean(t, rungs[i]), t.macs, t.number))
            count = max(int(closing), int(len(reached) / self.factor))
            for trial in reached[:count]:
                if _level(trial) == rungs[i]:
                    yield from _up_to(trial, rungs[i + 1], busy)


def _level(trial: Trial) -> int:
    """Returns the epochs that every fold has."""
    return min(len(curve) for curve in trial.curves)


def _mean(trial: Trial, epochs: int) -> float:
    """Returns the mean accuracy of the folds after so many epochs; 0 before the first."""
    if epochs == 0:
        return 0.0
    return fmean(curve.epochs[epochs - 1].valid_accuracy for curve in trial.curves)


def _up_to(trial: Trial, epochs: int, busy: set[tuple[int, int]]) -> Iterator[Action]:
    """Yields the jobs that bring every fold to so many epochs."""
    for fold, curve in enumerate(trial.curves):
        if len(curve) < epochs and (trial.number, fold) not in busy:
            yield going_on(trial, fold, epochs)
