"""What a Keras Tuner script states, as the facts of a study; what a study cannot do is refused."""

import hashlib
from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt

from search.errors import StudyError
from search.folds import Ints
from search.oracle import OptunaOracle
from search.proposals import OPTUNA_SAMPLERS, AbstractProposer, OptunaProposer
from search.samplers import proposer
from search.study import Development

_STOCK = {
    keras_tuner.oracles.RandomSearchOracle: "kt-random",
    keras_tuner.oracles.GridSearchOracle: "kt-grid",
    keras_tuner.oracles.BayesianOptimizationOracle: "kt-bayesian",
}

_BAYESIAN = {"num_initial_points": None, "alpha": 1e-4, "beta": 2.6}
"""Keras Tuner's defaults, which the study's own way of asking that oracle has too."""

_REFUSED_OPTIONS = {
    "epochs": "Give it to the constructor, CrossValidationTuner(epochs=...): it is fixed for all",
    "validation_data": "Each fold is validated on the images left out of its training",
    "validation_split": "Each fold is validated on the images left out of its training",
    "validation_batch_size": "It cannot change a result",
    "validation_freq": "Every epoch is validated",
    "initial_epoch": "The study knows where each fold stands",
    "shuffle": "Every epoch's order follows from the study's seed",
    "sample_weight": "Weights an image cannot be split into folds; class_weight can be used",
}

_REFUSED_CALLBACKS = ("EarlyStopping", "ReduceLROnPlateau", "BackupAndRestore")
"""They compare epochs, and each epoch may be trained by another process."""


def asked_of(oracle: keras_tuner.Oracle) -> AbstractProposer:
    """Returns who proposes in a study in place of an oracle.

    The proposer is a function of the ledger; an oracle keeps state of its own, which a killed
    process would lose. So only oracles are taken whose proposals can be had without that.

    Raises:
        StudyError: the oracle cannot serve a study; the message says why.
    """
    if isinstance(oracle, OptunaOracle):
        return _optuna(oracle)
    if isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
        return proposer("kt-hyperband")  # raises, with the reason
    name = _STOCK.get(type(oracle))
    if name is None:
        raise StudyError(
            f"A study proposes from its ledger alone, so that it can be resumed: "
            f"{type(oracle).__name__} keeps a state of its own. Use OptunaOracle, whose "
            f"`sampler` takes any Optuna sampler, or a stock oracle of keras_tuner.oracles."
        )
    if name == "kt-bayesian":
        changed = [key for key, own in _BAYESIAN.items() if getattr(oracle, key) != own]
        if changed:
            raise StudyError(
                f"A study asks the Bayesian oracle with Keras Tuner's defaults: leave out "
                f"{', '.join(changed)}."
            )
    return proposer(name)


def _optuna(oracle: OptunaOracle) -> AbstractProposer:
    for name, sampler in OPTUNA_SAMPLERS.items():
        if sampler is oracle.sampler:
            return proposer(name)
    own = getattr(oracle.sampler, "__qualname__", type(oracle.sampler).__name__)
    return OptunaProposer(f"optuna:{own}", oracle.sampler)


def check_objective(objective: keras_tuner.Objective) -> None:
    """Makes sure that an oracle wants what a study's score is.

    Raises:
        StudyError: it wants something else.
    """
    name, direction = objective.name, objective.direction
    is_default = type(objective).__name__ == "DefaultObjective"
    if not is_default and not (name.startswith("val_") and "acc" in name and direction == "max"):
        raise StudyError(
            f"A score is the mean validation accuracy over all folds: the oracle's objective is "
            f"{name!r} ({direction}). Use objective='val_accuracy'."
        )


def development_set(x: Any, y: Any) -> Development:  # noqa: ANN401 - whatever a user holds
    """Returns images and labels as a development set, known by their SHA-256.

    Args:
        x: One array of n examples.
        y: Class of each: (n,), (n, 1), or one-hot (n, classes), which becomes the index of 1.

    Raises:
        StudyError: these are no arrays of equal length, or `y` holds no classes.
    """
    images, labels = np.asarray(x), np.asarray(y)
    if images.dtype == object or images.ndim < 2:
        raise StudyError(
            f"x is one array of examples, (n, ...): got {type(x).__name__} of shape "
            f"{images.shape}. Datasets and generators cannot be split into folds."
        )
    classes = _classes(labels)
    if len(images) != len(classes):
        raise StudyError(
            f"x and y have one entry an example: x has {len(images)}, y has {len(classes)}."
        )
    digest = hashlib.sha256(f"{images.dtype.str} {images.shape}".encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(classes, dtype="<i8").data)
    return Development(name="arrays", sha256=digest.hexdigest(), x=images, y=classes)


def _classes(labels: npt.NDArray[Any]) -> Ints:
    if labels.ndim == 2 and labels.shape[1] > 1:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise StudyError(
                f"y of shape {labels.shape} is one-hot: a single 1 in each row, else 0."
            )
        return np.asarray(labels.argmax(axis=1), dtype=np.int64)
    flat = labels.reshape(-1) if labels.shape[1:] in {(), (1,)} else labels
    if flat.ndim != 1 or flat.dtype.kind not in "biuf" or (flat != flat.astype(np.int64)).any():
        raise StudyError(
            f"y holds the class of each example, integers (n,) or one-hot (n, classes): got "
            f"{labels.dtype} of shape {labels.shape}. Folds are stratified by class."
        )
    return flat.astype(np.int64)


def check_fit_options(options: Mapping[str, Any]) -> None:
    """Makes sure that arguments for `fit` can be honoured.

    Raises:
        StudyError: the study decides that itself, or cannot.
    """
    for name, reason in _REFUSED_OPTIONS.items():
        if name in options:
            raise StudyError(f"search() takes no {name}. {reason}.")
    for callback in options.get("callbacks") or ():
        for name in _REFUSED_CALLBACKS:
            if isinstance(callback, getattr(keras.callbacks, name)):
                raise StudyError(
                    f"{name} compares epochs, but a study commits every epoch and may go on in "
                    f"another process: leave it out. A LearningRateScheduler works."
                )


def described(options: Mapping[str, Any]) -> dict[str, str]:
    """Returns arguments for `fit` in words, equal in every process."""
    return {name: _words(options[name]) for name in sorted(options)}


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = sorted((_words(key), _words(own)) for key, own in value.items())
        return "{" + ", ".join(f"{key}: {own}" for key, own in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_words(own) for own in value) + "]"
    return (
        repr(value)
        if value is None or isinstance(value, int | float | str)
        else type(value).__name__
    )
