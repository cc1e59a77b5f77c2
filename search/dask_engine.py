"""Workers as processes of this machine: a Dask cluster on the loopback interface."""

import contextlib
import logging
import os
import signal
import time
from pathlib import Path
from typing import final

import dask
from distributed import Client, LocalCluster

from search.dask_jobs import DRIVERS_OWN, AbstractDaskEngine, TrainerPlugin
from search.trainer import AbstractTrainer

# Two trainings of one thread each are faster than one of two, and equal bits need equal counts.
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

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


_NOTICE_SECONDS = 10.0
"""A closed connection is noticed in milliseconds, on a busy machine in seconds."""


@final
class DaskEngine(AbstractDaskEngine):
    """A `LocalCluster` on the loopback interface."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._count = workers
        self._cluster: LocalCluster | None = None
        self._oom_kills = 0

    @property
    def workers(self) -> int:
        return self._count

    def start(self, trainer: AbstractTrainer) -> None:
        self._oom_kills = _oom_kills()
        with dask.config.set(_CONFIG):
            # Children inherit it.
            before = {number: signal.signal(number, signal.SIG_IGN) for number in DRIVERS_OWN}
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
                self._client.register_plugin(TrainerPlugin(trainer, None, ours=True))
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _alive(self) -> list[str]:
        assert self._cluster is not None  # noqa: S101 - `start` comes first
        if len(self._cluster.workers) < self._count:
            # Dask gives up a worker that was not back within 15 seconds, as on a busy machine.
            self._cluster.scale(self._count)
        return super()._alive()

    def _death(self) -> str:
        before, self._oom_kills = self._oom_kills, _oom_kills()
        if self._oom_kills > before:
            return "its worker died (the kernel ended a process for want of memory)"
        return super()._death()

    def _end_worker(self, address: str) -> None:
        assert self._cluster is not None  # noqa: S101 - `start` comes first
        for nanny in self._cluster.workers.values():
            if nanny.worker_address == address and nanny.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(nanny.pid, signal.SIGKILL)
        # Until the scheduler knows, it might give a dead worker the next job.
        end = time.monotonic() + _NOTICE_SECONDS
        while address in self._alive() and time.monotonic() < end:
            time.sleep(0.02)

    def close(self) -> None:
        super().close()
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            # As for the client; workers end by themselves without a scheduler, or with us.
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
