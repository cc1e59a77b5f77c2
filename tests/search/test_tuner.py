"""CrossValidationTuner as a drop-in for keras_tuner.Tuner, around real training."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import optuna
import pytest

from search.errors import EnvironmentChanged, StudyError
from search.oracle import OptunaOracle
from search.records import TrialState
from search.tuner import CrossValidationTuner

ROOT = Path(__file__).parents[2]

Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

# The finite-difference gradient in Keras Tuner's Bayesian oracle hands SciPy an array of one.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning"
    ),
]


def compiled(layers: list[Any], rate: float = 0.1) -> keras.Model:
    model = keras.Sequential([keras.layers.Flatten(), *layers])
    model.compile(
        keras.optimizers.SGD(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=True,  # two steps an epoch are not worth a graph
    )
    return model


def head() -> Any:
    return keras.layers.Dense(3, activation="softmax")


class Conditional(keras_tuner.HyperModel):
    """States no input shape, has a conditional scope, and tunes the batch size in `fit`."""

    def build(self, hp: Any) -> keras.Model:
        layers = []
        if hp.Choice("head", ["plain", "deep"]) == "deep":
            with hp.conditional_scope("head", ["deep"]):
                units = hp.Int("units", 4, 12, step=4)
            layers.append(keras.layers.Dense(units, activation="relu"))
        return compiled([*layers, head()])

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice("batch_size", [10, 20]), **kwargs)


def by_rate(hp: Any) -> keras.Model:
    return compiled([head()], hp.Float("rate", 1e-3, 1.0, sampling="log"))


def by_kind(hp: Any) -> keras.Model:
    return compiled([keras.layers.Dense(hp.Choice("units", [2, 4])), head()])


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    labels = np.arange(60) % 3
    images = np.random.default_rng(0).random((60, 8, 8)).astype(np.float32)
    images[np.arange(60), labels, :4] += 2.0
    return images, labels


@pytest.fixture
def new_tuner(tmp_path: Path) -> Callable[..., CrossValidationTuner]:
    def make(hypermodel: Any = by_rate, max_trials: int = 1, **options: Any) -> Any:
        options.setdefault("oracle", OptunaOracle(max_trials=max_trials, seed=0))
        return CrossValidationTuner(
            hypermodel,
            **{"folds": 2, "epochs": 1, "directory": tmp_path, "project_name": "p", **options},
        )

    return make


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, arrays: Arrays) -> CrossValidationTuner:
    """A study of a conditional space, done; for tests that only read."""
    tuner = CrossValidationTuner(
        Conditional(),
        OptunaOracle(max_trials=3, seed=1),
        folds=2,
        epochs=2,
        directory=tmp_path_factory.mktemp("searched"),
        project_name="demo",
    )
    tuner.search(*arrays, verbose=0)
    return tuner


def test_it_is_a_keras_tuner() -> None:
    assert issubclass(CrossValidationTuner, keras_tuner.Tuner)


def test_construction_builds_no_model_and_touches_no_file(
    new_tuner: Callable[..., Any], tmp_path: Path
) -> None:
    def build(_: Any) -> keras.Model:
        raise AssertionError

    tuner = new_tuner(build, overwrite=True)

    assert tuner.oracle.trials == {}
    assert tuner.remaining_trials == 1
    assert list(tmp_path.iterdir()) == []


def test_each_trial_gets_every_fold_and_epoch(searched: CrossValidationTuner) -> None:
    history = searched.history

    assert [history.state_of(trial) for trial in history.trials] == [TrialState.COMPLETE] * 3
    assert {trial.fold_epochs for trial in history.trials} == {4}
    assert searched.remaining_trials == 0


def test_hyperparameters_of_scopes_and_of_fit_are_tuned(searched: CrossValidationTuner) -> None:
    configs = [trial.config for trial in searched.history.trials]

    assert {config["head"] for config in configs} == {"plain", "deep"}
    assert {config["batch_size"] for config in configs} == {10, 20}
    assert all(("units" in config) is (config["head"] == "deep") for config in configs)


def test_the_best_hyperparameters_build_the_best_model(searched: CrossValidationTuner) -> None:
    best, second = searched.get_best_hyperparameters(2)

    (trial,) = searched.oracle.get_best_trials()
    assert (
        best.values == trial.hyperparameters.values == dict(searched.history.complete()[0].config)
    )
    assert second.values == dict(searched.history.complete()[1].config)
    assert isinstance(searched.hypermodel.build(best), keras.Model)


def test_trials_are_a_view_of_the_ledger(searched: CrossValidationTuner) -> None:
    """A fold is to Keras Tuner's record what an execution of a trial was."""
    record = searched.oracle.get_trial("2")
    trial = searched.history.trials[2]
    score = trial.score(2)

    last = record.metrics.get_history("val_accuracy")[-1]
    assert score is not None
    assert (record.trial_id, record.status, record.best_step) == ("2", "COMPLETED", 1)
    assert record.score == score.mean
    assert last.value == [curve.accuracies[-1] for curve in trial.curves]
    assert keras_tuner.engine.trial.Trial.from_state(record.get_state()).score == score.mean


