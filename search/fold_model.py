"""Trial + fold + noise: what folds that are not trained yet will most likely give."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from search.log_odds import Floats, log_odds, share

_NOISE, _EFFECT = 1.0, 0.4
"""Variances of noise and of the folds' effects, in binomial variances: models that err on the
same images have less noise than that, other seeds add about as much (docs/decisions.md)."""

_NOISE_WEIGHT = 4.0
"""What the binomial guess of the noise is worth, in degrees of freedom."""

_ROUNDS = 8
"""Of alternating least squares; it has converged long before."""


@dataclass(frozen=True, slots=True)
class FoldModel:
    """Effects of the folds in log odds, and the noise around trial + fold."""

    effects: Floats
    effect_variances: Floats
    noise: float
    """Variance of one fold's log odds."""

    images: int
    """Validation images of a fold."""

    @classmethod
    def fitted(
        cls, wholes: Sequence[Mapping[int, float]], *, folds: int, images: int
    ) -> "FoldModel":
        """Fits the effects to the trials with two whole folds or more.

        Args:
            wholes: For each trial, the last accuracy of each fold that is trained whole.
            folds: Of the study.
            images: Validation images of a fold.
        """
        cells = [
            {fold: log_odds(value, images) for fold, value in own.items()} for own in wholes if own
        ]
        best = max((fmean(own.values()) for own in cells), default=3.0)
        right = float(share(np.array(best)))
        binomial = 1 / (images * right * (1 - right))
        prior_noise, prior_effect = _NOISE * binomial, _EFFECT * binomial
        several = [own for own in cells if len(own) > 1]
        numbers = np.array([sum(fold in own for own in several) for fold in range(folds)])
        weight = prior_noise / prior_effect
        effects = np.zeros(folds)
        for _ in range(_ROUNDS):
            sums = np.zeros(folds)
            for own in several:
                quality = fmean([z - effects[fold] for fold, z in own.items()])
                for fold, z in own.items():
                    sums[fold] += z - quality
            effects = sums / (numbers + weight)
        rest, freedom = _NOISE_WEIGHT * prior_noise, _NOISE_WEIGHT
        for own in several:
            quality = fmean([z - effects[fold] for fold, z in own.items()])
            rest += math.fsum((z - effects[fold] - quality) ** 2 for fold, z in own.items())
            freedom += len(own) - 1
        shrunk = prior_effect * weight / (numbers + weight)
        return cls(effects, shrunk, rest / freedom, images)

    def mean_of_all(self, whole: Mapping[int, float]) -> tuple[float, float, float]:
        """Predicts the mean accuracy over all folds from some whole ones.

        Returns:
            The mean, and the ends of its 95 % interval.
        """
        count, j = len(self.effects), len(whole)
        missing = [fold for fold in range(count) if fold not in whole]
        if not missing:
            mean = fmean(whole.values())
            return mean, mean, mean
        quality = fmean(
            [log_odds(value, self.images) - self.effects[fold] for fold, value in whole.items()]
        )
        # Of a mean of `count` folds, j known: noise^2 (count - j) / (count j).
        variance = self.noise * (count - j) / (count * j)
        variance += float(self.effect_variances[missing].sum()) / count**2
        variance += (
            float(self.effect_variances[list(whole)].sum()) * ((count - j) / count / j) ** 2
        )
        hoped = share(quality + self.effects[missing])
        mean = (math.fsum(whole.values()) + float(hoped.sum())) / count
        low, high = self._interval(np.array([quality]), np.array([variance]))
        middle = float(share(np.array(quality)))
        return mean, mean + float(low[0]) - middle, mean + float(high[0]) - middle

    def means_from(
        self, folds: Sequence[int], values: Floats, variances: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Predicts mean accuracies over all folds from what one fold will most likely reach.

        Args:
            folds: The fold of each trial.
            values: Its log odds at the end, as predicted.
            variances: Of the predictions.

        Returns:
            The means, and the ends of their 95 % intervals.
        """
        count = len(self.effects)
        qualities = values - self.effects[list(folds)]
        spread = (
            variances
            + self.noise * (count - 1) / count
            + float(self.effect_variances.mean()) * (count - 1) / count
        )
        means = share(qualities[:, None] + self.effects[None, :]).mean(axis=1)
        low, high = self._interval(qualities, spread)
        middle = share(qualities)
        return means, means + low - middle, means + high - middle

    @staticmethod
    def _interval(qualities: Floats, variances: Floats) -> tuple[Floats, Floats]:
        half = 1.96 * np.sqrt(variances)
        return share(qualities - half), share(qualities + half)
