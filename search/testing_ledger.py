"""Whole studies on disk at once: for tests and benchmarks that need a large ledger to read.

A ledger commits each fact by itself, and ten thousand trials take it minutes. Here all rows of a
history come in one transaction; a test reads both kinds of ledger and compares.
"""

import contextlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from optuna.distributions import distribution_to_json

from search import decode
from search.distributions import recorded
from search.records import History, Trial, TrialState
from search.seals import sealed
from search.store import Ledger

_WHEN = "2026-01-01 00:00:00.000000"
_STATES = {
    TrialState.COMPLETE: "COMPLETE",
    TrialState.STOPPED: "PRUNED",
    TrialState.FAILED: "FAIL",
    TrialState.PAUSED: "RUNNING",
}


def write_ledger(path: Path, history: History) -> None:
    """Writes a study to a new SQLite file, as its search would have left it.

    Args:
        path: The file.
        history: The study; runs before the present one of a fold are known by their failures.
    """
    ledger = Ledger.create(path, history.facts, history.budget)
    if history.ending is not None:
        ledger.end(history.ending.reason)
    ledger.close()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        _insert(db, history)


def _insert(db: sqlite3.Connection, history: History) -> None:
    axes = {dimension.name: recorded(dimension) for dimension in history.facts.space.dimensions}
    told = {name: distribution_to_json(axis) for name, axis in axes.items()}
    numbers = itertools.count()
    for trial in history.trials:
        key = trial.number + 1
        state = history.state_of(trial) if trial.is_final(history.facts.epochs) else None
        db.execute(
            "INSERT INTO trials VALUES (?, ?, 1, ?, ?, ?)",
            (key, trial.number, _STATES[state or TrialState.PAUSED], _WHEN, state and _WHEN),
        )
        db.executemany(
            "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)",
            [
                (key, name, json.dumps(_stored(history, trial, name, value)))
                for name, value in _attributes(trial, history, numbers)
            ],
        )
        db.executemany(
            "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, "
            "intermediate_value_type) VALUES (?, ?, ?, 'FINITE')",
            [
                (key, fold * history.facts.epochs + number, epoch.valid_accuracy)
                for fold, curve in enumerate(trial.curves)
                for number, epoch in enumerate(curve.epochs)
            ],
        )
        if trial.in_space:
            db.executemany(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
                "VALUES (?, ?, ?, ?)",
                [
                    (key, name, axes[name].to_internal_repr(value), told[name])
                    for name, value in trial.config.items()
                ],
            )
        score = trial.score(history.facts.epochs)
        if score is not None:
            db.execute(
                "INSERT INTO trial_values (trial_id, objective, value, value_type) "
                "VALUES (?, 0, ?, 'FINITE')",
                (key, score.mean),
            )


def _stored(history: History, trial: Trial, name: str, value: object) -> object:
    """Gives a fact its checksum; the summaries that follow from facts have none."""
    if not isinstance(value, dict):
        return value
    return sealed(decode.owner(history.facts.study, trial.number), name, value)


def _attributes(
    trial: Trial, history: History, numbers: Iterator[int]
) -> Iterator[tuple[str, Any]]:
    """Yields what a ledger commits of a trial, in an order in which it could have."""

    def ordered(fact: dict[str, Any]) -> dict[str, Any]:
        return {**fact, "order": next(numbers)}

    yield "candidate", ordered(decode.encode_candidate(trial))
    for fold, (epoch, count) in enumerate(trial.attempts):
        if count:
            yield f"attempts:{fold}", {"epoch": epoch, "count": count}
    for number, failure in enumerate(trial.failures):
        yield f"failure:{number}", ordered({**asdict(failure), "elapsed": history.elapsed})
    for fold, curve in enumerate(trial.curves):
        for number, result in enumerate(curve.epochs):
            key = decode.epoch_key(fold, curve.run, number)
            yield key, ordered(decode.encode_epoch(result, history.elapsed))
    if trial.verdict is not None:
        yield "verdict", ordered(decode.encode_verdict(trial.verdict))
    score = trial.score(history.facts.epochs)
    if trial.is_final(history.facts.epochs):
        yield from {"params": trial.params, "seconds": trial.seconds}.items()
    if score is not None:
        yield from {"cv_mean": score.mean, "cv_std": score.std}.items()
