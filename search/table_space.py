"""The space that a recorded table spans, and the recorded configuration nearest to any other."""

from collections.abc import Sequence
from typing import final

import numpy as np

from search.points import encoder
from search.table import Table
from spaces.errors import SpaceError
from spaces.space import (
    Choice,
    Condition,
    Config,
    Space,
    Value,
    config_key,
)


def space_of(table: Table) -> Space:
    """Returns the space of a table: the one it was recorded from, else one read off its rows.

    Read off, every hyperparameter becomes a choice of the values it takes somewhere: numbers
    in their order, strings and truth values without one. A hyperparameter that some rows lack
    depends on earlier ones that tell exactly which, none of them needless; where they cannot
    tell, it depends on none, and those rows are no points of the space.

    Raises:
        SpaceError: a hyperparameter has values of several types.
    """
    stated = _stated(table)
    if stated is not None:
        return stated
    configs = [row.config for row in table.rows]
    names = list(dict.fromkeys(name for config in configs for name in config))
    # Parents first: whoever is in more rows cannot depend on whoever is in fewer.
    names.sort(key=lambda name: -sum(name in config for config in configs))
    dimensions: list[Choice] = []
    for name in names:
        when = _conditions(name, [choice.name for choice in dimensions], configs)
        dimensions.append(_choice(name, [c[name] for c in configs if name in c], when))
    return Space("table", tuple(dimensions))


def _stated(table: Table) -> Space | None:
    """Returns the header's space if every row is a point of it: else the rows know better."""
    record = table.more.get("space")
    if not isinstance(record, dict):
        return None
    try:
        space = Space.from_json(record)
        return space if all(space.contains(row.config) for row in table.rows) else None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None  # another tool's idea of a space


def _choice(name: str, found: Sequence[Value], when: tuple[Condition, ...]) -> Choice:
    kinds = {type(value) for value in found}
    if len(kinds) > 1 and not kinds <= {int, float}:
        raise SpaceError(
            f"A hyperparameter of a table has values of one type: {name!r} has "
            f"{sorted(kind.__name__ for kind in kinds)}."
        )
    values = list(dict.fromkeys(found))
    ordered = kinds <= {int, float}
    if ordered:
        values = sorted(
            {float(value) for value in values} if float in kinds else values, key=float
        )
    default = values[len(values) // 2]
    return Choice(name=name, values=tuple(values), default=default, ordered=ordered, when=when)


def _conditions(
    name: str, parents: Sequence[str], configs: Sequence[Config]
) -> tuple[Condition, ...]:
    """Returns conditions that hold in exactly the rows that have a name; (): there are none.

    If any conditions do, then so do the narrowest ones, which allow no more values than those
    rows show. Of these the needless ones are left out, the last first.
    """
    having = [config for config in configs if name in config]
    lacking = [config for config in configs if name not in config]
    kept = [
        Condition(parent, tuple(sorted({config[parent] for config in having}, key=str)))
        for parent in parents
        if all(parent in config for config in having)
    ]
    broken = {
        own: {i for i, config in enumerate(lacking) if not own.holds(config)} for own in kept
    }

    def tell(conditions: Sequence[Condition]) -> bool:
        return len(set().union(*(broken[own] for own in conditions))) == len(lacking)

    if not tell(kept):
        return ()
    for condition in reversed(kept):
        fewer = [own for own in kept if own is not condition]
        if tell(fewer):
            kept = fewer
    return tuple(kept)


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

    def config(self, index: int) -> Config:
        """Returns the configuration of a row."""
        return self._table.rows[index].config

    def nearest(self, config: Config, used: frozenset[int] = frozenset()) -> int | None:
        """Returns the unused row nearest to a configuration; None: all are used."""
        exact = self.index(config)
        if exact is not None and exact not in used:
            return exact
        distances = np.abs(self._points - self._encode(config)).sum(axis=1)
        distances[list(used)] = np.inf
        best = int(np.argmin(distances))
        return best if np.isfinite(distances[best]) else None
