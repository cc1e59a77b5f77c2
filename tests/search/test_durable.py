"""The order of writes, and what happens when one of them fails: what a crash can only hit."""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from sqlalchemy.engine.default import DefaultDialect

from search import reader
from search.engine import InlineEngine
from search.errors import LedgerError
from search.files import write_whole
from search.records import Budget, Epoch, Failure, Job, TrialState, Verdict
from search.sqlite_storage import open_storage
from search.store import Ledger
from search.testing import ScriptedTrainer, facts, trial
from search.trainer import Task

JOB = Job(trial=0, fold=0, start=0, stop=1)
EPOCH = Epoch(valid_accuracy=0.5, valid_loss=0.5, train_accuracy=0.5, train_loss=0.5, seconds=1.0)
CHANGES: dict[str, Callable[[Ledger], object]] = {
    "start": lambda ledger: ledger.start(JOB),
    "record": lambda ledger: ledger.record(JOB, (EPOCH,), elapsed=1.0),
    "fail": lambda ledger: ledger.fail(
        Failure(fold=0, epoch=0, run=0, message="nan"), 0, elapsed=1.0
    ),
    "judge": lambda ledger: ledger.judge(0, Verdict(state=TrialState.STOPPED, reason="slow")),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo" / "study.db"


@pytest.mark.parametrize("change", CHANGES)
def test_a_commit_that_fails_is_neither_shown_nor_decided_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The history in memory stays the one on disk, which a new reader finds."""
    study = facts()
    ledger = Ledger.create(path, study, Budget(trials=3))
    ledger.add(trial(0, study))
    before = ledger.history

    def full(*_: object) -> None:
        raise StorageInternalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(RDBStorage, "set_trial_user_attr", full)
        with pytest.raises(LedgerError, match="disk is full"):
            CHANGES[change](ledger)

    assert ledger.history == before
    assert reader.read(path, study.study).history == before
    ledger.close()


class Witness(InlineEngine):
    """Looks at the ledger on disk whenever a job is handed out."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.seen: list[tuple[int, int]] = []

    def submit(self, task: Task) -> None:
        job = task.job
        kept = reader.read(self._path, "demo").history.trials[job.trial]
        self.seen.append(kept.attempts[job.fold])
        super().submit(task)


def test_an_attempt_is_on_the_disk_before_its_job_is_handed_out(new_study: Any) -> None:
    """Else a job that kills the whole process would be tried for ever."""
    study = new_study(Budget(trials=1))
    witness = Witness(study.path)

    study.run(ScriptedTrainer(), engine=witness)

    epochs, folds = study.facts.epochs, study.facts.folds
    assert witness.seen == [(epoch, 1) for _ in range(folds) for epoch in range(epochs)]


def test_sqlite_is_told_to_keep_what_it_acknowledges(path: Path) -> None:
    """EXTRA is 3: the journal's end is on the disk as well when a commit returns."""
    storage = open_storage(path)

    with storage.engine.connect() as db:
        found = {
            name: db.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    storage.engine.dispose()

    assert found == {"journal_mode": "delete", "synchronous": 3, "foreign_keys": 1}


def test_a_trial_whose_commit_is_acknowledged_by_an_error_is_there_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a disk that fails while the journal is removed: Optuna would add it once more."""
    study = facts()
    ledger = Ledger.create(path, study, Budget(trials=3))
    commit: Callable[..., None] = DefaultDialect.do_commit

    def acknowledged(dialect: DefaultDialect, connection: Any) -> None:
        monkeypatch.setattr(DefaultDialect, "do_commit", commit)
        commit(dialect, connection)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(DefaultDialect, "do_commit", acknowledged)
    with pytest.raises(LedgerError, match=r"Cannot write the ledger .*disk I/O error"):
        ledger.add(trial(0, study))
    ledger.close()

    with contextlib.closing(Ledger.open(path, "demo")) as again:
        assert again.history.trials == (trial(0, study),)
        again.add(trial(1, study))
    assert reader.read(path, "demo").history.trials == (trial(0, study), trial(1, study))


def test_a_study_that_was_never_made_whole_is_none(path: Path) -> None:
    """A process died before it stated facts: `resume` knows no study, so `search` may make it."""
    storage = open_storage(path)
    key = storage.create_new_study([StudyDirection.MAXIMIZE], "demo")
    assert not reader.has_study(path, "demo")

    storage.create_new_trial(key)  # another program's
    storage.engine.dispose()

    assert reader.has_study(path, "demo")


def test_damage_that_no_query_meets_is_found_by_readers_and_owners(path: Path) -> None:
    """The root page of an index is overwritten: no query of the study looks there."""
    study = facts()
    Ledger.create(path, study, Budget(trials=3)).close()
    with sqlite3.connect(path) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
        names = "SELECT rootpage FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?"
        root = db.execute(names, ("trial_intermediate_values",)).fetchone()[0]
    db.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    damaged = path.read_bytes()

    for look in (reader.read, Ledger.open):
        with pytest.raises(LedgerError, match="is corrupt"):
            look(path, study.study)

    assert path.read_bytes() == damaged


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content, then name, then the folder: power may fail between any two of them."""
    path, done = tmp_path / "file", []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        own = os.fstat(descriptor)
        is_folder = own.st_ino == tmp_path.stat().st_ino
        done.append("folder" if is_folder else f"content of {own.st_size} bytes")
        sync(descriptor)

    def replace(source: Path, target: Path) -> Path:
        done.append("name")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)

    write_whole(path, b"12345")

    assert done == ["content of 5 bytes", "name", "folder"]
