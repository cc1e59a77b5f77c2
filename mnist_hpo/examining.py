"""The one look at the test set: what a model says of each image, and what is kept of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_hpo.data.records import Images, Pixels
from mnist_hpo.evidence import Evidence, LayerFacts, Maps
from mnist_hpo.statistics import TestResult, evaluate
from search.seeds import Purpose, seed_for

if TYPE_CHECKING:
    import keras

RIGHT = 9
"""Right digits shown beside wrong ones, as the documented model 004 does."""

SAMPLES = 25
"""Five rows of five, as the documented model 001 shows."""

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inside:
    """What is told of a model without the test set."""

    seed: int
    layers: tuple[LayerFacts, ...]
    maps: dict[str, Maps]
    digit_index: int
    development: Images


def look_inside(model: "keras.Model", development: Images, *, seed: int) -> Inside:
    """Reads the layers and the feature maps of one digit, before the test set is opened.

    Args:
        model: Takes raw pixels.
        development: Where the digit comes from.
        seed: The study's; it decides which digits are shown.
    """
    index = int(_generator(seed, 0).integers(len(development)))
    return Inside(
        seed=seed,
        layers=layers_of(model),
        maps=feature_maps(model, development.x[index]),
        digit_index=index,
        development=development,
    )


def examine(model: "keras.Model", test: Images, inside: Inside) -> tuple[TestResult, Evidence]:
    """Evaluates a model on the test images and keeps what a report needs.

    Args:
        model: Takes raw pixels, gives probabilities of the ten digits.
        test: The opened test set.
        inside: What `look_inside` returned.
    """
    # Here and below: Keras is loaded by whoever has a model.
    from search.training import labels_for, with_channel  # noqa: PLC0415 - loads TensorFlow

    x = with_channel(test.x)
    measures = model.evaluate(
        x, labels_for(model, test.y), batch_size=_BATCH, verbose=0, return_dict=True
    )
    probabilities = np.asarray(model.predict(x, batch_size=_BATCH, verbose=0), np.float32)
    predicted = probabilities.argmax(axis=1)
    is_right = predicted == test.y

    draw, development = _generator(inside.seed, 1), inside.development
    right = _drawn(draw, np.flatnonzero(is_right), RIGHT)
    samples = _drawn(draw, np.arange(len(test)), SAMPLES)
    learned = list(_drawn(draw, np.arange(len(development)), SAMPLES))
    kept = np.unique([*np.flatnonzero(~is_right), *right, *samples]).astype(np.int64)
    return evaluate(test.y, predicted, loss=float(measures["loss"])), Evidence(
        labels=test.y,
        probabilities=probabilities,
        kept=kept,
        pixels=test.x[kept],
        right=right,
        samples=samples,
        examples=development.x[learned],
        example_labels=development.y[learned],
        layers=inside.layers,
        digit=development.x[inside.digit_index],
        digit_index=inside.digit_index,
        digit_label=int(development.y[inside.digit_index]),
        maps=inside.maps,
    )


def _generator(seed: int, use: int) -> np.random.Generator:
    return np.random.default_rng(seed_for(seed, Purpose.EXAMPLES, use))


def _drawn(draw: np.random.Generator, among: Any, count: int) -> tuple[int, ...]:  # noqa: ANN401 - an array
    """Draws up to `count` places without repetition, in ascending order."""
    chosen = draw.choice(among, size=min(count, len(among)), replace=False)
    return tuple(sorted(int(place) for place in chosen))


def feature_maps(model: "keras.Model", digit: Pixels) -> dict[str, Maps]:
    """Returns what each Conv2D layer makes of one image, by the layer's name.

    Empty for a model that is no graph of layers: Keras does not say what flows inside it.

    Shapes:
        digit: (28, 28), uint8.
        result: (height, width, filters) each.
    """
    import keras  # noqa: PLC0415 - as in `examine`

    from search.training import with_channel  # noqa: PLC0415 - likewise

    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    try:
        inside = keras.Model(model.inputs, [layer.output for layer in layers])
    except (AttributeError, ValueError):  # no graph of layers, or none of them
        return {}
    outputs = inside.predict(with_channel(digit[np.newaxis]), verbose=0)
    last = keras.config.image_data_format() == "channels_last"
    arrays = outputs if isinstance(outputs, list) else [outputs]
    return {
        layer.name: np.asarray(own[0] if last else np.moveaxis(own[0], 0, -1), np.float16)
        for layer, own in zip(layers, arrays, strict=True)
    }


def layers_of(model: "keras.Model") -> tuple[LayerFacts, ...]:
    """Returns the layers that Keras' own summary lists."""
    return tuple(
        LayerFacts(
            name=layer.name,
            kind=type(layer).__name__,
            shape=_shape(layer),
            params=int(layer.count_params()),
        )
        for layer in model.layers
    )


def _shape(layer: "keras.layers.Layer") -> tuple[int, ...]:
    """Returns the shape of a layer's output for one image, or () where Keras has none."""
    try:
        shape = layer.output.shape
    except (AttributeError, ValueError):  # never called, or called on several inputs
        return ()
    return tuple(int(size or 0) for size in shape[1:])
