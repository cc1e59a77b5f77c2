"""Among what a proposal is chosen: random configurations, neighbours of good ones, and twins."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from search.building import GraphOf
from search.log_odds import Floats
from search.points import point_of, sampled
from search.records import History
from search.seeds import Purpose, seed_for
from spaces.space import Choice, Config, Space, Value, config_key


@final
@dataclass(frozen=True, slots=True)
class Placed:
    """A configuration with what follows from it."""

    config: Config
    point: Floats
    graph: str


@final
class Pool:
    """Draws configurations; functions of the history, though the newest draw is kept.

    Args:
        graph_of: Says who shares a traced graph.
        size: How many random configurations there are.
        redraw: So many proposals get the same ones: drawing takes longest.
    """

    def __init__(self, graph_of: GraphOf, *, size: int, redraw: int) -> None:
        self._graph_of = graph_of
        self._size = size
        self._redraw = redraw
        self._newest: tuple[int, Space, Mapping[str, Placed]] | None = None

    def random(self, history: History) -> Mapping[str, Placed]:
        """Returns random configurations by their keys; the same ones for some proposals."""
        facts = history.facts
        seed = seed_for(facts.seed, Purpose.PROPOSAL, len(history.trials) // self._redraw)
        if self._newest is None or self._newest[:2] != (seed, facts.space):
            rng = np.random.default_rng(seed)
            drawn = [sampled(facts.space, rng) for _ in range(self._size)]
            placed = self._placed({config_key(own): own for own in drawn}, facts.space)
            self._newest = seed, facts.space, placed
        return self._newest[2]

    def near(
        self, history: History, leaders: Sequence[int], used: Collection[str]
    ) -> Mapping[str, Placed]:
        """Returns neighbours of some trials by their keys, without the used ones."""
        facts, number = history.facts, len(history.trials)
        rng = np.random.default_rng(seed_for(facts.seed, Purpose.PROPOSAL, number, 1))
        near = {
            config_key(config): config
            for leader in leaders
            for config in _neighbours(facts.space, history.trials[leader].config, rng)
        }
        return self._placed({k: own for k, own in near.items() if k not in used}, facts.space)

    def twins(
        self, history: History, elders: Collection[int], used: Collection[str]
    ) -> Iterator[Config]:
        """Yields new configurations that share the graph of a trial, of one trial after another.

        What a graph leaves free (learning rates, the batch size) is drawn anew.
        """
        facts, number = history.facts, len(history.trials)
        rng = np.random.default_rng(seed_for(facts.seed, Purpose.PROPOSAL, number, 2))
        for elder in rng.permutation(np.array(sorted(elders), dtype=int)):
            config = history.trials[int(elder)].config
            graph = self._graph_of(config)
            near = _neighbours(facts.space, config, rng)
            same = [own for own in near if self._graph_of(own) == graph]
            free = {name for own in same for name in own if own[name] != config.get(name)}
            kept = {name: value for name, value in config.items() if name not in free}
            twin = sampled(facts.space, rng, kept)
            if config_key(twin) not in used:
                yield twin

    def _placed(self, configs: Mapping[str, Config], space: Space) -> Mapping[str, Placed]:
        return {
            key: Placed(own, point_of(own, space), self._graph_of(own))
            for key, own in configs.items()
        }


def _neighbours(space: Space, config: Config, rng: np.random.Generator) -> Iterator[Config]:
    """Yields the configuration with one hyperparameter changed, what depends on it redrawn."""
    for name, value in config.items():
        dimension = space[name]
        values: tuple[Value, ...]
        if isinstance(dimension, Choice):
            values = dimension.values
            if dimension.ordered and value in values:
                place = values.index(value)
                values = values[max(place - 1, 0) : place + 2]
        else:
            fresh = sampled(space, rng)
            values = (fresh[name],) if name in fresh else ()
        for other in values:
            if other != value:
                yield sampled(space, rng, {**config, name: other})
