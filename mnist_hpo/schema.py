"""The JSON that `--json` prints: a contract, described in docs/show-json.md."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from mnist_hpo.formats import position_of
from mnist_hpo.prospects import told, with_predictions, with_reasons
from mnist_hpo.ranking import Cost, Standing, cost, is_settled, standings
from mnist_hpo.standing import next_command, state_of
from search.reader import Snapshot
from search.records import Facts, Score, TrialState

SCHEMA_VERSION = 1
"""Raised when a key changes its meaning or goes away; new keys may come without."""


def show_json(
    snapshot: Snapshot,
    keep: Callable[[Sequence[Standing]], Sequence[Standing]] = tuple,
) -> dict[str, Any]:
    """Returns a study as `show --json` prints it.

    Args:
        snapshot: The study.
        keep: Chooses trials; all else is that of the whole study.
    """
    history = snapshot.history
    rows = standings(history, owned=snapshot.owner is not None)
    rows = with_predictions(history, rows)
    kept = with_reasons(history, keep(rows))
    winner = history.incumbent
    return {
        "schema_version": SCHEMA_VERSION,
        "study": _study(snapshot),
        "cost": _cost(cost(history, rows)),
        "trials": [
            standing_json(row, history.facts)
            for row in sorted(kept, key=lambda row: row.trial.number)
        ],
        "winner": None if winner is None else winner.number,
        "test": [
            {"trial": opening.trial, "result": opening.result} for opening in history.openings
        ],
    }


def list_json(snapshot: Snapshot) -> dict[str, Any]:
    """Returns a study as one entry of `list --json`."""
    history = snapshot.history
    rows = standings(history, owned=snapshot.owner is not None)
    best = rows[0] if rows and rows[0].score is not None else None
    cost_ = cost(history, rows)
    return {
        "name": history.facts.study,
        "state": str(state_of(snapshot)),
        "trials": len(history.trials),
        "trials_finished": sum(
            is_settled(history, row) or row.state is TrialState.FAILED for row in rows
        ),
        "trials_complete": sum(row.state is TrialState.COMPLETE for row in rows),
        "budget": asdict(history.budget),
        "winner": None if best is None else best.trial.number,
        "score": None if best is None else score_json(best.score),
        "saved_share": cost_.saved_share,
        "updated": time_json(snapshot.updated),
        "next": next_command(snapshot),
    }


def trial_json(snapshot: Snapshot, number: int) -> dict[str, Any]:
    """Returns one trial as `trial --json` prints it: as in `show`, with every epoch's facts."""
    history = snapshot.history
    rows = standings(history, owned=snapshot.owner is not None)
    row = told(history, rows, number)
    return {
        "schema_version": SCHEMA_VERSION,
        "study": history.facts.study,
        "seed": history.facts.seed,
        "trial": {
            **standing_json(row, history.facts),
            "epochs": [[asdict(epoch) for epoch in c.epochs] for c in row.trial.curves],
        },
    }


def _study(snapshot: Snapshot) -> dict[str, Any]:
    history = snapshot.history
    facts = history.facts
    return {
        "name": facts.study,
        "state": str(state_of(snapshot)),
        "owner": snapshot.owner,
        "created": facts.created or None,
        "updated": time_json(snapshot.updated),
        "elapsed_seconds": history.elapsed,
        "ending": history.ending.reason if history.ending and history.is_done else None,
        "dataset": facts.dataset,
        "data_sha256": facts.data_sha256,
        "images": facts.images,
        "model": facts.model,
        "space": {"name": facts.space.name, "sha256": facts.space.sha256},
        "ranges": dict(facts.ranges),
        "fixed": dict(facts.fixed),
        "folds": facts.folds,
        "folds_sha256": facts.folds_sha256,
        "epochs": facts.epochs,
        "seed": facts.seed,
        "policy": facts.policy,
        "race": dict(facts.race),
        "sampler": facts.sampler,
        "baselines": facts.baselines,
        "budget": asdict(history.budget),
        "max_params": facts.max_params,
        "max_macs": facts.max_macs,
        "precision": facts.precision,
        "retries": facts.retries,
        "versions": dict(facts.environment),
    }


def _cost(cost_: Cost) -> dict[str, Any]:
    return {
        "fold_epochs": cost_.fold_epochs,
        "seconds": cost_.seconds,
        "full": {"fold_epochs": cost_.full_fold_epochs, "seconds": cost_.full_seconds},
        "saved": {
            "fold_epochs": cost_.saved_fold_epochs,
            "of": cost_.saved_fold_epochs + cost_.settled_fold_epochs,
            "trials": cost_.settled,
        },
    }


def standing_json(row: Standing, facts: Facts) -> dict[str, Any]:
    """Returns a trial as one entry of `show --json`."""
    trial = row.trial
    return {
        "number": trial.number,
        "state": str(row.state),
        "origin": trial.origin,
        "config": dict(trial.config),
        "folds": [list(curve.accuracies) for curve in trial.curves],
        "score": score_json(row.score),
        "predicted": None if row.predicted is None else asdict(row.predicted),
        "rank": row.rank,
        "tied": row.is_tied,
        "worst": row.worst,
        "params": trial.params,
        "macs": trial.macs,
        "fold_epochs": trial.fold_epochs,
        "fold_epochs_full": facts.folds * facts.epochs,
        "seconds": trial.seconds,
        "stopped": _stopped(row),
        "failures": [
            {
                **asdict(failure),
                "fold": failure.fold + 1,
                "epoch": failure.epoch + 1,
                "run": failure.run + 1,
            }
            for failure in trial.failures
        ],
    }


def _stopped(row: Standing) -> dict[str, Any] | None:
    if row.state not in {TrialState.STOPPED, TrialState.FAILED}:
        return None
    fold, epoch = position_of(row.trial)
    return {"fold": fold, "epoch": epoch, "reason": row.reason}


def score_json(score: Score | None) -> dict[str, float] | None:
    """Returns a score, or None where there is none."""
    return None if score is None else {"mean": score.mean, "std": score.std, "se": score.se}


def time_json(moment: datetime | None) -> str | None:
    """Returns a time in UTC, ISO 8601."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")


def as_json(document: Mapping[str, Any]) -> str:
    """Returns a document as text; NaN and infinities, which JSON lacks, as null."""
    return json.dumps(_finite(document), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(own) for own in value]
    return value
