"""The CNN space as a Keras Tuner hypermodel. Works under any stock Keras Tuner tuner."""

import functools
import math
from typing import Any

import keras
import keras_tuner

from spaces.architecture import measure
from spaces.cnn_space import CNN_SPACE, architecture_of
from spaces.compiling import compiled, optimizer_of
from spaces.keras_tuner_bridge import declare
from spaces.layers import sequential
from spaces.space import Config, Space


class CNN(keras_tuner.HyperModel):
    """Small CNNs for MNIST: raw pixels (0 to 255) in, class probabilities out.

    Labels are one-hot: the loss is categorical cross-entropy.

    Args:
        epochs: Length of a whole training; a cosine schedule ends there.
        space: `CNN_SPACE` or a space narrowed from it.
        classes: Number of classes.
    """

    def __init__(self, epochs: int = 10, space: Space = CNN_SPACE, classes: int = 10) -> None:
        self.epochs = epochs
        self.space = space
        self.classes = classes
        super().__init__(name=space.name)

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declares the whole space without building a model."""
        declare(self.space, hp)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled model of the configuration in `hp`.

        Raises:
            ImpossibleModel: the image shrinks below one pixel.
        """
        config = declare(self.space, hp)
        architecture = architecture_of(config, self.classes)
        measure(architecture)  # says which layer is impossible and what to do; Keras does not
        decay = config.get("adamw_decay")
        return compiled(
            sequential(architecture),
            optimizer_of(
                str(config["optimizer"]),
                learning_rate_of(config),
                decay=None if decay is None else float(decay),
            ),
            loss="categorical_crossentropy",
        )

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *args: Any,  # noqa: ANN401 - as Keras takes them
        **kwargs: Any,  # noqa: ANN401 - likewise
    ) -> keras.callbacks.History:
        """Trains with the configuration's batch size and learning-rate schedule.

        The schedule looks at the epoch's index only, so training may be cut into pieces
        (`initial_epoch=e, epochs=e + 1`) in different processes.

        Args:
            hp: The configuration.
            model: What `build` returned.
            *args: As for `keras.Model.fit`; labels one-hot.
            **kwargs: As for `keras.Model.fit`. A `batch_size` is replaced by the
                configuration's; the schedule is added to `callbacks`.
        """
        config = declare(self.space, hp)
        kwargs["batch_size"] = int(config["batch_size"])
        if config["schedule"] == "cosine":
            rate = functools.partial(
                cosine_rate, base=learning_rate_of(config), epochs=self.epochs
            )
            scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, _: rate(epoch))
            kwargs["callbacks"] = [*(kwargs.get("callbacks") or ()), scheduler]
        return model.fit(*args, **kwargs)


def learning_rate_of(config: Config) -> float:
    """Returns the learning rate of the configuration's optimizer."""
    return float(config[f"{config['optimizer']}_lr"])


def cosine_rate(epoch: int, *, base: float, epochs: int) -> float:
    """Returns the learning rate of an epoch, counted from 0: half a cosine, from `base` down.

    The last epoch still learns: 0 would be reached only after it. Epochs beyond `epochs` go
    on with the last rate.
    """
    reached = min(epoch, epochs - 1)
    return base * (1 + math.cos(math.pi * reached / epochs)) / 2
