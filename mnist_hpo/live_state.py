"""What a live view remembers of a search: a state, and the state after the next event. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from mnist_hpo.news import news_of
from search import events
from search.records import History

NEWS = 3
"""Sentences that are remembered."""

Lane = tuple[int, int]
"""A trial and its fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """A search as it was told so far: one record, so that nobody ever draws half of an event."""

    history: History | None = None
    """None: the workers are not ready yet."""

    workers: int = 0
    running: Mapping[Lane, int] = field(default_factory=lambda: MappingProxyType({}))
    """Epoch in hand, from 0, of each fold in flight."""

    current: Lane | None = None
    """Where the newest job began. It stays between two jobs: a picture keeps its height."""

    news: tuple[str, ...] = ()
    """The newest sentences, the oldest of them first."""

    message: str = ""
    """What a signal has to say; "": no signal came."""

    def after(self, event: events.Event) -> "LiveState":
        """Returns the state once an event was heard."""
        changes: dict[str, object] = {}
        match event:
            case events.Started(_, workers):
                changes["workers"] = workers
            case events.JobStarted(_, job):
                changes["running"] = {**self.running, job.lane: job.start}
                changes["current"] = job.lane
            case events.EpochsCommitted(_, job) | events.WorkerLost(job, _):
                changes["running"] = self._without(job.lane)
            case events.RunFailed(_, number, failure):
                changes["running"] = self._without((number, failure.fold))
            case events.TrialClosed(_, number):
                changes["running"] = self._without(
                    *(own for own in self.running if own[0] == number)
                )
            case events.Ended():
                changes["current"] = None
        if (sentence := news_of(event)) is not None:
            changes["news"] = (*self.news, sentence)[-NEWS:]
        history = getattr(event, "history", None)
        if history is not None:
            changes["history"] = history
        return replace(self, **changes)  # type: ignore[arg-type]  # by name

    def told(self, message: str) -> "LiveState":
        """Returns the state with what a signal has to say."""
        return replace(self, message=message)

    def _without(self, *lanes: Lane) -> Mapping[Lane, int]:
        return {lane: epoch for lane, epoch in self.running.items() if lane not in lanes}
