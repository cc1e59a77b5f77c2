"""OptunaOracle inside the real, stock Keras Tuner."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import optuna
import pytest

from search.errors import StudyError
from search.oracle import OptunaOracle

Values = dict[str, Any]


class FunctionTuner(keras_tuner.Tuner):  # type: ignore[misc, unused-ignore]  # Keras Tuner is untyped
    """A stock tuner that evaluates a function of the hyperparameters instead of training."""

    def __init__(
        self, oracle: OptunaOracle, directory: Path, function: Callable[[Any], float]
    ) -> None:
        self.function = function
        self.seen: list[Values] = []
        super().__init__(oracle=oracle, directory=directory, project_name="project")

    def run_trial(self, trial: Any, **_: object) -> float:
        result = self.function(trial.hyperparameters)
        self.seen.append(dict(trial.hyperparameters.values))
        return result


def searched(
    oracle: OptunaOracle, directory: Path, function: Callable[[Any], float]
) -> list[Values]:
    """Searches to the end and returns what was tried, in order."""
    tuner = FunctionTuner(oracle, directory, function)
    tuner.search(verbose=0)
    return tuner.seen


def bowl_space() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Float("x", 0.0, 1.0)
    hp.Float("rate", 1e-4, 1.0, sampling="log")
    hp.Choice("kind", ["a", "b", "c"])
    return hp


def bowl(hp: Any) -> float:
    """Has its minimum, 0, at x = 0.3, rate = 10^-2.5, kind = b."""
    penalty = {"a": 0.5, "b": 0.0, "c": 0.2}[hp.get("kind")]
    distance = (hp.get("x") - 0.3) ** 2 + (math.log10(hp.get("rate")) + 2.5) ** 2 / 4
    return float(distance + penalty)


def every_kind() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Fixed("version", 3)
    hp.Boolean("flag")
    hp.Choice("head", ["dense", "pool"])
    hp.Choice("filters", [8, 16, 32], ordered=True)
    hp.Int("depth", 1, 9, step=4)
    hp.Int("width", 8, 64, step=2, sampling="log")
    hp.Int("count", 2, 50, sampling="log")
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Float("factor", 0.001, 10.0, step=10, sampling="log")
    hp.Float("decay", 0.9, 0.999, sampling="reverse_log")
    # One name with different ranges under two conditions.
    with hp.conditional_scope("head", ["dense"]):
        hp.Int("units", 16, 32)
    with hp.conditional_scope("head", ["pool"]):
        hp.Choice("units", [1000, 2000])
        with hp.conditional_scope("units", [2000]):
            hp.Float("drop", 0.0, 0.5)
    return hp


def small_space() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Boolean("flag")
    hp.Choice("size", [1, 2, 3])
    return hp


def test_tpe_comes_closer_to_an_optimum_than_random_search(tmp_path: Path) -> None:
    """40 trials each; TPE ends at about a sixth of random search's distance."""
    best: dict[str, list[float]] = {"tpe": [], "random": []}

    for seed in range(5):
        for sampler, values in best.items():
            oracle = OptunaOracle(
                None, 40, sampler=sampler, seed=seed, hyperparameters=bowl_space()
            )
            searched(oracle, tmp_path / f"{sampler}{seed}", bowl)
            values.append(oracle.get_best_trials()[0].score)

    assert np.mean(best["tpe"]) < np.mean(best["random"]) / 2
    assert np.median(best["tpe"]) < np.median(best["random"]) / 2


def test_an_objective_to_maximize_gets_the_proposals_of_its_negative(tmp_path: Path) -> None:
    smaller, greater = (
        OptunaOracle(
            keras_tuner.Objective("value", direction),
            25,
            seed=1,
            hyperparameters=bowl_space(),
        )
        for direction in ("min", "max")
    )

    minimized = searched(smaller, tmp_path / "min", bowl)
    maximized = searched(greater, tmp_path / "max", lambda hp: -bowl(hp))

    assert minimized == maximized


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_seed_0_is_a_seed_like_any_other(sampler: str, tmp_path: Path) -> None:
    zero, again, one = (
        searched(
            OptunaOracle(None, 15, sampler=sampler, seed=seed, hyperparameters=bowl_space()),
            tmp_path / name,
            bowl,
        )
        for name, seed in (("zero", 0), ("again", 0), ("one", 1))
    )

    assert zero == again
    assert zero != one


