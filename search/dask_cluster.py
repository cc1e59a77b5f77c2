"""Workers of a Dask cluster that somebody else started: `--cluster tcp://HOST:PORT`."""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import final

from distributed import Client

from search.dask_address import checked_address
from search.dask_jobs import AbstractDaskEngine, TrainerPlugin
from search.engine import Outcome
from search.errors import ClusterError
from search.trainer import AbstractTrainer

PATIENCE_SECONDS = 60.0
"""How long a scheduler that does not answer, or has no worker, is waited for."""


@final
class ClusterEngine(AbstractDaskEngine):
    """The workers of a scheduler's cluster; they may come and go.

    Args:
        address: As `checked_address` takes it.
        environment: The study's; a worker must have its versions. None: any will do.
        patience: Seconds to wait for a scheduler, or for the first worker.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        address: str,
        environment: Mapping[str, str] | None,
        *,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._address = checked_address(address)
        self._environment = environment
        self._patience = patience
        self._clock = clock
        self._alone_since: float | None = None
        self._count = 1

    @property
    def workers(self) -> int:
        return self._count

    def start(self, trainer: AbstractTrainer) -> None:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            self._client = Client(self._address, timeout=self._patience, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise ClusterError(
                f"The scheduler {self._address} did not answer for {self._patience:g} s."
            ) from error
        try:
            self._client.wait_for_workers(1, timeout=self._patience)
        except TimeoutError as error:
            raise self._without_workers() from error
        try:
            self._client.register_plugin(TrainerPlugin(trainer, self._environment, ours=False))
        except Exception as error:
            # Whatever a worker says when it unpacks the trainer: a missing module, for one.
            raise ClusterError(
                f"The workers of {self._address} cannot take the trainer: "
                f"{type(error).__name__}: {error}. Install the same mnist-hpo there."
            ) from error
        self._count = max(1, len(self._alive()))

    def wait(self, seconds: float) -> tuple[Outcome, ...]:
        outcomes = super().wait(seconds)
        alive = self._alive()
        if alive:
            self._alone_since = None
            if all(address in self._unfit for address in alive):
                raise ClusterError(
                    f"No worker of {self._address} can train: {self._unfit[alive[0]]}."
                )
        elif self._alone_since is None:
            self._alone_since = self._clock()
        elif self._clock() - self._alone_since > self._patience:
            raise self._without_workers()
        return outcomes

    def _without_workers(self) -> ClusterError:
        return ClusterError(
            f"The cluster {self._address} had no worker for {self._patience:g} s. Start some with "
            f"`dask worker {self._address} --nthreads 1`."
        )

    def _end_worker(self, address: str) -> None:
        assert self._client is not None  # noqa: S101 - `start` comes first
        # Only a worker with a nanny can be ended; another one gets no job any more.
        with contextlib.suppress(Exception):
            self._client.restart_workers([address], timeout=10, raise_for_error=False)
