"""Reading a ledger straight by SQL: no Optuna, no file created, no byte changed."""

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from search import decode
from search.errors import LedgerError, UnknownStudy
from search.place import AbstractReading
from search.places import Where, place_of
from search.records import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A study as a reader finds it."""

    history: History
    owner: str | None
    """Who searches it right now, in words; None: nobody."""

    updated: datetime | None
    """When the ledger was last written, UTC."""


def read(where: Where, study: str) -> Snapshot:
    """Reads a study.

    Raises:
        UnknownStudy: the place holds no study of that name.
        LedgerError: there is no ledger, it is corrupt or unreachable, or a newer tool wrote it.
    """
    place = place_of(where)
    with place.reading(study) as db:
        return Snapshot(
            history=load(db, where, study),
            owner=place.owner(db, study),
            updated=place.updated(db, study),
        )


def study_names(where: Where) -> tuple[str, ...]:
    """Returns the names of the studies that a place holds, in order of creation."""
    with place_of(where).reading(None) as db:
        if not db.has_tables():
            return ()
        rows = db.rows("SELECT study_name FROM studies ORDER BY study_id")
    return tuple(row[0] for row in rows)


def has_study(where: Where, study: str) -> bool:
    """Says whether a place holds a study of that name; False if nothing is there at all."""
    return place_of(where).exists() and study in study_names(where)


def history_before(where: Where, study: str, trial: int) -> History:
    """Returns the history that the proposal of a trial was made from.

    Whatever the number of workers, and however often the study was killed: the ledger keeps
    the order of its commits, and this history gives the trial's configuration again.

    Raises:
        UnknownStudy: the place holds no study of that name.
        LedgerError: as in `read`.
    """
    with place_of(where).reading(study) as db:
        return load(db, where, study, before_trial=trial)


def newest_order(db: AbstractReading, study: str) -> int:
    """Returns the order of a study's newest commit; -1 before the first."""
    ((key,),) = db.rows("SELECT study_id FROM studies WHERE study_name = ?", study)
    return max((decode.newest_order(own) for own in _trials(db, key).values()), default=-1)


def load(
    db: AbstractReading, where: Where, study: str, *, before_trial: int | None = None
) -> History:
    """Builds a history from an open ledger, whole or as it was before a trial was proposed."""
    if not db.has_tables():
        raise UnknownStudy(study, ())
    names = {name: key for key, name in db.rows("SELECT study_id, study_name FROM studies")}
    if study not in names:
        raise UnknownStudy(study, tuple(names))
    attributes = {
        key: json.loads(value)
        for key, value in db.rows(
            "SELECT key, value_json FROM study_user_attributes WHERE study_id = ?", names[study]
        )
    }
    if "facts" not in attributes or "budget" not in attributes:
        # A process died between creating the study and stating its facts.
        raise UnknownStudy(study, [name for name in names if name != study])
    schema = attributes["facts"]["schema"]
    if schema > decode.SCHEMA:
        raise LedgerError(
            f"{where} has format {schema}; this version reads up to {decode.SCHEMA}. "
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


def _trials(db: AbstractReading, study_id: int) -> dict[int, dict[str, Any]]:
    trials: dict[int, dict[str, Any]] = defaultdict(dict)
    rows = db.rows(
        "SELECT number, key, value_json FROM trials JOIN trial_user_attributes USING (trial_id) "
        "WHERE study_id = ?",
        study_id,
    )
    for number, key, value in rows:
        trials[number][key] = json.loads(value)
    return trials