def test_the_best_model_is_trained_on_all_data(
    searched: CrossValidationTuner, arrays: Arrays
) -> None:
    (first,), (again,) = searched.get_best_models(), searched.get_best_models()

    images, labels = arrays
    guesses = np.argmax(first.predict(images, verbose=0), axis=1)
    assert first.predict(images, verbose=0) == pytest.approx(again.predict(images, verbose=0))
    assert np.mean(guesses == labels) > 0.5


def test_results_are_there_without_data_in_another_tuner(
    searched: CrossValidationTuner,
) -> None:
    other = CrossValidationTuner(Conditional(), directory=searched.directory, project_name="demo")

    assert other.get_best_hyperparameters()[0].values == (
        searched.get_best_hyperparameters()[0].values
    )
    with pytest.raises(StudyError, match=r"search\(x, y\) was given in this process"):
        other.get_best_models()


def test_the_summary_shows_spread_worst_fold_and_active_values_only(
    searched: CrossValidationTuner, capsys: pytest.CaptureFixture[str]
) -> None:
    best = searched.history.complete()[0]
    folds = [curve.accuracies[1] for curve in best.curves]

    searched.results_summary(1)

    shown = capsys.readouterr().out
    assert "3 of 3 trials complete, 1 shown" in shown
    mean, std = np.mean(folds), np.std(folds, ddof=1)
    assert f"{mean:.4f} ± {std:.4f}, worst fold {min(folds):.4f} (tpe)" in shown
    assert ("units" in shown) is ("units" in best.config)


def test_the_space_is_shown_before_a_search_and_after(
    new_tuner: Callable[..., Any],
    searched: CrossValidationTuner,
    capsys: pytest.CaptureFixture[str],
) -> None:
    new_tuner(Conditional()).search_space_summary()
    before = capsys.readouterr().out
    searched.search_space_summary()

    assert before == capsys.readouterr().out
    assert "units: 4..12 by 4 while head is deep\n" in before


def test_a_finished_search_returns_at_once_and_a_larger_one_goes_on(
    new_tuner: Callable[..., Any], arrays: Arrays, capsys: pytest.CaptureFixture[str]
) -> None:
    new_tuner(max_trials=1).search(*arrays)
    first = capsys.readouterr().out
    again = new_tuner(max_trials=1)
    again.search(*arrays)
    second = capsys.readouterr().out
    larger = new_tuner(max_trials=2)
    larger.search(*arrays, verbose=0)

    assert "Trial 0, fold 2 of 2: 0." in first
    assert second == "Study 'p' is done (1 trials); best is trial 0\n"
    assert capsys.readouterr().out == ""
    assert len(larger.history.trials) == 2
    assert larger.history.trials[0] == again.history.trials[0]