def test_without_a_seed_each_oracle_draws_its_own() -> None:
    seeds = {OptunaOracle().seed for _ in range(20)}

    assert len(seeds) > 1


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_every_kind_of_hyperparameter_gets_an_active_value_in_its_range(
    sampler: str, tmp_path: Path
) -> None:
    oracle = OptunaOracle(None, 40, sampler=sampler, seed=3, hyperparameters=every_kind())

    seen = searched(oracle, tmp_path, lambda hp: float(hp.get("rate")))

    for values in seen:
        assert values["version"] == 3
        assert isinstance(values["flag"], bool)
        assert values["filters"] in {8, 16, 32}
        assert values["depth"] in {1, 5, 9}
        assert values["width"] in {8, 16, 32, 64}
        assert 2 <= values["count"] <= 50
        assert 1e-4 <= values["rate"] <= 1e-1
        assert values["factor"] in {0.001, 0.01, 0.1, 1.0, 10.0}
        assert 0.9 <= values["decay"] <= 0.999
        if values["head"] == "dense":
            assert 16 <= values["units"] <= 32
        else:
            assert values["units"] in {1000, 2000}
        assert ("drop" in values) is (values["units"] == 2000)
    assert {values["head"] for values in seen} == {"dense", "pool"}
    assert {type(values["count"]) for values in seen} == {int}


def test_no_value_is_left_to_the_global_random_state(tmp_path: Path) -> None:
    """Keras Tuner draws what `populate_space` leaves out from Python's global generator."""
    tried = []

    for state in (1, 2):
        random.seed(state)
        oracle = OptunaOracle(None, 15, seed=5, hyperparameters=every_kind())
        tried.append(searched(oracle, tmp_path / str(state), lambda hp: float(hp.get("rate"))))

    assert tried[0] == tried[1]


def test_a_reloaded_search_goes_on_as_if_never_interrupted(tmp_path: Path) -> None:
    """Killed in its 13th of 20 trials, after the sampler's start-up; no seed is given again."""
    whole = searched(
        OptunaOracle(None, 20, seed=0, hyperparameters=bowl_space()), tmp_path / "whole", bowl
    )
    calls = iter(range(20))

    def killed(hp: Any) -> float:
        if next(calls) == 12:
            raise KeyboardInterrupt
        return bowl(hp)

    first = FunctionTuner(
        OptunaOracle(None, 20, seed=0, hyperparameters=bowl_space()), tmp_path / "killed", killed
    )
    with pytest.raises(KeyboardInterrupt):
        first.search(verbose=0)
    resumed = searched(OptunaOracle(None, 20), tmp_path / "killed", bowl)

    assert len(first.seen) == 12
    assert first.seen + resumed == whole


def test_proposals_do_not_depend_on_the_order_in_which_trials_are_kept(tmp_path: Path) -> None:
    """Keras Tuner reloads trials in the order of a directory listing."""
    oracle = OptunaOracle(None, 15, seed=2, hyperparameters=bowl_space())
    searched(oracle, tmp_path, bowl)
    before = oracle.populate_space("15")

    oracle.trials = dict(reversed(oracle.trials.items()))

    assert oracle.populate_space("15") == before


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_small_space_is_searched_once_and_then_the_search_ends(
    sampler: str, tmp_path: Path
) -> None:
    oracle = OptunaOracle(None, 50, sampler=sampler, seed=4, hyperparameters=small_space())

    seen = searched(oracle, tmp_path, lambda hp: float(hp.get("size")))

    assert len(seen) == 6
    assert len({tuple(values.items()) for values in seen}) == 6


def test_max_trials_ends_the_search(tmp_path: Path) -> None:
    oracle = OptunaOracle(None, 3, hyperparameters=bowl_space())

    assert len(searched(oracle, tmp_path, bowl)) == 3


def test_failed_trials_are_neither_repeated_nor_held_against_their_values(tmp_path: Path) -> None:
    def fragile(hp: Any) -> float:
        if hp.get("flag") and hp.get("size") == 2:
            raise ValueError("does not fit")
        return float("nan") if hp.get("flag") and hp.get("size") == 3 else 1.0

    oracle = OptunaOracle(None, 50, seed=4, hyperparameters=small_space())
    searched(oracle, tmp_path, fragile)

    tried = [tuple(trial.hyperparameters.values.items()) for trial in oracle.trials.values()]
    assert len(set(tried)) == len(tried) == 6
    assert sorted(t.status for t in oracle.trials.values()) == ["COMPLETED"] * 4 + ["FAILED"] * 2


