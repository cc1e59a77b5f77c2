"""The only code that trains. Bit for bit the same on one thread, however training is cut up.

What makes it so: every epoch's shuffle and every random layer is reset from (study seed, trial,
fold, run, epoch), and a checkpoint holds every weight and every optimizer slot. Loading a
`.keras` file alone would leave the dropout generators where the process happens to have them.

Traced models are kept and used again for every configuration with the same graph: tracing costs
seconds. What is kept shows in no result.
"""

import contextlib
import io
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, when TensorFlow is imported

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from search.errors import TrainingError
from search.folds import Fold, Ints
from search.gradients import forgotten_with
from search.graphs import graph_of, trace_by_shape
from search.kept import Kept, Own, Shelf
from search.records import Epoch, Job
from search.seeding import seeded
from search.seeds import Purpose, seed_for
from search.trainer import AbstractTrainer, ColdWorker, Task, Trained
from spaces.space import Config, config_key

Make = Callable[[Config, int], tuple[keras_tuner.HyperModel, keras_tuner.HyperParameters]]
"""From a configuration and the study's epochs to a hypermodel and its hyperparameters."""

_VALIDATION_BATCH = 500
"""Images at a time when nothing is learned: the result does not depend on it, the speed does."""


@final
@dataclass(kw_only=True)
class KerasTrainer(AbstractTrainer):
    """Trains Keras models on the folds of one development set."""

    make: Make
    x: npt.NDArray[Any]
    y: Ints
    folds: Sequence[Fold]
    epochs: int
    """Length of a whole training."""

    seed: int
    """The study's."""

    precision: str = "float32"
    """A Keras dtype policy: float32 or mixed_bfloat16."""

    channel_axis: bool = False
    """Images come as (n, h, w) and the model wants the channel where Keras' backend has it."""

    fit_options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments for `fit`, a user's batch size or callbacks say."""

    _shelf: Shelf = field(default_factory=Shelf, init=False, repr=False)

    def train(self, task: Task) -> Trained:
        job, began, cpu = task.job, time.perf_counter(), time.process_time()
        own, kept = self._ready(task)
        fold = self.folds[job.fold]
        valid = (self._images(fold.valid), labels_for(kept.model, self.y[fold.valid]))
        build_seconds, build_cpu = time.perf_counter() - began, time.process_time() - cpu
        epochs = []
        for number in range(job.start, job.stop):
            began, cpu = time.perf_counter(), time.process_time()
            epoch = replace(job, start=number, stop=number + 1)
            values = self._epoch(own, kept.model, epoch, fold.train, valid)
            epochs.append(
                Epoch(
                    # Keras sums in float32; the count of right images is exact.
                    valid_accuracy=round(values["val"] * len(fold.valid)) / len(fold.valid),
                    valid_loss=values["val_loss"],
                    train_accuracy=values["train"],
                    train_loss=values["loss"],
                    seconds=time.perf_counter() - began,
                    cpu_seconds=time.process_time() - cpu,
                    build_cpu_seconds=build_cpu,
                    build_seconds=build_seconds,
                )
            )
            build_seconds = build_cpu = 0.0
        kept.lane, kept.epochs = _lane(own, job), job.stop
        self._shelf.put(own, kept)
        return Trained(epochs=tuple(epochs), checkpoint=pack(kept.model) if task.keep else None)

    def refit(self, config: Config, *, number: int) -> keras.Model:
        """Trains on the whole development set, as scikit-learn's `refit` does.

        Args:
            config: The winner's configuration.
            number: The winner's trial number, which decides the seeds.

        Returns:
            The trained model.

        Raises:
            TrainingError: the loss became infinite or not a number.
        """
        # One past the last fold: seeds that no fold of the trial has.
        job = Job(trial=number, fold=len(self.folds), start=0, stop=self.epochs)
        prepare_process(self.precision)
        own, model = self._built(job, config)  # the caller's, so not one of those kept
        everything = np.arange(len(self.y))
        for at in range(self.epochs):
            epoch = replace(job, start=at, stop=at + 1)
            self._epoch(own, model, epoch, everything, None)
        return model

    def _images(self, indices: Ints) -> npt.NDArray[Any]:
        images = self.x[indices]
        return with_channel(images) if self.channel_axis else images

    def _ready(self, task: Task) -> tuple[Own, Kept]:
        """Returns a model in the state that the job starts from, taken off the shelf."""
        job = task.job
        prepare_process(self.precision)
        own = self._shelf.own(config_key(task.config))
        kept = self._shelf.kept(own.graph) if own is not None else None
        if own is not None and kept is not None and job.start:
            warm = (kept.lane, kept.epochs) == (_lane(own, job), job.start)
            if warm or (own.shares and task.checkpoint is not None):
                self._shelf.take(own.graph)
                if task.checkpoint is not None and not warm:
                    unpack(kept.model, task.checkpoint)  # all of its state: no need to build
                return own, kept
        if job.start and task.checkpoint is None:
            raise ColdWorker(f"no checkpoint of epoch {job.start} at hand")
        own, fresh = self._built(job, task.config)
        kept = self._shelf.take(own.graph)
        if kept is None:
            trace_by_shape(fresh)
            kept = Kept(fresh)
        else:
            # A fresh model's values in the traced one's variables: tracing costs seconds.
            for ours, new in zip(_state(kept.model), _state(fresh), strict=True):
                ours.assign(new)
        if task.checkpoint is not None:
            unpack(kept.model, task.checkpoint)
        return own, kept

    def _built(self, job: Job, config: Config) -> tuple[Own, keras.Model]:
        """Returns a new model, with the job's initial weights."""
        key = config_key(config)
        self._shelf.forget_unshared()
        seed = seed_for(self.seed, Purpose.WEIGHTS, job.trial, job.fold, job.run)
        with seeded(seed):
            hypermodel, hp = self.make(config, self.epochs)
            fresh = hypermodel.build(hp)
        fresh.optimizer.build(fresh.trainable_variables)
        # A user's own `fit` may do anything to the model.
        shares = not self.fit_options and _is_known(hypermodel.fit)
        graph = (graph_of(fresh) if shares else None) or key
        return Own(config=key, hypermodel=hypermodel, hp=hp, graph=graph), fresh

    def _epoch(
        self,
        own: Own,
        model: keras.Model,
        epoch: Job,
        train: Ints,
        valid: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None,
    ) -> dict[str, float]:
        """Trains one epoch and returns its measures: train, loss, and val, val_loss if any."""
        number = epoch.start
        seed = seed_for(self.seed, Purpose.EPOCH, epoch.trial, epoch.fold, epoch.run, number)
        _reset_generators(model, seed)
        order = np.random.default_rng(seed).permutation(train)
        validation = (
            {}
            if valid is None
            else {"validation_data": valid, "validation_batch_size": _VALIDATION_BATCH}
        )
        with forgotten_with(model) if own.shares else contextlib.nullcontext():
            history = own.hypermodel.fit(
                own.hp,
                model,
                self._images(order),
                labels_for(model, self.y[order]),
                **{
                    "verbose": 0,
                    **self.fit_options,
                    "shuffle": False,
                    "initial_epoch": number,
                    "epochs": number + 1,
                    **validation,
                },
            )
        return _measured(history, number)


