"""What the description in a `.keras` file may say: the layers of our own space, and no more.

Keras' `safe_mode` has been got round again and again (CVE-2025-1550, -8747, -9906, 2026-1462):
whatever a description names, Keras looks up and calls. Here it may name what the CNN space and
the documented models are made of, and its weights are counted before Keras allocates them.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from mnist_hpo.errors import DataError
from spaces.architecture import IMAGE

Shape = tuple[int, ...]
"""Of one image, without the axis of the batch."""

MAX_DEPTH = 12
"""How deep a description nests; ours do so six levels deep."""

MAX_LAYERS = 64

_PARTS = frozenset(
    {
        ("keras", "DTypePolicy"),
        ("keras.initializers", "GlorotUniform"),
        ("keras.initializers", "Ones"),
        ("keras.initializers", "Zeros"),
    }
)
"""Module and class of what stands inside a layer."""

_TEXTS = {
    "activation": {"linear", "relu", "softmax"},
    "dtype": {"float32", "uint8"},
    "data_format": {"channels_first", "channels_last"},
    "fill_mode": {"constant"},
    "interpolation": {"bilinear"},
    "padding": {"same", "valid"},
}
"""Texts that Keras looks up."""

_FORMATS = ({"name": "float32"}, {"name": "mixed_bfloat16"})
_NAME = re.compile(r"\w{1,64}")  # no path: Keras makes one of it


def check_model(description: object, refuse: Callable[[str], DataError]) -> int:
    """Checks the `config.json` of a model file.

    Args:
        description: The parsed JSON.
        refuse: Makes the error from what is wrong, in words.

    Returns:
        How many weights the model has.

    Raises:
        DataError: it describes anything but a model of our own space.
    """
    record = _object(description, "the model", refuse)
    config = _object(record.get("config"), "the model's config", refuse)
    if _kind(record) != ("keras", "Sequential"):
        raise refuse(f"it describes {_named(record)}, not a keras.Sequential.")
    # What stands beside it under `compile_config` is never read: models are loaded uncompiled.
    _check_parts(config, refuse, depth=0)
    layers = config.get("layers")
    if not isinstance(layers, list) or not 2 <= len(layers) <= MAX_LAYERS:
        raise refuse(f"a model has 2 to {MAX_LAYERS} layers in a list.")
    shape, weights = _input(layers[0], refuse), 0
    built = [config.get("build_input_shape"), _built(record)]
    for layer in [_object(layer, "a layer", refuse) for layer in layers[1:]]:
        if _built(layer) not in (None, [None, *shape]):
            raise refuse(f"its {_named(layer)} is built for {_built(layer)}, and gets {shape}.")
        shape, more = _walk(layer, shape, refuse)
        weights += more
    if any(own not in (None, _batch(layers[0])) for own in built):
        raise refuse(f"it is built for {built[0]}, and begins with {_batch(layers[0])}.")
    return weights


def _built(record: Mapping[str, Any]) -> object:
    """Returns the shape that Keras allocates a layer's weights for; not what flows into it."""
    build = record.get("build_config")
    return build.get("input_shape") if isinstance(build, dict) and len(build) == 1 else build


def _batch(layer: Mapping[str, Any]) -> object:
    return layer["config"]["batch_shape"]


def _check_parts(value: object, refuse: Callable[[str], DataError], *, depth: int) -> None:
    """Looks at every value for anything that Keras would look up."""
    if depth > MAX_DEPTH:
        raise refuse(f"its description nests deeper than {MAX_DEPTH}.")
    if isinstance(value, list):
        for inner in value:
            _check_parts(inner, refuse, depth=depth + 1)
    elif isinstance(value, dict):
        if "class_name" in value and _kind(value) not in _PARTS | _LAYERS.keys():
            raise refuse(f"it names {_named(value)}.")
        if value.get("class_name") == "DTypePolicy" and value.get("config") not in _FORMATS:
            raise refuse(f"it computes in {str(value.get('config'))[:60]}.")
        for name, inner in value.items():
            if isinstance(inner, str) and not _is_known(name, inner):
                raise refuse(f"its {name[:60]!r} is {inner[:60]!r}.")
            _check_parts(inner, refuse, depth=depth + 1)


def _is_known(name: str, text: str) -> bool:
    """Says whether a text of that name is one that our own models have."""
    if name in {"module", "class_name"}:
        return True  # checked together
    return _NAME.fullmatch(text) is not None if name == "name" else text in _TEXTS.get(name, ())


def _input(layer: object, refuse: Callable[[str], DataError]) -> Shape:
    record = _object(layer, "the first layer", refuse)
    config = _object(record.get("config"), "the first layer's config", refuse)
    height, width, channels = IMAGE
    shapes = ([None, height, width, channels], [None, channels, height, width])
    shape = config.get("batch_shape")
    if _kind(record) != ("keras.layers", "InputLayer") or shape not in shapes:
        raise refuse(f"it begins with {_named(record)} of {shape!r}, not an input of {IMAGE}.")
    return tuple(shape[1:])


