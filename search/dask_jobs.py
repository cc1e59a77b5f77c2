"""Jobs on the workers of a Dask cluster: single-threaded, stateless, replaceable.

Dask may lose a job, run it twice or end it late. Here each job in flight has one future on one
worker; what becomes of it once the job has an outcome is not looked at.
"""

import abc
import contextlib
import queue
import signal
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import dask
from distributed import Client, Future, KilledWorker, Worker, WorkerPlugin
from distributed import get_worker as current_worker

from search.engine import AbstractEngine, Lost, Outcome, attempt
from search.environment import current_environment, other_versions
from search.errors import ClusterError
from search.records import Job
from search.trainer import MAX_KEPT, AbstractTrainer, Task
from spaces.space import config_key

DRIVERS_OWN = (signal.SIGINT, signal.SIGHUP)
"""Ctrl-C and a closed terminal reach the whole process group; the driver alone decides."""

_PLUGIN = "search-trainer"

PATIENCE_SECONDS = 120.0
"""How long a scheduler that does not answer, or has no worker, is waited for."""

_LOOK_SECONDS = 0.05

_FETCH_SECONDS = 60.0
"""A result lies on its worker until it is fetched, and is lost with it."""

_SENDING = {
    # A checkpoint travels with its job. Dask would warn of each that has more than 10 MB.
    "distributed.admin.large-graph-warning-threshold": "1GB",
}


@dataclass(frozen=True, slots=True)
class Unfit:
    """A worker cannot train for this study; the job is not to blame."""

    address: str
    reason: str


class TrainerPlugin(WorkerPlugin):  # type: ignore[misc]  # distributed is untyped
    """Brings the trainer and its data to every worker, those that come later included.

    Args:
        trainer: What trains.
        environment: The study's; a worker must have its versions. None: any will do.
        ours: This program started the workers, so it decides about their signals.
    """

    name = _PLUGIN

    def __init__(
        self, trainer: AbstractTrainer, environment: Mapping[str, str] | None, *, ours: bool
    ) -> None:
        self.trainer = trainer
        self.environment = environment
        self.ours = ours
        self.others: tuple[str, ...] = ()

    def setup(self, worker: Worker) -> None:
        """Looks around; a worker that cannot train says so when it is given a job."""
        del worker
        if self.ours:
            for number in DRIVERS_OWN:
                signal.signal(number, signal.SIG_IGN)
        if self.environment is not None:
            self.others = other_versions(self.environment, current_environment())


def _work(task: Task) -> Outcome | Unfit:
    worker = current_worker()
    plugin: TrainerPlugin | None = worker.plugins.get(_PLUGIN)
    if plugin is None:
        return Unfit(worker.address, f"worker {worker.address} did not get the trainer")
    if plugin.others:
        differences = "; ".join(plugin.others)
        return Unfit(worker.address, f"worker {worker.address} has other versions: {differences}")
    return attempt(plugin.trainer, task)


