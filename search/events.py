"""What a search tells while it runs. Data only: whoever listens decides what to show."""

from collections.abc import Callable
from dataclasses import dataclass

from search.records import Failure, History, Job


@dataclass(frozen=True, slots=True)
class Started:
    """The workers are ready."""

    history: History
    workers: int


@dataclass(frozen=True, slots=True)
class TrialAdded:
    """A candidate is in the ledger."""

    history: History
    trial: int


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A worker has a job."""

    history: History
    job: Job


@dataclass(frozen=True, slots=True)
class EpochsCommitted:
    """Finished epochs of a job are in the ledger."""

    history: History
    job: Job


@dataclass(frozen=True, slots=True)
class RunFailed:
    """A run of a fold failed; the trial is retried or failed."""

    history: History
    trial: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class TrialClosed:
    """A trial is complete, stopped or failed."""

    history: History
    trial: int


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker died or was cold; its job is handed out again."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The study is done."""

    history: History
    reason: str


Event = (
    Started
    | TrialAdded
    | JobStarted
    | EpochsCommitted
    | RunFailed
    | TrialClosed
    | WorkerLost
    | Ended
)

Listener = Callable[[Event], None]
"""Called in the driver's thread, after the commit it tells of."""
