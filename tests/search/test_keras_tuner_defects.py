"""Ten defects of Keras Tuner 1.4.8, each turned into a promise of ours.

| row | given                                    | Keras Tuner                     | upstream    |
|-----|------------------------------------------|---------------------------------|-------------|
| 1   | killed in trial 1, on each start         | trains trial 1 for ever         | #439        |
| 2   | third failure in a row                   | raises before it is saved       | -           |
| 3   | grid killed in and between trials        | KeyError, or ends with 3 of 9   | #1055 #1056 |
| 4   | NaN first, then a good retry             | the retry's result is dropped   | -           |
| 5   | killed in the first trial                | starts over without a word      | -           |
| 6   | files torn by a kill at any moment       | JSONDecodeError, study dead     | -           |
| 7   | the space is edited between two runs     | goes on in the old one          | -           |
| 8   | fewer complete trials than asked for     | pads with failed ones           | -           |
| 9   | seed=0                                   | taken for no seed               | -           |
| 10  | exception while the study is owned       | the lock stays held             | -           |

The processes that are killed are real, and so is the signal.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from search import reader
from search.driver import MAX_STARTS
from search.errors import StudyError, StudyOwned, TooManyFailures
from search.oracle import OptunaOracle
from search.records import Budget, History, TrialState
from search.tuner import CrossValidationTuner

ROOT = Path(__file__).parents[2]
VICTIMS = Path(__file__).with_name("victims.py")

pytestmark = pytest.mark.slow

Make = Callable[..., CrossValidationTuner]

LABELS = np.arange(30) % 3
IMAGES = np.random.default_rng(0).random((30, 4, 4)).astype(np.float32)


def network(rate: float = 0.1) -> keras.Model:
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")])
    model.compile(
        keras.optimizers.SGD(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=True,
    )
    return model


def by_rate(hp: Any) -> keras.Model:
    return network(hp.Float("rate", 1e-3, 1.0, sampling="log"))


@pytest.fixture
def new_tuner(tmp_path: Path) -> Make:
    """Makes tuners of one study, as a script does that is run again and again."""

    def make(hypermodel: Any = by_rate, max_trials: int = 1, **options: Any) -> Any:
        known = {key: options.pop(key) for key in tuple(options) if key.startswith("max_")}
        oracle = OptunaOracle(max_trials=max_trials, seed=options.pop("seed", 5), **known)
        options = {"folds": 2, "epochs": 1, "directory": tmp_path, **options}
        return CrossValidationTuner(hypermodel, oracle, **options)

    return make


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )


def victim(case: str, folder: Path) -> tuple[Any, History]:
    """Runs a case of `victims.py` to its end; returns what it printed, and the history."""
    done = run(str(VICTIMS), case, str(folder), folder=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), reader.read(folder / "study.db", "demo").history


def states(history: History) -> list[TrialState]:
    return [history.state_of(trial) for trial in history.trials]


def test_row_1_a_trial_that_kills_its_process_is_given_up(tmp_path: Path) -> None:
    """Attempts are counted before the job starts; after the limit the next trial runs."""
    deaths, history = victim("in-trial", tmp_path)

    assert deaths == MAX_STARTS
    assert states(history) == ["complete", "failed", "complete"]
    assert history.trials[1].verdict is not None
    assert f"its process died {MAX_STARTS} times" in history.trials[1].verdict.reason


def test_row_2_the_failure_that_stops_a_search_is_saved_first(new_tuner: Make) -> None:
    """The next start finds three failed trials and goes on with the fourth."""
    broken = True

    def build(hp: Any) -> keras.Model:
        model = by_rate(hp)
        if broken and hp.get("rate") != 1e-3:  # the default, by which the space is found
            raise ValueError("no such device")
        return model

    with pytest.raises(TooManyFailures, match=r"3 trials failed in a row, .* no such device"):
        new_tuner(build, max_trials=4).search(IMAGES, LABELS, verbose=0)
    between = states(new_tuner(build).history)
    broken = False
    tuner = new_tuner(build, max_trials=4)
    tuner.search(IMAGES, LABELS, verbose=0)

    assert between == ["failed"] * 3
    assert states(tuner.history) == ["failed"] * 3 + ["complete"]


def test_row_3_a_grid_survives_death_in_and_between_trials(tmp_path: Path) -> None:
    """Keras Tuner's own grid oracle: the next point is derived from the ledger, 9 of 9."""
    deaths, history = victim("grid", tmp_path)

    points = [tuple(trial.config.values()) for trial in history.complete()]
    assert deaths == 2
    assert len(history.trials) == 9
    assert sorted(points) == sorted(itertools.product((8, 16, 32), "abc"))


