"""Optuna's PED-ANOVA on trials made for it: the only part of importances that imports Optuna."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from search.distributions import recorded
from search.quiet import quiet_optuna
from spaces.space import Config, Space

_BEST_SHARE, _LEAST_BEST = 0.1, 5
"""What counts as the best: a tenth, but at least so many trials (Optuna's advice)."""


class PedAnova:
    """Compares the best trials with all of them, for one list of scores after another."""

    def __init__(self, space: Space, configs: Sequence[Config]) -> None:
        self._axes: Mapping[str, BaseDistribution] = {
            dimension.name: recorded(dimension) for dimension in space.dimensions
        }
        with quiet_optuna():
            self._study = optuna.create_study(direction="maximize")
            self._study.add_trials(
                [
                    create_trial(
                        value=0.0,  # `of` gives the scores
                        params=dict(config),
                        distributions={name: self._axes[name] for name in config},
                    )
                    for config in configs
                ]
            )

    def varies(self, name: str) -> bool:
        """Says whether a hyperparameter has more than one value."""
        return not self._axes[name].single()

    def of(self, scores: npt.NDArray[np.float64]) -> dict[str, float]:
        """Returns the importances, not normalised, had the trials scored this, in their order."""
        share = max(_BEST_SHARE, _LEAST_BEST / len(scores))
        with warnings.catch_warnings():
            # It warns of its own argument, and that lower is better for a target, as here.
            warnings.simplefilter("ignore")
            return get_param_importances(
                self._study,
                evaluator=PedAnovaImportanceEvaluator(target_quantile=share),
                target=lambda trial: -float(scores[trial.number]),
                normalize=False,
            )
