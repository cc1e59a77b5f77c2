"""Which hyperparameters decide whether a trial is among the best: Optuna's PED-ANOVA."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from search.records import History

LEAST_TRIALS = 30
"""Below this the best tenth is too few to be told from chance."""

MOST_TRIALS = 1000
"""Of more, so many are looked at, evenly spaced: Optuna takes seconds for a thousand."""

_CHANCE = 0.05
_FEW, _SHUFFLES, _FEWER_SHUFFLES = 200, 99, 19
"""Up to so many trials scores are shuffled 99 times, beyond them 19 times: the fewest that can
show a chance of 5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """What one hyperparameter contributes to being among the best trials."""

    name: str
    share: float
    """Of the sum over all hyperparameters."""

    trials: int
    """Trials in which it is active."""

    chance: float
    """How often shuffled scores give it as much: a p-value."""

    @property
    def is_beyond_chance(self) -> bool:
        """Shuffled scores seldom give it as much."""
        return self.chance <= _CHANCE


def importances(history: History, values: Mapping[int, float]) -> tuple[Importance, ...]:
    """Compares the best trials with all of them, hyperparameter by hyperparameter.

    Where the best tenth is distributed like the rest, a hyperparameter does not matter. One that
    is active in some trials only counts where it is active. Equal histories give equal numbers.

    Args:
        history: The study.
        values: What each trial scored, or would most likely score, by its number. Trials outside
            the space are left out.

    Returns:
        The hyperparameters that vary, the surest first, among equally sure ones the most
        important; nothing below `LEAST_TRIALS` trials.

    References:
        Watanabe, Bansal and Hutter (2023), "PED-ANOVA: efficiently quantifying hyperparameter
        importance in arbitrary subspaces", IJCAI; Optuna's extension to conditional spaces.
    """
    counted = [t for t in history.trials if t.in_space and t.number in values]
    if len(counted) < LEAST_TRIALS:
        return ()
    if len(counted) > MOST_TRIALS:
        spaced = np.linspace(0, len(counted) - 1, MOST_TRIALS).round().astype(int)
        counted = [counted[i] for i in spaced]
    # Imported here: Optuna takes most of a second, which small studies need not pay.
    from search.ped_anova import PedAnova  # noqa: PLC0415 - see above

    anova = PedAnova(history.facts.space, [trial.config for trial in counted])
    scores = np.array([values[t.number] for t in counted])
    found = anova.of(scores)
    rng = np.random.default_rng(0)
    shuffles = _SHUFFLES if len(counted) <= _FEW else _FEWER_SHUFFLES
    reached = dict.fromkeys(found, 0)
    for _ in range(shuffles):
        for name, value in anova.of(rng.permutation(scores)).items():
            reached[name] += value >= found[name]
    total = math.fsum(found.values()) or 1.0
    told = [
        Importance(
            name=name,
            share=value / total,
            trials=sum(name in t.config for t in counted),
            chance=(1 + reached[name]) / (1 + shuffles),
        )
        for name, value in found.items()
        if anova.varies(name)
    ]
    return tuple(sorted(told, key=lambda own: (own.chance, -own.share, own.name)))
