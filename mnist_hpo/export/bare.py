"""A model as it predicts: without what only trains."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def bare(model: "keras.Model") -> "keras.Model":
    """Returns the same weights without layers that distort images at random.

    Keras leaves RandomTranslation and its kin at work in an exported SavedModel, whose
    probabilities then change from call to call, and ONNX has no word for them. A model that is
    no stack of layers is returned as it is: whether its export agrees is checked anyhow.
    """
    import keras  # noqa: PLC0415 - loads TensorFlow

    if not isinstance(model, keras.Sequential):
        return model
    distorting = (
        keras.layers.RandomTranslation,
        keras.layers.RandomRotation,
        keras.layers.RandomZoom,
    )
    kept = [layer for layer in model.layers if not isinstance(layer, distorting)]
    stack = keras.Sequential(
        [keras.Input(model.input_shape[1:], name="pixels"), *kept], name=model.name
    )
    stack(np.zeros((1, *model.input_shape[1:]), np.float32))  # Keras' ONNX export asks for a call
    return stack
