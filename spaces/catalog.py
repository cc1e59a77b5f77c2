"""What can be searched: a name, or a user's own "module:attribute". Imports no Keras itself.

A study, its tables and its proposals need the record of a space only; Keras is imported when
a model is made.
"""

import abc
import dataclasses
from difflib import get_close_matches
from typing import TYPE_CHECKING, Self, final

from spaces.architecture import Size, measure
from spaces.cnn_space import CNN_SPACE, architecture_of
from spaces.documented import DOCUMENTED, DocumentedModel, documented_by
from spaces.errors import SpaceError
from spaces.space import Config, Space, config_key

if TYPE_CHECKING:
    import keras_tuner


@dataclasses.dataclass(frozen=True, kw_only=True)
class Catalogued(abc.ABC):
    """A space and how its models are made. Can be pickled, so a worker can have it."""

    name: str
    """What `load` was asked for."""

    space: Space
    baselines: tuple[DocumentedModel, ...] = ()
    """Known models to compare with; their `config` can be given to `size_of` and `make`."""

    def with_space(self, space: Space) -> Self:
        """Returns the same models in another space, usually one narrowed from this."""
        return dataclasses.replace(self, space=space)

    @abc.abstractmethod
    def size_of(self, config: Config) -> Size:
        """Returns parameters and multiply-adds of a configuration.

        Raises:
            ImpossibleModel: no network can have this configuration.
        """

    def graph_of(self, config: Config) -> str:
        """Names the traced graph of a configuration: equal names can share one."""
        return config_key(config)

    @abc.abstractmethod
    def make(
        self, config: Config, epochs: int
    ) -> "tuple[keras_tuner.HyperModel, keras_tuner.HyperParameters]":
        """Returns a hypermodel and the hyperparameters to call its `build` and `fit` with.

        Args:
            config: A point of the space, or the configuration of a baseline.
            epochs: Length of a whole training, for schedules that depend on it.

        Raises:
            SpaceError: `config` is neither.
        """


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class CnnModels(Catalogued):
    """The CNN space and the documented models."""

    def size_of(self, config: Config) -> Size:
        model = documented_by(config)
        return measure(architecture_of(config)) if model is None else model.size

    def graph_of(self, config: Config) -> str:
        """Leaves out what a traced graph takes as it comes.

        The learning rate is a variable, its schedule a callback, and images come in batches of
        any size. (A size that divides the training images is traced for itself, once more.)
        """
        free = {"batch_size", "schedule", *(name for name in config if name.endswith("_lr"))}
        return config_key({name: own for name, own in config.items() if name not in free})

    def make(
        self, config: Config, epochs: int
    ) -> "tuple[keras_tuner.HyperModel, keras_tuner.HyperParameters]":
        import keras_tuner  # noqa: PLC0415 - loads TensorFlow, seconds that tables do not need

        from spaces.cnn import CNN  # noqa: PLC0415 - likewise
        from spaces.documented_models import DocumentedHyperModel  # noqa: PLC0415 - likewise
        from spaces.keras_tuner_bridge import hyperparameters  # noqa: PLC0415 - likewise

        model = documented_by(config)
        if model is not None:
            hp = keras_tuner.HyperParameters()
            hp.Fixed("documented", model.name)
            return DocumentedHyperModel(model.name), hp
        # A baseline takes part in a narrowed space too, where it may be no point.
        space = CNN_SPACE if self._is_baseline(config) else self.space
        return CNN(epochs=epochs, space=space), hyperparameters(space, config)

    def _is_baseline(self, config: Config) -> bool:
        return any(model.config == dict(config) for model in self.baselines)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class UserModels(Catalogued):
    """A user's hypermodel, imported again by name wherever it is needed."""

    _sizes: dict[str, Size] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def size_of(self, config: Config) -> Size:
        """Builds the model once and measures it; nothing, where its build raises."""
        from spaces.user_models import size_of_build  # noqa: PLC0415 - loads TensorFlow

        key = config_key(config)
        if key not in self._sizes:
            self._sizes[key] = size_of_build(*self.make(config, epochs=1))
        return self._sizes[key]

    def make(
        self, config: Config, epochs: int
    ) -> "tuple[keras_tuner.HyperModel, keras_tuner.HyperParameters]":
        """Returns the user's hypermodel; how it uses epochs is its own business."""
        from spaces.keras_tuner_bridge import hyperparameters  # noqa: PLC0415 - loads TensorFlow
        from spaces.user_models import hypermodel_of  # noqa: PLC0415 - likewise

        del epochs
        return hypermodel_of(self.name), hyperparameters(self.space, config)


def load(name: str) -> Catalogued:
    """Returns what is called `name`.

    Args:
        name: "cnn", or "module:attribute" with a `keras_tuner.HyperModel` (class or instance)
            or a function `build(hp)`; modules in the current directory are found.

    Raises:
        SpaceError: there is no such thing, or it declares no hyperparameters.
    """
    if name == CNN_SPACE.name:
        return CnnModels(name=name, space=CNN_SPACE, baselines=DOCUMENTED)
    module, _, attribute = name.partition(":")
    if not (module and attribute):
        near = get_close_matches(name, [CNN_SPACE.name], n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "For example my_models:MyHyperModel."
        raise SpaceError(
            f"A space is {CNN_SPACE.name!r} or module:attribute, got {name!r}. {hint}"
        )
    from spaces.discovery import discover  # noqa: PLC0415 - loads TensorFlow
    from spaces.user_models import hypermodel_of  # noqa: PLC0415 - likewise

    space = discover(hypermodel_of(name), name=name)
    if not space.dimensions:
        raise SpaceError(
            f"A space has at least one hyperparameter: {name!r} asks for none. Use hp.Choice, "
            f"hp.Int, hp.Float or hp.Boolean in build(hp)."
        )
    return UserModels(name=name, space=space)