def test_a_trial_under_way_is_seen_by_the_next_proposal(tmp_path: Path) -> None:
    """Several workers ask while the first trials still run: none gets another's values."""
    oracle = OptunaOracle(None, 50, seed=4, hyperparameters=small_space())
    FunctionTuner(oracle, tmp_path, bowl)
    oracle.verbose = 0

    trials = [oracle.create_trial(f"worker{number}") for number in range(6)]
    waiting = oracle.create_trial("worker6")

    assert {trial.status for trial in trials} == {"RUNNING"}
    assert len({tuple(trial.hyperparameters.values.items()) for trial in trials}) == 6
    # Any of the six may still bring new hyperparameters with it.
    assert waiting.status == "IDLE"


def test_a_closed_space_ends_while_trials_are_under_way(tmp_path: Path) -> None:
    oracle = OptunaOracle(None, 50, seed=4, hyperparameters=small_space(), allow_new_entries=False)
    FunctionTuner(oracle, tmp_path, bowl)
    oracle.verbose = 0

    trials = [oracle.create_trial(f"worker{number}") for number in range(7)]

    assert [trial.status for trial in trials] == ["RUNNING"] * 6 + ["STOPPED"]


def test_hyperparameters_found_on_the_way_are_tuned_from_then_on(tmp_path: Path) -> None:
    def growing(hp: Any) -> float:
        first = hp.Float("first", 0.0, 1.0)
        if first > 0.5:
            return float(first + hp.Choice("second", [10, 20, 30]))
        return float(first)

    oracle = OptunaOracle(None, 25, seed=1)
    seen = searched(oracle, tmp_path, growing)

    found = next(number for number, values in enumerate(seen) if "second" in values)
    assert seen[0] == {"first": 0.0}
    assert all(set(values) == {"first", "second"} for values in seen[found:])
    assert {values["second"] for values in seen[found:]} == {10, 20, 30}


def test_new_hyperparameters_that_are_not_tuned_keep_their_default(tmp_path: Path) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("size", [1, 2, 3])
    oracle = OptunaOracle(None, 50, seed=1, hyperparameters=hp, tune_new_entries=False)

    seen = searched(oracle, tmp_path, lambda hp: float(hp.Int("extra", 7, 9)))

    assert sorted(values["size"] for values in seen) == [1, 2, 3]
    assert {values["extra"] for values in seen} == {7}


def test_a_sampler_of_ones_own_is_built_from_a_seed(tmp_path: Path) -> None:
    own = OptunaOracle(
        None, 8, sampler=optuna.samplers.RandomSampler, seed=6, hyperparameters=bowl_space()
    )
    named = OptunaOracle(None, 8, sampler="random", seed=6, hyperparameters=bowl_space())

    assert searched(own, tmp_path / "own", bowl) == searched(named, tmp_path / "named", bowl)


def test_an_unknown_sampler_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(StudyError, match="no sampler 'cma' for OptunaOracle; there are: tpe, ran"):
        OptunaOracle(sampler="cma")


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(StudyError, match="from 0, got -1"):
        OptunaOracle(seed=-1)


@pytest.mark.slow
def test_a_stock_tuner_trains_networks_of_a_conditional_space(tmp_path: Path) -> None:
    def build(hp: Any) -> keras.Model:
        layers = [keras.layers.Input((8, 8, 1))]
        head = hp.Choice("head", ["flat", "dense"])
        with hp.conditional_scope("head", ["dense"]):
            units = hp.Int("units", 2, 8, step=2)
        layers.append(keras.layers.Flatten())
        if head == "dense":
            layers.append(keras.layers.Dense(units, activation="relu"))
        layers.append(keras.layers.Dense(2, activation="softmax"))
        model = keras.Sequential(layers)
        rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
        model.compile(
            optimizer=keras.optimizers.SGD(rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    keras.utils.set_random_seed(0)
    labels = np.arange(32) % 2
    images = np.random.default_rng(0).random((32, 8, 8, 1)) + labels[:, None, None, None]
    oracle = OptunaOracle("val_accuracy", max_trials=4, seed=0)
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=build, directory=tmp_path)

    tuner.search(images, labels, validation_data=(images, labels), epochs=1, verbose=0)

    trials = list(oracle.trials.values())
    assert [trial.status for trial in trials] == ["COMPLETED"] * 4
    assert {trial.hyperparameters.get("head") for trial in trials} == {"flat", "dense"}
    for trial in trials:
        assert ("units" in trial.hyperparameters.values) is (
            trial.hyperparameters.get("head") == "dense"
        )
        assert 0.0 <= trial.score <= 1.0
    best = tuner.get_best_models()[0]
    accuracy = float(np.mean(best.predict(images, verbose=0).argmax(axis=1) == labels))
    assert accuracy == pytest.approx(tuner.oracle.get_best_trials()[0].score)