def _lane(own: Own, job: Job) -> tuple[str, int, int, int]:
    return own.config, job.trial, job.fold, job.run


def _is_known(fit: Callable[..., Any]) -> bool:
    """Says whether a hypermodel's `fit` is one that only calls the model's."""
    return str(fit.__module__).split(".", maxsplit=1)[0] in ("keras_tuner", "spaces")


def prepare_process(precision: str) -> None:
    """Makes this process train reproducibly, on one thread, at the given precision.

    A process that has used TensorFlow already keeps its thread counts: a study then has the
    bits of that count. `DaskEngine` starts processes that have not.
    """
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        for gpu in tf.config.list_physical_devices("GPU"):
            # Several workers may share a GPU; by default the first would take all of it.
            tf.config.experimental.set_memory_growth(gpu, enable=True)
    tf.config.experimental.enable_op_determinism()
    # Each new model is traced once: TensorFlow takes that for a loop that traces too often.
    tf.get_logger().setLevel("ERROR")
    if keras.config.dtype_policy().name != precision:
        keras.config.set_dtype_policy(precision)


def with_channel(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Adds the channel axis to grey images, last or first as Keras is configured.

    Shapes:
        images: (n, height, width).
        result: (n, height, width, 1) or (n, 1, height, width).
    """
    return np.expand_dims(images, -1 if keras.config.image_data_format() == "channels_last" else 1)


def labels_for(model: keras.Model, y: Ints) -> npt.NDArray[Any]:
    """Returns the labels in the form that the model's loss takes: one-hot or integers."""
    loss = model.loss
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    if name == "categorical_crossentropy":
        return np.asarray(keras.utils.to_categorical(y, model.output_shape[-1]))
    return y


def pack(model: keras.Model) -> bytes:
    """Returns a checkpoint: all weights and all optimizer variables, as plain arrays."""
    buffer = io.BytesIO()
    arrays = {f"v{i}": np.asarray(value) for i, value in enumerate(_state(model))}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(model: keras.Model, checkpoint: bytes) -> None:
    """Puts a checkpoint's arrays into a built model.

    Raises:
        TrainingError: the checkpoint is another model's.
    """
    variables = _state(model)
    with np.load(io.BytesIO(checkpoint), allow_pickle=False) as arrays:
        shapes = [arrays[name].shape for name in arrays.files]
        if shapes != [tuple(variable.shape) for variable in variables]:
            raise TrainingError(
                f"A checkpoint fits the model it was taken from: got {len(shapes)} arrays for "
                f"{len(variables)} variables, or other shapes."
            )
        for i, variable in enumerate(variables):
            variable.assign(arrays[f"v{i}"])


def _state(model: keras.Model) -> list[keras.Variable]:
    return [*model.weights, *model.optimizer.variables]


def _reset_generators(model: keras.Model, seed: int) -> None:
    """Sets every random layer's generator from the seed and the layer's place."""
    generators = [v for v in model.variables if v.name == "seed_generator_state"]
    for place, state in enumerate(generators):
        state.assign(np.array([seed, place], dtype=state.dtype))


def _measured(history: keras.callbacks.History, number: int) -> dict[str, float]:
    """Reads one epoch from Keras' history, however the model calls its accuracy.

    Raises:
        TrainingError: no accuracy is measured, or a value is infinite or not a number.
    """
    last = {name: float(values[-1]) for name, values in history.history.items()}
    accuracy = next((name for name in last if "acc" in name and "val_" not in name), None)
    if accuracy is None:
        raise TrainingError(
            "A trial is scored by its accuracy: compile the model with metrics=['accuracy'], "
            f"it measures only {sorted(last)}."
        )
    values = {"train": last[accuracy], "loss": last["loss"]}
    if "val_loss" in last:
        values |= {"val": last[f"val_{accuracy}"], "val_loss": last["val_loss"]}
    broken = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise TrainingError(f"{', '.join(broken)} in epoch {number + 1}")
    return values
