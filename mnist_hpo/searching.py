"""One search of a study, from opening the workers to the last line: `search` and `resume`."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_hpo.errors import NoResultError
from mnist_hpo.progress import AbstractView
from mnist_hpo.signals import StopNow, handled
from search.candidates import Baseline
from search.native_logs import silenced
from search.proposals import AbstractProposer
from search.records import Facts
from search.store import Ledger
from search.study import Development, driver_for, engine_for, folds_for
from search.trainer import AbstractTrainer, Task, Trained
from spaces.catalog import Catalogued
from spaces.documented import DocumentedModel

if TYPE_CHECKING:
    from search.training import KerasTrainer


@dataclass(frozen=True, slots=True)
class Invitation:
    """Which baselines take part, and why the others do not."""

    taken: tuple[Baseline, ...]
    left_out: tuple[str, ...]
    """A line each."""


def invited(catalogue: Catalogued, facts: Facts) -> Invitation:
    """Chooses the documented models that fit the study's limits."""
    if facts.baselines == "none":
        return Invitation((), ())
    taken, left_out = [], []
    for model in catalogue.baselines:
        reason = _too_large(model, facts.max_params, facts.max_macs)
        if reason is None:
            taken.append(Baseline(name=model.name, config=model.config))
        else:
            left_out.append(f"documented model {model.name} is left out: {reason}")
    return Invitation(tuple(taken), tuple(left_out))


def _too_large(model: DocumentedModel, max_params: int, max_macs: int) -> str | None:
    size = model.size
    if size.params > max_params:
        return f"{size.params:,} weights are above --max-params {max_params:,}"
    if size.macs > max_macs:
        return f"{size.macs:,} multiply-adds an image are above --max-macs {max_macs:,}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a study is searched with this time; no score depends on it."""

    workers: int
    max_failures: int
    job_minutes: float
    """What an epoch may take."""

    cluster: str | None = None
    """Address of a Dask scheduler, in place of workers on this machine."""

    any_versions: bool = False
    """Workers of a cluster may have other versions than the study began with."""


@dataclass
class LazyTrainer(AbstractTrainer):
    """A `KerasTrainer` made where it trains: the driver's process never imports Keras."""

    catalogue: Catalogued
    data: Development
    facts: Facts

    def train(self, task: Task) -> Trained:
        return self.made().train(task)

    def made(self) -> "KerasTrainer":
        """Returns the trainer of this process."""
        if "_made" not in self.__dict__:
            with silenced():
                from search.training import KerasTrainer  # noqa: PLC0415 - loads TensorFlow

            self._made = KerasTrainer(
                make=self.catalogue.make,
                x=self.data.x,
                y=self.data.y,
                folds=folds_for(self.facts, self.data),
                epochs=self.facts.epochs,
                seed=self.facts.seed,
                precision=self.facts.precision,
                channel_axis=True,
            )
        return self._made

    def __getstate__(self) -> dict[str, object]:
        """Leaves the made trainer out: it belongs to its process."""
        return {name: value for name, value in self.__dict__.items() if name != "_made"}


def search(  # noqa: PLR0913 - the parts of one search, chosen by its two commands
    ledger: Ledger,
    catalogue: Catalogued,
    data: Development,
    *,
    folder: Path,
    effort: Effort,
    view: AbstractView,
    asked: AbstractProposer | None = None,
) -> int:
    """Searches until the budget is used or somebody stops it; closes the ledger.

    `asked` proposes in place of the study's sampler.

    Returns:
        The exit code: 0 when the study is done, 129, 130 or 143 when a signal ended it.

    Raises:
        NoResultError: the study is done and no trial is complete.
        SearchError: storage, the environment or every trial failed.
    """
    facts = ledger.history.facts
    engine = engine_for(
        effort.workers,
        cluster=effort.cluster,
        environment=None if effort.any_versions else facts.environment,
    )
    driver = driver_for(
        ledger,
        engine,
        size_of=catalogue.size_of,
        baselines=invited(catalogue, facts).taken,
        folder=folder,
        listen=view.listen,
        graph_of=catalogue.graph_of,
        max_failures=effort.max_failures,
        epoch_seconds=effort.job_minutes * 60,
        asked=asked,
    )
    reason = None
    # Outermost: closing the workers takes seconds, and somebody may press Ctrl-C again meanwhile.
    with handled(driver.stop, view.tell) as interruptions:
        try:
            with contextlib.closing(ledger), contextlib.closing(engine), view:
                engine.start(LazyTrainer(catalogue=catalogue, data=data, facts=facts))
                reason = driver.run()
        except StopNow:
            pass
        if reason is None:
            view.interrupted(ledger.history)
            return interruptions.exit_code or 130
    if ledger.history.incumbent is None:
        raise NoResultError(
            f"Study {facts.study!r} is done ({reason}), and no trial is complete.",
            f"mnist-hpo show {facts.study} --all   lists what each one failed of",
        )
    return 0
