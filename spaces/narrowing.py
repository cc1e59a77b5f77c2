"""A smaller or shifted space from what a person types: NAME=RANGE and NAME=VALUE."""

import math
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Literal

from spaces.errors import SpaceError
from spaces.space import Choice, Dimension, Range, Space, Value

_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
}

_Option = Literal["--set", "--fix"]


def narrowed(space: Space, ranges: Mapping[str, str], fixed: Mapping[str, str]) -> Space:
    """Returns the space with some ranges exchanged and some values fixed.

    A range is a list `a,b,c` or `low..high`. Numbers may go beyond the space's own range, as
    far as `legal` allows. Defaults move inside; dimensions that can no longer be active go.

    Args:
        space: What is narrowed.
        ranges: Range by name, as text.
        fixed: Value by name, as text.

    Raises:
        SpaceError: an unknown name, a name in both mappings, text that is no range, values
            that are not legal, or a dimension that nothing can activate.
    """
    if both := sorted(ranges.keys() & fixed.keys()):
        raise SpaceError(
            f"A hyperparameter is either fixed or given a range: {both[0]!r} has "
            f"--set {both[0]}={ranges[both[0]]} and --fix {both[0]}={fixed[both[0]]}. Drop one."
        )
    result = space
    for name, text in ranges.items():
        result = result.replaced(_with_range(_known(space, name), text))
    for name, text in fixed.items():
        result = result.replaced(_with_value(_known(space, name), text))
    reachable = result.without_unreachable()
    for name in (*ranges, *fixed):
        if name not in reachable:
            raise SpaceError(_unreachable(result, name, reachable))
    return reachable


def _known(space: Space, name: str) -> Dimension:
    if name in space:
        return space[name]
    names = [dimension.name for dimension in space.dimensions]
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(names)}."
    raise SpaceError(f"The space {space.name!r} has no hyperparameter {name!r}. {hint}")


def _with_value(dimension: Dimension, text: str) -> Choice:
    return _listed(dimension, (_value(dimension, text, "--fix", text),))


def _with_range(dimension: Dimension, text: str) -> Dimension:
    low, dots, high = text.partition("..")
    if dots:
        return _between(dimension, low, high, text)
    values = tuple(_value(dimension, part, "--set", text) for part in text.split(","))
    if len(set(values)) < len(values):
        raise _refused(dimension, "--set", text, "each value once")
    return _listed(dimension, values)


def _listed(dimension: Dimension, values: tuple[Value, ...]) -> Choice:
    ordered = isinstance(dimension, Range) or dimension.ordered
    # One order for one set, however it was typed: equal spaces have equal fingerprints.
    if isinstance(dimension, Choice) and not isinstance(values[0], float | int):
        values = tuple(sorted(values, key=dimension.values.index))
    else:
        values = tuple(sorted(values, key=float))
    return Choice(
        name=dimension.name,
        values=values,
        default=_nearest(values, dimension.default),
        ordered=ordered,
        legal=_limits(dimension),
        when=dimension.when,
    )


def _between(dimension: Dimension, low: str, high: str, text: str) -> Dimension:
    limits = _limits(dimension)
    if limits is None or (isinstance(dimension, Choice) and not dimension.ordered):
        raise _refused(dimension, "--set", text, "a list of its values")
    first = float(_value(dimension, low, "--set", text, limits))
    last = float(_value(dimension, high, "--set", text, limits))
    if first > last:
        raise _refused(dimension, "--set", text, "the low bound first")
    if isinstance(dimension, Choice):
        inside = tuple(value for value in dimension.values if first <= float(value) <= last)
        if not inside:
            raise _refused(
                dimension, "--set", text, f"bounds around one of {dimension.describe()}"
            )
        return _listed(dimension, inside)
    default = min(max(float(dimension.default), first), last)
    if dimension.kind == "int":
        return replace(dimension, low=int(first), high=int(last), default=int(default))
    return replace(dimension, low=first, high=last, default=default)


def _value(
    dimension: Dimension,
    text: str,
    option: _Option,
    whole: str,
    limits: tuple[float, float] | None = None,
) -> Value:
    """Reads one value, or one bound if `limits` are given."""
    value = _parsed(dimension, text.strip())
    if value is None:
        raise _refused(dimension, option, whole, _law(dimension))
    if limits is None and isinstance(dimension, Choice) and dimension.contains(value):
        return value
    limits = limits or _limits(dimension)
    if limits is None or isinstance(value, bool | str):
        raise _refused(dimension, option, whole, _law(dimension))
    if not limits[0] <= value <= limits[1]:
        raise _refused(dimension, option, whole, _law(dimension))
    return value


def _parsed(dimension: Dimension, text: str) -> Value | None:
    """Reads a value of the dimension's type; None: it is none."""
    kind = _type(dimension)
    if kind is bool:
        return _BOOLEANS.get(text.lower())
    if kind is str:
        return text or None
    try:
        if kind is int:
            return int(text)
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _type(dimension: Dimension) -> type:
    if isinstance(dimension, Choice):
        return type(dimension.values[0])
    return int if dimension.kind == "int" else float


def _limits(dimension: Dimension) -> tuple[float, float] | None:
    """Returns how far numbers may go; None: not numbers, or only those listed."""
    if dimension.legal is not None:
        return dimension.legal
    if isinstance(dimension, Range):
        return dimension.low, dimension.high
    if dimension.ordered and not isinstance(dimension.values[0], bool | str):
        numbers = [float(value) for value in dimension.values]
        return min(numbers), max(numbers)
    return None


def _law(dimension: Dimension) -> str:
    kind = "whole numbers" if _type(dimension) is int else "numbers"
    limits = _limits(dimension)
    if limits is None:
        return f"values of {dimension.describe()}"
    return f"{kind} from {limits[0]:g} to {limits[1]:g}"


def _refused(dimension: Dimension, option: _Option, text: str, law: str) -> SpaceError:
    if option == "--fix":
        example = _typed(dimension.default)
    elif isinstance(dimension, Range):
        example = f"{dimension.low:g}..{dimension.high:g}"
    else:
        example = ",".join(_typed(value) for value in dimension.values[:2])
    return SpaceError(
        f"{dimension.name!r} takes {law}: got {text!r}. "
        f"For example `{option} {dimension.name}={example}`."
    )


def _typed(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nearest(values: tuple[Value, ...], default: Value) -> Value:
    if default in values:
        return values[values.index(default)]
    if isinstance(default, str):
        return values[0]
    return min(values, key=lambda value: abs(float(value) - float(default)))


def _unreachable(space: Space, name: str, reachable: Space) -> str:
    reasons = []
    for condition in space[name].when:
        needed = " or ".join(_typed(value) for value in condition.values)
        has = (
            f"is {space[condition.parent].describe()}"
            if condition.parent in reachable
            else "is itself never active"
        )
        reasons.append(f"{condition.parent} is {needed}, but {condition.parent} {has}")
    return (
        f"{name!r} is active only while {'; and while '.join(reasons)}. "
        f"Drop {name!r}, or allow that value."
    )
