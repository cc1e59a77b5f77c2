"""Which models compute the same, so that one traced graph may serve them all.

Tracing takes far longer than building. What a trace bakes in, two models must have in common
to share it: layers, loss, optimizer and every number that is no variable. What lives in a
variable, such as weights and a plain learning rate, is assigned.
"""

import json
import re
import types
import warnings
from collections.abc import Callable, Mapping
from typing import Any, final

import keras
import tensorflow as tf


def graph_of(model: keras.Model) -> str | None:
    """Describes all that a trace of a newly built model bakes in.

    Equal descriptions mean equal results, bit for bit, from equal variables. So only what
    Keras itself defines is described: an own layer or loss may read anything it likes.

    Returns:
        The description, or None where something in the model is not Keras' own, cannot be
        described, or computes with values that are neither configuration nor variable.
    """
    # Keras' `layers` leaves out cells and wrapped layers, and what is computed between layers.
    parts = [*model._flatten_layers(), *getattr(model, "operations", ())]  # noqa: SLF001 - so
    optimizer = model.optimizer
    if any(map(_is_opaque, parts)) or "_exclude_from_weight_decay" in vars(optimizer):
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # of lambdas: they are turned down below
            described = [
                model.get_config(),
                model.get_compile_config() | {"optimizer": _optimizer(optimizer)},
                [[list(v.shape), v.dtype, v.trainable] for v in model.variables],
                # What configurations leave out, `autocast` for one.
                [{k: v for k, v in vars(x).items() if _is_number(v)} for x in parts],
            ]
            places = {x.name: f"part {i}" for i, x in enumerate(parts) if _is_counted(x)}
            return json.dumps(_plain(described, places)) if _is_keras(described) else None
    except Exception:  # noqa: BLE001 - users' `get_config` raises anything
        return None


def _is_opaque(part: keras.Operation) -> bool:
    """Says whether a layer or operation holds code that is not Keras', or adapted constants.

    A function is described by its name only, an own `relu` like Keras'.
    """
    functions = [v for v in vars(part).values() if isinstance(v, types.FunctionType)]
    modules = [type(part).__module__, *(function.__module__ for function in functions)]
    return hasattr(part, "adapt") or not all(map(_is_of_keras, modules))


def _optimizer(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    described: dict[str, Any] = keras.optimizers.serialize(optimizer)
    left_out = {"name"}
    if any(optimizer.learning_rate is variable for variable in optimizer.variables):
        left_out.add("learning_rate")  # else it is a schedule, and baked in
    config = {k: v for k, v in described["config"].items() if k not in left_out}
    return {**described, "config": config}


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _is_counted(part: keras.Operation) -> bool:
    """Says whether Keras made up the name, with a number that differs from build to build."""
    stem = re.sub(r"_\d+$", "", part.name)
    return stem.replace("_", "") == type(part).__name__.lower()


def _is_of_keras(module: object) -> bool:
    return str(module).split(".", maxsplit=1)[0] == "keras"


def _is_keras(described: object) -> bool:
    """Says whether every class and function in a description is Keras' own."""
    if isinstance(described, list | tuple):
        return all(_is_keras(value) for value in described)
    if not isinstance(described, Mapping):
        return True
    name = described.get("class_name")
    if name is not None and (name == "__lambda__" or not str(name).startswith("__")):
        return _is_of_keras(described.get("module")) and all(map(_is_keras, described.values()))
    return all(map(_is_keras, described.values()))


def _plain(described: object, places: Mapping[str, str]) -> object:
    """Takes out what differs from build to build and decides nothing: names and seeds.

    An initializer's seed decides values that are assigned; a random layer's generator is a
    variable, set in every epoch.
    """
    if isinstance(described, Mapping):
        kept = {k: v for k, v in described.items() if k != "seed"}
        return {k: _plain(v, places) for k, v in kept.items()}
    if isinstance(described, list | tuple):
        return [_plain(value, places) for value in described]
    return places.get(described, described) if isinstance(described, str) else described


@final
class Traces:
    """A model's training or test function, traced once for each shape of batches.

    A new model traces for the shape that comes first: (32, ...) where 32 divides the number
    of images, else (None, ...). The two graphs differ in the last bits, and TensorFlow would
    reuse the second one for the first shape. So each shape has a function of its own, and
    computes what it computes in a new model.
    """

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        self._make = make
        self._functions: dict[tuple[Any, ...], Callable[[Any], Any]] = {}

    def __call__(self, iterator: Any) -> Any:  # noqa: ANN401 - as Keras has them
        shape = tuple(tf.nest.flatten(getattr(iterator, "element_spec", None)))
        if shape not in self._functions:
            self._functions[shape] = self._make()
        return self._functions[shape](iterator)


def trace_by_shape(model: keras.Model) -> None:
    """Makes `fit` trace a compiled model anew for each shape of batches."""

    def training() -> Callable[[Any], Any]:
        model.train_function = None
        model.make_train_function()
        made, model.train_function = model.train_function, train
        return made  # type: ignore[no-any-return]  # Keras is untyped

    def testing() -> Callable[[Any], Any]:
        model.test_function = None
        model.make_test_function()
        made, model.test_function = model.test_function, test
        return made  # type: ignore[no-any-return]  # likewise

    train, test = Traces(training), Traces(testing)
    model.train_function, model.test_function = train, test
