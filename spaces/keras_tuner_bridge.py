"""Spaces to and from Keras Tuner's `HyperParameters`.

Keras Tuner tells hyperparameters apart by (name, conditions), a `Space` by name alone. Where
a hypermodel uses one name under several conditions, the record's names carry the conditions:
`units` under `head` = a becomes `units@head:a`, which a shell takes without quotes. The plain
name can be read off the dimension, so a stored space needs nothing else to be translated back.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import keras_tuner

from spaces.errors import SpaceError
from spaces.space import Choice, Condition, Config, Dimension, Range, Space, Value

_Identity = tuple[str, tuple[Condition, ...]]
"""What Keras Tuner tells hyperparameters apart by: name and conditions."""


def declare(space: Space, hp: keras_tuner.HyperParameters) -> dict[str, Value]:
    """Registers every dimension in `hp`, parents first, and returns the active values.

    Values that `hp` already holds win over the defaults. A dimension's conditions must be the
    whole path to it from the top, each parent inside the ones before: Keras Tuner's scopes
    know nothing else, and raise a ValueError.
    """
    plain = plain_names(space)
    config: dict[str, Value] = {}
    for dimension in space.dimensions:
        with contextlib.ExitStack() as scopes:
            for condition in dimension.when:
                scopes.enter_context(
                    hp.conditional_scope(plain[condition.parent], list(condition.values))
                )
            value = _register(plain[dimension.name], dimension, hp)
        # Two dimensions of one plain name share one value; only one of them is active.
        if value is not None and all(condition.holds(config) for condition in dimension.when):
            config[dimension.name] = value
    return config


def hyperparameters(space: Space, config: Config) -> keras_tuner.HyperParameters:
    """Returns the space with the values of `config`, as `HyperModel.build` takes it.

    Raises:
        SpaceError: `config` is not a point of the space.
    """
    plain = plain_names(space)
    hp = keras_tuner.HyperParameters()
    # Values that are there before their hyperparameter is registered take precedence.
    hp.values = {plain[name]: value for name, value in space.active(config).items()}
    declare(space, hp)
    return hp


def plain_names(space: Space) -> dict[str, str]:
    """Maps each name of the record to the name that the hypermodel uses."""
    return {
        dimension.name: dimension.name.removesuffix(_suffix(dimension.when))
        for dimension in space.dimensions
    }


def recorded(name: str, hp: keras_tuner.HyperParameters) -> Space:
    """Returns what is registered in `hp` as a record called `name`.

    `Fixed` becomes a choice of one value, `Boolean` one of False and True. A name under
    several conditions becomes several dimensions, see the module's docstring.

    Raises:
        SpaceError: a name is registered twice under conditions that can hold at once, so
            that two ranges would share one value.
    """
    uses = Counter(entry.name for entry in hp.space)
    names: dict[_Identity, str] = {}
    dimensions: dict[str, list[Dimension]] = defaultdict(list)
    for entry in hp.space:
        path = tuple(Condition(c.name, tuple(c.values)) for c in entry.conditions)
        # A scope opens inside its parent's scope, so what stands before a condition is the
        # path of its parent.
        when = tuple(
            Condition(names[condition.parent, path[:depth]], condition.values)
            for depth, condition in enumerate(path)
        )
        own = entry.name + _suffix(when) if uses[entry.name] > 1 else entry.name
        names[entry.name, path] = own
        for other in dimensions[entry.name]:
            if not _exclusive(when, other.when):
                raise SpaceError(
                    f"A name may be used twice only where one excludes the other: "
                    f"{entry.name!r} is registered under {_shown(other.when)} "
                    f"and under {_shown(when)}. Give the second one another name."
                )
        dimensions[entry.name].append(_dimension(own, entry, when))
    by_name = {d.name: d for variants in dimensions.values() for d in variants}
    return Space(name, tuple(by_name[own] for own in names.values()))


def _register(name: str, dimension: Dimension, hp: keras_tuner.HyperParameters) -> Any:  # noqa: ANN401 - as hp returns
    if isinstance(dimension, Range):
        if dimension.kind == "int":
            return hp.Int(
                name,
                int(dimension.low),
                int(dimension.high),
                step=None if dimension.step is None else int(dimension.step),
                sampling=dimension.sampling,
                default=dimension.default,
            )
        return hp.Float(
            name,
            dimension.low,
            dimension.high,
            step=dimension.step,
            sampling=dimension.sampling,
            default=dimension.default,
        )
    if isinstance(dimension.values[0], bool):
        # Choice turns booleans into the integers 1 and 0.
        if len(dimension.values) == 1:
            return hp.Fixed(name, dimension.values[0])
        return hp.Boolean(name, default=dimension.default)
    # Keras Tuner knows an order of numbers only.
    ordered = dimension.ordered and not isinstance(dimension.values[0], str)
    return hp.Choice(name, list(dimension.values), ordered=ordered, default=dimension.default)


def _dimension(name: str, entry: Any, when: tuple[Condition, ...]) -> Dimension:  # noqa: ANN401 - untyped
    kind = type(entry).__name__
    if kind == "Fixed":
        return Choice(name=name, values=(entry.value,), default=entry.value, when=when)
    if kind == "Boolean":
        return Choice(name=name, values=(False, True), default=bool(entry.default), when=when)
    if kind == "Choice":
        # A value listed twice says nothing that its first mention does not.
        values = tuple(dict.fromkeys(entry.values))
        return Choice(
            name=name,
            values=values,
            # Keras Tuner takes 1 as the default of a choice of 0.5 and 1.0.
            default=values[values.index(entry.default)],
            ordered=bool(entry.ordered),
            when=when,
        )
    if kind == "Int":
        # Every integer: that is what no step means in a record.
        every = entry.step == 1 and entry.sampling == "linear"
        return Range(
            name=name,
            kind="int",
            low=entry.min_value,
            high=entry.max_value,
            default=int(entry.default),
            step=None if every else entry.step,
            sampling=entry.sampling,
            when=when,
        )
    if kind == "Float":
        return Range(
            name=name,
            kind="float",
            low=entry.min_value,
            high=entry.max_value,
            default=float(entry.default),
            step=entry.step,
            sampling=entry.sampling,
            when=when,
        )
    raise SpaceError(
        f"A hyperparameter is a Choice, Int, Float, Boolean or Fixed: {name!r} is a {kind}."
    )


def _exclusive(first: Sequence[Condition], second: Sequence[Condition]) -> bool:
    return any(
        one.parent == other.parent and not set(one.values) & set(other.values)
        for one in first
        for other in second
    )


def _suffix(when: Sequence[Condition]) -> str:
    return f"@{_text(when)}" if when else ""


def _text(when: Sequence[Condition]) -> str:
    return "+".join(
        f"{condition.parent}:{'/'.join(str(value) for value in condition.values)}"
        for condition in when
    )


def _shown(when: Sequence[Condition]) -> str:
    return _text(when) or "no condition"
