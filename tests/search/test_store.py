"""The ledger: what was committed is there, whoever looks, and nothing else."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from search import reader, sqlite_file
from search.errors import LedgerBusy, LedgerError, StudyError, StudyOwned, UnknownStudy
from search.places import Where, place_at
from search.records import Budget, Epoch, Failure, Job, TrialState, Verdict
from search.sqlite_file import SqliteFile
from search.store import Ledger
from search.testing import facts, trial

STUDY = facts()
FIRST = Job(trial=0, fold=0, start=0, stop=1)


def epoch(accuracy: float) -> Epoch:
    return Epoch(
        valid_accuracy=accuracy,
        valid_loss=1 - accuracy,
        train_accuracy=accuracy,
        train_loss=0.1,
        seconds=2.0,
    )


@dataclass(frozen=True)
class Kept:
    """Where a test's ledger is kept."""

    where: Where
    url: str
    """What Optuna and SQLAlchemy call it."""

    @contextlib.contextmanager
    def storage(self) -> Iterator[optuna.storages.RDBStorage]:
        storage = optuna.storages.RDBStorage(self.url)
        yield storage
        storage.remove_session()
        storage.engine.dispose()

    def trial(self) -> optuna.trial.FrozenTrial:
        """What Optuna's own tools see of the first trial."""
        with self.storage() as storage:
            return optuna.load_study(study_name="demo", storage=storage).trials[0]

    def change(self, *statements: str) -> None:
        engine = sqlalchemy.create_engine(self.url)
        with engine.begin() as db:
            for statement in statements:
                db.execute(sqlalchemy.text(statement))
        engine.dispose()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo" / "study.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, path: Path) -> Kept:
    """Both kinds of storage: the ledger's rules are the same."""
    if request.param == "sqlite":
        path.parent.mkdir()
        return Kept(path, f"sqlite:///{path}")
    url: str = request.getfixturevalue("database")
    return Kept(place_at(url), url.replace("postgresql:", "postgresql+psycopg:"))


@pytest.fixture
def ledger(kept: Kept) -> Iterator[Ledger]:
    ledger = Ledger.create(kept.where, STUDY, Budget(trials=3))
    yield ledger
    ledger.close()


def filled(ledger: Ledger, *, folds: int = 3) -> None:
    """Adds a trial with every epoch of so many folds."""
    ledger.add(trial(0, STUDY))
    for fold in range(folds):
        for number in range(STUDY.epochs):
            job = Job(trial=0, fold=fold, start=number, stop=number + 1)
            ledger.start(job)
            ledger.record(job, (epoch(0.5 + 0.1 * number + 0.01 * fold),), elapsed=1.0)


def test_a_new_reader_sees_what_the_writer_knows(ledger: Ledger, kept: Kept) -> None:
    """The history in memory is the one on disk, after every kind of commit."""
    filled(ledger, folds=2)
    ledger.add(trial(1, STUDY))
    ledger.fail(Failure(fold=0, epoch=0, run=0, message="nan", traceback="..."), 1, elapsed=9.0)
    ledger.set_budget(Budget(trials=5, minutes=2.5))
    ledger.end("5 trials")
    look = ledger.open_test(0)
    ledger.record_test(look, {"accuracy": 0.9})

    assert reader.read(kept.where, "demo").history == ledger.history


def test_a_complete_trial_is_told_to_optuna(ledger: Ledger, kept: Kept) -> None:
    """Optuna's own tools see the score, the steps and one attribute a fold."""
    filled(ledger)

    stored = kept.trial()

    score = ledger.history.trials[0].score(STUDY.epochs)
    assert score is not None
    assert stored.state is optuna.trial.TrialState.COMPLETE
    assert stored.value == score.mean == pytest.approx(0.81)
    assert len(stored.intermediate_values) == 12
    assert stored.user_attrs["fold_2"] == pytest.approx(0.82)
    assert stored.params == ledger.history.trials[0].config


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (TrialState.STOPPED, optuna.trial.TrialState.PRUNED),
        (TrialState.FAILED, optuna.trial.TrialState.FAIL),
    ],
)
def test_a_verdict_is_told_to_optuna(
    ledger: Ledger, kept: Kept, state: TrialState, told: optuna.trial.TrialState
) -> None:
    """Final verdicts close Optuna's trial; until then it stays RUNNING."""
    ledger.add(trial(0, STUDY))
    before = kept.trial().state

    ledger.judge(0, Verdict(state=state, reason="because"))

    assert before is optuna.trial.TrialState.RUNNING
    assert kept.trial().state is told


def test_epochs_are_committed_in_order(ledger: Ledger) -> None:
    """An epoch that skips one, or comes twice, is refused."""
    ledger.add(trial(0, STUDY))
    ledger.record(FIRST, (epoch(0.5),), elapsed=1.0)

    with pytest.raises(LedgerError, match="in order"):
        ledger.record(FIRST, (epoch(0.5),), elapsed=1.0)
    with pytest.raises(LedgerError, match="in order"):
        ledger.record(replace(FIRST, start=2, stop=3), (epoch(0.5),), elapsed=1.0)


def test_an_attempt_is_counted_before_and_taken_back_after(ledger: Ledger) -> None:
    """A job that kills the process leaves its attempt; one given up on purpose does not."""
    ledger.add(trial(0, STUDY))

    ledger.start(FIRST)
    ledger.start(FIRST)
    counted = ledger.history.trials[0].attempts[0]
    ledger.release(FIRST)

    assert counted == (0, 2)
    assert ledger.history.trials[0].attempts[0] == (0, 1)


