"""How long a job may take before its worker is taken to hang."""

from collections.abc import Callable, Iterable, Iterator
from typing import final

from search.records import Job

EPOCH_SECONDS = 3600.0
"""What an epoch may take, unless told otherwise. Only time tells a worker that hangs from a slow
one, and giving up an epoch that was only slow costs more than waiting for one that hangs."""


@final
class Patience:
    """Knows since when each job is in flight.

    Args:
        epoch_seconds: What an epoch may take, model building included.
        clock: Seconds that never go back.
    """

    def __init__(self, epoch_seconds: float, clock: Callable[[], float]) -> None:
        self._epoch_seconds = epoch_seconds
        self._clock = clock
        self._due: dict[tuple[int, int], float] = {}

    @property
    def reason(self) -> str:
        """Says what happened to a job that is overdue."""
        return f"it took more than {self._epoch_seconds / 60:g} minutes"

    def begin(self, job: Job) -> None:
        """Notes that a job starts now, in place of its lane's last one."""
        self._due[job.lane] = self._clock() + self._epoch_seconds * (job.stop - job.start)

    def overdue(self, running: Iterable[Job]) -> Iterator[Job]:
        """Yields the jobs in flight that take too long, each once in the time of an epoch."""
        now = self._clock()
        for job in running:
            if now > self._due[job.lane]:
                self._due[job.lane] = now + self._epoch_seconds
                yield job
