"""The live view's table: who is at work, who leads, who came last."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mnist_hpo.configs import in_words
from mnist_hpo.formats import position_text, predicted_text, score_text
from mnist_hpo.live_state import Lane
from mnist_hpo.ranking import Standing
from mnist_hpo.rungs import next_stop
from mnist_hpo.tables import Column, Row, Table
from search.records import History, TrialState

if TYPE_CHECKING:  # it imports NumPy, which a search of complete trials does not need
    from search.prediction import Prediction

SHOWN_TRIALS = 7
"""Rows of the table: enough to see a trend, few enough for a small terminal."""

Predictions = Mapping[int, "Prediction"]

_COLUMNS = (
    Column("trial", right=True),
    Column("state"),
    Column("at", priority=3),
    Column("folds", priority=1, right=True),
    Column("score"),
    Column("filters", priority=5),
    Column("lr", priority=4),
    Column("what", priority=2, least=13),
)


def trials_of(running: Mapping[Lane, int]) -> frozenset[int]:
    """Returns the trials that somebody works at."""
    return frozenset(trial for trial, _ in running)


def live_table(
    history: History,
    rows: Sequence[Standing],
    running: Mapping[Lane, int],
    predictions: Predictions,
    *,
    most: int = SHOWN_TRIALS,
) -> Table:
    """Returns the trials at work, the best one and the newest ones, newest first.

    Args:
        history: The study.
        rows: Its standings.
        running: Epoch in hand of each fold in flight, from 0.
        predictions: Predicted means of unfinished trials.
        most: Rows at most.
    """
    known = {row.trial.number: row for row in rows}
    best = [] if history.incumbent is None else [history.incumbent.number]
    wanted = [*sorted(trials_of(running), reverse=True), *best, *sorted(known, reverse=True)]
    chosen = list(dict.fromkeys(number for number in wanted if number in known))[:most]
    return Table(
        _COLUMNS,
        tuple(
            _row(history, known[number], running, predictions)
            for number in sorted(chosen, reverse=True)
        ),
    )


def _row(
    history: History, row: Standing, running: Mapping[Lane, int], predictions: Predictions
) -> Row:
    trial = row.trial
    words = in_words(trial.config)
    predicted = predictions.get(trial.number) if row.is_unfinished else None
    score = " -" if predicted is None else predicted_text(predicted)
    whole = sum(len(curve) >= history.facts.epochs for curve in trial.curves)
    cells = {
        "trial": str(trial.number),
        "state": str(history.state_of(trial, trials_of(running))),
        "at": position_text(trial),
        "folds": f"{whole}/{history.facts.folds}",
        "score": score if row.score is None else f" {score_text(row.score)}",
        "filters": words.get("filters", "-"),
        "lr": words.get("lr", "-"),
        "what": _what(history, row, running) or "-",
    }
    return Row(cells, "bold" if row.rank == 1 else "dim" if predicted is not None else "")


def _what(history: History, row: Standing, running: Mapping[Lane, int]) -> str:
    trial = row.trial
    own = sorted(lane for lane in running if lane[0] == trial.number)
    if own and trial.verdict is None:
        return _in_hand(history, running, own)
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


def _in_hand(history: History, running: Mapping[Lane, int], own: Sequence[Lane]) -> str:
    """Says what is trained of a trial: the epoch of its one fold, or which folds."""
    if len(own) > 1:
        return "folds " + ", ".join(str(fold + 1) for _, fold in own)
    return f"epoch {running[own[0]] + 1} of {next_stop(history, own[0])}"
