"""Proposals from a Gaussian process over everything the race has predicted.

References:
    Jones, Schonlau and Welch (1998), "Efficient global optimization of expensive black-box
    functions", Journal of Global Optimization 13: expected improvement.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import final

import numpy as np
from scipy.special import ndtr

from search.building import GraphOf, build_cost
from search.log_odds import Floats, log_odds, share
from search.per_trial import PerTrial
from search.pool import Placed, Pool
from search.prediction import Predictor
from search.proposals import AbstractProposer, Misfit
from search.records import History, Trial
from search.smoothing import Smooth
from spaces.space import Config, config_key


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProposer(AbstractProposer):
    """Proposes where the expected improvement over the best prospect costs least."""

    startup: int = 10
    """Random proposals before the first one by the model; every second is an earlier one's twin,
    with another learning rate on the same traced graph."""

    pool: int = 300
    """Random configurations among which it chooses."""

    explore: int = 5
    """One proposal in so many is random: a model that is sure may be wrong; 0: none."""

    redraw: int = 10
    """So many proposals choose from the same random configurations: drawing takes longest."""

    leaders: int = 5
    """Trials whose neighbours, one hyperparameter away, join the pool."""

    predictor: Predictor = field(default_factory=Predictor, compare=False, repr=False)
    graph_of: GraphOf = field(default=config_key, compare=False, repr=False)
    """Says who shares a traced graph; by default nobody does."""

    _keys: PerTrial[str] = field(
        default_factory=lambda: PerTrial(lambda config, _: config_key(config)),
        init=False,
        compare=False,
        repr=False,
    )
    _graphs: PerTrial[str] = field(init=False, compare=False, repr=False)
    _draws: Pool = field(init=False, compare=False, repr=False)
    _newest: "list[_Look]" = field(default_factory=list, init=False, compare=False, repr=False)
    """The newest ranking: the policy asks for its promise, then for the proposal itself."""

    name = "model"

    def __post_init__(self) -> None:
        graphs: PerTrial[str] = PerTrial(lambda config, _: self.graph_of(config))
        object.__setattr__(self, "_graphs", graphs)
        draws = Pool(self.graph_of, size=self.pool, redraw=self.redraw)
        object.__setattr__(self, "_draws", draws)

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns the pool's best configuration that is new and fits."""
        ordered: Iterable[Config]
        if self._explores(history) or not (ordered := self._look(history).in_turn):
            ordered = self._by_chance(history)
        return next((config for config in ordered if misfit(config) is None), None)

    def promise(self, history: History, misfit: Misfit) -> float | None:
        """Returns the chance that the most promising one wins by more than a standard error.

        None as long as the model is not asked; 0 if nothing is left to try.
        """
        if len(self._known(history)) < self.startup:
            return None
        hopes = self._look(history).hopes
        return next((own.chance for own in hopes if misfit(own.config) is None), 0.0)

    def _explores(self, history: History) -> bool:
        """Says whether the next proposal is a random one."""
        return bool(self.explore) and len(history.trials) % self.explore == 0

    def _by_chance(self, history: History) -> Iterable[Config]:
        """Returns random configurations, twins of earlier ones first where it is their turn."""
        used, known = self._used(history), self._known(history)
        random = self._draws.random(history).items()
        fresh = (own.config for key, own in random if key not in used)
        if len(known) < self.startup and len(history.trials) % 2:
            return chain(self._draws.twins(history, known.keys(), used), fresh)
        return fresh

    def _known(self, history: History) -> Mapping[int, float]:
        """Returns the prospect of each trial that the model learns from."""
        return {
            number: prediction.mean
            for number, prediction in self.predictor.predictions(history).items()
            if history.trials[number].in_space
        }

    def _used(self, history: History) -> set[str]:
        return {self._keys.of(trial, history.facts.space) for trial in history.trials}

    def _look(self, history: History) -> "_Look":
        """Returns the pool as the model ranks it, kept until the history changes."""
        if not self._newest or self._newest[0].trials is not history.trials:
            known, used = self._known(history), self._used(history)
            look = _Look(history.trials, (), ())
            if len(known) >= self.startup:
                random = self._draws.random(history).items()
                pool = {key: own for key, own in random if key not in used}
                best = sorted(known, key=lambda number: (-known[number], number))
                pool |= self._draws.near(history, best[: self.leaders], used | pool.keys())
                look = self._judged(history, known, list(pool.values()))
            self._newest[:] = [look]
        return self._newest[0]

    def _judged(
        self,
        history: History,
        known: Mapping[int, float],
        pool: Sequence[Placed],
    ) -> "_Look":
        """Sorts configurations by their expected improvement over the best prospect.

        Whose turn it is depends on what that costs, too: the epochs that a trial is judged by, and
        building where nobody shares a graph.

        References:
            Snoek, Larochelle and Adams (2012), "Practical Bayesian optimization of machine
            learning algorithms", NeurIPS 25, section 3.2: expected improvement per second.
        """
        if not pool:
            return _Look(history.trials, (), ())
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
        means, variances = smooth.at(np.stack([own.point for own in pool]))
        spreads = np.sqrt(variances)
        gains = _expected_improvement(means, spreads, best)
        chances = ndtr((means - _one_error_above(best, images)) / spreads).round(12)
        hopes = [
            _Hope(own.config, float(chance)) for own, chance in zip(pool, chances, strict=True)
        ]
        built = {self._graphs.of(trial, space) for trial in history.trials}
        costs = 1 + build_cost(history.facts) * np.array([own.graph not in built for own in pool])
        return _Look(
            trials=history.trials,
            in_turn=[hopes[place].config for place in _falling(gains / costs)],
            hopes=[hopes[place] for place in _falling(gains)],
        )


@dataclass(frozen=True, slots=True)
class _Hope:
    """A configuration that may come next."""

    config: Config
    chance: float
    """That it wins by more than a standard error."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A ranking, and the trials it follows from."""

    trials: Sequence[Trial]
    in_turn: Sequence[Config]
    """Who is proposed first, by gain and cost."""

    hopes: Sequence[_Hope]
    """By gain alone."""


def _falling(values: Floats) -> Sequence[int]:
    """Returns the places of values, the largest first; the last bits decide nothing."""
    return [int(place) for place in np.argsort(-values.round(12), kind="stable")]


def _one_error_above(best: float, images: int) -> float:
    """Returns the log odds of an accuracy that is one standard error higher."""
    right = float(share(np.array(best)))
    return log_odds(min(right + math.sqrt(right * (1 - right) / images), 1.0), images)


def _expected_improvement(means: Floats, spreads: Floats, best: float) -> Floats:
    u = (means - best) / spreads
    density = np.exp(-0.5 * u**2) / math.sqrt(2 * math.pi)
    return np.asarray(spreads * (u * ndtr(u) + density))
