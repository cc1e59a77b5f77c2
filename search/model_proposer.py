"""Proposals from a Gaussian process over everything the race has predicted.

References:
    Jones, Schonlau and Welch (1998), "Efficient global optimization of expensive black-box
    functions", Journal of Global Optimization 13: expected improvement.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from scipy.special import ndtr

from search.log_odds import Floats, log_odds
from search.per_trial import PerTrial
from search.points import encoder, sampled
from search.prediction import Predictor
from search.proposals import AbstractProposer, Misfit
from search.records import History
from search.seeds import Purpose, seed_for
from search.smoothing import Smooth
from spaces.space import Choice, Config, Space, Value, config_key


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

    redraw: int = 10
    """So many proposals choose from the same random configurations: drawing takes longest."""

    leaders: int = 5
    """Trials whose neighbours, one hyperparameter away, join the pool."""

    predictor: Predictor = field(default_factory=Predictor, compare=False, repr=False)
    _keys: PerTrial[str] = field(
        default_factory=lambda: PerTrial(lambda config, _: config_key(config)),
        init=False,
        compare=False,
        repr=False,
    )
    _drawn: "list[_Drawn]" = field(default_factory=list, init=False, compare=False, repr=False)
    """The newest draw, kept to save time."""

    name = "model"

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns the pool's best configuration that is new and fits."""
        known = {
            number: prediction.mean
            for number, prediction in self.predictor.predictions(history).items()
            if history.trials[number].in_space
        }
        used = {self._keys.of(trial, history.facts.space) for trial in history.trials}
        pool = {key: own for key, own in self._random(history).items() if key not in used}
        if len(known) >= self.startup and not self._explores(history):
            pool |= self._near(history, known, used | pool.keys())
            ordered = self._ordered(history, known, list(pool.values()))
        else:
            ordered = [config for config, _ in pool.values()]
        return next((config for config in ordered if misfit(config) is None), None)

    def _explores(self, history: History) -> bool:
        """Says whether the next proposal is a random one."""
        return bool(self.explore) and len(history.trials) % self.explore == 0

    def _random(self, history: History) -> "_Placed":
        """Returns random configurations; the same ones for some proposals in a row."""
        facts = history.facts
        seed = seed_for(facts.seed, Purpose.PROPOSAL, len(history.trials) // self.redraw)
        if not self._drawn or (self._drawn[0].seed, self._drawn[0].space) != (seed, facts.space):
            rng, encode = np.random.default_rng(seed), encoder(facts.space)
            drawn: list[Config] = [sampled(facts.space, rng) for _ in range(self.pool)]
            placed = {config_key(config): (config, encode(config)) for config in drawn}
            self._drawn[:] = [_Drawn(seed, facts.space, placed)]
        return self._drawn[0].placed

    def _near(
        self, history: History, known: Mapping[int, float], used: Collection[str]
    ) -> "_Placed":
        """Returns new neighbours of the best prospects."""
        facts, number = history.facts, len(history.trials)
        rng = np.random.default_rng(seed_for(facts.seed, Purpose.PROPOSAL, number, 1))
        encode = encoder(facts.space)
        best = sorted(known, key=lambda number: (-known[number], number))
        near = {
            config_key(config): config
            for leader in best[: self.leaders]
            for config in _neighbours(facts.space, history.trials[leader].config, rng)
        }
        return {key: (own, encode(own)) for key, own in near.items() if key not in used}

    def _ordered(
        self,
        history: History,
        known: Mapping[int, float],
        pool: Sequence[tuple[Config, Floats]],
    ) -> list[Config]:
        """Sorts configurations by their expected improvement over the best prospect."""
        if not pool:
            return []
        space, images, at = history.facts.space, history.facts.images, self.predictor.points
        points = np.stack([at.of(history.trials[number], space) for number in known])
        values = np.array([log_odds(mean, images) for mean in known.values()])
        smooth = Smooth.fitted(points, values)
        waiting = [
            at.of(trial, space)
            for trial in history.trials
            if trial.number not in known and trial.in_space and not trial.is_failed
        ]
        if waiting:  # whoever has not finished an epoch is taken to turn out as expected
            smooth = smooth.believing(np.stack(waiting))
        best = float(smooth.means_at(points).max())
        means, variances = smooth.at(np.stack([point for _, point in pool]))
        gains = _expected_improvement(means, np.sqrt(variances), best)
        return [pool[int(place)][0] for place in np.argsort(-gains.round(12), kind="stable")]


_Placed = dict[str, tuple[Config, Floats]]
"""Configurations with their points, by their keys."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Random configurations, and what they were drawn for."""

    seed: int
    space: Space
    placed: _Placed


def _expected_improvement(means: Floats, spreads: Floats, best: float) -> Floats:
    u = (means - best) / spreads
    density = np.exp(-0.5 * u**2) / math.sqrt(2 * math.pi)
    return np.asarray(spreads * (u * ndtr(u) + density))


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
