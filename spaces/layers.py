"""An architecture as a Keras model."""

import keras

from spaces.architecture import (
    IMAGE,
    Architecture,
    Augment,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Output,
    Pool,
    Scale,
    Stem,
    named,
)

# Digits lie in a box of 20x20 in the middle of 28x28, so 2 pixels leave every stroke inside.
_SHIFT = 2 / 28
# 10 degrees as a share of a turn: handwriting leans that much, while 1, 7 and 4 stay apart.
_ROTATION = 10 / 360
# 10 %: the box of 20 pixels grows to 22 and stays inside as well.
_ZOOM = 0.1


def sequential(
    architecture: Architecture, image: tuple[int, int, int] = IMAGE
) -> keras.Sequential:
    """Builds the network, not compiled.

    It takes raw pixels, 0 to 255, as integers or floats, and gives class probabilities. The
    axes follow `keras.config.image_data_format()`: (n, 28, 28, 1), or (n, 1, 28, 28) under
    "channels_first". Layers have the names of `architecture.named`.

    Args:
        architecture: The layers, in order.
        image: Height, width and channels.
    """
    height, width, channels = image
    shape = (channels, height, width) if _channels_first() else image
    layers = [keras.Input(shape, name="pixels")]
    for name, layer in named(architecture):
        layers += keras_layers(name, layer)
    return keras.Sequential(layers, name="cnn")


def keras_layers(name: str, layer: Layer) -> list[keras.layers.Layer]:  # noqa: PLR0911 - one a kind
    """Returns the Keras layers that make up one layer of an architecture."""
    match layer:
        case Scale(factor):
            return [keras.layers.Rescaling(factor, name=name)]
        case Augment(kind):
            return _augment(kind)
        case Stem(units):
            return _stem(name, units)
        case Conv():
            return _conv(name, layer)
        case Pool():
            return [keras.layers.MaxPooling2D(2, name=name)]
        case Dropout(rate):
            return [keras.layers.Dropout(rate, name=name)]
        case Flatten():
            return [keras.layers.Flatten(name=name)]
        case Dense(units):
            return [keras.layers.Dense(units, activation="relu", name=name)]
        case Output(classes):
            # Half precision rounds probabilities near 1 and their logarithms.
            return [keras.layers.Dense(classes, activation="softmax", dtype="float32", name=name)]


def _conv(name: str, layer: Conv) -> list[keras.layers.Layer]:
    convolution = keras.layers.Conv2D(
        layer.filters,
        layer.kernel,
        padding=layer.padding,
        activation=None if layer.batch_norm else "relu",
        use_bias=not layer.batch_norm,
        name=name,
    )
    if not layer.batch_norm:
        return [convolution]
    number = name.rpartition("_")[2]
    return [
        convolution,
        keras.layers.BatchNormalization(
            axis=1 if _channels_first() else -1, name=f"norm_{number}"
        ),
        keras.layers.ReLU(name=f"relu_{number}"),
    ]


def _stem(name: str, units: int) -> list[keras.layers.Layer]:
    dense = keras.layers.Dense(units, name=name)
    if not _channels_first():
        return [dense]
    # A dense layer works on the last axis.
    return [
        keras.layers.Permute((2, 3, 1), name=f"{name}_last"),
        dense,
        keras.layers.Permute((3, 1, 2), name=f"{name}_first"),
    ]


def _augment(kind: str) -> list[keras.layers.Layer]:
    # The background of a digit is 0 before and after scaling.
    fill = {"fill_mode": "constant", "fill_value": 0.0}
    layers = [keras.layers.RandomTranslation(_SHIFT, _SHIFT, **fill, name="augment_shift")]
    if kind == "affine":
        layers += [
            keras.layers.RandomRotation(_ROTATION, **fill, name="augment_rotation"),
            keras.layers.RandomZoom(_ZOOM, **fill, name="augment_zoom"),
        ]
    return layers


def _channels_first() -> bool:
    return bool(keras.config.image_data_format() == "channels_first")
