"""What follows from a history while it grows, computed only as often as can be spared."""

from collections.abc import Callable
from typing import Generic, TypeVar

from search.records import History

_PATIENCE = 100
"""What took a second is not computed anew for so many: one per cent of the time."""

_Found = TypeVar("_Found")


class Sparing(Generic[_Found]):
    """Computes something of a history, and in between gives what it found before."""

    def __init__(self, make: Callable[[History], _Found], clock: Callable[[], float]) -> None:
        self._make = make
        self._clock = clock
        self._next = 0.0
        self._kept: tuple[History, _Found] | None = None

    def of(self, history: History) -> _Found:
        """Returns what follows from a history, or from one that is a little older."""
        began = self._clock()
        if self._kept is None or (history is not self._kept[0] and began >= self._next):
            self._kept = (history, self._make(history))
            ended = self._clock()
            self._next = ended + _PATIENCE * (ended - began)
        return self._kept[1]
