"""What an unfinished trial will most likely score: the model behind the race.

Everything happens in log odds, where a fold that is harder by a factor is harder for everybody:

    z[trial, fold] = quality[trial] + effect[fold] + noise               whole folds
    z[next rung] = gain + slope z[rung] + weights . place + noise        epochs on the first fold

Stopping looks only at values that are known, so what stopped trials lack is missing at random,
and fitting each step to the trials that made it is the maximum likelihood estimate of the
chain (Rubin 1976, "Inference and missing data", Biometrika 63). Weak priors speak until there
is data.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from search.points import encoder
from search.records import Epoch, History, Trial, TrialState
from search.smoothing import Smooth

Measure = Literal["accuracy", "loss"]
"""What a rung is judged by; whole folds are always judged by accuracy."""

Floats = npt.NDArray[np.float64]

_SLOPE, _SLOPE_SD = 0.7, 0.18
"""Differences shrink while training goes on: late starters catch up."""

_GAIN, _GAIN_SD = 0.6, 0.3
"""Log odds won with each doubling of the epochs."""

_NEAR_SD = 0.18
"""Likewise for what the neighbours reached at the first rung."""

_WEIGHT_SD = 0.1
"""Log odds that one hyperparameter, from end to end, adds to a gain."""

_STEP_SD, _STEP_WEIGHT = 0.17, 4.0
"""Spread around a step of the chain before there is data, and what that is worth in trials."""

_NOISE_WEIGHT = 4.0
"""What the binomial guess of the folds' noise is worth, in degrees of freedom."""

_Z95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The mean over all folds that a trial would reach."""

    mean: float
    low: float
    """Lower end of the 95 % interval."""

    high: float
    """Upper end."""


def milestones(epochs: int) -> tuple[int, ...]:
    """Returns the epochs between which the chain steps: doublings, and the last one."""
    return (*(2**i for i in range(epochs.bit_length()) if 2**i < epochs), epochs)


def fold_images(history: History) -> int:
    """Returns the validation images of a fold."""
    return max(1, history.facts.images // history.facts.folds)


def log_odds(accuracy: float, images: int) -> float:
    """Returns log(right / wrong), with half an image added to both."""
    return math.log((accuracy * images + 0.5) / ((1 - accuracy) * images + 0.5))


def first_fold(trial: Trial) -> int:
    """Returns the fold a trial has trained longest, the lowest of several."""
    return max(range(len(trial.curves)), key=lambda fold: (len(trial.curves[fold]), -fold))


def predictions(history: History, measure: Measure = "loss") -> Mapping[int, Prediction]:
    """Predicts the score of every trial with a finished epoch.

    Complete trials have their score, and an interval without width. Failed trials are left out.

    Args:
        history: All that the ledger knows.
        measure: What stands for a trial before the last epoch; losses vary less.
    """
    facts, images = history.facts, fold_images(history)
    alive = [trial for trial in history.trials if trial.fold_epochs and not is_failed(trial)]
    if not alive:
        return {}
    marks = milestones(facts.epochs)
    encode = encoder(facts.space)
    points = np.stack([encode(trial.config) for trial in alive])
    curves = [_marked(trial, marks, images=images, measure=measure) for trial in alive]
    inside = [i for i, trial in enumerate(alive) if trial.in_space]
    near = np.zeros(len(alive))
    if len(inside) > 1:
        first = Smooth.fitted(points[inside], np.array([curves[i][0] for i in inside]))
        near = first.at(points)[0]
    places = np.column_stack([near, points])
    steps = _chain(curves, places, marks)
    folds = _Folds.fitted(alive, epochs=facts.epochs, images=images)
    found = {}
    for i, trial in enumerate(alive):
        seen = _whole(trial, facts.epochs)
        if seen:
            quality, variance = folds.quality(seen)
        else:
            mean, variance = curves[i][-1], 0.0
            for step in steps[len(curves[i]) - 1 :]:
                mean, variance = step.after(mean, variance, places[i])
            quality = mean - folds.effects[first_fold(trial)]
            variance += folds.noise * (facts.folds - 1) / facts.folds
        found[trial.number] = folds.predicted(seen, quality, variance)
    return found


def is_failed(trial: Trial) -> bool:
    """Says whether a trial could not be trained: it tells nothing about accuracy."""
    return trial.verdict is not None and trial.verdict.state is TrialState.FAILED


def _whole(trial: Trial, epochs: int) -> dict[int, float]:
    """Returns the last accuracy of each fold that is trained whole."""
    return {
        fold: curve.epochs[epochs - 1].valid_accuracy
        for fold, curve in enumerate(trial.curves)
        if len(curve) >= epochs
    }


def _marked(
    trial: Trial, marks: Sequence[int], *, images: int, measure: Measure
) -> tuple[float, ...]:
    """Returns the first fold's values at the milestones it has reached."""
    epochs = trial.curves[first_fold(trial)].epochs
    return tuple(
        _value(epochs[mark - 1], images, "accuracy" if mark == marks[-1] else measure)
        for mark in marks
        if mark <= len(epochs)
    )


