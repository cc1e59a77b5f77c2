"""Proposals from a Gaussian process over everything the race has predicted.

References:
    Jones, Schonlau and Welch (1998), "Efficient global optimization of expensive black-box
    functions", Journal of Global Optimization 13: expected improvement.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from scipy.special import ndtr

from search.log_odds import Floats, log_odds, share
from search.per_trial import PerTrial
from search.points import encoder, sampled
from search.prediction import Predictor
from search.proposals import AbstractProposer, Misfit
from search.records import History, Trial
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

    _newest: "list[_Look]" = field(default_factory=list, init=False, compare=False, repr=False)
    """The newest ranking: the policy asks for its promise, then for the proposal itself."""

    name = "model"

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns the pool's best configuration that is new and fits."""
        ranked = () if self._explores(history) else self._ranked(history)
        ordered: Iterable[Config] = (own.config for own in ranked)
        if not ranked:
            used = self._used(history)
            fresh = self._random(history).items()
            ordered = (config for key, (config, _) in fresh if key not in used)
        return next((config for config in ordered if misfit(config) is None), None)

    def promise(self, history: History, misfit: Misfit) -> float | None:
        """Returns the chance that the next proposal wins by more than a standard error.

        None as long as the model is not asked; 0 if nothing is left to try.
        """
        if len(self._known(history)) < self.startup:
            return None
        fit = (own.chance for own in self._ranked(history) if misfit(own.config) is None)
        return next(fit, 0.0)

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

    def _known(self, history: History) -> Mapping[int, float]:
        """Returns the prospect of each trial that the model learns from."""
        return {
            number: prediction.mean
            for number, prediction in self.predictor.predictions(history).items()
            if history.trials[number].in_space
        }

    def _used(self, history: History) -> set[str]:
        return {self._keys.of(trial, history.facts.space) for trial in history.trials}

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

    def _ranked(self, history: History) -> "Sequence[_Ranked]":
        """Returns the pool as the model ranks it, kept until the history changes."""
        if not self._newest or self._newest[0].trials is not history.trials:
            known, used = self._known(history), self._used(history)
            ranked: Sequence[_Ranked] = ()
            if len(known) >= self.startup:
                pool = {key: own for key, own in self._random(history).items() if key not in used}
                pool |= self._near(history, known, used | pool.keys())
                ranked = self._judged(history, known, list(pool.values()))
            self._newest[:] = [_Look(history.trials, ranked)]
        return self._newest[0].ranked

    def _judged(
        self,
        history: History,
        known: Mapping[int, float],
        pool: Sequence[tuple[Config, Floats]],
    ) -> "list[_Ranked]":
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
        best = float(smooth.means_at(smooth.points).max())
        if waiting:  # whoever has not finished an epoch is taken to turn out as expected
            smooth = smooth.believing(np.stack(waiting))
        means, variances = smooth.at(np.stack([point for _, point in pool]))
        spreads = np.sqrt(variances)
        gains = _expected_improvement(means, spreads, best)
        chances = ndtr((means - _one_error_above(best, images)) / spreads).round(12)
        return [
            _Ranked(pool[int(place)][0], float(chances[place]))
            for place in np.argsort(-gains.round(12), kind="stable")
        ]


_Placed = dict[str, tuple[Config, Floats]]
"""Configurations with their points, by their keys."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Random configurations, and what they were drawn for."""

    seed: int
    space: Space
    placed: _Placed


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A configuration that may come next."""

    config: Config
    chance: float
    """That it wins by more than a standard error."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A ranking, and the trials it follows from."""

    trials: Sequence[Trial]
    ranked: Sequence[_Ranked]


def _one_error_above(best: float, images: int) -> float:
    """Returns the log odds of an accuracy that is one standard error higher."""
    right = float(share(np.array(best)))
    return log_odds(min(right + math.sqrt(right * (1 - right) / images), 1.0), images)


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
