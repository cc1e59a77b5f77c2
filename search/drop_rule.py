"""When a trial in the race over folds is given up: paired with the incumbent, fold by fold."""

import math
from statistics import NormalDist, fmean
from typing import final

from search.prediction import fold_images
from search.records import History, Trial, TrialState, Verdict

_SHARE_OF_ERRORS = 2 / 3
"""Of the better model's error rate: what exactly one of two good models gets wrong. Gives the
0.0003 and 0.002 that were measured on 60,000 and 5,000 images."""

_PAIRED_NOISE = 2.0
"""Variance of one fold's paired difference, in binomial variances: one for each model, since
other seeds add what erring on the same images takes away (docs/decisions.md)."""

_PRIOR_FREEDOM = 4.0
"""Degrees of freedom that the binomial spread of a paired difference is worth."""


def tie_at(best: float, images: int) -> float:
    """Returns the noise floor: one paired standard error over all images.

    Args:
        best: Accuracy of the better model.
        images: Of the whole cross-validation.
    """
    return math.sqrt(_SHARE_OF_ERRORS * _wrong(best, images) / images)


def _wrong(best: float, images: int) -> float:
    """Returns an error rate that is never 0: one image more might be wrong."""
    return max(1 - best, 1 / images)


@final
class DropRule:
    """Compares trials with the incumbent on the folds that both have.

    The folds' difficulty cancels in the differences. With j of k folds seen, the difference of
    the k-fold means is predicted as their mean, with variance s^2 (k - j) / (k j), where s is
    the spread of one difference.
    """

    def __init__(self, history: History, best: Trial, *, alpha: float) -> None:
        """Makes the rule of one moment.

        Args:
            history: All that the ledger knows.
            best: The incumbent.
            alpha: Chance to drop a trial that would win by more than a tie, over all looks.
        """
        self._epochs = history.facts.epochs
        self._best = best
        self._alpha = alpha
        score = best.score(self._epochs)
        assert score is not None  # noqa: S101 - the incumbent is complete
        self.tie = tie_at(score.mean, history.facts.images)
        wrong = _wrong(score.mean, history.facts.images)
        self._spread = self._learned(history, _PAIRED_NOISE * wrong / fold_images(history))

    def _learned(self, history: History, guess: float) -> float:
        """Returns the spread of one fold's paired difference between two good models.

        Begins at the binomial guess (a variance) and learns from every trial that shares two
        folds or more with the incumbent.
        """
        rest, freedom = _PRIOR_FREEDOM * guess, _PRIOR_FREEDOM
        for trial in history.trials:
            gains = self._gains(trial)
            if trial.number != self._best.number and len(gains) > 1:
                mean = fmean(gains.values())
                rest += math.fsum((gain - mean) ** 2 for gain in gains.values())
                freedom += len(gains) - 1
        return math.sqrt(rest / freedom)

    def verdict(self, trial: Trial) -> Verdict | None:
        """Stops a trial that is unlikely to beat the incumbent by more than a tie."""
        gains = self._gains(trial)
        k, j = len(trial.curves), len(gains)
        gain = fmean(gains.values())
        spread = self._spread * math.sqrt((k - j) / (k * j))
        chance = 1 - NormalDist(gain, spread).cdf(self.tie)
        limit = self._alpha / (k - 1)
        if chance >= limit:
            return None
        return Verdict(
            state=TrialState.STOPPED,
            reason=(
                f"stopped after {j} of {k} folds: {gain:+.4f} against trial "
                f"{self._best.number} on {'it' if j == 1 else 'them'}; the chance to win by "
                f"more than a tie ({self.tie:.4f}) is {chance:.4f}, below {limit:.4f}"
            ),
            fold=max(gains),
            epoch=self._epochs - 1,
        )

    def _gains(self, trial: Trial) -> dict[int, float]:
        """Returns what a trial is better by, on each fold that it has trained whole."""
        return {
            fold: self._last(trial, fold) - self._last(self._best, fold)
            for fold, curve in enumerate(trial.curves)
            if len(curve) >= self._epochs
        }

    def _last(self, trial: Trial, fold: int) -> float:
        return trial.curves[fold].epochs[self._epochs - 1].valid_accuracy
