"""Optimizers by name, and the compile settings that every model shares."""

import keras

MOMENTUM = 0.9
"""Of SGD. A constant: it only rescales the learning rate (by 1 / (1 - 0.9) = 10) and smooths,
and 0.9 with Nesterov's correction is what SGD is compared with everywhere."""


def optimizer_of(
    name: str, learning_rate: float, *, decay: float | None = None
) -> keras.optimizers.Optimizer:
    """Returns a new Keras optimizer.

    Args:
        name: One of adam, adamw, nadam, rmsprop, sgd, adadelta.
        learning_rate: Constant; a schedule sets it from outside, epoch by epoch.
        decay: Weight decay, for adamw.
    """
    if name == "adamw":
        return keras.optimizers.AdamW(learning_rate, weight_decay=decay)
    if name == "sgd":
        return keras.optimizers.SGD(learning_rate, momentum=MOMENTUM, nesterov=True)
    plain = {
        "adam": keras.optimizers.Adam,
        "nadam": keras.optimizers.Nadam,
        "rmsprop": keras.optimizers.RMSprop,
        "adadelta": keras.optimizers.Adadelta,
    }
    return plain[name](learning_rate)


def compiled(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, *, loss: str
) -> keras.Model:
    """Compiles a model for training and returns it.

    XLA stays off on a CPU ("auto" means that since Keras 3): there it made two such networks
    2.1 to 2.5 times slower, took seconds more in the first epoch and gave other bits
    (keras 3.15.1, TensorFlow 2.21, 1 thread). On a GPU Keras decides.
    """
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"], jit_compile="auto")
    return model
