"""The next configuration: a function of the history and a seed, nothing else.

For each proposal an in-memory Optuna study is rebuilt from the history, in the order of the
trials' numbers, and a fresh sampler is seeded from (study seed, trial number, attempt). So an
interrupted study proposes what an uninterrupted one would.
"""

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from search.distributions import SamplerAxis
from search.errors import StudyError
from search.quiet import quiet_optuna
from search.records import History, Trial
from search.seeds import Purpose, seed_for
from spaces.space import Config, Space, Value, config_key

Misfit = Callable[[Config], str | None]
"""Says why a configuration cannot be trained (impossible shape, over a limit), or None."""

SamplerFactory = Callable[[int], BaseSampler]
"""Builds a fresh sampler from a seed: samplers cache spaces by a study's id."""

MAX_ATTEMPTS = 200
"""Proposals that a sampler may waste on duplicates and misfits before it counts as exhausted."""


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

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Asks, with another seed each time, until the answer is new and fits."""
        space = history.facts.space
        view = [
            seen
            for trial in history.trials
            if trial.in_space and (seen := _seen(trial, history)) is not None
        ]
        used = {trial.key for trial in history.trials}
        number = len(history.trials)
        for attempt in range(MAX_ATTEMPTS):
            seed = seed_for(history.facts.seed, Purpose.PROPOSAL, number, attempt)
            config = ask(space, view, sampler=self.sampler, seed=seed)
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


def _seen(trial: Trial, history: History) -> FrozenTrial | None:
    """Returns a trial as a sampler may see it: its score, or that it is under way.

    A failed trial is left out: it says nothing about accuracy.
    """
    score = trial.score(history.facts.epochs)
    if trial.verdict is not None:
        return None
    return visible(history.facts.space, trial.config, None if score is None else score.mean)


@final
class GridProposer(AbstractProposer):
    """Visits every point of a small space once, in a seeded random order.

    Optuna's GridSampler takes no conditional dimensions, so the points are listed here.
    """

    name = "grid"

    LEVELS = 5
    """Points on a continuous range."""

    MOST = 20_000
    """Points a grid may have: more than anyone trains, and still listed in a second."""

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns the next point that no trial has."""
        used = {trial.key for trial in history.trials}
        points: list[Config] = list(grid_points(history.facts.space, self.LEVELS))
        rng = np.random.default_rng(seed_for(history.facts.seed, Purpose.GRID))
        for index in rng.permutation(len(points)):
            point = points[int(index)]
            if config_key(point) not in used and misfit(point) is None:
                return point
        return None

    def refuse(self, space: Space) -> str | None:
        """Refuses a space with too many points."""
        count = 0
        for count, _ in enumerate(grid_points(space, self.LEVELS), start=1):
            if count > self.MOST:
                return (
                    f"A grid has at most {self.MOST:,} points; the space {space.name!r} has "
                    f"more. Narrow it with --set and --fix, or use --sampler random."
                )
        return None


def grid_points(space: Space, levels: int) -> Iterator[Config]:
    """Yields every configuration of the grid once, conditions respected.

    Args:
        space: What to list.
        levels: Points on each continuous range.
    """

    def below(index: int, config: dict[str, Value]) -> Iterator[Config]:
        if index == len(space.dimensions):
            yield dict(config)
            return
        dimension = space.dimensions[index]
        if not all(condition.holds(config) for condition in dimension.when):
            yield from below(index + 1, config)
            return
        for value in dimension.grid(levels):
            config[dimension.name] = value
            yield from below(index + 1, config)
        del config[dimension.name]

    yield from below(0, {})


def _tpe(seed: int) -> BaseSampler:
    # group=True models the values that are active together; without it only the parameters
    # that every trial has are modelled jointly, which in this space are few.
    return TPESampler(seed=seed, multivariate=True, group=True)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


OPTUNA_SAMPLERS: Mapping[str, SamplerFactory] = MappingProxyType({"tpe": _tpe, "random": _random})
"""Optuna's samplers, by the name that `--sampler` and `OptunaOracle` take."""

KERAS_TUNER_SAMPLERS = ("kt-random", "kt-grid", "kt-bayesian")
"""Keras Tuner's own oracles, by the name that `--sampler` takes."""

SAMPLERS = (*OPTUNA_SAMPLERS, "grid", *KERAS_TUNER_SAMPLERS)
"""Every sampler by the name that `--sampler` takes."""


def proposer(name: str) -> AbstractProposer:
    """Returns the sampler called `name`.

    Raises:
        StudyError: there is none; Keras Tuner's Hyperband is refused with the reason.
    """
    if name in OPTUNA_SAMPLERS:
        return OptunaProposer(name, OPTUNA_SAMPLERS[name])
    if name == "grid":
        return GridProposer()
    if name in KERAS_TUNER_SAMPLERS:
        # Keras Tuner imports TensorFlow: only who asks for its oracles waits for it.
        from search.keras_tuner_oracles import KerasTunerProposer  # noqa: PLC0415

        return KerasTunerProposer(name)
    if name in {"kt-hyperband", "hyperband"}:
        raise StudyError(
            "Keras Tuner's Hyperband decides itself how many epochs a trial gets, so its trials "
            "are not comparable by a 5-fold mean at the last epoch. Use --sampler tpe."
        )
    raise StudyError(f"There is no sampler {name!r}; there are: {', '.join(SAMPLERS)}.")
