"""The space that a recorded table spans, and the recorded configuration nearest to any other."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import final

import numpy as np
import numpy.typing as npt

from search.table import Table
from spaces.errors import SpaceError
from spaces.space import Choice, Condition, Config, Space, Value, config_key


def space_of(table: Table) -> Space:
    """Returns the space of a table: the one it was recorded from, else one read off its rows.

    Read off, every hyperparameter becomes a choice of the values it takes somewhere: numbers
    in their order, strings and truth values without one. A hyperparameter that some rows lack
    depends on the first earlier one whose value tells exactly which.
    """
    stated = table.more.get("space")
    if isinstance(stated, dict):
        try:
            return Space.from_json(stated)
        except (KeyError, TypeError, ValueError, SpaceError):
            pass  # another tool's idea of a space: what the rows show is enough
    configs = [row.config for row in table.rows]
    names = list(dict.fromkeys(name for config in configs for name in config))
    # Parents first: whoever is in more rows cannot depend on whoever is in fewer.
    names.sort(key=lambda name: -sum(name in config for config in configs))
    dimensions: list[Choice] = []
    for name in names:
        when = _condition(name, [choice.name for choice in dimensions], configs)
        dimensions.append(_choice(name, [c[name] for c in configs if name in c], when))
    return Space("table", tuple(dimensions))


def _choice(name: str, found: Iterable[Value], when: tuple[Condition, ...]) -> Choice:
    values = list(dict.fromkeys(found))
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    ordered = len(numbers) == len(values)
    if ordered:
        whole = all(isinstance(value, int) for value in numbers)
        values = sorted({value if whole else float(value) for value in numbers})
    elif len({type(value) for value in values}) > 1:
        raise SpaceError(f"The table's {name!r} mixes types: {values}.")
    default = values[len(values) // 2]
    return Choice(name=name, values=tuple(values), default=default, ordered=ordered, when=when)


def _condition(
    name: str, parents: Sequence[str], configs: Sequence[Config]
) -> tuple[Condition, ...]:
    having = [config for config in configs if name in config]
    lacking = [config for config in configs if name not in config]
    if not lacking:
        return ()
    for parent in parents:
        active = {config[parent] for config in having if parent in config}
        passive = {config[parent] for config in lacking if parent in config}
        if not active & passive and all(parent in config for config in having):
            return (Condition(parent, tuple(sorted(active, key=str))),)
    return ()


@final
class Recorded:
    """The rows of a table by their configuration, whichever way that was proposed."""

    def __init__(self, table: Table, space: Space) -> None:
        self._table = table
        self._encode = encoder(space)
        self._points = np.stack([self._encode(row.config) for row in table.rows])
        self._index = {config_key(row.config): i for i, row in enumerate(table.rows)}

    def index(self, config: Config) -> int | None:
        """Returns the row of exactly this configuration."""
        return self._index.get(config_key(config))

    def nearest(self, config: Config, used: frozenset[int] = frozenset()) -> int | None:
        """Returns the unused row nearest to a configuration; None: all are used."""
        exact = self.index(config)
        if exact is not None and exact not in used:
            return exact
        distances = np.abs(self._points - self._encode(config)).sum(axis=1)
        distances[list(used)] = np.inf
        best = int(np.argmin(distances))
        return best if np.isfinite(distances[best]) else None


def encoder(space: Space) -> Callable[[Config], npt.NDArray[np.float64]]:
    """Returns a function from configurations to points, each hyperparameter 0 to 1 wide.

    An ordered choice is its index, an unordered one a column for each value, an inactive
    hyperparameter stands half a width away from all of its values.
    """
    columns: list[tuple[str, Mapping[Value, float] | None, Value | None]] = []
    scales: dict[str, tuple[float, float, bool]] = {}
    for dimension in space.dimensions:
        if isinstance(dimension, Choice) and dimension.ordered:
            last = max(len(dimension.values) - 1, 1)
            places = {value: i / last for i, value in enumerate(dimension.values)}
            columns.append((dimension.name, places, None))
        elif isinstance(dimension, Choice):
            columns += [(dimension.name, None, value) for value in dimension.values]
        else:
            scales[dimension.name] = (dimension.low, dimension.high, dimension.sampling == "log")
            columns.append((dimension.name, None, None))

    def encode(config: Config) -> npt.NDArray[np.float64]:
        point = np.full(len(columns), -0.5)
        for i, (name, places, value) in enumerate(columns):
            if name not in config:
                continue
            own = config[name]
            if places is not None:
                point[i] = places.get(own, _between(places, own))
            elif value is not None:
                point[i] = 0.5 if own == value else 0.0
            else:
                low, high, log = scales[name]
                number = float(own)
                if low == high:
                    point[i] = 0.0
                elif log:
                    point[i] = np.log(number / low) / np.log(high / low)
                else:
                    point[i] = (number - low) / (high - low)
        return point

    return encode


def _between(places: Mapping[Value, float], value: Value) -> float:
    """Returns where a number between two listed ones lies."""
    if isinstance(value, str):
        return -0.5
    numbers = [float(own) for own in places]
    return float(np.interp(float(value), numbers, list(places.values())))
