"""What an unfinished trial will most likely score: the model behind the race.

`search.chain` predicts where the curve on a trial's first fold ends, `search.fold_model` what
that means for the mean over all folds.

Stopping looks only at values that are known, so what stopped trials lack is missing at random,
and fitting each step to the trials that made it is the maximum likelihood estimate of the chain
(Rubin 1976, "Inference and missing data", Biometrika 63). Weak priors speak until there is data.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, final

import numpy as np

from search.chain import reached_at_the_end
from search.fold_model import FoldModel
from search.log_odds import Floats, log_odds
from search.per_trial import PerTrial
from search.points import HIGHEST, LOWEST, point_of
from search.records import Curve, Epoch, History, Trial
from search.smoothing import Smooth
from spaces.space import Config

Measure = Literal["accuracy", "loss"]
"""What a rung is judged by; whole folds are always judged by accuracy."""

_LOSS_PER_ERROR = 3.3
"""Nats: the mean cross-entropy of a network that is wrong about one image in a hundred is about
0.033 (docs/decisions.md)."""

_DIGITS = 9
"""Rounding hides the last bits of linear algebra, which may differ between machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The mean over all folds that a trial would reach."""

    mean: float
    low: float
    """Lower end of the 95 % interval."""

    high: float
    """Upper end."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a trial's finished epochs come to, kept as long as they are the newest."""

    config: Config
    curves: tuple[Curve, ...]
    marked: tuple[float, ...]
    """The first fold's values at the milestones it has reached."""

    whole: Mapping[int, float]
    """The last accuracy of each fold that is trained whole."""


@cache
def milestones(epochs: int) -> tuple[int, ...]:
    """Returns the epochs between which the chain steps: doublings, and the last one."""
    return (*(2**i for i in range(epochs.bit_length()) if 2**i < epochs), epochs)


def fold_images(history: History) -> int:
    """Returns the validation images of a fold."""
    return max(1, history.facts.images // history.facts.folds)


def first_fold(trial: Trial) -> int:
    """Returns the fold a trial has trained longest, the lowest of several."""
    lengths = [len(curve.epochs) for curve in trial.curves]
    return lengths.index(max(lengths))


def predictions(history: History, measure: Measure = "accuracy") -> Mapping[int, Prediction]:
    """Predicts the score of every trial with a finished epoch, as a new `Predictor` does."""
    return Predictor(measure).predictions(history)


@final
class Predictor:
    """Predicts again and again; what it remembers saves time and changes nothing."""

    def __init__(self, measure: Measure = "accuracy") -> None:
        """Makes a predictor.

        Args:
            measure: What stands for a trial before the last epoch.
        """
        self._measure = measure
        self.points = PerTrial(point_of)
        self._seen: dict[int, _Seen] = {}
        self._facts: object = None
        self._last: tuple[list[_Seen], Mapping[int, Prediction]] = ([], {})
        self._near: tuple[tuple[tuple[int, float], ...], Floats] = ((), np.zeros(0))
        """First values, and what the neighbours say of each trial: most jobs change neither."""

    def predictions(self, history: History) -> Mapping[int, Prediction]:
        """Predicts the score of every trial with a finished epoch.

        Complete trials have their score, and an interval without width. Failed ones are left
        out.
        """
        if self._facts is not history.facts:
            self._seen, self._facts, self._last = {}, history.facts, ([], {})
            self._near = (), np.zeros(0)
        alive = [t for t in history.trials if t.fold_epochs and not t.is_failed]
        if not alive:
            return {}
        seen = [self._look(trial, history) for trial in alive]
        before, found = self._last
        if len(before) != len(seen) or any(a is not b for a, b in zip(before, seen, strict=True)):
            found = self._predicted(history, alive, seen)
            self._last = seen, found
        return found

    def _look(self, trial: Trial, history: History) -> _Seen:
        known = self._seen.get(trial.number)
        if known is not None and known.config is not trial.config:
            known = None  # another history's trial of this number
        if known is not None and known.curves is trial.curves:
            return known
        epochs, images = history.facts.epochs, fold_images(history)
        marks = milestones(epochs)
        curve = trial.curves[first_fold(trial)].epochs
        seen = _Seen(
            trial.config,
            trial.curves,
            tuple(
                self._value(curve[mark - 1], images, is_last=mark == epochs)
                for mark in marks
                if mark <= len(curve)
            ),
            {
                fold: own.epochs[epochs - 1].valid_accuracy
                for fold, own in enumerate(trial.curves)
                if len(own.epochs) >= epochs
            },
        )
        self._seen[trial.number] = seen
        return seen

    def _value(self, epoch: Epoch, images: int, *, is_last: bool) -> float:
        if is_last or self._measure == "accuracy":
            return log_odds(epoch.valid_accuracy, images)
        # A loss is a few error rates, so its logarithm is about the log odds and a constant.
        return -math.log(max(epoch.valid_loss, 0.1 / images) / _LOSS_PER_ERROR)

    def _predicted(
        self, history: History, alive: Sequence[Trial], seen: Sequence[_Seen]
    ) -> Mapping[int, Prediction]:
        facts = history.facts
        folds = FoldModel.fitted(
            [own.whole for own in seen], folds=facts.folds, images=fold_images(history)
        )
        points = np.stack([self.points.of(trial, facts.space) for trial in alive])
        inside = [i for i, trial in enumerate(alive) if trial.in_space]
        starts = tuple(
            (trial.number, own.marked[0]) for trial, own in zip(alive, seen, strict=True)
        )
        if self._near[0] != starts:
            near = np.zeros(len(seen))
            if len(inside) > 1:
                firsts = np.array([starts[i][1] for i in inside])
                near = Smooth.fitted(points[inside], firsts).means_at(points)
            self._near = starts, near
        ends, variances = reached_at_the_end(
            [own.marked for own in seen],
            # Who lies outside the space is taken to its edge: a line does not reach further.
            np.column_stack([self._near[1], np.clip(points, LOWEST, HIGHEST)]),
            milestones(facts.epochs),
        )
        means, lows, highs = folds.means_from([first_fold(t) for t in alive], ends, variances)
        found = {}
        each = zip(means.tolist(), lows.tolist(), highs.tolist(), strict=True)
        for trial, own, hoped in zip(alive, seen, each, strict=True):
            values = folds.mean_of_all(own.whole) if own.whole else hoped
            # Around a mean of unequal folds an interval can reach beyond 0 or 1.
            mean, low, high = (round(min(max(value, 0.0), 1.0), _DIGITS) for value in values)
            found[trial.number] = Prediction(mean=mean, low=low, high=high)
        return found
