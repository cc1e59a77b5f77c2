"""Keras Tuner's own oracles behind our proposals, on the real Keras Tuner."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras_tuner
import pytest

from search.errors import StudyError
from search.grid import grid_points
from search.records import Budget, History, TrialState, Verdict
from search.samplers import KERAS_TUNER_SAMPLERS, proposer
from search.store import Ledger
from search.testing import ScriptedTrainer, facts, trial
from search.testing_sampler import NewSampler, SamplerConformance
from spaces.cnn_space import CNN_SPACE
from spaces.space import Choice, Condition, Config, Range, Space, config_key

# The finite-difference gradient in Keras Tuner's Bayesian oracle hands SciPy an array of one.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning"
)

NINE = Space(
    "nine",
    (
        Choice(name="units", values=(16, 32, 64), default=32, ordered=True),
        Choice(name="activation", values=("relu", "tanh", "elu"), default="relu"),
    ),
)

EVERY_KIND = Space(
    "every kind",
    (
        Choice(name="head", values=("a", "b"), default="b"),
        Choice(name="flag", values=(False, True), default=True),
        Choice(name="only", values=(True,), default=True),
        Range(name="depth", kind="int", low=1, high=3, default=2),
        Range(name="width", kind="int", low=8, high=64, default=16, step=2, sampling="log"),
        Range(name="count", kind="int", low=2, high=50, default=5, sampling="log"),
        Range(name="rate", kind="float", low=1e-4, high=1e-1, default=1e-2, sampling="log"),
        Range(name="drop", kind="float", low=0.0, high=0.6, default=0.2, step=0.2),
        Range(
            name="decay", kind="float", low=0.9, high=0.999, default=0.99, sampling="reverse_log"
        ),
        # As a hypermodel that uses the name `units` under two conditions is recorded.
        Choice(name="units@head:a", values=(1, 2), default=1, when=(Condition("head", ("a",)),)),
        Choice(
            name="units@head:b", values=(30, 40), default=40, when=(Condition("head", ("b",)),)
        ),
        Range(
            name="momentum",
            kind="float",
            low=0.0,
            high=0.9,
            default=0.0,
            when=(Condition("head", ("b",)), Condition("units@head:b", (40,))),
        ),
    ),
)

LINE = Space("line", (Range(name="x", kind="float", low=0.0, high=1.0, default=0.5),))


def fits(_: Config) -> None:
    """Objects to no configuration."""


def history_of(space: Space, seed: int = 7) -> History:
    return History(facts=facts(space=space, seed=seed, folds=2, epochs=1), budget=Budget())


def with_trial(history: History, config: Config, accuracy: float | None) -> History:
    """Adds a trial with a score, or (None) one that has only begun."""
    curves = [] if accuracy is None else [[accuracy], [accuracy]]
    return history.with_trial(trial(len(history.trials), history.facts, curves, config=config))


def failed(history: History) -> History:
    """Fails the newest trial."""
    verdict = Verdict(state=TrialState.FAILED, reason="non-finite loss")
    return history.with_trial(replace(history.trials[-1], verdict=verdict))


def searched(
    name: str, history: History, count: int, accuracy: Callable[[Config], float]
) -> History:
    """Proposes and completes up to `count` trials, with a new proposer for each."""
    for _ in range(count):
        config = proposer(name).propose(history, fits)
        if config is None:
            break
        history = with_trial(history, config, accuracy(config))
    return history


def configs(history: History) -> list[Config]:
    return [trial.config for trial in history.trials]


def hill(config: Config) -> float:
    """Peaks at x = 0.3."""
    return 1.0 - (float(config["x"]) - 0.3) ** 2


@pytest.fixture(params=KERAS_TUNER_SAMPLERS)
def new_sampler(request: pytest.FixtureRequest) -> NewSampler:
    return partial(proposer, request.param)


class TestKerasTunersSamplers(SamplerConformance):
    """Gets its samplers from the fixture above."""

    def test_seeds_differ_and_zero_is_one(self, new_sampler: NewSampler) -> None:
        """Keras Tuner's grid has one order, whatever the seed."""
        if new_sampler().name != "kt-grid":
            super().test_seeds_differ_and_zero_is_one(new_sampler)


