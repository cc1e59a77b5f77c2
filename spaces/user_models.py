"""A user's own Keras Tuner hypermodel, named as "module:attribute"."""

import importlib
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from math import prod
from pathlib import Path

import keras
import keras_tuner

from spaces.architecture import IMAGE, Size
from spaces.errors import SpaceError


class FunctionHyperModel(keras_tuner.HyperModel):  # type: ignore[misc]  # Keras Tuner is untyped
    """A plain function `build(hp)`, as Keras Tuner takes it in place of a hypermodel."""

    def __init__(self, function: Callable[[keras_tuner.HyperParameters], keras.Model]) -> None:
        self.function = function
        super().__init__()

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return self.function(hp)


def hypermodel_of(name: str) -> keras_tuner.HyperModel:
    """Imports a hypermodel. Modules in the current directory are found.

    Args:
        name: "module:attribute"; the attribute is a `HyperModel` class that takes no
            arguments, an instance, or a function `build(hp)`.

    Raises:
        SpaceError: the module fails to import, or the attribute is missing or something else.
    """
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if not {"", here} & set(sys.path):
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise SpaceError(
            f"The space {name!r} is read from the module {module_name!r}, which cannot be "
            f"imported: {type(error).__name__}: {error}. Start where the module lies ({here}), "
            f"or install it."
        ) from error
    if not hasattr(module, attribute):
        own = [key for key in vars(module) if not key.startswith("_")]
        near = get_close_matches(attribute, own, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(own) or 'nothing'}."
        raise SpaceError(f"The module {module_name!r} has no attribute {attribute!r}. {hint}")
    return _hypermodel(name, getattr(module, attribute))


def _hypermodel(name: str, found: object) -> keras_tuner.HyperModel:
    if isinstance(found, keras_tuner.HyperModel):
        return found
    if isinstance(found, type):
        if not issubclass(found, keras_tuner.HyperModel):
            raise _not_a_hypermodel(name, found)
        try:
            return found()
        except TypeError as error:
            raise SpaceError(
                f"A hypermodel class is made without arguments: {name!r} says {error}. Name an "
                f"instance of it instead, `model = {found.__name__}(...)`."
            ) from error
    if callable(found):
        return FunctionHyperModel(found)
    raise _not_a_hypermodel(name, found)


def _not_a_hypermodel(name: str, found: object) -> SpaceError:
    what = f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
    return SpaceError(
        f"A space comes from a keras_tuner.HyperModel (a class or an instance) or a function "
        f"build(hp): {name!r} is {what}. Name one of those."
    )


def size_of_build(hypermodel: keras_tuner.HyperModel, hp: keras_tuner.HyperParameters) -> Size:
    """Builds a network and measures it.

    Keras offers no way to build a compiled model without allocating its weights. One that cannot
    be built weighs nothing here, so that it becomes a trial: training it shows the error, and it
    is kept as a failure.
    """
    try:
        return size_of_model(hypermodel.build(hp))
    except Exception:  # noqa: BLE001 - users' models raise anything
        return Size(params=0, macs=0)


def size_of_model(model: keras.Model) -> Size:
    """Returns the size of a built model.

    Multiply-adds are counted over layers with a `kernel` (convolutions and dense layers): the
    positions of the output times the kernel's size. Layers of other kinds, such as attention,
    are not counted, and a layer without a symbolic output counts as one position.
    """
    if not model.built:
        height, width, channels = IMAGE
        first = keras.config.image_data_format() == "channels_first"
        model.build((None, channels, height, width) if first else (None, *IMAGE))
    return Size(
        params=int(model.count_params()),
        macs=sum(_positions(layer) * prod(layer.kernel.shape) for layer in _with_kernel(model)),
    )


def _with_kernel(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    if getattr(layer, "kernel", None) is not None:
        yield layer
    for child in getattr(layer, "layers", ()):
        yield from _with_kernel(child)


def _positions(layer: keras.layers.Layer) -> int:
    try:
        shape = layer.output.shape
    except (AttributeError, ValueError):
        return 1
    first = getattr(layer, "data_format", None) == "channels_first"
    return prod(size or 1 for size in (shape[2:] if first else shape[1:-1]))
