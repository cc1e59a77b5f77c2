"""From rung to rung: what a curve on one fold will most likely reach in the end.

    z[next mark] = gain + slope z[mark] + bend min(z[mark] - centre, 0) + weights . place + noise

A place is what the neighbours reached at the first mark, and where the configuration lies.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.log_odds import Floats

_SLOPE, _SLOPE_SD = 0.55, 0.15
"""Differences between good trials shrink while training goes on."""

_BEND, _BEND_SD = 0.4, 0.15
"""What the slope is larger by below the trials that went on: bad ones stay behind."""

_GAIN, _GAIN_SD = 0.6, 0.3
"""Log odds won with each doubling of the epochs."""

_NEAR_SD = 0.18
"""Slope of what the neighbours reached at the first mark."""

_WEIGHT_SD = 0.2
"""Log odds that one hyperparameter, from end to end, adds to a gain."""

_STEP_SD, _STEP_WEIGHT = 0.25, 4.0
"""Spread around a step after one epoch before there is data, and what that is worth in trials.
It falls with the root of the epochs: curves settle."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the chain: a Bayesian linear regression, its spread plugged in.

    References:
        Gelman et al. (2013), "Bayesian Data Analysis", 3rd edition, section 14.8.
    """

    centre: Floats
    weights: Floats
    covariance: Floats
    variance: float

    @classmethod
    def fitted(  # noqa: PLR0913 - data and priors of one regression
        cls,
        before: Floats,
        places: Floats,
        after: Floats,
        *,
        mark: int,
        gain: float,
        centre: Floats,
    ) -> "Step":
        """Fits a step to the trials that made it.

        Args:
            before: Values at the mark.
            places: Of the same trials.
            after: Values at the next mark.
            mark: Epochs before the step.
            gain: What is expected before there is data.
            centre: What values and places are measured from.

        Shapes:
            before, after: (n,). places: (n, d). centre: (1 + d,).
        """
        prior = np.zeros(3 + places.shape[1])
        prior[:3] = centre[0] + gain, _SLOPE, _BEND
        precision = np.full(len(prior), _WEIGHT_SD**-2.0)
        precision[:4] = [sd**-2.0 for sd in (_GAIN_SD, _SLOPE_SD, _BEND_SD, _NEAR_SD)]
        rows = _rows(before, places, centre)
        squares, products = rows.T @ rows, rows.T @ after
        guess = _STEP_SD**2 / mark
        variance, weights = guess, prior
        covariance: Floats = np.diag(1 / precision)
        for _ in range(3):  # the spread follows from the line and weighs the line's priors
            covariance = np.asarray(np.linalg.inv(np.diag(precision) + squares / variance))
            weights = covariance @ (precision * prior + products / variance)
            rest = float(((after - rows @ weights) ** 2).sum())
            variance = (_STEP_WEIGHT * guess + rest) / (_STEP_WEIGHT + len(after))
        return cls(centre, weights, covariance, variance)

    def ahead(self, means: Floats, variances: Floats, places: Floats) -> tuple[Floats, Floats]:
        """Returns means and variances at the next mark.

        Shapes:
            means, variances: (n,). places: (n, d).
        """
        rows = _rows(means, places, self.centre)
        known = ((rows @ self.covariance) * rows).sum(axis=1)
        slopes = self.weights[1] + np.where(rows[:, 2] < 0, self.weights[2], 0.0)
        return rows @ self.weights, slopes**2 * variances + known + self.variance


def _rows(values: Floats, places: Floats, centre: Floats) -> Floats:
    gaps = values - centre[0]
    return np.column_stack(
        [np.ones(len(values)), gaps, np.minimum(gaps, 0.0), places - centre[1:]]
    )


def reached_at_the_end(
    curves: Sequence[Sequence[float]], places: Floats, marks: Sequence[int]
) -> tuple[Floats, Floats]:
    """Predicts the last mark's value of every curve: mean and variance.

    Args:
        curves: Values at the marks reached so far, at least one each.
        places: A row each.
        marks: Epochs.
    """
    levels = np.array([len(curve) for curve in curves])
    values = np.full((len(curves), len(marks)), np.nan)
    for row, curve in zip(values, curves, strict=True):
        row[: len(curve)] = curve
    means, variances = values[:, 0].copy(), np.zeros(len(curves))
    for i in range(len(marks) - 1):
        made = levels > i + 1
        base = made if made.any() else levels > i
        if not base.any():
            base = np.ones(len(curves), dtype=bool)
        start = np.where(levels > i, values[:, i], means)
        step = Step.fitted(
            values[made, i],
            places[made],
            values[made, i + 1],
            mark=marks[i],
            gain=_GAIN * math.log2(marks[i + 1] / marks[i]),
            centre=np.array([start[base].mean(), *places[base].mean(axis=0)]),
        )
        ahead, spread = step.ahead(means, variances, places)
        means = np.where(made, values[:, i + 1], ahead)
        variances = np.where(made, 0.0, spread)
    return means, variances
