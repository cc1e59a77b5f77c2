"""How long a search will still take."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from search import events
from search.errors import StudyError
from search.records import History

_OWN_EPOCHS = 10
"""Epochs from which on this run's own speed counts, not that of the runs before."""


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """What is known of the time to the end."""

    seconds: float
    is_limit: bool = False
    """The search may well end sooner."""

    is_rough: bool = False
    """The search ends by itself, at a moment that can only be guessed."""


def time_left(history: History, *, began: History, passed: float) -> TimeLeft | None:
    """Estimates the time to the end of the budget.

    Args:
        history: The study.
        began: The study when this process began to look.
        passed: Seconds since then.

    Returns:
        None: nobody can say.
    """
    budget = history.budget
    found = _by_work(history, began, passed)
    ends_itself = history.facts.policy == "race" and budget.auto_stop
    limit = None if budget.minutes is None else max(budget.minutes * 60 - history.elapsed, 0.0)
    if found is not None and (limit is None or found < limit):
        return TimeLeft(found, is_rough=ends_itself)
    return None if limit is None else TimeLeft(limit, is_limit=ends_itself or found is None)


def _by_work(history: History, began: History, passed: float) -> float | None:
    """Estimates by what is to be trained, at the speed of all workers together so far."""
    from search.workload import seconds_left, trained_seconds  # noqa: PLC0415 - NumPy

    epochs = sum(trial.fold_epochs for trial in history.trials)
    if epochs - sum(trial.fold_epochs for trial in began.trials) >= _OWN_EPOCHS:
        done = trained_seconds(history) - trained_seconds(began)
    else:  # with other workers, perhaps, but better than nothing
        done, passed = trained_seconds(history), history.elapsed
    if done <= 0:
        return None
    with contextlib.suppress(StudyError):  # constants of another version
        work = seconds_left(history)
        return None if work is None else work * passed / done
    return None


class Rate:
    """Remembers when a search began, to tell how fast it goes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: tuple[float, History] | None = None

    def listen(self, event: events.Event) -> None:
        """Notes where the search began."""
        if isinstance(event, events.Started):
            self._began = (self._clock(), event.history)

    def left(self, history: History) -> TimeLeft | None:
        """Estimates the time to the end of the budget; None: nobody can say."""
        if self._began is None:
            return None
        clock, began = self._began
        return time_left(history, began=began, passed=self._clock() - clock)

    def eta(self, history: History) -> str:
        """Returns the estimate as ` eta_s=170`; a guess, a mere limit and nothing differ."""
        left = self.left(history)
        if left is None:
            return ""
        name = "at_most_s" if left.is_limit else "eta_rough_s" if left.is_rough else "eta_s"
        return f" {name}={left.seconds:.0f}"
