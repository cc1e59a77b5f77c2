"""Proposals from a Gaussian process over everything the race has predicted.

References:
    Jones, Schonlau and Welch (1998), "Efficient global optimization of expensive black-box
    functions", Journal of Global Optimization 13: expected improvement. Ginsbourger et al.
    (2010), "Kriging is well-suited to parallelize optimization": the kriging believer.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import final

import numpy as np

from search.log_odds import Floats, log_odds
from search.points import encoder, sampled
from search.prediction import Predictor
from search.proposals import AbstractProposer, Misfit
from search.records import History
from search.seeds import Purpose, seed_for
from search.smoothing import Smooth
from spaces.space import Choice, Config, Space, Value, config_key

_NORMAL = NormalDist()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProposer(AbstractProposer):
    """Proposes where the expected improvement over the best prospect is largest."""

    startup: int = 10
    """Random proposals before the first one by the model."""

    pool: int = 300
    """Random configurations among which it chooses."""

    explore: int = 5
    """One proposal in so many is random: a model that is sure may be wrong; 0: none."""

    leaders: int = 5
    """Trials whose neighbours, one hyperparameter away, join the pool."""

    predictor: Predictor = field(default_factory=Predictor, compare=False, repr=False)

    name = "model"

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns the pool's best configuration that is new and fits."""
        seed = seed_for(history.facts.seed, Purpose.PROPOSAL, len(history.trials))
        rng = np.random.default_rng(seed)
        known = {
            number: prediction.mean
            for number, prediction in self.predictor.predictions(history).items()
            if history.trials[number].in_space
        }
        pool = self._pool(history, known, rng)
        if len(known) >= self.startup and not self._explores(history):
            pool = _ordered(history, known, pool)
        return next((config for config in pool if misfit(config) is None), None)

    def _explores(self, history: History) -> bool:
        """Says whether the next proposal is a random one."""
        return bool(self.explore) and len(history.trials) % self.explore == 0

    def _pool(
        self, history: History, known: Mapping[int, float], rng: np.random.Generator
    ) -> list[Config]:
        """Returns new configurations: random ones, and the neighbours of the best prospects."""
        space = history.facts.space
        drawn: list[Config] = [sampled(space, rng) for _ in range(self.pool)]
        if len(known) >= self.startup:
            best = sorted(known, key=lambda number: (-known[number], number))
            for number in best[: self.leaders]:
                drawn += _neighbours(space, history.trials[number].config, rng)
        used = {trial.key for trial in history.trials}
        pool = {config_key(config): config for config in drawn}
        return [config for key, config in pool.items() if key not in used]


def _ordered(history: History, known: Mapping[int, float], pool: Sequence[Config]) -> list[Config]:
    """Sorts configurations by their expected improvement over the best prospect."""
    if not pool:
        return []
    encode, images = encoder(history.facts.space), history.facts.images
    points = np.stack([encode(history.trials[number].config) for number in known])
    values = np.array([log_odds(mean, images) for mean in known.values()])
    smooth = Smooth.fitted(points, values)
    waiting = [
        encode(trial.config)
        for trial in history.trials
        if trial.number not in known and trial.in_space and not trial.is_failed
    ]
    if waiting:
        # Whoever has not finished an epoch is taken to turn out as expected.
        there = np.stack(waiting)
        guesses = smooth.at(there)[0]
        smooth = Smooth.fitted(np.vstack([points, there]), np.concatenate([values, guesses]))
    best = float(smooth.at(points)[0].max())
    means, variances = smooth.at(np.stack([encode(config) for config in pool]))
    gains = _expected_improvement(means, np.sqrt(variances), best)
    return [pool[int(place)] for place in np.argsort(-gains.round(12), kind="stable")]


def _expected_improvement(means: Floats, spreads: Floats, best: float) -> Floats:
    u = (means - best) / spreads
    below = np.array([_NORMAL.cdf(value) for value in u])
    density = np.exp(-0.5 * u**2) / math.sqrt(2 * math.pi)
    return np.asarray(spreads * (u * below + density))


def _neighbours(space: Space, config: Config, rng: np.random.Generator) -> Iterator[Config]:
    """Yields the configuration with one hyperparameter changed, what depends on it redrawn."""
    for name, value in config.items():
        dimension = space[name]
        values: tuple[Value, ...]
        if isinstance(dimension, Choice):
            values = dimension.values
            if dimension.ordered and value in values:
                place = values.index(value)
                values = values[max(place - 1, 0) : place + 2]
        else:
            fresh = sampled(space, rng)
            values = (fresh[name],) if name in fresh else ()
        for other in values:
            if other != value:
                yield sampled(space, rng, {**config, name: other})