def _value(epoch: Epoch, images: int, measure: Measure) -> float:
    if measure == "accuracy":
        return log_odds(epoch.valid_accuracy, images)
    # A small loss is about the error rate, and its logarithm about the log odds.
    return -math.log(max(epoch.valid_loss, 0.1 / images))


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of the chain: a Bayesian linear regression, its spread plugged in.

    References:
        Gelman et al. (2013), "Bayesian Data Analysis", 3rd edition, section 14.8.
    """

    centre: Floats
    weights: Floats
    covariance: Floats
    variance: float

    def after(self, mean: float, variance: float, point: Floats) -> tuple[float, float]:
        """Returns mean and variance one rung later."""
        row = _design(np.array([mean]), point[None, :], self.centre)[0]
        slope = float(self.weights[1])
        return (
            float(row @ self.weights),
            slope**2 * variance + float(row @ self.covariance @ row) + self.variance,
        )

    @classmethod
    def fitted(
        cls, x: Floats, points: Floats, y: Floats, *, gain: float, centre: Floats
    ) -> "_Step":
        """Fits a step to the trials that made it.

        Shapes:
            x: (n,), values before.
            points: (n, d), where the trials lie in the space.
            y: (n,), values after.
            centre: (1 + d,), what x and the points are measured from.
        """
        prior_mean = np.zeros(2 + points.shape[1])
        prior_mean[:2] = centre[0] + gain, _SLOPE
        prior_precision = np.full(len(prior_mean), _WEIGHT_SD**-2.0)
        prior_precision[:3] = _GAIN_SD**-2.0, _SLOPE_SD**-2.0, _NEAR_SD**-2.0
        design = _design(x, points, centre)
        variance, weights = _STEP_SD**2, prior_mean
        covariance: Floats = np.diag(1 / prior_precision)
        for _ in range(3):  # the spread follows from the line and weighs the line's priors
            precision = np.diag(prior_precision) + design.T @ design / variance
            covariance = np.asarray(np.linalg.inv(precision))
            weights = covariance @ (prior_precision * prior_mean + design.T @ y / variance)
            rest = float(((y - design @ weights) ** 2).sum())
            variance = (_STEP_WEIGHT * _STEP_SD**2 + rest) / (_STEP_WEIGHT + len(y))
        return cls(centre, weights, covariance, variance)


def _design(x: Floats, points: Floats, centre: Floats) -> Floats:
    return np.column_stack([np.ones(len(x)), x - centre[0], points - centre[1:]])


def _chain(
    curves: Sequence[Sequence[float]], points: Floats, marks: Sequence[int]
) -> tuple[_Step, ...]:
    steps = []
    for i in range(len(marks) - 1):
        reached = [n for n, curve in enumerate(curves) if len(curve) > i]
        made = [n for n in reached if len(curves[n]) > i + 1]
        base = made or reached or range(len(curves))
        start = [curves[n][i] for n in base if len(curves[n]) > i] or [0.0]
        steps.append(
            _Step.fitted(
                np.array([curves[n][i] for n in made]),
                points[made],
                np.array([curves[n][i + 1] for n in made]),
                gain=_GAIN * math.log2(marks[i + 1] / marks[i]),
                centre=np.array([np.mean(start), *points[list(base)].mean(axis=0)]),
            )
        )
    return tuple(steps)


@dataclass(frozen=True, slots=True)
class _Folds:
    """Effects of the folds, and the noise around trial + fold."""

    effects: tuple[float, ...]
    effect_variances: tuple[float, ...]
    noise: float
    """Variance of one fold's log odds."""

    images: int

    @classmethod
    def fitted(cls, trials: Sequence[Trial], *, epochs: int, images: int) -> "_Folds":
        """Fits the two-way model to all trials with two whole folds or more."""
        count = len(trials[0].curves)
        cells = [
            {fold: log_odds(value, images) for fold, value in seen.items()}
            for trial in trials
            if (seen := _whole(trial, epochs))
        ]
        best = max((_mean(list(own.values())) for own in cells), default=3.0)
        share = _share(best)
        # Two models err on mostly the same images: the noise between them is about half of the
        # binomial variance, which the fold's own difficulty has twice.
        binomial = 1 / (images * share * (1 - share))
        prior_noise, prior_effect = 0.5 * binomial, 2 * binomial
        several = [own for own in cells if len(own) > 1]
        effects = [0.0] * count
        numbers = [sum(fold in own for own in several) for fold in range(count)]
        weight = prior_noise / prior_effect
        for _ in range(8):  # alternating least squares; it has converged long before
            sums = [0.0] * count
            for own in several:
                quality = _mean([z - effects[fold] for fold, z in own.items()])
                for fold, z in own.items():
                    sums[fold] += z - quality
            effects = [s / (n + weight) for s, n in zip(sums, numbers, strict=True)]
        rest, freedom = _NOISE_WEIGHT * prior_noise, _NOISE_WEIGHT
        for own in several:
            quality = _mean([z - effects[fold] for fold, z in own.items()])
            rest += math.fsum((z - effects[f] - quality) ** 2 for f, z in own.items())
            freedom += len(own) - 1
        return cls(
            tuple(effects),
            tuple(prior_effect * weight / (n + weight) for n in numbers),
            rest / freedom,
            images,
        )

    def quality(self, seen: Mapping[int, float]) -> tuple[float, float]:
        """Returns a trial's mean over all folds and its variance, from its whole folds."""
        count, j = len(self.effects), len(seen)
        known = [log_odds(value, self.images) - self.effects[f] for f, value in seen.items()]
        missing = [fold for fold in range(count) if fold not in seen]
        # Of a mean of `count` folds, j known: noise^2 (count - j) / (count j).
        variance = self.noise * (count - j) / (count * j)
        return _mean(known), variance + self._of_effects(missing)

    def _of_effects(self, missing: Sequence[int]) -> float:
        return math.fsum(self.effect_variances[fold] for fold in missing) / len(self.effects)

    def predicted(self, seen: Mapping[int, float], quality: float, variance: float) -> Prediction:
        """Returns the accuracy that a quality means: known folds as they are, others as hoped."""
        count = len(self.effects)
        missing = [fold for fold in range(count) if fold not in seen]
        centre = (
            math.fsum(seen.values())
            + math.fsum(_share(quality + self.effects[fold]) for fold in missing)
        ) / count
        if not missing:
            return Prediction(mean=centre, low=centre, high=centre)
        spread = _Z95 * math.sqrt(max(variance, 0.0))
        middle = _share(quality)
        return Prediction(
            mean=centre,
            low=centre + _share(quality - spread) - middle,
            high=centre + _share(quality + spread) - middle,
        )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _share(log_odds_: float) -> float:
    """Inverts the log odds."""
    return 1 / (1 + math.exp(-log_odds_))