def test_row_4_a_retry_counts_and_the_first_attempt_is_kept(new_tuner: Make) -> None:
    """The first run of the first fold measures NaN; its second run is the fold's value."""
    calls = itertools.count()

    class Unlucky(keras_tuner.HyperModel):
        def build(self, hp: Any) -> keras.Model:
            return by_rate(hp)

        def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            del hp
            history = model.fit(*args, **kwargs)
            if next(calls) == 0:
                history.history["val_loss"] = [float("nan")]
            return history

    tuner = new_tuner(Unlucky(), max_retries_per_trial=1)

    tuner.search(IMAGES, LABELS, verbose=0)

    (trial,) = tuner.history.trials
    assert [(own.fold, own.run) for own in trial.failures] == [(0, 0)]
    assert "val_loss is nan" in trial.failures[0].message
    assert [curve.run for curve in trial.curves] == [1, 0]
    score = trial.score(1)
    assert score is not None
    assert tuner.oracle.get_best_trials()[0].score == score.mean


SCRIPT = """
import os, signal, sys
import keras, keras_tuner, numpy as np
from search.oracle import OptunaOracle
from search.tuner import CrossValidationTuner

class Deadly(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
        rate = hp.Float("rate", 1e-3, 1.0, sampling="log")
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"], run_eagerly=True)
        return model

    def fit(self, hp, model, x, y, **kwargs):
        if x is not None and len(x) > 2 and kwargs["initial_epoch"] == 1 and sys.argv[1] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return model.fit(x, y, **kwargs)

labels = np.arange(30) % 3
images = np.random.default_rng(0).random((30, 4, 4)).astype("float32")
oracle = OptunaOracle(max_trials=1)
tuner = CrossValidationTuner(Deadly(), oracle, folds=2, epochs=2)
tuner.search(images, labels)
"""


def test_row_5_death_in_the_first_trial_loses_no_finished_epoch(tmp_path: Path) -> None:
    """The study exists from its first commit, with a seed drawn only once."""
    (tmp_path / "script.py").write_text(SCRIPT)
    path = tmp_path / "untitled_project" / "study.db"

    killed = run("script.py", "die", folder=tmp_path)
    between = reader.read(path, "untitled_project").history
    resumed = run("script.py", "live", folder=tmp_path)

    after = reader.read(path, "untitled_project").history
    assert killed.returncode == -signal.SIGKILL
    assert [len(curve) for curve in between.trials[0].curves] == [1, 0]
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert states(after) == ["complete"]
    assert after.facts == between.facts
    assert after.trials[0].curves[0].epochs[0] == between.trials[0].curves[0].epochs[0]


def test_row_6_the_ledger_opens_after_any_death(
    tmp_path: Path, new_study: Callable[..., Any]
) -> None:
    """Ten kills at random moments and torn checkpoints lead to the uninterrupted study."""
    whole = new_study(budget=Budget(trials=6))
    whole.run()

    counts, history = victim("anywhere", tmp_path)

    def results(own: History) -> Any:
        return [(t.config, [curve.accuracies for curve in t.curves]) for t in own.trials]

    assert counts == sorted(counts), "an epoch that was committed is gone"
    assert any(0 < count < 72 for count in counts), "no kill came in the middle"
    assert results(history) == results(reader.read(whole.path, "demo").history)


