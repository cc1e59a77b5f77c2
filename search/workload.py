"""How much a study will still train, as far as its policy lets it be foreseen. Pure."""

import math
from collections.abc import Sequence
from statistics import fmean

from search.last_call import chance_to_win
from search.policies import race_options
from search.prediction import first_fold, predictions
from search.race import is_wanted_whole, run_since_best
from search.race_options import RaceOptions
from search.records import Epoch, History, Trial

_RIVAL_FOLDS = 0.6
"""Folds that a finalist trains before it is given up, until a study has finalists of its own."""

_CALLED = 7.0
"""Trials that go on by last calls, beside those with places, seen from a study's beginning. Read
off 14 replays."""

_CALLS_END = 0.4
"""Of those that may still win, how many go all the way: a call is for one rung, and calls end
when too few have won."""

_HOPE = 2.5
"""How much likelier a record is to the sampler than to Laplace's rule. Read off 16 replays."""

_LIKE_IT = 3
"""Trials from which on a mean over trials of one kind is taken to hold for the next ones."""

_MOST = 10_000
"""Trials that are looked ahead to, where the budget names none."""


def seconds_left(history: History) -> float | None:
    """Returns the training that will most likely come, in seconds of one worker.

    Args:
        history: The study.

    Returns:
        None before the first epoch, or if the policy's work cannot be foreseen.

    Raises:
        StudyError: the race has a constant of another version.
    """
    facts, budget = history.facts, history.budget
    if not any(trial.fold_epochs for trial in history.trials):
        return None
    begun = len(history.trials)
    if facts.policy == "full" and budget.trials is not None:
        return _in_full(history, history.trials, max(budget.trials - begun, 0))
    if facts.policy == "race" and (budget.trials is not None or budget.auto_stop):
        options = race_options(facts.race)
        return _Race(history, options, _trials_at_the_end(history, options) - begun).seconds()
    return None


def trained_seconds(history: History) -> float:
    """Returns what all workers have trained, in the same unit."""
    return math.fsum(
        _cost(curve.epochs) for trial in history.trials for curve in trial.curves if len(curve)
    )


def _cost(epochs: Sequence[Epoch]) -> float:
    """Returns the seconds of some epochs; 1 each where none were measured, so that they count."""
    measured = math.fsum(own.seconds + own.build_seconds for own in epochs)
    return measured or float(len(epochs))


def _in_full(history: History, trials: Sequence[Trial], future: int) -> float:
    """Returns what these trials and so many others lack of their cross-validations."""
    facts = history.facts
    each = facts.folds * facts.epochs
    begun = [trial for trial in history.trials if trial.fold_epochs]
    own = [trial for trial in begun if trial.origin == facts.sampler]
    # Documented models come first and are not like what the sampler proposes.
    typical = fmean(map(_pace, own if len(own) >= _LIKE_IT else begun))
    missing = (
        (each - trial.fold_epochs) * (_pace(trial) if trial.fold_epochs else typical)
        for trial in trials
        if not trial.is_final(facts.epochs)
    )
    return math.fsum(missing) + future * each * typical


def _pace(trial: Trial) -> float:
    return math.fsum(_cost(own.epochs) for own in trial.curves if len(own)) / trial.fold_epochs


def _trials_at_the_end(history: History, options: RaceOptions) -> int:
    """Returns how many trials a race will most likely have proposed.

    It may end by itself once a run of trials has not beaten the best one by more than a standard
    error, and the geometric mean of two chances of a record is below `settled`: Laplace's, about
    1 / the run's length, and the sampler's, here taken to be `_HOPE` times that. A new record,
    which begins the run anew, comes at the k-th trial with a chance of 1 / k. This is the median.

    References:
        Arnold, Balakrishnan and Nagaraja (1998), "Records", chapter 2.
    """
    begun, budget = len(history.trials), history.budget
    most = budget.trials or _MOST
    if not budget.auto_stop:
        return max(most, begun)
    if _is_closing(history, options):
        return begun
    needed = math.ceil(math.sqrt(_HOPE) / options.settled) - 1
    run = run_since_best(history, predictions(history, options.measure)) or 0
    runs, ended = {run: 1.0}, 0.0  # chance of each length of the run
    for count in range(begun, most):
        ended += sum(chance for length, chance in runs.items() if length >= needed)
        runs = {length: chance for length, chance in runs.items() if length < needed}
        if ended >= 0.5:
            return count
        record = 1 / (count + 1)
        after = {length + 1: chance * (1 - record) for length, chance in runs.items()}
        runs = {**after, 0: record * sum(runs.values())}
    return max(most, begun)


