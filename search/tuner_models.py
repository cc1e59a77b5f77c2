"""From a user's hypermodel to what a study needs: its space, and networks ready to train."""

import contextlib
import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import keras
import keras_tuner

from search.errors import StudyError, TrainingError
from search.study import Development
from search.training import labels_for
from spaces.architecture import Size
from spaces.discovery import discover
from spaces.keras_tuner_bridge import hyperparameters, recorded
from spaces.space import Config, Space, config_key
from spaces.user_models import size_of_build

_TASTE = 2
"""Images that a hypermodel's `fit` is shown while it is asked for its hyperparameters."""


def name_of(hypermodel: keras_tuner.HyperModel) -> str:
    """Returns where the hypermodel comes from, as "module:attribute"."""
    # Keras Tuner wraps a plain function build(hp), and keeps it under the method's name.
    own = hypermodel.build if inspect.isfunction(hypermodel.build) else type(hypermodel)
    return f"{own.__module__}:{own.__qualname__}"


@final
class PreparedHyperModel(keras_tuner.HyperModel):  # type: ignore[misc]  # Keras Tuner is untyped
    """A user's hypermodel whose networks are checked and built, whatever it leaves open."""

    def __init__(self, inner: keras_tuner.HyperModel, shape: tuple[int, ...] | None) -> None:
        super().__init__()
        self.inner = inner
        self.shape = shape

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds a network, with the data's shape where the user states none.

        Raises:
            TrainingError: it is no compiled Keras model.
        """
        model = self.inner.build(hp)
        if not isinstance(model, keras.Model):
            raise TrainingError(
                f"build(hp) returns a compiled keras.Model, got {type(model).__name__}."
            )
        if not model.compiled:
            raise TrainingError("build(hp) returns a compiled keras.Model: call model.compile().")
        if not model.built and self.shape is not None:
            model.build((None, *self.shape))
        return model

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *data: Any,  # noqa: ANN401 - whatever the hypermodel takes
        **options: Any,  # noqa: ANN401 - likewise
    ) -> keras.callbacks.History:
        """Trains as the user's hypermodel does.

        Callbacks are copied for each epoch: the next epoch may be another process's, so none
        can carry anything over.

        Raises:
            TrainingError: the hypermodel's `fit` returns no History.
        """
        options["callbacks"] = copy.deepcopy(list(options.get("callbacks") or ()))
        # A `fit` that names the argument is also called for the training on all data.
        options.setdefault("validation_data", None)
        history = self.inner.fit(hp, model, *data, **options)
        if not isinstance(history, keras.callbacks.History):
            raise TrainingError(
                f"HyperModel.fit returns the History of model.fit, since every epoch is kept: "
                f"got {type(history).__name__}."
            )
        return history


@final
@dataclass(frozen=True, kw_only=True)
class UserNetworks:
    """Makes and measures the networks of one study. Can be pickled for a worker."""

    hypermodel: keras_tuner.HyperModel
    space: Space
    shape: tuple[int, ...]
    """Of one image."""

    _sizes: dict[str, Size] = field(default_factory=dict, repr=False)

    def make(
        self, config: Config, epochs: int
    ) -> tuple[keras_tuner.HyperModel, keras_tuner.HyperParameters]:
        """Returns what `KerasTrainer` trains; how it uses epochs is its own business."""
        del epochs
        prepared = PreparedHyperModel(self.hypermodel, self.shape)
        return prepared, hyperparameters(self.space, config)

    def size_of(self, config: Config) -> Size:
        """Builds a network once and measures it; nothing, where its build raises."""
        key = config_key(config)
        if key not in self._sizes:
            self._sizes[key] = size_of_build(*self.make(config, epochs=1))
        return self._sizes[key]


@dataclass(frozen=True, kw_only=True)
class Entries:
    """What an oracle was told of the space in advance."""

    given: keras_tuner.HyperParameters
    may_add: bool
    """Hypermodels may ask for hyperparameters that are not given."""

    tune_added: bool
    """Those are tuned; otherwise they keep their defaults."""


def space_of(
    hypermodel: keras_tuner.HyperModel,
    entries: Entries,
    data: Development | None = None,
    options: Mapping[str, Any] | None = None,
) -> Space:
    """Finds the space of a hypermodel; what was given in advance wins.

    Hyperparameters that an own `fit` asks for before it calls `model.fit` belong to it.

    Args:
        hypermodel: What to search.
        entries: What the oracle was told.
        data: Shown to an own `fit`; without data, it has to ask before it looks at them.
        options: Further arguments for `fit`.

    Raises:
        SpaceError: building fails, or a name is used in a way that a record cannot hold.
        StudyError: the hypermodel asks for what it may not add.
    """
    name = name_of(hypermodel)
    given = recorded(name, entries.given)
    if entries.may_add and not entries.tune_added:
        return given
    found = _found(name, hypermodel, entries.given, data, options or {})
    added = [dimension.name for dimension in found.dimensions if dimension.name not in given]
    if added and not entries.may_add:
        raise StudyError(
            f"With allow_new_entries=False a hypermodel asks only for given hyperparameters: "
            f"{name} also asks for {', '.join(added)}. Add them to `hyperparameters`."
        )
    return found if entries.tune_added else given


def _found(
    name: str,
    hypermodel: keras_tuner.HyperModel,
    given: keras_tuner.HyperParameters,
    data: Development | None,
    options: Mapping[str, Any],
) -> Space:
    if (
        type(hypermodel).declare_hyperparameters
        is not keras_tuner.HyperModel.declare_hyperparameters
    ):
        declared = keras_tuner.HyperParameters()
        declared.merge(given)
        hypermodel.declare_hyperparameters(declared)
        return recorded(name, declared)
    return discover(_Asked(hypermodel, given, data, options), name=name)


class _Enough(Exception):  # noqa: N818 - reads as what it says
    """An own `fit` has come to its `model.fit`."""


@final
class _Asked(keras_tuner.HyperModel):  # type: ignore[misc]  # Keras Tuner is untyped
    """A hypermodel that, when built, asks for everything its `build` and `fit` ask for."""

    def __init__(
        self,
        inner: keras_tuner.HyperModel,
        given: keras_tuner.HyperParameters,
        data: Development | None,
        options: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self._inner = PreparedHyperModel(inner, None if data is None else data.x.shape[1:])
        self._given = given
        self._data = data
        self._options = options
        self._has_own_fit = type(inner).fit is not keras_tuner.HyperModel.fit

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        hp.merge(self._given, overwrite=False)
        model = self._inner.build(hp)
        if self._has_own_fit:
            self._ask_fit(hp, model)
        return model

    def _ask_fit(self, hp: keras_tuner.HyperParameters, model: keras.Model) -> None:
        images = labels = None
        options = {**self._options, "epochs": 1, "verbose": 0}
        if self._data is not None:
            images = self._data.x[:_TASTE]
            labels = labels_for(model, self._data.y[:_TASTE])
            options["validation_data"] = images, labels
        model.fit = _enough
        with contextlib.suppress(Exception):  # whatever was asked before counts
            self._inner.fit(hp, model, images, labels, **options)


def _enough(*_: object, **__: object) -> None:
    raise _Enough
