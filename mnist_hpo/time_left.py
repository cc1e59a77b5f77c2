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
    found = [_by_work(history, began, passed)]
    if budget.minutes is not None:
        left = max(budget.minutes * 60 - history.elapsed, 0.0)
        found.append(TimeLeft(left, is_limit=budget.auto_stop and history.facts.policy == "race"))
    return min((own for own in found if own is not None), key=_seconds, default=None)


def _seconds(left: TimeLeft) -> float:
    return left.seconds


def _by_work(history: History, began: History, passed: float) -> TimeLeft | None:
    """Estimates by what is to be trained, at the speed of all workers together so far."""
    from search.workload import trained_seconds, workload  # noqa: PLC0415 - NumPy

    epochs = sum(trial.fold_epochs for trial in history.trials)
    if epochs - sum(trial.fold_epochs for trial in began.trials) >= _OWN_EPOCHS:
        done = trained_seconds(history) - trained_seconds(began)
    else:  # with other workers, perhaps, but better than nothing
        done, passed = trained_seconds(history), history.elapsed
    if done <= 0:
        return None
    with contextlib.suppress(StudyError):  # constants of another version
        work = workload(history)
        if work is not None:
            return TimeLeft(work.seconds * passed / done, is_limit=work.is_limit)
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
        """Returns the estimate as ` eta_s=170`, a mere limit as ` at_most_s=170`, or nothing."""
        left = self.left(history)
        if left is None:
            return ""
        return f" {'at_most_s' if left.is_limit else 'eta_s'}={left.seconds:.0f}"
