"""How much a study will still train, as far as its policy lets it be foreseen. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from search.policies import race_options
from search.race_options import RaceOptions
from search.records import AGAIN, History, Trial

_RIVAL_FOLDS = 1.0
"""Folds that a finalist trains before it is given up, until a study has finalists of its own."""

_LIKE_IT = 3
"""Trials from which on a mean over trials of one kind is taken to hold for the next ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Training that is still to be done, in seconds of one worker."""

    seconds: float
    is_limit: bool
    """The policy may end the study before."""


def workload(history: History) -> Workload | None:
    """Returns what will most likely be trained under the budget of trials.

    Args:
        history: The study.

    Returns:
        None without a budget of trials, before the first epoch, or if the policy's work cannot
        be foreseen.

    Raises:
        StudyError: the race has a constant of another version.
    """
    facts, budget = history.facts, history.budget
    if budget.trials is None or not any(trial.fold_epochs for trial in history.trials):
        return None
    future = max(budget.trials - len(history.trials), 0)
    if facts.policy == "full":
        return Workload(seconds=_in_full(history, history.trials, future), is_limit=False)
    if facts.policy == "race":
        left = _Race(history, race_options(facts.race), future).seconds()
        return Workload(seconds=left, is_limit=budget.auto_stop)
    return None


def trained_seconds(history: History) -> float:
    """Returns what all workers have trained, in the same unit."""
    return sum(trial.fold_epochs * _pace(trial) for trial in history.trials)


def _pace(trial: Trial) -> float:
    """Returns the seconds of an epoch; 1 where none were measured, so that epochs count."""
    return (trial.seconds / trial.fold_epochs if trial.fold_epochs else 0.0) or 1.0


def _typical(history: History) -> float:
    """Returns the seconds of an epoch of a trial to come: those of the sampler's, if any."""
    begun = [trial for trial in history.trials if trial.fold_epochs]
    own = [trial for trial in begun if trial.origin == history.facts.sampler]
    return fmean(map(_pace, own if len(own) >= _LIKE_IT else begun))


def _in_full(history: History, trials: Sequence[Trial], future: int) -> float:
    """Returns what these trials and so many others lack of their cross-validations."""
    facts, typical = history.facts, _typical(history)
    each = facts.folds * facts.epochs
    missing = (
        (each - trial.fold_epochs) * (_pace(trial) if trial.fold_epochs else typical)
        for trial in trials
        if not trial.is_final(facts.epochs)
    )
    return sum(missing) + future * each * typical


class _Race:
    """Rungs have places, so the epochs of first folds follow from the number of trials.

    How soon finalists are given up is learned from those that were.
    """

    def __init__(self, history: History, options: RaceOptions, future: int) -> None:
        facts = history.facts
        self._history, self._options, self._future = history, options, future
        self._rungs = options.rungs_below(facts.epochs)
        whole = [trial for trial in history.trials if _is_wanted_whole(history, trial)]
        self._wanted = whole
        self._racing = [t for t in history.trials if t not in whole and not t.is_failed]

    def seconds(self) -> float:
        """Returns the seconds of one worker."""
        firsts = [self._first_curve(trial) for trial in self._racing]
        standing = len(firsts) + self._future
        left, finalists = 0.0, float(standing)
        for index, rung in enumerate(self._rungs):
            below = self._rungs[index - 1] if index else 0
            done = sum(min(max(epochs - below, 0), rung - below) for epochs in firsts)
            reached = sum(epochs >= rung for epochs in firsts)
            if index:
                factors = self._options.factors
                finalists = max(finalists / factors[min(index - 1, len(factors) - 1)], 1.0)
            finalists = max(finalists, reached)
            there = [t for t, own in zip(self._racing, firsts, strict=True) if own > below]
            left += max(finalists * (rung - below) - done, 0.0) * self._pace_of(there)
        return left + self._folds(finalists) + _in_full(self._history, self._wanted, 0)

    def _folds(self, finalists: float) -> float:
        """Returns the seconds of further folds: the leader's, and those of its rivals."""
        facts = self._history.facts
        whole = [t for t in self._racing if self._first_curve(t) >= facts.epochs]
        complete = [t for t in whole if t.is_complete(facts.epochs)]
        stopped = [t for t in whole if t.verdict is not None]
        open_ = [t for t in whole if not t.is_final(facts.epochs)]
        each = _RIVAL_FOLDS
        if len(stopped) >= _LIKE_IT:
            each = fmean(self._further(trial) for trial in stopped)
        further = 0.0
        coming = max(finalists - len(whole), 0.0)
        if not complete:  # somebody will train all of them
            most = max(map(self._further, open_), default=0.0)
            further += facts.folds - 1 - most
            coming += len(open_)
            coming = max(coming - 1, 0.0)
            further += coming * each
        else:
            further += coming * each
            further += sum(max(each - self._further(trial), 0.5) for trial in open_)
        return further * facts.epochs * self._pace_of(whole)

    def _further(self, trial: Trial) -> float:
        """Returns how many folds a trial has trained after the first."""
        return trial.fold_epochs / self._history.facts.epochs - 1

    def _first_curve(self, trial: Trial) -> int:
        return max(len(curve) for curve in trial.curves)

    def _pace_of(self, trials: Sequence[Trial]) -> float:
        begun = [trial for trial in trials if trial.fold_epochs]
        return fmean(map(_pace, begun)) if begun else _typical(self._history)


def _is_wanted_whole(history: History, trial: Trial) -> bool:
    """Says whether a race gives a trial its whole cross-validation in any case."""
    facts = history.facts
    is_baseline = trial.origin not in {facts.sampler, AGAIN}
    return trial.origin == AGAIN or (is_baseline and facts.baselines == "full")
