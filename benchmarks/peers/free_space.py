"""A table's space without what never varies in it: what a user would hand to a library.

A recording's space keeps the hyperparameters that were fixed. Told to a library they would
count as dimensions: Keras Tuner and SMAC draw so many random points per dimension first.
"""

from dataclasses import replace

from spaces.space import Choice, Condition, Config, Dimension, Space, Value


def free(space: Space) -> Space:
    """Returns the dimensions with more than one value.

    Conditions that always hold are left out; the others become the whole path from the top,
    as Keras Tuner wants it.
    """
    paths: dict[str, tuple[Condition, ...] | None] = {}
    kept: list[Dimension] = []
    for dimension in space.dimensions:
        path = paths[dimension.name] = _path(dimension, space, paths)
        if path is not None and _fixed(dimension) is None:
            kept.append(replace(dimension, when=path))
    return Space(space.name, tuple(kept))


def completed(config: Config, space: Space) -> Config:
    """Adds the fixed values to a point of the free space, in the order of the whole one."""
    whole: dict[str, Value] = {}
    for dimension in space.walk(whole):
        fixed = _fixed(dimension)
        whole[dimension.name] = config[dimension.name] if fixed is None else fixed
    return whole


def _fixed(dimension: Dimension) -> Value | None:
    """Returns the only value, or None: there are several."""
    if isinstance(dimension, Choice):
        return dimension.values[0] if len(dimension.values) == 1 else None
    return dimension.default if dimension.low == dimension.high else None


def _path(
    dimension: Dimension, space: Space, paths: dict[str, tuple[Condition, ...] | None]
) -> tuple[Condition, ...] | None:
    """Returns the conditions that say something; None: they never hold."""
    path: dict[Condition, None] = {}
    for condition in dimension.when:
        above, parent = paths[condition.parent], space[condition.parent]
        listed = parent.values if isinstance(parent, Choice) else parent.steps()
        values = condition.values
        if listed is not None:
            values = tuple(value for value in listed if value in condition.values)
        if above is None or not values:
            return None
        path |= dict.fromkeys(above)
        if listed is None or len(values) < len(listed):
            path[Condition(condition.parent, values)] = None
    return tuple(path)
