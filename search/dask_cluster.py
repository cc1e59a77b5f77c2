"""Workers of a Dask cluster that somebody else started: `--cluster tcp://HOST:PORT`."""

import contextlib
import logging
from collections.abc import Mapping
from typing import final

from distributed import Client

from search.dask_address import checked_address
from search.dask_jobs import PATIENCE_SECONDS, AbstractDaskEngine, TrainerPlugin
from search.errors import ClusterError
from search.trainer import AbstractTrainer


@final
class ClusterEngine(AbstractDaskEngine):
    """The workers of a scheduler's cluster; they may come and go.

    Args:
        address: As `checked_address` takes it.
        environment: The study's; a worker must have its versions. None: any will do.
        patience: Seconds to wait for a scheduler, or for the first worker.
    """

    def __init__(
        self,
        address: str,
        environment: Mapping[str, str] | None,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        super().__init__(patience)
        self._address = checked_address(address)
        self._environment = environment
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
            raise ClusterError(
                f"The cluster {self._address} had no worker for {self._patience:g} s. Start some "
                f"with `dask worker {self._address} --nthreads 1`."
            ) from error
        try:
            self._client.register_plugin(TrainerPlugin(trainer, self._environment, ours=False))
        except Exception as error:
            # Whatever a worker says when it unpacks the trainer: a missing module, for one.
            raise ClusterError(
                f"The workers of {self._address} cannot take the trainer: "
                f"{type(error).__name__}: {error}. Install the same mnist-hpo there."
            ) from error
        self._count = max(1, len(self._alive()))

    def _end_worker(self, address: str) -> None:
        assert self._client is not None  # noqa: S101 - `start` comes first
        # Only a worker with a nanny can be ended; another one gets no job any more.
        with contextlib.suppress(Exception):
            self._client.restart_workers([address], timeout=10, raise_for_error=False)