@pytest.mark.parametrize("name", KERAS_TUNER_SAMPLERS)
@pytest.mark.parametrize("space", [EVERY_KIND, CNN_SPACE], ids=lambda space: space.name)
def test_a_proposal_holds_every_active_value_and_no_other(name: str, space: Space) -> None:
    history = searched(name, history_of(space), 8, lambda _: 0.9)

    assert len(history.trials) == 8
    assert all(space.contains(config) for config in configs(history))


def test_the_bayesian_oracle_learns_from_the_history_it_is_handed() -> None:
    history = history_of(LINE)
    for x in (0.0, 0.1, 0.5, 0.7, 0.8, 1.0):
        history = with_trial(history, {"x": x}, hill({"x": x}))

    config = proposer("kt-bayesian").propose(history, fits)

    assert config is not None
    assert config["x"] == pytest.approx(0.3, abs=0.1)


def test_the_bayesian_model_fills_every_active_value_too() -> None:
    """Below three trials a hyperparameter it only draws at random."""
    initial = 3 * len(EVERY_KIND.dimensions)
    history = searched(
        "kt-random", history_of(EVERY_KIND), initial, lambda config: len(config) / 99
    )

    config = proposer("kt-bayesian").propose(history, fits)

    assert config is not None
    assert EVERY_KIND.contains(config)
    assert config != proposer("kt-random").propose(history, fits)


def test_the_bayesian_oracle_keeps_away_from_a_trial_under_way() -> None:
    history = history_of(LINE)
    for x in (0.0, 0.1, 0.5, 0.7, 0.8, 1.0):
        history = with_trial(history, {"x": x}, hill({"x": x}))
    alone = proposer("kt-bayesian").propose(history, fits)
    assert alone is not None

    beside = proposer("kt-bayesian").propose(with_trial(history, alone, None), fits)

    assert beside is not None
    assert abs(float(beside["x"]) - float(alone["x"])) > 0.05


@pytest.mark.parametrize("name", KERAS_TUNER_SAMPLERS)
def test_nine_points_are_proposed_once_each_and_then_no_more(name: str) -> None:
    history = searched(name, history_of(NINE), 20, lambda _: 0.9)

    assert len(history.trials) == 9
    assert len({trial.key for trial in history.trials}) == 9


@pytest.mark.parametrize("name", KERAS_TUNER_SAMPLERS)
def test_neither_misfits_nor_failed_trials_are_proposed(name: str) -> None:
    history = failed(with_trial(history_of(NINE), {"units": 32, "activation": "relu"}, None))

    for _ in range(9):
        config = proposer(name).propose(
            history, lambda config: "too large" if config["units"] == 64 else None
        )
        if config is None:
            break
        history = with_trial(history, config, 0.9)

    assert len({trial.key for trial in history.trials}) == len(history.trials) == 6
    assert all(config["units"] != 64 for config in configs(history))


@pytest.mark.parametrize("killed_after", range(9))
@pytest.mark.parametrize("moment", ["between trials", "mid-trial"])
def test_a_killed_grid_goes_on_with_the_next_point(killed_after: int, moment: str) -> None:
    """Keras Tuner's own grid search ends silently with 3 of 9, or dies with a KeyError."""
    history = searched("kt-grid", history_of(NINE), killed_after, lambda _: 0.9)
    if moment == "mid-trial":
        config = proposer("kt-grid").propose(history, fits)
        assert config is not None
        history = with_trial(history, config, None)

    history = searched("kt-grid", history, 20, lambda _: 0.9)

    whole = searched("kt-grid", history_of(NINE), 20, lambda _: 0.9)
    assert configs(history) == configs(whole)


