from collections.abc import Iterator

import keras
import numpy as np
import pytest
from hypothesis import given, settings

from spaces.architecture import (
    Architecture,
    Augment,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Output,
    Pool,
    Scale,
    Stem,
    measure,
    named,
)
from spaces.cnn_space import CNN_SPACE, architecture_of
from spaces.documented import DOCUMENTED, DocumentedModel
from spaces.errors import ImpossibleModel
from spaces.layers import keras_layers, sequential
from spaces.space import Config
from spaces.testing import configurations

SMALL: Architecture = (
    Scale(),
    Stem(3),
    Conv(4, batch_norm=True),
    Pool(),
    Conv(5, padding="same"),
    Dropout(0.25),
    Flatten(),
    Dense(6),
    Output(),
)


@pytest.fixture
def channels_first() -> Iterator[None]:
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


def digits(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)


@given(configurations(CNN_SPACE))
@settings(max_examples=15, deadline=None)
def test_arithmetic_and_keras_agree_on_parameters_and_on_what_is_impossible(
    config: Config,
) -> None:
    architecture = architecture_of(config)
    try:
        expected = measure(architecture).params
    except ImpossibleModel:
        with pytest.raises(ValueError, match=r"shape|dimension"):
            sequential(architecture)
        return

    model = sequential(architecture)

    assert model.count_params() == expected


def test_layers_have_the_names_of_the_architecture() -> None:
    own = [name for name, _ in named(SMALL)]

    names = [layer.name for layer in sequential(SMALL).layers]

    assert [name for name in names if name in own] == own
    assert [name for name in names if name not in own] == ["norm_1", "relu_1"]


def test_raw_integer_pixels_are_scaled_inside_the_model() -> None:
    model = sequential(SMALL)
    pixels = digits(3)
    unscaled = keras.Sequential(model.layers[1:])

    probabilities = model.predict(pixels, verbose=0)

    assert probabilities.shape == (3, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        probabilities, unscaled.predict(pixels / 255, verbose=0), rtol=1e-4, atol=1e-6
    )


def test_channels_first_builds_the_same_network() -> None:
    last = sequential(SMALL)
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        first = sequential(SMALL)
    finally:
        keras.config.set_image_data_format(before)
    first.set_weights(last.get_weights())
    pixels = digits(2)

    probabilities = first.predict(np.moveaxis(pixels, -1, 1), verbose=0)

    assert first.count_params() == last.count_params() == measure(SMALL).params
    np.testing.assert_allclose(
        probabilities, last.predict(pixels, verbose=0), rtol=1e-4, atol=1e-6
    )


@pytest.mark.usefixtures("channels_first")
@pytest.mark.parametrize("model", DOCUMENTED[:4], ids=lambda model: model.name)
def test_documented_models_build_with_channels_first(model: DocumentedModel) -> None:
    built = sequential(model.architecture)

    assert built.input_shape == (None, 1, 28, 28)
    assert built.count_params() == model.size.params


@pytest.mark.parametrize("kind", ["shift", "affine"])
def test_augmentation_changes_training_images_only(kind: str) -> None:
    augment = keras.Sequential(keras_layers("augment", Augment(kind)))
    pixels = digits(4).astype("float32")

    trained = keras.ops.convert_to_numpy(augment(pixels, training=True))

    assert trained.shape == pixels.shape
    assert not np.allclose(trained, pixels)
    np.testing.assert_array_equal(augment(pixels, training=False), pixels)


def test_the_output_stays_in_single_precision() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = sequential(SMALL)
    finally:
        keras.config.set_dtype_policy(before)

    assert model.get_layer("conv_1").compute_dtype == "bfloat16"
    assert model.outputs[0].dtype == "float32"
