"""What a trace bakes in tells two models apart; what it reads from variables does not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from search.graphs import Traces, graph_of
from search.training import prepare_process
from spaces import catalog
from spaces.cnn_space import CNN_SPACE
from spaces.space import Config

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _prepared() -> None:
    prepare_process("float32")


def point(**values: Any) -> keras.Model:
    """Builds a point of the CNN space that has every part."""
    parts: Config = {"batch_norm": True, "conv_dropout": 0.25, "augment": "affine"}
    config = CNN_SPACE.active({**CNN_SPACE.defaults(), **parts, **values})
    hypermodel, hp = catalog.load("cnn").make(config, 10)
    return finished(hypermodel.build(hp))


def finished(model: keras.Model) -> keras.Model:
    model.optimizer.build(model.trainable_variables)
    return model


def own(
    *layers: keras.layers.Layer, optimizer: Any = None, loss: Any = None, **options: Any
) -> keras.Model:
    """Builds a user's net around some layers, with names that Keras makes up."""
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(4, **options),
            *layers,
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=optimizer or keras.optimizers.SGD(0.1),
        loss=loss or "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return finished(model)


def branched(*, swapped: bool = False) -> keras.Model:
    """Builds a net of two branches with an operation that is no layer."""
    inputs = keras.Input((8,))
    one, two = keras.layers.Dense(4)(inputs), keras.layers.Dense(4, activation="relu")(inputs)
    joined = keras.layers.Concatenate()([two, one] if swapped else [one, two])
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(joined + 1.0))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return finished(model)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"adam_lr": 0.01},
        {"batch_size": 128},
        {"schedule": "cosine"},  # a callback sets the rate
    ],
    ids=["again", "rate", "batch", "schedule"],
)
def test_points_that_differ_in_variables_or_in_fit_have_one_graph(values: Any) -> None:
    assert graph_of(point(**values)) == graph_of(point()) is not None


@pytest.mark.parametrize(
    "values",
    [
        {"conv_dropout": 0.5},
        {"augment": "shift"},
        {"optimizer": "nadam", "nadam_lr": 1e-3},
        {"optimizer": "adamw", "adamw_lr": 1e-3, "adamw_decay": 1e-4},
        {"padding": "valid"},
    ],
    ids=["dropout", "augment", "optimizer", "decay", "padding"],
)
def test_points_that_differ_in_constants_have_two(values: Any) -> None:
    graph = graph_of(point(**values))

    assert graph is not None
    assert graph != graph_of(point())


def test_a_decay_is_a_constant() -> None:
    rates = {"optimizer": "adamw", "adamw_lr": 1e-3}

    assert graph_of(point(**rates, adamw_decay=1e-4)) != graph_of(point(**rates, adamw_decay=1e-2))


def seeded(seed: int | None) -> keras.Model:
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return own(keras.layers.Dropout(0.5, seed=seed), kernel_initializer=initializer)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (own, own),
        (branched, branched),
        (lambda: seeded(1), lambda: seeded(2)),
        (
            lambda: own(keras.layers.RandomBrightness(0.1, seed=1)),
            lambda: own(keras.layers.RandomBrightness(0.1)),  # Keras makes up a seed
        ),
        (own, lambda: own(optimizer=keras.optimizers.SGD(0.2))),
    ],
    ids=["sequential", "branched", "seeds", "drawn-seed", "rate"],
)
def test_counted_names_and_seeds_differ_from_build_to_build_and_decide_nothing(
    one: Callable[[], keras.Model], other: Callable[[], keras.Model]
) -> None:
    assert graph_of(one()) == graph_of(other()) is not None


def scheduled(steps: int) -> keras.Model:
    return own(optimizer=keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, steps)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (own, lambda: own(activation="tanh")),
        (branched, lambda: branched(swapped=True)),
        (lambda: scheduled(10), lambda: scheduled(20)),
        (lambda: scheduled(10), own),
        (own, lambda: own(trainable=False)),
        (own, lambda: own(autocast=False)),
        (own, lambda: own(kernel_regularizer=keras.regularizers.L2(0.1))),
        (own, lambda: own(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=1))),
        (own, lambda: own(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))),
        (own, lambda: own(optimizer=keras.optimizers.SGD(0.1, clipnorm=1.0))),
    ],
    ids=[
        "activation",
        "order",
        "schedules",
        "schedule",
        "frozen",
        "autocast",
        "regularizer",
        "loss",
        "momentum",
        "clipping",
    ],
)
def test_whatever_is_baked_in_tells_two_models_apart(
    one: Callable[[], keras.Model], other: Callable[[], keras.Model]
) -> None:
    graphs = graph_of(one()), graph_of(other())

    assert None not in graphs
    assert graphs[0] != graphs[1]


class OwnDense(keras.layers.Dense):
    """A user's layer; what it reads nobody knows."""


class OwnCell(keras.layers.SimpleRNNCell):
    """A user's layer inside of one of Keras'."""


class OwnTraining(keras.Sequential):
    """A user's own training step."""

    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


def relu(x: Any) -> Any:
    """Has the name of another function, by which Keras describes it."""
    return 2 * keras.ops.relu(x)


def own_loss(y: Any, predicted: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y, predicted)


def trained_otherwise() -> keras.Model:
    model = OwnTraining([keras.Input((8,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return finished(model)


def patched() -> keras.Model:
    model = own()
    model.train_step = lambda data: data
    return model


def adapted() -> keras.Model:
    return own(keras.layers.Normalization(mean=0.0, variance=1.0))


def without_decay_of_biases() -> keras.Model:
    optimizer = keras.optimizers.AdamW(0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return own(optimizer=optimizer)


@pytest.mark.parametrize(
    "build",
    [
        lambda: own(OwnDense(4)),
        lambda: own(keras.layers.Reshape((4, 1)), keras.layers.RNN(OwnCell(4))),
        lambda: own(activation=relu),
        lambda: own(activation=lambda x: x),
        lambda: own(keras.layers.Lambda(lambda x: x)),
        lambda: own(loss=own_loss),
        lambda: own(optimizer=keras.optimizers.SGD(lambda: 0.1)),
        trained_otherwise,
        patched,
        adapted,
        without_decay_of_biases,
    ],
    ids=[
        "layer",
        "cell",
        "function",
        "lambda",
        "lambda-layer",
        "loss",
        "rate",
        "train_step",
        "patched",
        "adapted",
        "decay",
    ],
)
def test_code_that_keras_cannot_describe_is_not_shared(build: Callable[[], keras.Model]) -> None:
    assert graph_of(build()) is None


def test_each_shape_has_its_function() -> None:
    """And equal shapes have the same one; a user's own loop may bring anything."""
    names = iter("abc")

    def make() -> Callable[[Any], str]:
        name = next(names)
        return lambda _: name

    one, other = SimpleNamespace(element_spec=(32,)), SimpleNamespace(element_spec=(16,))
    traces = Traces(make)

    used = [traces(batches) for batches in (one, other, one, None, other)]

    assert used == ["a", "b", "a", "c", "b"]
