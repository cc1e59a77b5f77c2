"""Configurations as points: what distances and models are computed from."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from spaces.space import Choice, Config, Dimension, Range, Space, Value

LOWEST, HIGHEST = -0.5, 1.0
"""Between these lies every configuration of a space, on every axis."""


def encoder(space: Space) -> Callable[[Config], npt.NDArray[np.float64]]:
    """Returns a function from configurations to points, each hyperparameter 0 to 1 wide.

    An ordered choice is its index, an unordered one a column for each value. An inactive
    hyperparameter stands half a width from its lowest value, or from each of its unordered ones.
    """
    own = [(dimension.name, *_columns(dimension)) for dimension in space.dimensions]

    def encode(config: Config) -> npt.NDArray[np.float64]:
        point: list[float] = []
        for name, known, places, absent in own:
            if name not in config:
                point += absent
            elif (listed := known.get(value := config[name])) is not None:
                point += listed
            else:
                point += [place(value) for place in places]
        return np.array(point)

    return encode


_newest: list[tuple[Space, Callable[[Config], npt.NDArray[np.float64]]]] = []
"""The space asked for last, with its encoder: making one takes longer than using it."""


def point_of(config: Config, space: Space) -> npt.NDArray[np.float64]:
    """Returns the point of one configuration."""
    known = _newest[0] if _newest else None
    if known is None or known[0] is not space:
        known = space, encoder(space)
        _newest[:] = [known]
    return known[1](config)


_Known = Mapping[Value, Sequence[float]]
_Places = Sequence[Callable[[Value], float]]


def _columns(dimension: Dimension) -> tuple[_Known, _Places, Sequence[float]]:
    """Returns a dimension's columns: places of listed values, of any value, and without one."""
    if not isinstance(dimension, Choice):
        return {}, [partial(_share, dimension)], [LOWEST]
    if not dimension.ordered:
        places = [partial(_match, value) for value in dimension.values]
        known = {value: [place(value) for place in places] for value in dimension.values}
        return known, places, [0.0] * len(places)
    last = max(len(dimension.values) - 1, 1)
    listed = {value: i / last for i, value in enumerate(dimension.values)}
    known = {value: [place] for value, place in listed.items()}
    return known, [partial(_place, listed)], [LOWEST]


def _match(listed: Value, value: Value) -> float:
    """Returns half a width for the value itself: two that differ are one width apart."""
    return 0.5 if value == listed else 0.0


def _share(dimension: Range, value: Value) -> float:
    """Returns how far up a range a number lies."""
    low, high = dimension.low, dimension.high
    if isinstance(value, str) or (dimension.sampling == "log" and value <= 0):
        return LOWEST  # of another space: it has no place in this one
    number = float(value)
    if low == high:
        return 0.0
    if dimension.sampling == "log":
        return math.log(number / low) / math.log(high / low)
    return (number - low) / (high - low)


def _place(places: Mapping[Value, float], value: Value) -> float:
    """Returns where a value lies, or a number between two listed ones."""
    if value in places:
        return places[value]
    if isinstance(value, str) or any(isinstance(own, str) for own in places):
        return LOWEST
    # A choice may list its numbers in any order; np.interp takes rising ones only.
    known = sorted((float(own), place) for own, place in places.items())
    numbers, own_places = zip(*known, strict=True)
    return float(np.interp(float(value), numbers, own_places))


def sampled(
    space: Space, rng: np.random.Generator, given: Config | None = None
) -> dict[str, Value]:
    """Draws a configuration: every value of a choice as likely as the others.

    Args:
        space: What may be tried.
        rng: Where the draws come from.
        given: Values to keep where they are active; the others are drawn.
    """
    config: dict[str, Value] = {}
    for dimension in space.walk(config):
        name = dimension.name
        config[name] = given[name] if given and name in given else _drawn(dimension, rng)
    return config


def _drawn(dimension: Dimension, rng: np.random.Generator) -> Value:
    values = dimension.values if isinstance(dimension, Choice) else dimension.steps()
    if values is not None:
        return values[int(rng.integers(len(values)))]
    assert isinstance(dimension, Range)  # noqa: S101 - a choice lists its values
    number = dimension.at(float(rng.random()))
    if dimension.kind == "int":
        return round(number)
    return min(max(number, float(dimension.low)), float(dimension.high))  # `at` rounds
