"""Studies of scripted curves on a real ledger: everything but the training is the real thing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from search import events
from search.candidates import Baseline, Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import AbstractEngine, InlineEngine
from search.policy import AbstractPolicy, FullPolicy
from search.records import Budget, Facts
from search.samplers import proposer
from search.store import Ledger
from search.testing import ScriptedTrainer, facts
from search.trainer import AbstractTrainer
from spaces.architecture import Size
from spaces.errors import ImpossibleModel
from spaces.space import Config


def _size_of(config: Config) -> Size:
    """A width above 60 is impossible; the others weigh their width in thousands."""
    if config.get("documented") == "heavy":
        return Size(params=61_025_674, macs=89_620_000)
    width = int(config.get("width", 1))
    if width > 60:
        raise ImpossibleModel(f"width {width} is above 60")
    return Size(params=width * 1000, macs=width * 1000)


class Study:
    """A study in a folder, to be run, stopped and run again."""

    def __init__(self, folder: Path, study: Facts, budget: Budget) -> None:
        self.folder = folder
        self.path = folder / "study.db"
        self.facts = study
        self.budget = budget
        self.told: list[events.Event] = []
        Ledger.create(self.path, study, budget).close()

    def driver(  # noqa: PLR0913 - the loop's parts, each exchanged by some test
        self,
        ledger: Ledger,
        trainer: AbstractTrainer,
        *,
        policy: AbstractPolicy | None = None,
        engine: AbstractEngine | None = None,
        baselines: Sequence[Baseline] = (),
        listen: events.Listener | None = None,
        **options: Any,
    ) -> Driver:
        engine = engine or InlineEngine()
        engine.start(trainer)
        return Driver(
            ledger=ledger,
            policy=policy or FullPolicy(),
            candidates=Candidates(proposer(self.facts.sampler), _size_of, baselines),
            engine=engine,
            checkpoints=CheckpointFolder(self.folder / "checkpoints"),
            listen=listen or self.told.append,
            **options,
        )

    def run(self, trainer: AbstractTrainer | None = None, **options: Any) -> str | None:
        ledger = Ledger.open(self.path, self.facts.study)
        try:
            return self.driver(ledger, trainer or ScriptedTrainer(), **options).run()
        finally:
            ledger.close()


@pytest.fixture
def new_study(tmp_path: Path) -> Callable[..., Study]:
    """Makes studies, each in a folder of its own."""
    count = iter(range(1000))

    def make(budget: Budget | None = None, **changes: Any) -> Study:
        folder = tmp_path / f"study-{next(count)}"
        return Study(folder, facts(**changes), budget or Budget(trials=3))

    return make


@pytest.fixture
def size_of() -> Callable[[Config], Size]:
    """The arithmetic that these studies measure configurations by."""
    return _size_of
