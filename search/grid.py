"""Every point of a small space, in a seeded random order."""

from collections.abc import Iterator
from typing import final

import numpy as np

from search.proposals import AbstractProposer, Misfit
from search.records import History
from search.seeds import Purpose, seed_for
from spaces.space import Config, Space, Value, config_key


@final
class GridProposer(AbstractProposer):
    """Visits every point of a small space once, in a seeded random order.

    Optuna's GridSampler takes no conditional dimensions, so the points are listed here.
    """

    name = "grid"

    LEVELS = 5
    """Points on a continuous range."""

    MOST = 20_000
    """Points a grid may have: more than anyone trains, and still listed in a second."""

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns the next point that no trial has."""
        used = history.tried
        points: list[Config] = list(grid_points(history.facts.space, self.LEVELS))
        rng = np.random.default_rng(seed_for(history.facts.seed, Purpose.GRID))
        for index in rng.permutation(len(points)):
            point = points[int(index)]
            if config_key(point) not in used and misfit(point) is None:
                return point
        return None

    def refuse(self, space: Space) -> str | None:
        """Refuses a space with too many points."""
        count = 0
        for count, _ in enumerate(grid_points(space, self.LEVELS), start=1):
            if count > self.MOST:
                return (
                    f"A grid has at most {self.MOST:,} points; the space {space.name!r} has "
                    f"more. Narrow it with --set and --fix, or use --sampler random."
                )
        return None


def grid_points(space: Space, levels: int) -> Iterator[Config]:
    """Yields every configuration of the grid once, conditions respected.

    Args:
        space: What to list.
        levels: Points on each continuous range.
    """

    def below(index: int, config: dict[str, Value]) -> Iterator[Config]:
        if index == len(space.dimensions):
            yield dict(config)
            return
        dimension = space.dimensions[index]
        if not all(condition.holds(config) for condition in dimension.when):
            yield from below(index + 1, config)
            return
        for value in dimension.grid(levels):
            config[dimension.name] = value
            yield from below(index + 1, config)
        del config[dimension.name]

    yield from below(0, {})