def test_row_7_an_edited_space_is_refused_with_the_change(new_tuner: Make) -> None:
    def build(hp: Any) -> keras.Model:
        hp.Choice("units", values)
        return network()

    values = [16, 32, 64]
    new_tuner(build).search(IMAGES, LABELS, verbose=0)
    values = [128, 256]

    with pytest.raises(StudyError, match=r"units: was \[16, 32, 64\], now \[128, 256\]"):
        new_tuner(build, max_trials=2).search(IMAGES, LABELS, verbose=0)


def test_row_8_only_complete_trials_are_best_and_none_is_an_error(new_tuner: Make) -> None:
    def build(hp: Any) -> keras.Model:
        if hp.Choice("fits", ["yes", "no"]) == "no":
            raise ValueError("out of memory")
        return network()

    tuner = new_tuner(build, max_trials=2)
    with pytest.raises(StudyError, match="was never searched"):
        tuner.get_best_hyperparameters()
    tuner.search(IMAGES, LABELS, verbose=0)

    best = tuner.get_best_hyperparameters(3)

    assert sorted(states(tuner.history)) == ["complete", "failed"]
    assert [hp.values for hp in best] == [{"fits": "yes"}]
    assert len(tuner.oracle.get_best_trials(3)) == len(tuner.get_best_models(3)) == 1


def test_row_8_no_complete_trial_is_an_error_with_the_reason(new_tuner: Make) -> None:
    calls = itertools.count()

    def build(hp: Any) -> keras.Model:
        hp.Fixed("kind", "a")
        if next(calls) > 0:
            raise ValueError("out of memory")
        return network()

    tuner = new_tuner(build)
    tuner.search(IMAGES, LABELS, verbose=0)

    with pytest.raises(StudyError, match=r"1 of 1 ended without a score, trial 0 .*out of mem"):
        tuner.get_best_hyperparameters()


def test_row_9_seed_0_is_a_seed_like_any_other(new_tuner: Make) -> None:
    """Stock oracles lose a 0 before we see it; the tuner's own argument does not."""
    stock = keras_tuner.oracles.RandomSearchOracle

    def proposed(name: str, **options: Any) -> list[Any]:
        tuner = new_tuner(project_name=name, max_trials=2, **options)
        tuner.search(IMAGES, LABELS, verbose=0)
        return [trial.config for trial in tuner.history.trials]

    def proposed_by_stock(name: str, folder: str) -> list[Any]:
        oracle = stock(max_trials=1, seed=0)
        tuner = CrossValidationTuner(
            by_rate, oracle, folds=2, epochs=1, seed=0, directory=folder, project_name=name
        )
        tuner.search(IMAGES, LABELS, verbose=0)
        assert tuner.history.facts.seed == 0
        return [trial.config for trial in tuner.history.trials]

    zero, again, one = (proposed(name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    folder = str(new_tuner().directory)

    assert zero == again != one
    assert proposed_by_stock("d", folder) == proposed_by_stock("e", folder)


def test_row_10_any_exit_frees_the_study_and_a_second_owner_is_named(new_tuner: Make) -> None:
    """The lock is the operating system's; while it is held, its holder is told."""
    refusals: list[str] = []
    broken = True

    class Rude(keras_tuner.HyperModel):
        def build(self, hp: Any) -> keras.Model:
            return by_rate(hp)

        def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            del hp
            if broken and len(args[0]) > 2:  # more than a look at it
                with pytest.raises(StudyOwned) as refused:
                    new_tuner().search(IMAGES, LABELS, verbose=0)
                refusals.append(str(refused.value))
                raise SystemExit
            return model.fit(*args, **kwargs)

    tuner = new_tuner(Rude())
    with pytest.raises(SystemExit):
        tuner.search(IMAGES, LABELS, verbose=0)
    broken = False
    new_tuner(Rude()).search(IMAGES, LABELS, verbose=0)

    assert f"is being searched by pid {os.getpid()} on " in refusals[-1]
    assert states(tuner.history) == ["complete"]
