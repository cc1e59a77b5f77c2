"""Proposals from a Gaussian process over everything the race has predicted.

References:
    Jones, Schonlau and Welch (1998), "Efficient global optimization of expensive black-box
    functions", Journal of Global Optimization 13: expected improvement. Ginsbourger et al.
    (2010), "Kriging is well-suited to parallelize optimization": the kriging believer.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import final

import numpy as np

from search.points import encoder, sampled
from search.prediction import forecast, log_odds
from search.proposals import AbstractProposer, Misfit
from search.records import History, TrialState
from search.seeds import Purpose, seed_for
from search.smoothing import Floats, Smooth
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

    leaders: int = 5
    """Trials whose neighbours, one hyperparameter away, join the pool."""

    name = "model"

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns the pool's best configuration that is new and fits."""
        facts, number = history.facts, len(history.trials)
        rng = np.random.default_rng(seed_for(facts.seed, Purpose.PROPOSAL, number))
        used = {trial.key for trial in history.trials}
        pool = self._pool(history, rng, used)
        for place in self._order(history, [*pool.values()]):
            config = [*pool.values()][place]
            if misfit(config) is None:
                return config
        return None

    def _pool(
        self, history: History, rng: np.random.Generator, used: set[str]
    ) -> dict[str, Config]:
        space = history.facts.space
        pool: dict[str, Config] = {}
        for _ in range(self.pool):
            config = sampled(space, rng)
            pool.setdefault(config_key(config), config)
        if len(history.trials) >= self.startup:
            ranked = sorted(
                ((p.mean, -number) for number, p in forecast(history).trials.items()),
                reverse=True,
            )
            for _, number in ranked[: self.leaders]:
                trial = history.trials[-number]
                if trial.in_space:
                    for config in _neighbours(space, trial.config, rng):
                        pool.setdefault(config_key(config), config)
        return {key: config for key, config in pool.items() if key not in used}

    def _order(self, history: History, pool: list[Config]) -> list[int]:
        """Returns the pool's places, the best first; as drawn while the model knows little."""
        known = [
            trial
            for trial in history.trials
            if trial.verdict is None or trial.verdict.state is not TrialState.FAILED
        ]
        predicted = forecast(history).trials
        if len(predicted) < self.startup or not pool:
            return list(range(len(pool)))
        encode = encoder(history.facts.space)
        images = history.facts.images
        points = np.stack([encode(t.config) for t in known if t.number in predicted])
        values = np.array(
            [log_odds(predicted[t.number].mean, images) for t in known if t.number in predicted]
        )
        smooth = Smooth.fitted(points, values)
        waiting = [encode(t.config) for t in known if t.number not in predicted]
        if waiting:
            # Whoever has not finished an epoch is taken to turn out as expected.
            there = np.stack(waiting)
            smooth = Smooth.fitted(
                np.vstack([points, there]), np.concatenate([values, smooth.at(there)[0]])
            )
        best = float(smooth.at(points)[0].max())
        means, variances = smooth.at(np.stack([encode(config) for config in pool]))
        gains = _expected_improvement(means, np.sqrt(variances), best)
        return [int(i) for i in np.argsort(-gains, kind="stable")]


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