def test_what_a_crash_cut_off_is_completed_on_open(ledger: Ledger, kept: Kept) -> None:
    """Steps, summaries and final states follow from the epochs, whenever the process died."""
    filled(ledger)
    ledger.close()
    kept.change(
        "UPDATE trials SET state = 'RUNNING', datetime_complete = NULL",
        "DELETE FROM trial_values",
        "DELETE FROM trial_intermediate_values",
        "DELETE FROM trial_user_attributes WHERE key LIKE 'fold_%'",
    )

    Ledger.open(kept.where, "demo").close()

    stored = kept.trial()
    assert stored.state is optuna.trial.TrialState.COMPLETE
    assert len(stored.intermediate_values) == 12
    assert "fold_0" in stored.user_attrs


def test_a_failure_without_its_verdict_is_judged_on_open(ledger: Ledger, kept: Kept) -> None:
    """The failure is committed first; the verdict follows from it, now or later."""
    ledger.add(trial(0, STUDY))
    ledger.fail(Failure(fold=0, epoch=0, run=0, message="nan"), 0, elapsed=1.0)
    ledger.close()
    kept.change(
        "DELETE FROM trial_user_attributes WHERE key = 'verdict'",
        "UPDATE trials SET state = 'RUNNING'",
    )

    reopened = Ledger.open(kept.where, "demo")
    reopened.close()

    assert reopened.history.state_of(reopened.history.trials[0]) is TrialState.FAILED


def test_a_second_owner_is_told_who_owns_the_study(ledger: Ledger, kept: Kept) -> None:
    """One process writes, and the message names it."""
    with pytest.raises(StudyOwned, match=r"pid \d+ on .+ since 20"):
        Ledger.open(kept.where, "demo")

    assert ledger.history.trials == ()


def test_an_owner_that_is_stopped_inside_a_commit_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can read then; whoever waited long enough is told whom to wake."""
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.1)
    Ledger.create(path, STUDY, Budget(trials=3)).close()

    with SqliteFile(path).lock("demo"), contextlib.closing(sqlite3.connect(path)) as stopped:
        stopped.execute("BEGIN EXCLUSIVE")
        for study in ("demo", None):
            who = rf"pid {os.getpid()} on " if study else "another process"
            with (
                pytest.raises(LedgerBusy, match=rf"{who}.* inside of a commit for 0\.1 s"),
                SqliteFile(path).reading(study),
            ):
                pass


def test_a_lock_left_by_a_dead_process_is_free(path: Path) -> None:
    """What stands in the lock file proves nothing; the kernel's lock does."""
    Ledger.create(path, STUDY, Budget(trials=3)).close()
    SqliteFile(path).lock_path("demo").write_text(
        json.dumps({"pid": 1, "host": "x", "since": "y"})
    )

    reopened = Ledger.open(path, "demo")
    reopened.close()

    assert reopened.history.facts == STUDY


def test_a_study_is_started_once(ledger: Ledger, kept: Kept) -> None:
    """Its name is taken; the message says how to go on."""
    ledger.close()

    with pytest.raises(StudyError, match="resume demo"):
        Ledger.create(kept.where, STUDY, Budget(trials=3))


def test_a_study_without_facts_is_not_there_yet(kept: Kept) -> None:
    """A process died right after Optuna created the study: the name is free again."""
    with kept.storage() as storage:
        optuna.create_study(study_name="demo", storage=storage, direction="maximize")

    with pytest.raises(UnknownStudy):
        reader.read(kept.where, "demo")
    ledger = Ledger.create(kept.where, STUDY, Budget(trials=3))
    ledger.close()

    assert reader.read(kept.where, "demo").history.facts == STUDY


def test_reading_creates_and_changes_nothing(path: Path, tmp_path: Path) -> None:
    """Neither for a ledger that is there nor for one that is not."""
    ledger = Ledger.create(path, STUDY, Budget(trials=3))
    filled(ledger)
    ledger.close()
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}

    reader.read(path, "demo")
    with pytest.raises(UnknownStudy, match="there are: demo"):
        reader.read(path, "other")
    with pytest.raises(LedgerError, match="no ledger"):
        reader.read(tmp_path / "none.db", "demo")

    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_an_empty_file_holds_no_study(tmp_path: Path) -> None:
    """A process died between creating the file and its first table: the name is free."""
    path = tmp_path / "study.db"
    path.touch()

    with pytest.raises(UnknownStudy):
        reader.read(path, "demo")
    ledger = Ledger.create(path, STUDY, Budget(trials=3))
    ledger.close()

    assert ledger.history.facts == STUDY


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    """With the file's name, by readers and by the owner to be."""
    path = tmp_path / "study.db"
    path.write_bytes(content)

    for read in (reader.read, Ledger.open):
        with pytest.raises(LedgerError, match=r"study\.db"):
            read(path, "demo")


def test_a_newer_format_is_refused(ledger: Ledger, kept: Kept) -> None:
    """An older tool must not guess what a newer one meant."""
    ledger.close()
    kept.change(
        "UPDATE study_user_attributes SET value_json = replace(value_json, "
        "'\"schema\": 2', '\"schema\": 99') WHERE key = 'facts'"
    )

    with pytest.raises(LedgerError, match="Upgrade"):
        reader.read(kept.where, "demo")
