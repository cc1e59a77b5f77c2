"""What follows from a trial's configuration alone, computed once."""

from collections.abc import Callable
from typing import Generic, TypeVar, final

from search.records import Trial
from spaces.space import Config, Space

T = TypeVar("T")


@final
class PerTrial(Generic[T]):
    """Remembers a function's value for each trial; that saves time and changes nothing."""

    def __init__(self, compute: Callable[[Config, Space], T]) -> None:
        self._compute = compute
        self._known: dict[int, tuple[Config, Space, T]] = {}

    def of(self, trial: Trial, space: Space) -> T:
        """Returns the value for a trial of a study of this space."""
        known = self._known.get(trial.number)
        if known is None or known[0] is not trial.config or known[1] is not space:
            known = trial.config, space, self._compute(trial.config, space)
            self._known[trial.number] = known
        return known[2]
