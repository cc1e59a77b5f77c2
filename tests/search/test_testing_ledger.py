"""A ledger written at once holds what one written step by step holds."""

from pathlib import Path
from typing import Any

import pytest

from search import reader
from search.candidates import Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import InlineEngine
from search.memory import MemoryLedger
from search.policies import policy_for
from search.records import Budget, History
from search.samplers import proposer
from search.store import Ledger
from search.testing import ScriptedTrainer, facts
from search.testing_ledger import write_ledger
from spaces.architecture import Size


def raced(folder: Path, **changes: Any) -> History:
    """A race in memory, with stopped, paused, failed and complete trials."""
    study = facts(policy="race", race={"rungs": "1,2"}, images=3000, **changes)
    ledger = MemoryLedger(study, Budget(trials=9, auto_stop=False))
    engine = InlineEngine()
    engine.start(ScriptedTrainer(broken={3: "no memory!"}))
    Driver(
        ledger=ledger,
        policy=policy_for(study.policy, study.race),
        candidates=Candidates(proposer("random"), lambda _: Size(params=1000, macs=1000)),
        engine=engine,
        checkpoints=CheckpointFolder(folder),
        listen=lambda _: None,
    ).run()
    return ledger.history


@pytest.fixture
def history(tmp_path: Path) -> History:
    return raced(tmp_path)


def test_a_reader_finds_the_history_that_was_written(history: History, tmp_path: Path) -> None:
    write_ledger(tmp_path / "study.db", history)

    found = reader.read(tmp_path / "study.db", "demo").history

    assert found == history
    assert {str(found.state_of(trial)) for trial in found.trials} >= {"complete", "failed"}


def test_a_search_can_go_on_with_it(history: History, tmp_path: Path) -> None:
    """Opening it settles nothing: every row that follows from the facts is there already."""
    path = tmp_path / "study.db"
    write_ledger(path, history)
    before = _rows(path)

    ledger = Ledger.open(path, "demo")
    ledger.close()

    assert ledger.history == history
    assert _rows(path) == before


def _rows(path: Path) -> list[Any]:
    from search.places import place_of  # noqa: PLC0415 - here only

    with place_of(path).reading("demo") as db:
        return [
            db.rows(f"SELECT * FROM {table}")  # noqa: S608 - a fixed name
            for table in ("trials", "trial_params", "trial_values", "trial_intermediate_values")
        ]
