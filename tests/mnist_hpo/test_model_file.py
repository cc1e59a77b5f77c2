"""What Keras saves of our own models is accepted, and gives the same predictions."""

from pathlib import Path

import numpy as np
import pytest

from mnist_hpo.errors import DataError
from mnist_hpo.model_file import load_model, read_model
from search.files import sha256_of
from spaces.catalog import load
from spaces.cnn_space import CNN_SPACE
from spaces.space import Config

pytestmark = pytest.mark.slow

DEEP: Config = {
    "conv_layers": 4,
    "filters_3": 8,
    "filters_4": 8,
    "batch_norm": True,
    "augment": "affine",
    "conv_dropout": 0.25,
    "dense_layers": 2,
    "units_1": 32,
    "units_2": 32,
    "sgd_lr": 0.01,
    "dense_dropout": 0.5,
    "optimizer": "sgd",
}
BASELINES = {model.name: model.config for model in load("cnn").baselines}
CONFIGS: dict[str, Config] = {
    "the default": CNN_SPACE.active(CNN_SPACE.defaults()),
    "every kind of layer": CNN_SPACE.active({**CNN_SPACE.defaults(), **DEEP}),
    **{name: BASELINES[name] for name in ("001", "003")},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_our_own_models_are_read_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / "best.keras"
    hypermodel, hp = load("cnn").make(CONFIGS[name], epochs=1)
    model = hypermodel.build(hp)
    model.save(path)
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1))

    loaded = load_model(path, sha256=sha256_of(path.read_bytes()))

    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )


def test_a_lambda_of_keras_itself_is_refused(tmp_path: Path) -> None:
    """As Keras writes it, not as the corpus forges it."""
    import keras  # noqa: PLC0415 - loads TensorFlow

    path = tmp_path / "best.keras"
    layers = [keras.Input((28, 28, 1)), keras.layers.Lambda(lambda x: x), keras.layers.Flatten()]
    keras.Sequential(layers).save(path)

    with pytest.raises(DataError, match=r"it names keras\.layers\.Lambda"):
        read_model(path, sha256=sha256_of(path.read_bytes()))
