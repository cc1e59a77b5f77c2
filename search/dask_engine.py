"""Workers as processes of a Dask cluster: single-threaded, stateless, replaceable."""

import contextlib
import logging
import os
import queue
import signal
from collections import deque
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Worker, WorkerPlugin
from distributed import get_worker as current_worker

from search.engine import AbstractEngine, Lost, Outcome, attempt
from search.errors import ClusterError
from search.records import Job
from search.trainer import MAX_KEPT, AbstractTrainer, Task
from spaces.space import config_key

_PLUGIN = "search-trainer"

# Two trainings of one thread each are faster than one of two, and equal bits need equal counts.
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

_DRIVERS_OWN = (signal.SIGINT, signal.SIGHUP)
"""Ctrl-C and a closed terminal reach the whole process group; the driver alone decides."""

_CONFIG = {
    # Our ledger counts attempts; the scheduler need not try a deadly job on every worker first.
    "distributed.scheduler.allowed-failures": 0,
    # It compares times of day: a clock set forward by five minutes would end every worker. Whoever
    # hangs is the driver's to notice.
    "distributed.scheduler.worker-ttl": None,
    # Training needs what it needs: pausing or killing at a share of memory only hides it.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.event-loop-interval": "60s",
    # A worker inside TensorFlow's C++ code holds the GIL for whole batches: that is no fault.
    "distributed.admin.tick.limit": "10m",
}


_SENDING = {
    # A checkpoint travels with its job. Dask would warn of each that has more than 10 MB.
    "distributed.admin.large-graph-warning-threshold": "1GB",
}


class _TrainerPlugin(WorkerPlugin):  # type: ignore[misc]  # distributed is untyped
    """Brings the trainer and its data to every worker, restarted ones included."""

    name = _PLUGIN

    def __init__(self, trainer: AbstractTrainer) -> None:
        self.trainer = trainer

    def setup(self, worker: Worker) -> None:
        del worker
        for number in _DRIVERS_OWN:
            signal.signal(number, signal.SIG_IGN)


def _work(task: Task) -> Outcome:
    plugin: _TrainerPlugin = current_worker().plugins[_PLUGIN]
    return attempt(plugin.trainer, task)