def _walk(
    record: Mapping[str, Any], shape: Shape, refuse: Callable[[str], DataError]
) -> tuple[Shape, int]:
    """Returns the shape behind a layer, and the layer's weights."""
    kind, config = _kind(record), _object(record.get("config"), "a layer's config", refuse)
    try:
        found = _LAYERS[kind](config, shape)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise refuse(f"its {_named(record)} does not fit: {type(error).__name__}.") from error
    if min(found[0], default=0) < 1:
        raise refuse(f"its {_named(record)} leaves the shape {found[0]}.")
    return found


def _same(config: Mapping[str, Any], shape: Shape) -> tuple[Shape, int]:
    del config
    return shape, 0


def _rescaled(config: Mapping[str, Any], shape: Shape) -> tuple[Shape, int]:
    # Lists in place of numbers would be spread over further channels.
    return shape, 0 * round(config["scale"] + config["offset"])


def _normalized(config: Mapping[str, Any], shape: Shape) -> tuple[Shape, int]:
    return shape, 4 * shape[_whole(config["axis"], least=-1) - (config["axis"] > 0)]


def _convolved(config: Mapping[str, Any], shape: Shape) -> tuple[Shape, int]:
    filters, kernel = _whole(config["filters"]), _pair(config["kernel_size"])
    plain = {"strides": [1, 1], "dilation_rate": [1, 1], "groups": 1}
    if any(config[name] != value for name, value in plain.items()):
        raise ValueError(config)
    *sides, channels = _last(config, shape)
    if config["padding"] == "valid":
        sides = [side - extent + 1 for side, extent in zip(sides, kernel, strict=True)]
    weights = math.prod(kernel) * channels * filters + (filters if config["use_bias"] else 0)
    return _placed(config, (*sides, filters)), weights


def _pooled(config: Mapping[str, Any], shape: Shape) -> tuple[Shape, int]:
    pool = _pair(config["pool_size"])
    if config["strides"] != list(pool) or config["padding"] != "valid":
        raise ValueError(config)
    *sides, channels = _last(config, shape)
    shrunk = [side // extent for side, extent in zip(sides, pool, strict=True)]
    return _placed(config, (*shrunk, channels)), 0


def _flattened(config: Mapping[str, Any], shape: Shape) -> tuple[Shape, int]:
    del config
    return (math.prod(shape),), 0


def _permuted(config: Mapping[str, Any], shape: Shape) -> tuple[Shape, int]:
    if sorted(config["dims"]) != list(range(1, len(shape) + 1)):
        raise ValueError(config)
    return tuple(shape[axis - 1] for axis in config["dims"]), 0


def _dense(config: Mapping[str, Any], shape: Shape) -> tuple[Shape, int]:
    units = _whole(config["units"])
    return (*shape[:-1], units), shape[-1] * units + (units if config["use_bias"] else 0)


_LAYERS: Mapping[tuple[object, object], Callable[[Mapping[str, Any], Shape], tuple[Shape, int]]]
_LAYERS = {
    ("keras.layers", "InputLayer"): _same,
    ("keras.layers", "Rescaling"): _rescaled,
    ("keras.layers", "RandomTranslation"): _same,
    ("keras.layers", "RandomRotation"): _same,
    ("keras.layers", "RandomZoom"): _same,
    ("keras.layers", "Dropout"): _same,
    ("keras.layers", "ReLU"): _same,
    ("keras.layers", "BatchNormalization"): _normalized,
    ("keras.layers", "Conv2D"): _convolved,
    ("keras.layers", "MaxPooling2D"): _pooled,
    ("keras.layers", "Flatten"): _flattened,
    ("keras.layers", "Permute"): _permuted,
    ("keras.layers", "Dense"): _dense,
}
"""All that `spaces.layers` builds, and how each changes the shape of an image."""


def _last(config: Mapping[str, Any], shape: Shape) -> Shape:
    """Moves the channels to the end."""
    return (*shape[1:], shape[0]) if config["data_format"] == "channels_first" else shape


def _placed(config: Mapping[str, Any], shape: Shape) -> Shape:
    """Moves the channels from the end to where the layer has them."""
    return (shape[-1], *shape[:-1]) if config["data_format"] == "channels_first" else shape


def _whole(value: object, *, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(value)
    return value


def _pair(value: object) -> tuple[int, int]:
    if not isinstance(value, list):
        raise TypeError(value)
    first, second = map(_whole, value)
    return first, second


def _object(value: object, what: str, refuse: Callable[[str], DataError]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refuse(f"{what} is no JSON object.")
    return value


def _kind(record: Mapping[str, Any]) -> tuple[object, object]:
    """Returns module and class; a list in their place names nothing that we know."""
    kind = (record.get("module"), record.get("class_name"))
    return kind if all(isinstance(name, str) for name in kind) else (None, None)


def _named(record: Mapping[str, Any]) -> str:
    return f"{str(record.get('module'))[:60]}.{str(record.get('class_name'))[:60]}"