class AbstractDaskEngine(AbstractEngine):
    """Hands each job to one worker, and knows what each worker still has."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._client: Client | None = None
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._running: dict[str, tuple[Job, str]] = {}
        self._futures: dict[str, Future] = {}
        self._lost: list[Outcome] = []
        self._unfit: dict[str, str] = {}
        self._warm: dict[str, tuple[tuple[int, int], int]] = {}
        self._recent: dict[str, deque[str]] = {}

    @abc.abstractmethod
    def _end_worker(self, address: str) -> None:
        """Ends a worker that does not answer, if that is possible."""

    def _death(self) -> str:
        """Says what is known of a worker's death."""
        return "its worker died"

    def free(self) -> int:
        # With none alive and none running one task may wait for the first to come back.
        return max(len(self._idle()), 0 if self._running or self._lost else 1)

    def is_warm(self, job: Job) -> bool:
        return self._warm_worker(job) is not None

    def _alive(self) -> list[str]:
        self._check_scheduler()
        assert self._client is not None  # noqa: S101 - just checked
        try:
            # Not `scheduler_info`: between its question and its answer a periodic update may put
            # a state without any worker in place.
            return list(self._client.nthreads())
        except (OSError, TimeoutError) as error:
            raise _gone() from error

    def _idle(self) -> list[str]:
        busy = {address for _, address in self._running.values()}
        return [own for own in self._alive() if own not in busy and own not in self._unfit]

    def _warm_worker(self, job: Job) -> str | None:
        for address in self._idle():
            if self._warm.get(address) == (job.lane, job.start):
                return address
        return None

    def submit(self, task: Task) -> None:
        address = self._chosen(task)
        assert self._client is not None  # noqa: S101 - choosing has checked
        with dask.config.set(_SENDING):
            future = self._client.submit(_work, task, pure=False, workers=[address])
        self._running[future.key] = (task.job, address)
        self._futures[future.key] = future
        future.add_done_callback(self._ended.put)

    def _chosen(self, task: Task) -> str:
        """Returns the idle worker with the least to do for a task.

        A task without a worker of its own would be put behind another's, die with that, and be
        blamed for it. So it waits for the first worker to come, or to come back.

        Raises:
            ClusterError: there is none for too long.
        """
        end = time.monotonic() + self._patience
        while not (idle := self._idle()):
            if time.monotonic() > end:
                raise self._without_workers()
            time.sleep(_LOOK_SECONDS)
        graph = task.graph or config_key(task.config)
        known = [address for address in idle if graph in self._recent.get(address, ())]
        cold = [address for address in idle if address not in self._warm]
        address = self._warm_worker(task.job) or (known or cold or idle)[0]
        self._warm.pop(address, None)
        recent = self._recent.setdefault(address, deque(maxlen=MAX_KEPT))
        if graph in recent:
            recent.remove(graph)
        recent.append(graph)
        return address

    def _without_workers(self) -> ClusterError:
        unfit = next((self._unfit[own] for own in self._alive() if own in self._unfit), "")
        why = f"no worker can train ({unfit})" if unfit else "there was no worker"
        return ClusterError(f"For {self._patience:g} s {why}. Everything finished is saved.")

    def give_up(self, job: Job, reason: str) -> None:
        for key, (own, address) in list(self._running.items()):
            if own.lane == job.lane:
                self._drop(key, Lost(own, reason, died=True))
                # Until it is gone it would take the next job with it.
                self._unfit[address] = reason
                self._end_worker(address)

    def _drop(self, key: str, outcome: Lost) -> None:
        """Ends a job with an outcome of our own."""
        _, address = self._running.pop(key)
        self._forget(address)
        self._lost.append(outcome)
        self._futures.pop(key).cancel()

    def wait(self, seconds: float) -> tuple[Outcome, ...]:
        alive = set(self._alive())
        for key, (job, address) in list(self._running.items()):
            if address not in alive:
                self._drop(key, Lost(job, self._death(), died=True))
        outcomes, self._lost = self._lost, []
        with contextlib.suppress(queue.Empty):
            future = self._ended.get(timeout=0 if outcomes else seconds)
            while True:
                # All are cancelled when the scheduler goes, and no outcome says so.
                self._check_scheduler()
                outcomes += self._outcome(future)
                future = self._ended.get_nowait()
        return tuple(outcomes)

    def _check_scheduler(self) -> None:
        if self._client is None or self._client.status != "running":
            raise _gone()

    def _outcome(self, future: Future) -> list[Outcome]:
        """Returns what a future gave; nothing if its job has another outcome already."""
        if future.key not in self._running:
            return []
        job, address = self._running.pop(future.key)
        del self._futures[future.key]
        try:
            outcome: Outcome | Unfit = future.result(timeout=_FETCH_SECONDS)
        except KilledWorker:
            outcome = Lost(job, self._death(), died=True)
        except Exception as error:  # noqa: BLE001 - whatever else a worker could not do
            outcome = Lost(job, f"{type(error).__name__}: {error}", died=True)
        if isinstance(outcome, Unfit):
            self._unfit[outcome.address] = outcome.reason
            outcome = Lost(job, outcome.reason, died=False)
        if not isinstance(outcome, Lost):
            self._warm[address] = (job.lane, job.stop)
        elif outcome.died:
            self._forget(address)
        return [outcome]

    def _forget(self, address: str) -> None:
        self._warm.pop(address, None)
        self._recent.pop(address, None)

    def close(self) -> None:
        client, self._client = self._client, None
        self._running.clear()
        self._futures.clear()
        if client is not None:
            # A busy machine may need longer, and a scheduler that has gone never answers.
            with contextlib.suppress(TimeoutError):
                client.close(timeout=2)


def _gone() -> ClusterError:
    return ClusterError("The scheduler of the workers has gone. Everything finished is saved.")
