"""The traced models that a process keeps, and what belongs to each configuration."""

import gc
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import final

import keras
import keras_tuner

from search.trainer import MAX_KEPT

MAX_WEIGHTS = 20_000_000
"""Of all kept models together, the newest aside: 240 MB with Adam's two moments. Sixteen models
of 100,000 weights, as the CNN space mostly has them, stay far below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What belongs to one configuration, whosever model it trains on."""

    config: str
    hypermodel: keras_tuner.HyperModel
    hp: keras_tuner.HyperParameters

    graph: str
    """Of the models that it can train on; the configuration itself if those are its own only."""

    @property
    def shares(self) -> bool:
        """Says whether other configurations may train on the same model."""
        return self.graph != self.config


@dataclass(slots=True)
class Kept:
    """A traced model and the state that it was left in."""

    model: keras.Model
    lane: tuple[str, int, int, int] | None = None
    """Configuration, trial, fold and run of whoever trained on it last."""

    epochs: int = 0
    """How many epochs of that lane it has seen."""

    @property
    def weights(self) -> int:
        return sum(math.prod(weight.shape) for weight in self.model.weights)


@final
class Shelf:
    """Keeps a few models, by their graph: the least recently used goes first.

    A model is taken while it is used, and put back when that went well: one that failed while
    it trained is not used again.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._own: OrderedDict[str, Own] = OrderedDict()

    def __reduce__(self) -> "tuple[type[Shelf], tuple[()]]":
        """Leaves the models out: they belong to their process."""
        return Shelf, ()

    def __len__(self) -> int:
        return len(self._kept)

    def own(self, config: str) -> Own | None:
        """Returns what belongs to a configuration that was trained here, if it is still known."""
        return self._own.get(config)

    def kept(self, graph: str) -> Kept | None:
        """Returns the model of a graph, if there is one, and leaves it on the shelf."""
        return self._kept.get(graph)

    def take(self, graph: str) -> Kept | None:
        """Takes the model of a graph off the shelf, if there is one."""
        return self._kept.pop(graph, None)

    def put(self, own: Own, kept: Kept) -> None:
        """Puts a model on the shelf, as the newest; older ones make room for it."""
        self._own.pop(own.config, None)
        self._own[own.config] = own
        if len(self._own) > MAX_KEPT:
            self._own.popitem(last=False)
        self._kept[own.graph] = kept
        before = len(self)
        while len(self) > 1 and self._is_full():
            self._kept.popitem(last=False)
        if len(self) < before:
            gc.collect()  # a traced model is full of cycles, and may be the largest thing here

    def _is_full(self) -> bool:
        weights = sum(kept.weights for kept in self._kept.values())
        return len(self) > MAX_KEPT or weights > MAX_WEIGHTS

    def forget_unshared(self) -> None:
        """Forgets what belongs to configurations that share nothing; their models stay.

        A build may leave in the hypermodel what a user's own `fit` reads, and the next build
        may be of the same object.
        """
        self._own = OrderedDict((config, own) for config, own in self._own.items() if own.shares)