@pytest.mark.parametrize("fold", [0, 1], ids=["at its start", "between folds"])
def test_a_study_killed_on_its_grid_ends_with_nine_of_nine(
    fold: int, new_study: Callable[..., Any]
) -> None:
    """With the real driver and ledger, killed once in each trial."""
    study = new_study(Budget(trials=50), space=NINE, sampler="kt-grid", folds=2, epochs=1)
    fatal = {config_key(point) for point in grid_points(NINE, levels=1)}

    def accuracy(config: Config, now: int, _: int) -> float:
        if now == fold and config_key(config) in fatal:
            fatal.remove(config_key(config))
            raise KeyboardInterrupt
        return 0.9

    while fatal:
        with pytest.raises(KeyboardInterrupt):
            study.run(ScriptedTrainer(accuracy=accuracy))
    study.run(ScriptedTrainer(accuracy=accuracy))

    ledger = Ledger.open(study.path, study.facts.study)
    history = ledger.history
    ledger.close()
    assert configs(history) == configs(searched("kt-grid", history_of(NINE), 20, lambda _: 0.9))
    assert len(history.complete()) == 9


def test_the_grid_has_the_order_of_keras_tuner(tmp_path: Path) -> None:
    class Recorder(keras_tuner.GridSearch):  # type: ignore[misc, unused-ignore]  # Keras Tuner is untyped
        def run_trial(self, running: keras_tuner.engine.trial.Trial, **_: object) -> float:
            seen.append(dict(running.hyperparameters.values))
            return 0.0

    seen: list[dict[str, object]] = []
    hp = keras_tuner.HyperParameters()
    hp.Choice("units", [16, 32, 64], default=32)
    hp.Choice("activation", ["relu", "tanh", "elu"])
    tuner = Recorder(hyperparameters=hp, directory=tmp_path, project_name="grid")
    tuner.search(verbose=0)

    history = searched("kt-grid", history_of(NINE), 20, lambda _: 0.9)

    assert configs(history) == seen


def test_a_grid_point_that_a_documented_model_has_tried_is_left_out() -> None:
    first: Config = {"units": 16, "activation": "elu"}
    outside: Config = {"units": 7744, "activation": "relu"}
    history = with_trial(with_trial(history_of(NINE), first, 0.9), outside, 0.9)
    history = history.with_trial(replace(history.trials[1], in_space=False))

    history = searched("kt-grid", history, 20, lambda _: 0.9)

    assert len(history.trials) == 10
    assert len({trial.key for trial in history.trials}) == 10


def test_the_grid_respects_conditions_on_a_shared_name() -> None:
    space = Space(
        "shared", tuple(EVERY_KIND[name] for name in ("head", "units@head:a", "units@head:b"))
    )

    history = searched("kt-grid", history_of(space), 20, lambda _: 0.9)

    expected = [
        *({"head": "b", "units@head:b": units} for units in (40, 30)),
        *({"head": "a", "units@head:a": units} for units in (1, 2)),
    ]
    assert configs(history) == expected


def test_no_proposal_depends_on_the_global_random_state() -> None:
    """Keras Tuner draws a missing value from Python's global generator."""
    import random  # noqa: PLC0415 - the global state is this test's subject

    def proposals() -> list[Config | None]:
        return [
            proposer(name).propose(history_of(EVERY_KIND), fits) for name in KERAS_TUNER_SAMPLERS
        ]

    random.seed(1)
    first = proposals()
    random.seed(2)
    second = proposals()

    assert first == second


def test_hyperband_is_refused_with_the_reason() -> None:
    with pytest.raises(StudyError, match="decides itself how many epochs"):
        proposer("kt-hyperband")


def test_a_grid_without_end_is_refused() -> None:
    reasons = {name: proposer(name).refuse(CNN_SPACE) for name in KERAS_TUNER_SAMPLERS}

    assert reasons["kt-random"] is reasons["kt-bayesian"] is None
    assert "at most 20,000 points" in str(reasons["kt-grid"])
    assert proposer("kt-grid").refuse(NINE) is None