def test_a_resumed_search_is_the_uninterrupted_one(
    new_tuner: Callable[..., Any], arrays: Arrays
) -> None:
    """Interrupted in the middle of a fold; the same script, run again, goes on by itself."""
    calls = iter(range(100))

    class Interrupted(keras_tuner.HyperModel):
        def build(self, hp: Any) -> keras.Model:
            return by_rate(hp)

        def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            del hp
            if len(args[0]) > 2 and next(calls) == 3:  # not when only asked for hyperparameters
                raise KeyboardInterrupt
            return model.fit(*args, **kwargs)

    whole = new_tuner(epochs=2, project_name="whole")
    whole.search(*arrays, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        new_tuner(Interrupted(), epochs=2).search(*arrays, verbose=0)
    resumed = new_tuner(epochs=2)
    done = resumed.history.trials[0].fold_epochs
    resumed.search(*arrays, verbose=0)

    def curves(tuner: CrossValidationTuner) -> Any:
        return [(t.config, [c.accuracies for c in t.curves]) for t in tuner.history.trials]

    assert done == 3
    assert curves(resumed) == curves(whole)


@pytest.mark.parametrize(
    ("oracle", "origin"),
    [
        (keras_tuner.oracles.RandomSearchOracle(max_trials=2, seed=3), "kt-random"),
        (keras_tuner.oracles.GridSearchOracle(), "kt-grid"),
        (keras_tuner.oracles.BayesianOptimizationOracle(max_trials=2, seed=3), "kt-bayesian"),
        (OptunaOracle(max_trials=2, seed=3, sampler="random"), "random"),
        (
            OptunaOracle(None, 2, seed=3, sampler=optuna.samplers.RandomSampler),
            "optuna:RandomSampler",
        ),
        (None, "tpe"),
    ],
    ids=["random", "grid", "bayesian", "optuna", "own sampler", "none"],
)
def test_oracles_propose_from_the_ledger(
    new_tuner: Callable[..., Any], arrays: Arrays, oracle: Any, origin: str
) -> None:
    """The space has two points, so the grid and the default of 10 trials end by themselves."""
    tuner = new_tuner(by_kind, oracle=oracle)

    tuner.search(*arrays, verbose=0)

    assert {trial.origin for trial in tuner.history.trials} == {origin}
    assert sorted(int(trial.config["units"]) for trial in tuner.history.trials) == [2, 4]


@pytest.mark.parametrize(
    ("oracle", "said"),
    [
        (keras_tuner.oracles.HyperbandOracle("val_accuracy"), "decides itself how many epochs"),
        (OptunaOracle("val_loss"), r"objective is 'val_loss' \(min\)"),
        (keras_tuner.oracles.BayesianOptimizationOracle(beta=1.0), "leave out beta"),
        (keras_tuner.Oracle("val_accuracy"), "Oracle keeps a state of its own"),
    ],
    ids=["hyperband", "objective", "settings", "own"],
)
def test_an_oracle_that_cannot_serve_is_refused_at_once(
    new_tuner: Callable[..., Any], oracle: Any, said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        new_tuner(oracle=oracle)


def test_a_method_that_would_never_be_called_is_refused() -> None:
    class Own(CrossValidationTuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            del trial, args, kwargs
            return 1.0

    with pytest.raises(StudyError, match=r"never calls run_trial\(\).*HyperModel.fit"):
        Own(by_rate)


def test_known_hyperparameters_restrict_the_space(
    new_tuner: Callable[..., Any], arrays: Arrays
) -> None:
    """What is given wins over the hypermodel; what is not keeps its default, untuned."""
    hp = keras_tuner.HyperParameters()
    hp.Fixed("head", "deep")
    oracle = OptunaOracle(max_trials=2, seed=0, hyperparameters=hp, tune_new_entries=False)
    tuner = new_tuner(Conditional(), oracle=oracle)

    tuner.search(*arrays, verbose=0)

    assert [trial.config for trial in tuner.history.trials] == [{"head": "deep"}]
    assert tuner.history.ending is not None
    assert "every configuration" in tuner.history.ending.reason


def test_hyperparameters_that_are_not_allowed_are_refused(
    new_tuner: Callable[..., Any], arrays: Arrays
) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("head", ["deep"])
    oracle = OptunaOracle(hyperparameters=hp, allow_new_entries=False)

    with pytest.raises(StudyError, match=r"also asks for .*batch_size"):
        new_tuner(Conditional(), oracle=oracle).search(*arrays)


def test_one_hot_labels_are_the_same_study(new_tuner: Callable[..., Any], arrays: Arrays) -> None:
    images, labels = arrays
    tuner = new_tuner()
    tuner.search(images, labels, verbose=0)

    tuner.search(images, keras.utils.to_categorical(labels), verbose=0)

    assert len(tuner.history.trials) == 1


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.linspace(0, 1, 60), "y holds the class of each example"),
        (np.full((60, 3), 0.5), "is one-hot: a single 1 in each row"),
        (np.zeros(59), "x has 60, y has 59"),
    ],
    ids=["regression", "soft", "short"],
)
def test_labels_that_cannot_be_stratified_are_refused(
    new_tuner: Callable[..., Any], arrays: Arrays, y: Any, said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        new_tuner().search(arrays[0], y)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": 3}, r"takes no epochs. Give it to the constructor"),
        ({"validation_split": 0.2}, "takes no validation_split. Each fold is validated"),
        ({"validation_data": ()}, "takes no validation_data. Each fold is validated"),
        ({"sample_weight": ()}, "takes no sample_weight"),
        ({"callbacks": [keras.callbacks.EarlyStopping()]}, "EarlyStopping compares epochs"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_arguments_that_a_study_decides_itself_are_refused(
    new_tuner: Callable[..., Any], arrays: Arrays, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        new_tuner().search(*arrays, **options)


def test_other_arguments_reach_fit(new_tuner: Callable[..., Any], arrays: Arrays) -> None:
    """Callbacks are copied for each epoch, as each may be another process's."""
    seen: list[tuple[int, int]] = []

    class Seen(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.batches = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            del batch, logs
            self.batches += 1

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del logs
            seen.append((epoch, self.batches))

    tuner = new_tuner(epochs=2)

    tuner.search(*arrays, verbose=0, batch_size=6, callbacks=[Seen()])

    assert seen == [(0, 5), (1, 5)] * 2
    assert tuner.history.facts.fit == {"batch_size": "6", "callbacks": "[Seen]"}


@pytest.mark.parametrize(
    ("changed", "options", "said"),
    [
        ({"folds": 3}, {}, "folds: was 2, now 3"),
        ({"epochs": 2}, {}, "epochs: was 1, now 2"),
        ({"seed": 9}, {}, "seed: was 0, now 9"),
        ({"oracle": OptunaOracle(sampler="random")}, {}, "sampler: was tpe, now random"),
        ({}, {"batch_size": 7}, "arguments for fit: was {}, now {'batch_size': '7'}"),
    ],
    ids=["folds", "epochs", "seed", "sampler", "fit"],
)
def test_a_study_goes_on_only_as_it_was_started(
    searched_once: Callable[..., Any],
    arrays: Arrays,
    changed: dict[str, Any],
    options: dict[str, Any],
    said: str,
) -> None:
    with pytest.raises(StudyError, match=said):
        searched_once(**changed).search(*arrays, **options)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, arrays: Arrays) -> Path:
    folder = tmp_path_factory.mktemp("once")
    oracle = OptunaOracle(max_trials=1, seed=0)
    CrossValidationTuner(by_rate, oracle, folds=2, epochs=1, directory=folder).search(
        *arrays, verbose=0
    )
    return folder


@pytest.fixture
def searched_once(once: Path) -> Callable[..., CrossValidationTuner]:
    """Makes tuners of one and the same finished study."""

    def make(**changed: Any) -> CrossValidationTuner:
        options = {"oracle": OptunaOracle(max_trials=2), "folds": 2, "epochs": 1}
        return CrossValidationTuner(by_rate, directory=once, **{**options, **changed})

    return make


def test_other_data_are_refused(searched_once: Callable[..., Any], arrays: Arrays) -> None:
    images, labels = arrays

    with pytest.raises(StudyError, match="The data of study 'untitled_project' changed"):
        searched_once().search(images + 1, labels)


def test_another_environment_is_refused_unless_allowed(
    new_tuner: Callable[..., Any], arrays: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_tuner().search(*arrays, verbose=0)
    monkeypatch.setattr("search.environment.current_environment", lambda: {"keras": "0"})

    with pytest.raises(EnvironmentChanged, match="keras: was"):
        new_tuner(max_trials=2).search(*arrays)
    allowed = new_tuner(max_trials=2, allow_drift=True)
    allowed.search(*arrays, verbose=0)

    assert len(allowed.history.trials) == 2


def test_overwriting_removes_the_study_and_nothing_else(
    new_tuner: Callable[..., Any], arrays: Arrays, tmp_path: Path
) -> None:
    """And not before the search: until then the old results can be read."""
    new_tuner(max_trials=2).search(*arrays, verbose=0)
    notes = tmp_path / "p" / "notes.txt"
    notes.write_text("mine")
    tuner = new_tuner(by_kind, max_trials=1, overwrite=True)
    before = len(tuner.history.trials)

    tuner.search(*arrays, verbose=0)
    tuner.search(*arrays, verbose=0)

    assert (before, len(tuner.history.trials)) == (2, 1)
    assert notes.read_text() == "mine"


def test_a_configuration_that_cannot_be_built_is_a_failed_trial(
    new_tuner: Callable[..., Any], arrays: Arrays
) -> None:
    def fragile(hp: Any) -> keras.Model:
        if hp.Choice("size", [1, 2]) == 2:
            raise ValueError("does not fit")
        return compiled([head()])

    tuner = new_tuner(fragile, max_trials=5)

    tuner.search(*arrays, verbose=0)

    assert sorted(trial.status for trial in tuner.oracle.trials.values()) == [
        "COMPLETED",
        "FAILED",
    ]


def test_larger_models_are_replaced_by_other_proposals(
    new_tuner: Callable[..., Any], arrays: Arrays
) -> None:
    tuner = new_tuner(by_kind, max_trials=5, max_model_size=64 * 2 + 2 + 2 * 3 + 3)

    tuner.search(*arrays, verbose=0)

    assert [trial.config["units"] for trial in tuner.history.trials] == [2]


@pytest.mark.parametrize(
    ("result", "said"),
    [(0.5, "returns the History of model.fit.*got float"), (None, "got NoneType")],
)
def test_a_fit_without_a_history_fails_with_the_reason(
    new_tuner: Callable[..., Any], arrays: Arrays, result: Any, said: str
) -> None:
    class Own(keras_tuner.HyperModel):
        def build(self, hp: Any) -> keras.Model:
            return by_rate(hp)

        def fit(self, *_: Any, **__: Any) -> Any:
            return result

    tuner = new_tuner(Own())
    tuner.search(*arrays, verbose=0)

    with pytest.raises(StudyError, match=said):
        tuner.get_best_hyperparameters()


def test_a_model_without_hyperparameters_is_cross_validated(
    new_tuner: Callable[..., Any], arrays: Arrays
) -> None:
    tuner = new_tuner(lambda _: compiled([head()]), max_trials=3)

    tuner.search(*arrays, verbose=0)

    assert [trial.config for trial in tuner.history.complete()] == [{}]


WORKERS = """
import keras, keras_tuner, numpy as np
from search.oracle import OptunaOracle
from search.tuner import CrossValidationTuner

class Plain(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
        rate = hp.Float("rate", 0.01, 1.0, sampling="log")
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"], run_eagerly=True)
        return model

if __name__ == "__main__":
    labels = np.arange(60) % 3
    images = np.random.default_rng(0).random((60, 8, 8)).astype("float32")
    oracle = OptunaOracle(max_trials=1, seed=0)
    for name, workers in (("one", 1), ("two", 2)):
        tuner = CrossValidationTuner(
            Plain(), oracle, folds=2, epochs=2, workers=workers, project_name=name
        )
        tuner.search(images, labels, verbose=0)
        print([curve.accuracies for curve in tuner.history.trials[0].curves])
"""


def test_two_workers_give_the_bits_of_one(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(WORKERS)

    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    one, two = done.stdout.splitlines()
    assert one == two
