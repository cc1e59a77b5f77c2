"""The contract of a trainer: a job in, finished epochs out. Imports no Keras."""

import abc
from dataclasses import dataclass

from search.records import Epoch, Job
from spaces.space import Config

MAX_KEPT = 16
"""Built models that a worker keeps: about 13 MB each, where building one takes a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A job with everything that a worker needs besides the data."""

    job: Job
    config: Config
    checkpoint: bytes | None = None
    """State after epoch `job.start`; None for a fresh start, or where the worker is warm."""

    keep: bool = False
    """Return a checkpoint after the last epoch."""

    graph: str = ""
    """Tasks of one graph can share what a worker has built; empty: those of one configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a job gave."""

    epochs: tuple[Epoch, ...]
    checkpoint: bytes | None = None


class ColdWorker(Exception):  # noqa: N818 - reads as what it says
    """The job needs a checkpoint that neither came with it nor lies warm in this process."""


class AbstractTrainer(abc.ABC):
    """Trains jobs. A pure function of the task: a worker may die, a job may run twice.

    What an implementation keeps between calls may save time, never change a result.
    """

    @abc.abstractmethod
    def train(self, task: Task) -> Trained:
        """Trains the epochs of a job.

        Args:
            task: What to train, and from where.

        Returns:
            One record an epoch, and the checkpoint if the task asks for it.

        Raises:
            TrainingError: the configuration cannot be trained.
            ColdWorker: a continuation came without its checkpoint.
        """