def _is_closing(history: History, options: RaceOptions) -> bool:
    """Says whether a race proposes no more: it trains further folds of an open cohort."""
    raced = len(history.trials) // options.cohort * options.cohort
    return any(
        sum(len(curve) > 0 for curve in trial.curves) > 1
        for trial in history.trials[raced:]
        if not is_wanted_whole(history.facts, trial)
    )


class _Race:
    """Rungs have places, so the epochs of first folds follow from the number of trials.

    How soon finalists are given up is learned from those that were.
    """

    def __init__(self, history: History, options: RaceOptions, future: int) -> None:
        self._history, self._options, self._future = history, options, future
        self._epochs, self._folds = history.facts.epochs, history.facts.folds
        self._wanted = [t for t in history.trials if is_wanted_whole(history.facts, t)]
        racing = [t for t in history.trials if t not in self._wanted and not t.is_failed]
        self._firsts = [trial.curves[first_fold(trial)].epochs for trial in racing]
        self._racing = racing
        self._called = 0.0 if options.last_call == 1 else self._calls(future)

    def seconds(self) -> float:
        """Returns the seconds of one worker."""
        left, places = 0.0, float(len(self._firsts) + self._future)
        there, below = places, 0
        for index, rung in enumerate(self._options.rungs_below(self._epochs)):
            parts = [own[below:rung] for own in self._firsts]
            if index:
                factors = self._options.factors
                places = max(places / factors[min(index - 1, len(factors) - 1)], 1.0)
                there = min(places + self._called, there)
            there = max(there, sum(len(own) >= rung for own in self._firsts))
            done = sum(map(len, parts))
            left += max(there * (rung - below) - done, 0.0) * self._pace(parts)
            below = rung
        wanted = _in_full(self._history, self._wanted, 0) if self._wanted else 0.0
        return left + self._further(there) + wanted

    def _calls(self, future: int) -> float:
        """Returns how many trials will go on by last calls.

        Once all are proposed, those that wait and may still win. Before, fewer the later: there
        are fewer trials to come, and they meet a better leader.
        """
        if future:
            return _CALLED * (future / (future + len(self._firsts))) ** 2
        options, images = self._options, self._history.facts.images
        found = predictions(self._history, options.measure)
        lengths = {t.number: max(map(len, t.curves)) for t in self._racing if t.verdict is None}
        whole = [found[number].mean for number, n in lengths.items() if n >= self._epochs]
        if not whole:
            return 0.0
        best = max(whole)
        return _CALLS_END * sum(
            chance_to_win(found[number], best, images) > options.last_call
            for number, n in lengths.items()
            if 0 < n < self._epochs
        )

    def _further(self, finalists: float) -> float:
        """Returns the seconds of further folds: the leader's, and those of its rivals."""
        whole = [t for t in self._racing if max(map(len, t.curves)) >= self._epochs]
        done = {t.number: t.fold_epochs / self._epochs - 1 for t in whole}
        stopped = [done[t.number] for t in whole if t.verdict is not None]
        open_ = [done[t.number] for t in whole if not t.is_final(self._epochs)]
        each = fmean(stopped) if len(stopped) >= _LIKE_IT else _RIVAL_FOLDS
        coming = max(finalists - len(whole), 0.0)
        if any(t.is_complete(self._epochs) for t in whole):
            folds = coming * each + sum(max(each - own, 0.5) for own in open_)
        else:  # one of them will train all of its folds
            folds = self._folds - 1 - max(open_, default=0.0)
            folds += max(coming + len(open_) - 1, 0.0) * each
        others = [
            curve.epochs
            for trial in whole
            for fold, curve in enumerate(trial.curves)
            if len(curve) and fold != first_fold(trial)
        ]
        parts = others or [own[1:] for own in self._firsts if len(own) >= self._epochs]
        return folds * self._epochs * self._pace(parts)

    def _pace(self, parts: Sequence[Sequence[Epoch]]) -> float:
        """Returns the seconds of an epoch of this kind, else of any epoch."""
        begun = [own for own in parts if own] or [own for own in self._firsts if own]
        return math.fsum(map(_cost, begun)) / sum(map(len, begun)) if begun else 1.0
