"""Keras Tuner's own search loop and oracles around a cross-validation that is looked up.

`Tuner.run_trial` is overridden, as Keras Tuner documents for one's own training loop; its files
go to a temporary directory, and writing them is part of its decision seconds.
"""

import contextlib
import tempfile
import warnings
from collections.abc import Mapping
from typing import Any, final

import keras
import keras_tuner
from sklearn.exceptions import ConvergenceWarning

from benchmarks.peers.course import Course, Result, Runner, Setting
from search.table import Table
from spaces.keras_tuner_bridge import declare, plain_names
from spaces.space import Config, Space, Value

_METRIC = "val_accuracy"


_DRAWS = 100_000
"""More than a search draws."""


def run(peer: str, table: Table, *, candidates: int, seed: int, setting: Setting) -> Result:
    """Runs one of Keras Tuner's tuners once."""
    course = Course(table, candidates)
    runner = Runner(course)
    folds = [0] if peer.endswith("-fold1") else list(range(table.folds))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Keras Tuner 1.4.8 calls threading.currentThread() and getName().
        warnings.simplefilter("ignore", DeprecationWarning)
        # Its Gaussian process reaches the bounds of its length scale.
        warnings.simplefilter("ignore", ConvergenceWarning)
        oracle, words = _oracle(peer.removesuffix("-fold1"), course, seed, setting)
        tuner = _ReplayTuner(
            oracle,
            runner=runner,
            folds=folds,
            last_epoch_counts=setting == "best effort",
            directory=folder,
        )
        # The error says that all candidates are used: any other would only fail the trial.
        with contextlib.suppress(keras_tuner.errors.FatalError):
            tuner.search(verbose=0)
    kind = "last epoch" if setting == "best effort" else "each fold's best epoch"
    seen = "fold 1" if len(folds) == 1 else "mean of the folds"
    return runner.finish(peer, setting, {"oracle": words, "objective": f"{seen}, {kind}"}, seed)


@final
class _ReplayTuner(keras_tuner.Tuner):  # type: ignore[misc]  # Keras Tuner is untyped
    """Looks a trial's cross-validation up instead of training it."""

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        *,
        runner: Runner,
        folds: list[int],
        last_epoch_counts: bool,
        directory: str,
    ) -> None:
        self._runner = runner
        self._folds = folds
        self._last_epoch_counts = last_epoch_counts
        self._rows: dict[str, int] = {}
        super().__init__(oracle=oracle, directory=directory)

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as Keras Tuner has it
        """Returns a history for each fold, as for repeated executions, or the last mean.

        Keras Tuner takes the best epoch of a history, so the first counts every fold at an
        epoch of its own.
        """
        values = trial.hyperparameters.values
        past = values.get("tuner/trial_id")
        space, epochs = self._runner.course.space, self._runner.course.table.epochs
        row = self._rows[past] if past else self._runner.candidate(_config(space, values))
        if row is None:
            raise keras_tuner.errors.FatalError("No more candidates.")
        self._rows[trial.trial_id] = row
        # Hyperband's trials go on from the weights of an earlier one.
        start, stop = values.get("tuner/initial_epoch", 0), values.get("tuner/epochs", epochs)
        curves = [self._runner.train(row, fold, start, stop) for fold in self._folds]
        if self._last_epoch_counts:
            return sum(curve[-1] for curve in curves) / len(curves)
        return [_history(curve) for curve in curves]

    def on_trial_end(self, trial: Any) -> None:  # noqa: ANN401 - as Keras Tuner has it
        """Tells the oracle, then notes what `get_best_hyperparameters` would answer."""
        super().on_trial_end(trial)
        best = self.oracle.get_best_trials(1)
        self._runner.recommend(self._rows[best[0].trial_id] if best else None)


def _oracle(
    peer: str, course: Course, seed: int, setting: Setting
) -> tuple[keras_tuner.Oracle, str]:
    hyperparameters = keras_tuner.HyperParameters()
    declare(course.space, hyperparameters)
    common = {
        "objective": keras_tuner.Objective(_METRIC, "max"),
        "hyperparameters": hyperparameters,
        # `seed or randint()`: a seed of 0 would be no seed. And it is counted up by one for each
        # value that is drawn: neighbouring seeds would draw the same values, shifted.
        "seed": 1 + _DRAWS * seed,
    }
    best, oracles = setting == "best effort", keras_tuner.oracles
    if peer == "keras-tuner-random":
        return oracles.RandomSearchOracle(max_trials=course.candidates, **common), "RandomSearch()"
    if peer == "keras-tuner-bayesian":
        extra = {"num_initial_points": 10} if best else {}
        words = f"BayesianOptimization({'num_initial_points=10' if best else ''})"
        return (
            oracles.BayesianOptimizationOracle(max_trials=course.candidates, **extra, **common),
            words,
        )
    epochs = course.table.epochs
    # One iteration is the default; None goes on until the candidates are used up.
    often = {"hyperband_iterations": None} if best else {}
    words = f"Hyperband(max_epochs={epochs}{', hyperband_iterations=None' if best else ''})"
    return oracles.HyperbandOracle(max_epochs=epochs, **often, **common), words


def _config(space: Space, values: Mapping[str, Value]) -> Config:
    """Takes a trial's active values."""
    plain, config = plain_names(space), dict[str, Value]()
    for dimension in space.walk(config):
        config[dimension.name] = values[plain[dimension.name]]
    return config


def _history(curve: tuple[float, ...]) -> keras.callbacks.History:
    """Returns what `fit` would have returned."""
    history = keras.callbacks.History()
    history.history = {_METRIC: list(curve)}
    history.epoch = list(range(len(curve)))
    return history
