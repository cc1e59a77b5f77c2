"""SMAC3's facades, asked and told: folds as instances, or epochs as budget, never both.

SMAC knows no checkpoints: a configuration that comes again with more epochs is trained from
scratch. Folds it has seen are kept. Needs the second environment, see `README.md`.
"""

import logging
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ConfigSpace
from ConfigSpace.conditions import AndConjunction, InCondition
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from smac import HyperparameterOptimizationFacade, MultiFidelityFacade, Scenario
from smac.main.exceptions import ConfigurationSpaceExhaustedException
from smac.model.random_forest import RandomForest
from smac.runhistory.dataclasses import TrialInfo, TrialValue

from benchmarks.peers.course import Course, Result, Runner, Setting
from search.distributions import SamplerAxis
from search.table import Table
from spaces.space import Config, Dimension, Space, Value


def run(peer: str, table: Table, *, candidates: int, seed: int, setting: Setting) -> Result:
    """Runs one of SMAC's facades once, until it wants one candidate too many."""
    course = Course(table, candidates)
    logging.getLogger("smac").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runner = Runner(course)
        facade, settings = _facade(peer, course, seed, setting, Path(folder))
        rows: dict[Any, int] = {}
        while (info := _ask(facade)) is not None:
            if info.config not in rows:
                row = runner.candidate(_config(course.space, dict(info.config)))
                if row is None:
                    break
                rows[info.config] = row
            accuracy, seconds = _evaluated(runner, rows[info.config], info)
            facade.tell(info, TrialValue(cost=1.0 - accuracy, time=seconds))
            incumbent = facade.intensifier.get_incumbent()
            runner.recommend(None if incumbent is None else rows[incumbent])
    return runner.finish(peer, setting, settings, seed)


def _ask(facade: Any) -> TrialInfo | None:  # noqa: ANN401 - an untyped library
    """Returns the next trial, or None where a small space has nothing new to offer."""
    try:
        return facade.ask()
    except (StopIteration, ConfigurationSpaceExhaustedException):
        return None


def _evaluated(runner: Runner, row: int, info: TrialInfo) -> tuple[float, float]:
    """Trains one fold whole, or all folds for as many epochs as the budget has, rounded."""
    table, before = runner.course.table, runner.training_seconds
    if info.instance is not None:
        accuracy = runner.train(row, int(info.instance), 0, table.epochs)[-1]
    else:
        epochs = max(1, round(info.budget))
        accuracy = runner.train_folds(row, range(table.folds), 0, epochs)[-1]
    return accuracy, runner.training_seconds - before


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How a peer is set up."""

    facade: Any
    scenario: Mapping[str, Any]
    """For both settings."""

    intensifier: Mapping[str, Any]
    """For best effort; by default nothing."""


def _kind(peer: str, course: Course) -> _Kind:
    folds = [str(fold) for fold in range(course.table.folds)]
    by_folds = {
        "instances": folds,
        "instance_features": {fold: [float(fold)] for fold in folds},
        "n_trials": course.candidates * course.table.folds,
    }
    if peer == "smac-hpo":
        calls = {"max_config_calls": course.table.folds}
        return _Kind(facade=HyperparameterOptimizationFacade, scenario=by_folds, intensifier=calls)
    if peer == "smac-folds":
        return _Kind(facade=MultiFidelityFacade, scenario=by_folds, intensifier={"eta": 2})
    return _Kind(
        facade=MultiFidelityFacade,
        scenario={
            "min_budget": 1,
            "max_budget": course.table.epochs,
            "n_trials": course.candidates,
        },
        intensifier={"incumbent_selection": "highest_budget"},
    )


def _facade(
    peer: str, course: Course, seed: int, setting: Setting, folder: Path
) -> tuple[Any, dict[str, str]]:
    kind = _kind(peer, course)
    scenario: dict[str, Any] = {**kind.scenario, "seed": seed, "output_directory": folder}
    words = {"facade": f"{kind.facade.__name__}()"}
    parts: dict[str, Any] = {}
    space = _configuration_space(course.space)
    if setting == "default":
        own = Scenario(space, **scenario)
    else:
        own = Scenario(space, **scenario, deterministic=True)
        chosen = ", ".join(f"{name}={value!r}" for name, value in kind.intensifier.items())
        words["intensifier"] = chosen
        words["scenario"] = "deterministic=True"
        words["initial_design"] = "n_configs=10"
        words["config_selector"] = "retrain_after=1, retries=1000"
        # By default every tree reserves 2^20 leaves, which takes longer than growing it.
        words["model"] = "RandomForest as the facade's, with max_leaf_nodes=1024"
        parts = {
            "model": _forest(own),
            "intensifier": kind.facade.get_intensifier(own, **kind.intensifier),
            "initial_design": kind.facade.get_initial_design(own, n_configs=10),
            "config_selector": kind.facade.get_config_selector(own, retrain_after=1, retries=1000),
        }
    facade = kind.facade(own, logging_level=False, overwrite=True, **parts)
    return facade, words


def _forest(scenario: Scenario) -> RandomForest:
    """Returns the surrogate that the facades make, without room for a million leaves."""
    return RandomForest(
        scenario.configspace,
        log_y=True,
        n_trees=10,
        bootstrapping=True,
        ratio_features=1.0,
        min_samples_split=2,
        min_samples_leaf=1,
        instance_features=scenario.instance_features,
        seed=scenario.seed,
        max_leaf_nodes=1024,
    )


def _configuration_space(space: Space) -> ConfigSpace.ConfigurationSpace:
    """Translates the axes that our own sampler gets, and the conditions."""
    own = ConfigSpace.ConfigurationSpace()
    for dimension in space.dimensions:
        own.add(_hyperparameter(dimension))
        conditions = [
            InCondition(
                own[dimension.name],
                own[condition.parent],
                [SamplerAxis(space[condition.parent]).suggestion_of(v) for v in condition.values],
            )
            for condition in dimension.when
        ]
        if conditions:
            own.add(conditions[0] if len(conditions) == 1 else AndConjunction(*conditions))
    return own


def _hyperparameter(dimension: Dimension) -> Any:  # noqa: ANN401 - an untyped library
    name, wanted = dimension.name, SamplerAxis(dimension).distribution
    if isinstance(wanted, CategoricalDistribution):
        return ConfigSpace.CategoricalHyperparameter(name, list(wanted.choices))
    if isinstance(wanted, IntDistribution):
        return ConfigSpace.UniformIntegerHyperparameter(
            name, wanted.low, wanted.high, log=wanted.log
        )
    if isinstance(wanted, FloatDistribution):
        return ConfigSpace.UniformFloatHyperparameter(
            name, wanted.low, wanted.high, log=wanted.log
        )
    raise TypeError(f"{name!r} has an unknown distribution: {wanted!r}.")


def _config(space: Space, suggestions: Mapping[str, Any]) -> Config:
    """Translates SMAC's values, NumPy's numbers among them, back into the space's."""
    config: dict[str, Value] = {}
    for dimension in space.walk(config):
        found = suggestions[dimension.name]
        plain = found.item() if hasattr(found, "item") else found
        config[dimension.name] = SamplerAxis(dimension).value_of(plain)
    return config
