"""The next configuration: a function of the history and a seed, nothing else.

For each proposal an in-memory Optuna study is rebuilt from the history, in the order of the
trials' numbers, and a fresh sampler is seeded from (study seed, trial number, attempt). So an
interrupted study proposes what an uninterrupted one would.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from search.distributions import SamplerAxis
from search.points import sampled
from search.prediction import Prediction, Predictor
from search.quiet import quiet_optuna
from search.records import History, Trial
from search.seeds import Purpose, seed_for
from spaces.space import Config, Space, Value, config_key

Misfit = Callable[[Config], str | None]
"""Says why a configuration cannot be trained (impossible shape, over a limit), or None."""

SamplerFactory = Callable[[int], BaseSampler]
"""Builds a fresh sampler from a seed: samplers cache spaces by a study's id."""

MAX_ATTEMPTS = 30
"""Proposals that a sampler may waste on duplicates and misfits, and draws that may follow."""


class AbstractProposer(abc.ABC):
    """Proposes configurations."""

    name: str
    """What `--sampler` and the trials' origin call it."""

    @abc.abstractmethod
    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns a configuration no trial has, or None if the space seems exhausted.

        Args:
            history: All that the ledger knows; trials not final have a job in flight or wait.
            misfit: Configurations it objects to are replaced by another proposal: they are no
                failures and no trial.
        """

    def promise(self, history: History, misfit: Misfit) -> float | None:
        """Returns the chance that its next proposal wins by more than a standard error.

        As the sampler itself sees it, a function of the history; None: it does not know.
        """
        del history, misfit
        return None

    def refuse(self, space: Space) -> str | None:
        """Says in words why the sampler cannot serve a space; None: it can."""
        del space
        return None


@final
@dataclass(frozen=True, slots=True)
class OptunaProposer(AbstractProposer):
    """Asks one of Optuna's samplers."""

    name: str
    sampler: SamplerFactory
    predictor: Predictor = field(default_factory=Predictor, compare=False, repr=False)

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Asks, with another seed each time, until the answer is new and fits."""
        space = history.facts.space
        view = [] if self.name == "random" else self._view(history)  # it learns nothing
        used = history.tried
        number = len(history.trials)
        for attempt in range(MAX_ATTEMPTS):
            seed = seed_for(history.facts.seed, Purpose.PROPOSAL, number, attempt)
            config = ask(space, view, sampler=self.sampler, seed=seed)
            if config_key(config) not in used and misfit(config) is None:
                return config
        return _any_new(history, used, misfit)

    def _view(self, history: History) -> list[FrozenTrial]:
        """Returns what the sampler may learn from."""
        predicted = self.predictor.predictions(history)
        return [
            seen
            for trial in history.trials
            if trial.in_space
            and (seen := _seen(trial, predicted, history.facts.space)) is not None
        ]


def _any_new(history: History, used: frozenset[str], misfit: Misfit) -> Config | None:
    """Draws at random where a sampler only repeats itself, as TPE does in a small space."""
    seed = seed_for(history.facts.seed, Purpose.PROPOSAL, len(history.trials), MAX_ATTEMPTS)
    rng = np.random.default_rng(seed)
    for _ in range(MAX_ATTEMPTS):
        config = sampled(history.facts.space, rng)
        if config_key(config) not in used and misfit(config) is None:
            return config
    return None


def ask(
    space: Space,
    view: Sequence[FrozenTrial],
    *,
    sampler: SamplerFactory,
    seed: int,
    direction: Literal["minimize", "maximize"] = "maximize",
) -> dict[str, Value]:
    """Asks a fresh sampler once: equal arguments get an equal configuration.

    Args:
        space: What may be tried.
        view: What the sampler may see of earlier trials, in the order of their numbers.
        sampler: Builds the sampler.
        seed: Below 2**32.
        direction: Which values are the better ones.
    """
    with quiet_optuna():
        study = optuna.create_study(direction=direction, sampler=sampler(seed))
        study.add_trials(view)
        trial = study.ask()
        config: dict[str, Value] = {}
        for dimension in space.walk(config):
            axis = SamplerAxis(dimension)
            config[dimension.name] = axis.value_of(
                _suggest(trial, dimension.name, axis.distribution)
            )
    return config


def visible(space: Space, config: Config, value: float | None) -> FrozenTrial:
    """Returns a trial as a sampler sees it.

    Args:
        space: Where `config` comes from.
        config: Values inside the space; a hyperparameter younger than the trial may lack.
        value: What the trial reached; None: it is under way.
    """
    axes = {name: SamplerAxis(space[name]) for name in config}
    return create_trial(
        state=OptunaState.RUNNING if value is None else OptunaState.COMPLETE,
        value=value,
        params={name: axis.suggestion_of(config[name]) for name, axis in axes.items()},
        distributions={name: axis.distribution for name, axis in axes.items()},
    )


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> object:
    match distribution:
        case optuna.distributions.CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
        case optuna.distributions.IntDistribution():
            return trial.suggest_int(
                name, distribution.low, distribution.high, log=distribution.log
            )
        case optuna.distributions.FloatDistribution():
            return trial.suggest_float(
                name, distribution.low, distribution.high, log=distribution.log
            )
    raise TypeError(f"{name!r} has a distribution of an unknown kind: {distribution!r}.")


def _seen(trial: Trial, predicted: Mapping[int, Prediction], space: Space) -> FrozenTrial | None:
    """Returns a trial as a sampler may see it: its score, what it would score, or under way.

    A failed trial is left out: it says nothing about accuracy. A stopped one is no failure.
    """
    if trial.is_failed:
        return None
    known = predicted.get(trial.number)
    return visible(space, trial.config, None if known is None else known.mean)


def _tpe(seed: int) -> BaseSampler:
    # group=True models the values that are active together; without it only the parameters
    # that every trial has are modelled jointly, which in this space are few.
    return TPESampler(seed=seed, multivariate=True, group=True)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


OPTUNA_SAMPLERS: Mapping[str, SamplerFactory] = MappingProxyType({"tpe": _tpe, "random": _random})
"""Optuna's samplers, by the name that `--sampler` and `OptunaOracle` take."""
