"""Reading a ledger straight by SQL: no Optuna, no file created, no byte changed."""

import contextlib
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from search import decode
from search.errors import LedgerError, UnknownStudy
from search.lock import StudyLock, is_owned, owner_of
from search.records import History

_BUSY_SECONDS = 30
"""How long a reader waits for the driver's commit; one takes milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A study as a reader finds it."""

    history: History
    owner: str | None
    """Who searches it right now, in words; None: nobody."""

    updated: datetime | None
    """When the ledger was last written, UTC."""


def lock_path(ledger: Path, study: str) -> Path:
    """Returns the lock of a study: beside its ledger, wherever that lies."""
    return ledger.parent / f"{study}.lock"


def read(ledger: Path, study: str) -> Snapshot:
    """Reads a study.

    Raises:
        UnknownStudy: the ledger holds no study of that name.
        LedgerError: there is no ledger, it is corrupt, or a newer tool wrote it.
    """
    with connected(ledger, study) as db:
        history = load(db, ledger, study)
    lock = lock_path(ledger, study)
    owner = (owner_of(lock) or "another process") if is_owned(lock) else None
    with contextlib.suppress(OSError):
        return Snapshot(
            history=history,
            owner=owner,
            updated=datetime.fromtimestamp(ledger.stat().st_mtime, UTC),
        )
    return Snapshot(history=history, owner=owner, updated=None)


def study_names(ledger: Path) -> tuple[str, ...]:
    """Returns the names of the studies that a ledger holds, in order of creation."""
    with connected(ledger, None) as db:
        rows = db.execute("SELECT study_name FROM studies ORDER BY study_id").fetchall()
    return tuple(row[0] for row in rows)


@contextlib.contextmanager
def connected(ledger: Path, study: str | None) -> Iterator[sqlite3.Connection]:
    """Opens a ledger for reading only.

    A driver killed inside a commit leaves a hot journal, which a read-only connection may not
    roll back. The one writing a reader ever does is to let SQLite do that, under the study's
    lock, so never beside a living driver.

    Raises:
        LedgerError: the file is missing, unreadable or no SQLite database.
    """
    if not ledger.is_file():
        raise LedgerError(f"There is no ledger at {ledger}.")
    try:
        with contextlib.closing(_probed(ledger, study)) as db:
            yield db
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"Cannot read the ledger {ledger}: {error}.") from error


def _probed(ledger: Path, study: str | None) -> sqlite3.Connection:
    db = _open(ledger, "ro")
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        db.close()
        if study is None or error.sqlite_errorcode not in _HOT_JOURNAL:
            raise
        _roll_back(ledger, study)
        return _open(ledger, "ro")
    return db


_HOT_JOURNAL = (
    sqlite3.SQLITE_READONLY_ROLLBACK,
    sqlite3.SQLITE_READONLY_RECOVERY,
    sqlite3.SQLITE_CANTOPEN,
)


def _open(ledger: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{ledger.resolve().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_SECONDS
    )


def _roll_back(ledger: Path, study: str) -> None:
    lock = lock_path(ledger, study)
    if is_owned(lock):
        time.sleep(1.0)  # its owner is in the middle of a commit, or about to roll back itself
        return
    with StudyLock(lock, study), contextlib.closing(_open(ledger, "rw")) as db:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def history_before(ledger: Path, study: str, trial: int) -> History:
    """Returns the history that the proposal of a trial was made from.

    Whatever the number of workers, and however often the study was killed: the ledger keeps
    the order of its commits, and this history gives the trial's configuration again.

    Raises:
        UnknownStudy: the ledger holds no study of that name.
        LedgerError: as in `read`.
    """
    with connected(ledger, study) as db:
        return load(db, ledger, study, before_trial=trial)


def newest_order(db: sqlite3.Connection, study: str) -> int:
    """Returns the order of a study's newest commit; -1 before the first."""
    row = db.execute("SELECT study_id FROM studies WHERE study_name = ?", (study,)).fetchone()
    return max((decode.newest_order(own) for own in _trials(db, row[0]).values()), default=-1)


def load(
    db: sqlite3.Connection, ledger: Path, study: str, *, before_trial: int | None = None
) -> History:
    """Builds a history from an open ledger, whole or as it was before a trial was proposed."""
    with db:
        db.execute("BEGIN")  # one snapshot for all the reads below
        try:
            names = {
                name: key for key, name in db.execute("SELECT study_id, study_name FROM studies")
            }
        except sqlite3.OperationalError as error:
            if db.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                # A process died between creating the file and its first table.
                raise UnknownStudy(study, ()) from error
            raise LedgerError(f"{ledger} is no ledger: {error}.") from error
        if study not in names:
            raise UnknownStudy(study, tuple(names))
        attributes = {
            key: json.loads(value)
            for key, value in db.execute(
                "SELECT key, value_json FROM study_user_attributes WHERE study_id = ?",
                (names[study],),
            )
        }
        if "facts" not in attributes or "budget" not in attributes:
            # A process died between creating the study and stating its facts.
            raise UnknownStudy(study, [name for name in names if name != study])
        schema = attributes["facts"]["schema"]
        if schema > decode.SCHEMA:
            raise LedgerError(
                f"{ledger} has format {schema}; this version reads up to {decode.SCHEMA}. "
                f"Upgrade mnist-hpo to read it."
            )
        facts, budget, ending = decode.decode_study(attributes)
        trials = _trials(db, names[study])
    if before_trial is not None:
        order = trials[before_trial]["candidate"]["order"]
        then = {number: decode.before(own, order) for number, own in trials.items()}
        trials = {number: dict(own) for number, own in then.items() if "candidate" in own}
    return History(
        facts=facts,
        budget=budget,
        ending=ending,
        openings=decode.decode_openings(attributes),
        trials=tuple(
            decode.decode_trial(number, own, facts) for number, own in sorted(trials.items())
        ),
        elapsed=max((decode.elapsed_in(own) for own in trials.values()), default=0.0),
    )


def _trials(db: sqlite3.Connection, study_id: int) -> dict[int, dict[str, Any]]:
    trials: dict[int, dict[str, Any]] = defaultdict(dict)
    rows = db.execute(
        "SELECT number, key, value_json FROM trials JOIN trial_user_attributes USING (trial_id) "
        "WHERE study_id = ?",
        (study_id,),
    )
    for number, key, value in rows:
        trials[number][key] = json.loads(value)
    return trials
