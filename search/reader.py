"""Reading a ledger straight by SQL: no Optuna, no file created, no byte changed."""

import contextlib
import gc
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from search import decode
from search.errors import LedgerError, UnknownStudy
from search.place import AbstractReading
from search.places import Where, place_of
from search.records import History
from search.seals import BrokenSeal, body_of, check_order

_AT_ONCE = 500
"""Trials whose attributes are fetched and parsed together."""


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
        return tuple(_names(db, where))


def _names(db: AbstractReading, where: Where) -> dict[str, int]:
    """Returns the key of each study, by its name."""
    rows = db.rows("SELECT study_name, study_id FROM studies ORDER BY study_id")
    if not all(isinstance(name, str) and isinstance(key, int) for name, key in rows):
        raise LedgerError(f"The ledger {where} is corrupt: its studies have no names.")
    return dict(rows)


def has_study(where: Where, study: str) -> bool:
    """Says whether a place holds a study of that name; False if nothing is there at all.

    Nor if a process died while it made the study: whoever makes it again completes it.
    """
    place = place_of(where)
    if not place.exists():
        return False
    with place.reading(None) as db:
        key = _names(db, where).get(study) if db.has_tables() else None
        return key is not None and db.rows(_IS_MADE, key, key) != [(0, 0)]


_IS_MADE = (
    "SELECT (SELECT count(*) FROM study_user_attributes WHERE study_id = ? AND key = 'facts'), "
    "(SELECT count(*) FROM trials WHERE study_id = ?)"
)
"""A study without facts that has trials is somebody else's: nobody may go on making it."""


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
    trials = _trials(db, study, key, must=False)
    return max((decode.newest_order(own) for _, own in trials), default=-1)


def load(
    db: AbstractReading, where: Where, study: str, *, before_trial: int | None = None
) -> History:
    """Builds a history from an open ledger, whole or as it was before a trial was proposed.

    Raises:
        UnknownStudy: there is no study of that name.
        LedgerError: some of it is not what was stored, or a newer tool stored it.
    """
    if not db.has_tables():
        raise UnknownStudy(study, ())
    names = _names(db, where)
    if study not in names:
        raise UnknownStudy(study, tuple(names))
    try:
        return _load(db, where, study, names, before_trial)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # Only here, where bytes become records: whatever is wrong, they are not what was written.
        detail = (
            str(error) if isinstance(error, BrokenSeal) else f"{type(error).__name__}: {error}"
        )
        raise LedgerError(f"The ledger {where} is corrupt: {detail}.") from error


def _load(
    db: AbstractReading,
    where: Where,
    study: str,
    names: Mapping[str, int],
    before_trial: int | None,
) -> History:
    texts = dict(
        db.rows(
            "SELECT key, value_json FROM study_user_attributes WHERE study_id = ?", names[study]
        )
    )
    if "facts" not in texts or "budget" not in texts:
        # A process died between creating the study and stating its facts.
        raise UnknownStudy(study, [name for name in names if name != study])
    schema = json.loads(texts["facts"])["schema"]
    if schema > decode.SCHEMA:
        raise LedgerError(
            f"{where} has format {schema}; this version reads up to {decode.SCHEMA}. "
            f"Upgrade mnist-hpo to read it."
        )
    must = schema >= decode.SEALED
    attributes = {
        key: json.loads(body_of(study, key, text, must=must))
        for key, text in texts.items()
        if key.startswith(decode.STUDY_FACTS)
    }
    facts, budget, ending = decode.decode_study(attributes)
    with without_collecting():
        whole = _trials(db, study, names[study], must=must)
        attributed: Iterable[tuple[int, decode.Attributes]] = (
            whole if before_trial is None else _before(dict(whole), before_trial)
        )
        numbered, orders, elapsed = [], list[int](), 0.0
        for number, own in attributed:
            numbered.append((number, decode.decode_trial(number, own, facts)))
            orders += decode.orders_in(own)
            elapsed = max(elapsed, decode.elapsed_in(own))
    if must:
        check_order(orders)
    numbered.sort(key=lambda entry: entry[0])
    if [number for number, _ in numbered] != list(range(len(numbered))):
        raise BrokenSeal("the numbers of its trials have gaps")
    return History(
        facts=facts,
        budget=budget,
        ending=ending,
        openings=decode.decode_openings(attributes),
        trials=tuple(trial for _, trial in numbered),
        elapsed=elapsed,
    )


def _before(
    trials: dict[int, dict[str, Any]], trial: int
) -> Iterator[tuple[int, decode.Attributes]]:
    """Yields what was there when a trial was proposed."""
    order = trials[trial]["candidate"]["order"]
    for number, own in trials.items():
        then = decode.before(own, order)
        if "candidate" in then:
            yield number, then


def _trials(
    db: AbstractReading, study: str, study_id: int, *, must: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields number and facts of each trial; only some of them are in memory at a time."""
    ids = db.rows(
        "SELECT trial_id, number FROM trials WHERE study_id = ? ORDER BY trial_id", study_id
    )
    for first in range(0, len(ids), _AT_ONCE):
        chunk = dict(ids[first : first + _AT_ONCE])
        rows = db.rows(
            "SELECT trial_id, key, value_json FROM trials JOIN trial_user_attributes "
            "USING (trial_id) WHERE study_id = ? AND trial_id BETWEEN ? AND ?",
            study_id,
            *(min(chunk), max(chunk)),
        )
        owners = {trial_id: decode.owner(study, number) for trial_id, number in chunk.items()}
        facts = [row for row in rows if row[1].startswith(decode.TRIAL_FACTS)]
        bodies = [body_of(owners[row[0]], row[1], row[2], must=must) for row in facts]
        own: dict[int, dict[str, Any]] = {trial_id: {} for trial_id in chunk}
        # One long text is parsed several times faster than its parts one by one.
        values = json.loads(f"[{','.join(bodies)}]")
        for (trial_id, key, _), value in zip(facts, values, strict=True):
            own[trial_id][key] = value
        yield from ((number, own[trial_id]) for trial_id, number in chunk.items() if own[trial_id])


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Keeps Python from looking for garbage among thousands of records that all live on."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
