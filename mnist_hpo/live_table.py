"""The live view's table: who is at work, who leads, who came last."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mnist_hpo.configs import in_words
from mnist_hpo.formats import position_text, predicted_text, score_text
from mnist_hpo.ranking import Standing, standings
from mnist_hpo.tables import Column, Row, Table
from search.records import History, TrialState

if TYPE_CHECKING:  # it imports NumPy, which a search of complete trials does not need
    from search.prediction import Prediction

SHOWN_TRIALS = 7
"""Rows of the table: enough to see a trend, few enough for a small terminal."""

Lane = tuple[int, int]
"""A trial and its fold."""

Predictions = Mapping[int, "Prediction"]

_COLUMNS = (
    Column("trial", right=True),
    Column("state"),
    Column("at"),
    Column("score"),
    Column("filters", priority=3),
    Column("lr", priority=2),
    Column("what", priority=1, least=12),
)


def trials_of(running: Mapping[Lane, int]) -> frozenset[int]:
    """Returns the trials that somebody works at."""
    return frozenset(trial for trial, _ in running)


def live_table(
    history: History, running: Mapping[Lane, int], predictions: Predictions | None = None
) -> Table:
    """Returns the trials at work, the best one and the newest ones, newest first.

    Args:
        history: The study.
        running: Epoch in hand of each fold in flight, from 0.
        predictions: Predicted means of unfinished trials.
    """
    rows = {row.trial.number: row for row in standings(history)}
    best = [] if history.incumbent is None else [history.incumbent.number]
    wanted = [*sorted(trials_of(running), reverse=True), *best, *sorted(rows, reverse=True)]
    chosen = list(dict.fromkeys(number for number in wanted if number in rows))[:SHOWN_TRIALS]
    return Table(
        _COLUMNS,
        tuple(
            _row(history, rows[number], running, predictions or {})
            for number in sorted(chosen, reverse=True)
        ),
    )


def _row(
    history: History, row: Standing, running: Mapping[Lane, int], predictions: Predictions
) -> Row:
    trial = row.trial
    words = in_words(trial.config)
    predicted = predictions.get(trial.number) if row.is_unfinished else None
    score = "-" if predicted is None else predicted_text(predicted)
    cells = {
        "trial": str(trial.number),
        "state": str(history.state_of(trial, trials_of(running))),
        "at": position_text(trial),
        "score": score if row.score is None else f" {score_text(row.score)}",
        "filters": words.get("filters", "-"),
        "lr": words.get("lr", "-"),
        "what": _what(history, row, running) or "-",
    }
    return Row(cells, "dim" if predicted is not None else "")


def _what(history: History, row: Standing, running: Mapping[Lane, int]) -> str:
    trial, folds = row.trial, history.facts.folds
    own = sorted(
        (fold, epoch) for (number, fold), epoch in running.items() if number == trial.number
    )
    if own and trial.verdict is None:
        return ", ".join(f"fold {fold + 1} of {folds}, epoch {epoch + 1}" for fold, epoch in own)
    if trial.verdict is not None:
        # Its first words: the whole sentence has stood among the news, and is in `trial N`.
        reason = trial.verdict.reason
        return reason.partition(":")[0] if row.state is TrialState.STOPPED else reason
    if row.rank == 1:
        return "best"
    if row.is_tied:
        return "ties with the best"
    if row.state is TrialState.PAUSED and trial.fold_epochs and history.facts.policy != "full":
        return "waits"
    return f"documented model {trial.origin}" if trial.origin.isdigit() else ""
