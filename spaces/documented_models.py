"""The documented models as Keras Tuner hypermodels, built and trained as documented."""

from typing import Any

import keras
import keras_tuner

from spaces.compiling import compiled, optimizer_of
from spaces.documented import documented
from spaces.layers import sequential


class DocumentedHyperModel(keras_tuner.HyperModel):  # type: ignore[misc]  # Keras Tuner is untyped
    """One documented model: nothing to tune, so it registers nothing.

    Args:
        name: "000" to "004".

    Raises:
        SpaceError: there is no such model.
    """

    def __init__(self, name: str) -> None:
        self.documented = documented(name)
        super().__init__(name=f"documented_{name}")

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled model; its loss says whether labels are one-hot or integers."""
        del hp
        model = self.documented
        return compiled(
            sequential(model.architecture),
            optimizer_of(model.optimizer, model.learning_rate),
            loss=model.loss,
        )

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *args: Any,  # noqa: ANN401 - as Keras takes them
        **kwargs: Any,  # noqa: ANN401 - likewise
    ) -> keras.callbacks.History:
        """Trains with the documented batch size, whatever the caller passes."""
        del hp
        return model.fit(*args, **kwargs | {"batch_size": self.documented.batch_size})