class DaskEngine(AbstractEngine):
    """A `LocalCluster` on the loopback interface."""

    def __init__(self, workers: int) -> None:
        self._count = workers
        self._cluster: LocalCluster | None = None
        self._client: Client | None = None
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._running: dict[str, tuple[Job, str]] = {}
        self._given_up: dict[str, str] = {}
        self._oom_kills = 0
        self._warm: dict[str, tuple[tuple[int, int], int]] = {}
        self._recent: dict[str, deque[str]] = {}

    @property
    def workers(self) -> int:
        return self._count

    def start(self, trainer: AbstractTrainer) -> None:
        self._oom_kills = _oom_kills()
        with dask.config.set(_CONFIG):
            # Children inherit it.
            before = {number: signal.signal(number, signal.SIG_IGN) for number in _DRIVERS_OWN}
            try:
                self._cluster = LocalCluster(
                    n_workers=self._count,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    # Without this the scheduler serves HTTP on 8787, or warns that it cannot.
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                    env=_WORKER_ENVIRONMENT,
                )
                self._client = Client(self._cluster)
                self._client.wait_for_workers(self._count)
                self._client.register_plugin(_TrainerPlugin(trainer))
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def free(self) -> int:
        # While a killed worker is being restarted, a task for it would queue behind another's
        # and die with that, blamed for it.
        unplaced = sum(address == "" for _, address in self._running.values())
        idle = len(self._idle()) - unplaced
        # With none alive and none running one task may wait for the first to come back.
        return max(idle, 0 if self._running else 1)

    def is_warm(self, job: Job) -> bool:
        return self._warm_worker(job) is not None

    def _idle(self) -> list[str]:
        self._check_scheduler()
        assert self._client is not None  # noqa: S101 - `start` comes first
        busy = {address for _, address in self._running.values()}
        alive: list[str] = list(self._client.scheduler_info(n_workers=-1)["workers"])
        return [address for address in alive if address not in busy]

    def _warm_worker(self, job: Job) -> str | None:
        for address in self._idle():
            if self._warm.get(address) == (job.lane, job.start):
                return address
        return None

    def submit(self, task: Task) -> None:
        assert self._client is not None  # noqa: S101 - `start` comes first
        idle = self._idle()
        config = config_key(task.config)
        known = [address for address in idle if config in self._recent.get(address, ())]
        cold = [address for address in idle if address not in self._warm]
        address = self._warm_worker(task.job) or next(iter(known or cold or idle), "")
        self._warm.pop(address, None)
        if address:
            recent = self._recent.setdefault(address, deque(maxlen=MAX_KEPT))
            if config in recent:
                recent.remove(config)
            recent.append(config)
        options: dict[str, Any] = {"workers": [address], "allow_other_workers": True}
        with dask.config.set(_SENDING):
            future = self._client.submit(_work, task, pure=False, **(options if address else {}))
        self._running[future.key] = (task.job, address)
        future.add_done_callback(self._ended.put)

    def wait(self, seconds: float) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        self._check_scheduler()
        try:
            future = self._ended.get(timeout=seconds)
            while True:
                # All are cancelled when the scheduler goes, and no outcome says so.
                self._check_scheduler()
                outcomes.append(self._outcome(future))
                future = self._ended.get_nowait()
        except queue.Empty:
            return tuple(outcomes)

    def _check_scheduler(self) -> None:
        if self._client is None or self._client.status != "running":
            raise ClusterError(
                "The scheduler of the workers has gone. Everything finished is saved."
            )

    def _outcome(self, future: Future) -> Outcome:
        job, address = self._running.pop(future.key)
        given_up = self._given_up.pop(future.key, None)
        try:
            outcome: Outcome = future.result()
        except KilledWorker:
            outcome = Lost(job, given_up or self._death(), died=True)
        except Exception as error:  # noqa: BLE001 - whatever else a worker could not do
            outcome = Lost(job, f"{type(error).__name__}: {error}", died=True)
        if isinstance(outcome, Lost) and outcome.died:
            self._warm.pop(address, None)
            self._recent.pop(address, None)
        elif not isinstance(outcome, Lost):
            self._warm[address] = (job.lane, job.stop)
        return outcome

    def _death(self) -> str:
        """Says what is known of a worker's death."""
        before, self._oom_kills = self._oom_kills, _oom_kills()
        if self._oom_kills > before:
            return "its worker died (the kernel ended a process for want of memory)"
        return "its worker died"

    def give_up(self, job: Job, reason: str) -> None:
        for key, (own, _) in self._running.items():
            process = self._process_of(key) if own.lane == job.lane else None
            if process is not None:
                self._given_up[key] = reason
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def _process_of(self, key: str) -> int | None:
        """Returns the process that works on a task, wherever the scheduler has put it."""
        assert self._cluster is not None  # noqa: S101 - `start` comes first
        task = self._cluster.scheduler.tasks.get(key)
        worker = None if task is None else task.processing_on
        for nanny in self._cluster.workers.values():
            if worker is not None and nanny.worker_address == worker.address:
                pid: int | None = nanny.pid
                return pid
        return None

    def close(self) -> None:
        client, cluster = self._client, self._cluster
        self._client = self._cluster = None
        self._running.clear()
        # A busy machine may need longer, and a scheduler that has gone never answers: workers end
        # by themselves without one, and with this process.
        if client is not None:
            with contextlib.suppress(TimeoutError):
                client.close(timeout=2)
        if cluster is not None:
            with contextlib.suppress(TimeoutError):
                cluster.close(timeout=5)


def _oom_kills() -> int:
    """Returns how many processes the kernel has ended for want of memory; 0: it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
