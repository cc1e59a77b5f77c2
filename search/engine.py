"""Where jobs run. An engine owns no state of the study: whatever it loses is handed out again."""

import abc
import traceback
from dataclasses import dataclass

from search.records import Job
from search.trainer import AbstractTrainer, ColdWorker, Task, Trained


@dataclass(frozen=True, slots=True)
class Done:
    """The job ran."""

    job: Job
    trained: Trained


@dataclass(frozen=True, slots=True)
class Failed:
    """The job raised: its trial's fault."""

    job: Job
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The job's worker died, or was cold: maybe nobody's fault."""

    job: Job
    reason: str
    died: bool


Outcome = Done | Failed | Lost


def attempt(trainer: AbstractTrainer, task: Task) -> Outcome:
    """Runs a task and returns whatever happens: an exception of a trial is a result.

    Tracebacks travel as text, so no exception class has to be importable elsewhere.
    """
    try:
        return Done(task.job, trainer.train(task))
    except ColdWorker as error:
        return Lost(task.job, str(error), died=False)
    except Exception as error:  # noqa: BLE001 - users' models raise anything
        message = f"{type(error).__name__}: {error}"
        return Failed(task.job, message.splitlines()[0], traceback.format_exc())


class AbstractEngine(abc.ABC):
    """Runs tasks, as many at once as it has workers."""

    @property
    @abc.abstractmethod
    def workers(self) -> int:
        """Tasks that can run at once."""

    @abc.abstractmethod
    def start(self, trainer: AbstractTrainer) -> None:
        """Makes the workers ready and gives them the trainer with its data."""

    @abc.abstractmethod
    def free(self) -> int:
        """Returns how many tasks can be submitted right now."""

    @abc.abstractmethod
    def is_warm(self, job: Job) -> bool:
        """Says whether a free worker still holds the state that `job` starts from."""

    @abc.abstractmethod
    def submit(self, task: Task) -> None:
        """Hands a task to a free worker; the warm one where there is one."""

    @abc.abstractmethod
    def wait(self, seconds: float) -> tuple[Outcome, ...]:
        """Waits up to `seconds` and returns what has ended since, in order of arrival.

        Raises:
            ClusterError: there will never be a worker again.
        """

    def give_up(self, job: Job, reason: str) -> None:  # noqa: B027 - not every engine can
        """Ends a job that takes too long, with its worker: it comes back as lost, for a reason.

        Does nothing where the driver itself trains: nobody is there to look at the clock.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Ends the workers, running jobs included. May be called twice."""


class InlineEngine(AbstractEngine):
    """Trains in this process, one task at a time."""

    def __init__(self) -> None:
        self._trainer: AbstractTrainer | None = None
        self._task: Task | None = None
        self._warm: tuple[tuple[int, int], int] | None = None

    @property
    def workers(self) -> int:
        return 1

    def start(self, trainer: AbstractTrainer) -> None:
        self._trainer = trainer

    def free(self) -> int:
        return 1 if self._task is None else 0

    def is_warm(self, job: Job) -> bool:
        return self._warm == (job.lane, job.start)

    def submit(self, task: Task) -> None:
        self._task = task

    def wait(self, seconds: float) -> tuple[Outcome, ...]:
        del seconds  # the wait is the training itself
        if self._task is None or self._trainer is None:
            return ()
        task, self._task, self._warm = self._task, None, None
        outcome = attempt(self._trainer, task)
        if isinstance(outcome, Done):
            self._warm = (task.job.lane, task.job.stop)
        return (outcome,)

    def close(self) -> None:
        self._task = None
