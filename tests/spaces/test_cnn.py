import math
import pickle
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from spaces.cnn import CNN, cosine_rate
from spaces.cnn_space import CNN_SPACE
from spaces.documented import DOCUMENTED
from spaces.documented_models import DocumentedHyperModel
from spaces.errors import ImpossibleModel, SpaceError
from spaces.keras_tuner_bridge import hyperparameters
from spaces.narrowing import narrowed
from spaces.space import Value

TINY: dict[str, Value] = {"conv_layers": 1, "filters_1": 8, "dense_layers": 0, "batch_size": 32}


def tiny(**values: Value) -> dict[str, Value]:
    config: dict[str, Value] = {
        dimension.name: dimension.default for dimension in CNN_SPACE.dimensions
    }
    return CNN_SPACE.active(config | TINY | values)


def labelled(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
    return pixels, keras.utils.to_categorical(rng.integers(0, 10, count), 10)


class Spy:
    """Stands for a model and remembers what it was trained with."""

    def __init__(self) -> None:
        self.trained: dict[str, Any] = {}

    def fit(self, *args: Any, **kwargs: Any) -> str:
        self.trained = kwargs | {"data": args}
        return "history"


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [
        ("adam", "Adam"),
        ("adamw", "AdamW"),
        ("nadam", "Nadam"),
        ("rmsprop", "RMSprop"),
        ("sgd", "SGD"),
        ("adadelta", "Adadelta"),
    ],
)
def test_a_model_is_compiled_with_the_optimizer_and_its_own_rate(
    optimizer: str, kind: str
) -> None:
    config = tiny(optimizer=optimizer, **{f"{optimizer}_lr": 0.002})

    model = CNN().build(hyperparameters(CNN_SPACE, config))

    assert type(model.optimizer).__name__ == kind
    assert float(model.optimizer.learning_rate) == pytest.approx(0.002)
    assert model.loss == "categorical_crossentropy"
    assert model.jit_compile is False


def test_weight_decay_reaches_the_optimizer() -> None:
    config = tiny(optimizer="adamw", adamw_decay=0.02)

    model = CNN().build(hyperparameters(CNN_SPACE, config))

    assert model.optimizer.weight_decay == 0.02


def test_an_impossible_model_is_told_before_keras_builds() -> None:
    config = CNN_SPACE.active(
        {dimension.name: dimension.default for dimension in CNN_SPACE.dimensions}
        | {"conv_layers": 4, "padding": "valid"}
    )

    with pytest.raises(ImpossibleModel, match="conv_4 gets 1x1"):
        CNN().build(hyperparameters(CNN_SPACE, config))


def test_declaring_builds_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spaces.cnn.sequential", pytest.fail)
    hp = keras_tuner.HyperParameters()

    CNN().declare_hyperparameters(hp)

    assert len(hp.space) == len(CNN_SPACE.dimensions)


def test_a_narrowed_space_is_the_one_declared() -> None:
    space = narrowed(CNN_SPACE, {}, {"optimizer": "adam", "filters_1": "48"})

    model = CNN(space=space).build(hyperparameters(space, space.defaults()))

    assert model.get_layer("conv_1").filters == 48


def test_the_batch_size_comes_from_the_configuration() -> None:
    spy = Spy()

    result = CNN().fit(hyperparameters(CNN_SPACE, tiny()), spy, "x", "y", batch_size=7)

    assert result == "history"
    assert spy.trained == {"batch_size": 32, "data": ("x", "y")}


def test_the_schedule_is_added_to_the_callers_callbacks() -> None:
    spy, own = Spy(), keras.callbacks.Callback()
    hp = hyperparameters(CNN_SPACE, tiny(schedule="cosine"))

    CNN().fit(hp, spy, callbacks=[own])

    first, second = spy.trained["callbacks"]
    assert first is own
    assert isinstance(second, keras.callbacks.LearningRateScheduler)


def test_a_cosine_falls_from_the_base_and_never_reaches_zero() -> None:
    rates = [cosine_rate(epoch, base=0.1, epochs=4) for epoch in range(6)]

    assert rates[0] == 0.1
    assert rates[1] == pytest.approx(0.1 * (1 + math.sqrt(0.5)) / 2)
    assert rates[2] == pytest.approx(0.05)
    assert 0 < rates[3] < rates[2]
    assert rates[3] == rates[4] == rates[5]


def test_the_cosine_depends_on_the_epoch_alone() -> None:
    pixels, labels = labelled(32)
    hp = hyperparameters(CNN_SPACE, tiny(schedule="cosine", adam_lr=0.01))
    cnn = CNN(epochs=4)

    whole = cnn.fit(hp, cnn.build(hp), pixels, labels, epochs=4, verbose=0)
    pieces = []
    for epoch in (0, 3, 1):
        fresh = cnn.build(hp)
        history = CNN(epochs=4).fit(
            hp, fresh, pixels, labels, initial_epoch=epoch, epochs=epoch + 1, verbose=0
        )
        pieces += history.history["learning_rate"]

    expected = whole.history["learning_rate"]
    assert pieces == [expected[0], expected[3], expected[1]]
    assert expected == pytest.approx([cosine_rate(e, base=0.01, epochs=4) for e in range(4)])


def test_a_stock_tuner_searches_the_space(tmp_path: Path) -> None:
    pixels, labels = labelled(64)
    space = narrowed(
        CNN_SPACE,
        {},
        {"conv_layers": "1", "filters_1": "8", "dense_layers": "0", "schedule": "cosine"},
    )
    tuner = keras_tuner.RandomSearch(
        CNN(epochs=1, space=space), "val_accuracy", max_trials=1, seed=1, directory=tmp_path
    )

    tuner.search(pixels, labels, validation_data=(pixels, labels), epochs=1, verbose=0)

    best = tuner.get_best_hyperparameters()[0]
    assert space.contains(best.values)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("000", 896_906),
        ("001", 93_322),
        ("002", 1_199_882),
        ("003", 119_978),
        ("004", 61_025_674),
    ],
)
def test_documented_models_are_compiled_as_documented(name: str, params: int) -> None:
    documented = DOCUMENTED[int(name)]

    model = DocumentedHyperModel(name).build(keras_tuner.HyperParameters())

    assert model.count_params() == params
    assert type(model.optimizer).__name__.lower() == documented.optimizer
    assert float(model.optimizer.learning_rate) == pytest.approx(documented.learning_rate)
    assert model.loss == documented.loss
    assert any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers) == (
        name != "003"
    )


def test_the_fifth_documented_model_learns_from_integer_labels() -> None:
    assert DOCUMENTED[4].loss == "sparse_categorical_crossentropy"


def test_a_documented_model_trains_with_its_own_batch_size() -> None:
    spy = Spy()

    DocumentedHyperModel("002").fit(keras_tuner.HyperParameters(), spy, "x", batch_size=7)

    assert spy.trained == {"batch_size": 128, "data": ("x",)}


def test_an_unknown_documented_model_has_no_hypermodel() -> None:
    with pytest.raises(SpaceError, match="got '999'"):
        DocumentedHyperModel("999")


def test_the_space_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(CNN_SPACE)) == CNN_SPACE  # noqa: S301 - our own bytes
