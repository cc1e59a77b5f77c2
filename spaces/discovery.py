"""Finds the space of a hypermodel, which only its code knows, by building models."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras_tuner

from spaces.errors import SpaceError
from spaces.keras_tuner_bridge import recorded
from spaces.space import Space, Value


def discover(hypermodel: keras_tuner.HyperModel, *, name: str) -> Space:
    """Finds the whole space of a hypermodel and returns it as a record called `name`.

    If `declare_hyperparameters` is overridden it is taken at its word and nothing is built.
    Otherwise the model is built with its defaults, then again for each conditional scope not
    entered yet, with the values that open it. At last each integer is tried at its upper
    bound and each choice at its other values: `for i in range(hp.Int("layers", 1, 3))`
    without a conditional scope is common code, and its `units_2` shows only there. What only
    shows in a combination of several such values is not found.

    Raises:
        SpaceError: a build with defaults or for a scope fails, or a name is used in a way
            that a record cannot hold.
    """
    found = keras_tuner.HyperParameters()
    if _overrides_declaration(hypermodel):
        hypermodel.declare_hyperparameters(found)
        return recorded(name, found)
    entered: list[Any] = []
    _enter_scopes(hypermodel, name, found, entered)
    tried: set[tuple[str, Value]] = set()
    while untried := [probe for probe in _probes(found) if probe not in tried]:
        tried.update(untried)
        for parent, value in untried:
            hp = _opened(found, {parent: value})
            # A value that no model can have is a fact about the space, not a mistake in it;
            # whatever was asked before the failure counts.
            with contextlib.suppress(Exception):
                hypermodel.build(hp)
            found.merge(hp.space, overwrite=False)
    return recorded(name, found).without_unreachable()


def _enter_scopes(
    hypermodel: keras_tuner.HyperModel,
    name: str,
    found: keras_tuner.HyperParameters,
    entered: list[Any],
) -> None:
    waiting: list[Any] = [[]]
    while waiting:
        scope = waiting.pop(0)
        if scope in entered:
            continue
        # A scope that stays closed although its values are set never opens: asked once.
        entered.append(scope)
        hp = _opened(found, {condition.name: condition.values[0] for condition in scope})
        try:
            hypermodel.build(hp)
        except Exception as error:
            raise SpaceError(
                f"A space is found by building: {name!r} fails with {dict(hp.values)}, "
                f"{type(error).__name__}: {error} "
                f"Override declare_hyperparameters(hp) to declare the space without building."
            ) from error
        found.merge(hp.space, overwrite=False)
        entered += [opened for opened in hp.active_scopes if opened not in entered]
        waiting += [closed for closed in hp.inactive_scopes if closed not in entered]


def _opened(
    found: keras_tuner.HyperParameters, wanted: Mapping[str, Value]
) -> keras_tuner.HyperParameters:
    """Returns the space so far with defaults, but for the values that are wanted."""
    hp = found.copy()
    hp.values = {}
    for entry in hp.space:
        if hp.is_active(entry) and entry.name not in hp.values:
            hp.values[entry.name] = wanted.get(entry.name, entry.default)
    return hp


def _probes(found: keras_tuner.HyperParameters) -> Iterator[tuple[str, Value]]:
    for entry in found.space:
        # Only at the top: conditional ones have their scopes.
        if entry.conditions:
            continue
        kind = type(entry).__name__
        if kind == "Int":
            yield entry.name, entry.max_value
        elif kind in ("Choice", "Boolean"):
            # Of numbers the largest one: the others lead to less of the same.
            values = (
                entry.values if isinstance(entry.values[0], str | bool) else [max(entry.values)]
            )
            yield from ((entry.name, value) for value in values if value != entry.default)


def _overrides_declaration(hypermodel: keras_tuner.HyperModel) -> bool:
    own = type(hypermodel).declare_hyperparameters
    return bool(own is not keras_tuner.HyperModel.declare_hyperparameters)
