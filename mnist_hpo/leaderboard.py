"""The ranking as a table: which trials, which columns, and what to know to read it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from mnist_hpo.configs import in_words, same_in_all
from mnist_hpo.formats import position_text, predicted_text, score_text
from mnist_hpo.qualities import OWN, Quality, short
from mnist_hpo.ranking import Standing
from mnist_hpo.tables import Column, Row, Table

UNFINISHED_SHOWN = 5
"""Unfinished trials below the ranking, unless every one is asked for."""

SORTS: Mapping[str, Callable[[Standing], float]] = {
    "score": lambda row: row.rank or 0,
    "worst": lambda row: -(row.worst or 0),
    "time": lambda row: row.trial.seconds,
    "params": lambda row: row.trial.params,
}
"""Orders of the complete trials, by what `--sort` calls them."""

_PRIORITIES = {"worst": 1, "params": 5, "time": 6, "origin": 7}
_MAIN = {"filters": 2, "lr": 3}
_OTHERS = 10
"""Priority of the first of the other hyperparameters; each further one goes before it."""


def chosen(rows: Sequence[Standing], *, top: int, sort: str, every: bool) -> tuple[Standing, ...]:
    """Returns the rows to show: ranked ones in the order asked for, then the best prospects.

    Args:
        rows: In the order of `prospects.with_predictions`.
        top: How many of the ranked ones.
        sort: One of `SORTS`.
        every: All rows, whatever `top` says.
    """
    ranked = sorted((row for row in rows if row.rank is not None), key=SORTS[sort])
    others = [row for row in rows if row.rank is None]
    if every:
        return (*ranked, *others)
    unfinished = [row for row in others if row.is_unfinished]
    return (*ranked[:top], *unfinished[:UNFINISHED_SHOWN])


def common(rows: Sequence[Standing]) -> dict[str, str]:
    """Returns the hyperparameters that all of these trials have in common."""
    return same_in_all(row.trial.config for row in rows)


def leaderboard(
    rows: Sequence[Standing],
    *,
    folds: int,
    same: Mapping[str, str],
    columns: Sequence[Quality] | None = None,
) -> Table:
    """Returns the table.

    Args:
        rows: What to show, in this order.
        folds: Of the study.
        same: Hyperparameters that need no column.
        columns: What to show beside rank, trial and score; None: what tells the trials apart.
            Where room is scarce the last ones go first.
    """
    score = f"score ({folds} folds)"
    wanted = _usual(rows, same) if columns is None else _asked(columns)
    table = (
        Column("rank", right=True),
        Column("trial", right=True),
        Column(score),
        *(Column(own.name, priority, right=own.right) for own, priority in wanted),
    )
    return Table(
        table,
        tuple(
            Row(
                {
                    "rank": _rank_cell(row),
                    "trial": str(row.trial.number),
                    score: _score_cell(row),
                    **{own.name: own.text(row) for own, _ in wanted},
                },
                "bold" if row.rank == 1 else "dim" if row.rank is None else "",
            )
            for row in rows
        ),
    )


def _usual(rows: Sequence[Standing], same: Mapping[str, str]) -> list[tuple[Quality, int]]:
    names = dict.fromkeys(
        name for row in rows for name in in_words(row.trial.config) if name not in same
    )
    others = [name for name in names if name not in _MAIN]
    return [
        (OWN["worst"], _PRIORITIES["worst"]),
        *((short(name), priority) for name, priority in _MAIN.items() if name in names),
        *((short(name), _OTHERS + place) for place, name in enumerate(others)),
        *((OWN[name], _PRIORITIES[name]) for name in ("params", "time", "origin")),
    ]


def _asked(columns: Sequence[Quality]) -> list[tuple[Quality, int]]:
    always = {"rank", "trial", "score"}
    asked = {own.name: own for own in columns if own.name not in always}
    return [(own, place) for place, own in enumerate(asked.values(), start=1)]


def _rank_cell(row: Standing) -> str:
    return "-" if row.rank is None else f"{row.rank}{'=' if row.is_tied else ''}"


def _score_cell(row: Standing) -> str:
    """Returns the score, or what is predicted instead and where the trial stands.

    The first place is kept for a `~`.
    """
    if row.score is not None:
        return f" {score_text(row.score)}"
    predicted = " -" if row.predicted is None else predicted_text(row.predicted)
    return f"{predicted:<7} {row.state} at {position_text(row.trial)}"


def legend(
    rows: Sequence[Standing], shown: Sequence[Standing], same: Mapping[str, str]
) -> list[str]:
    """Returns sentences that explain the signs used, and name what is not shown.

    Args:
        rows: Every trial that could be shown.
        shown: Those that are.
        same: What all of them have in common.
    """
    notes = []
    if any(row.is_tied for row in shown):
        notes.append("= a tie with rank 1 on these folds.")
    if any(row.predicted is not None for row in shown):
        notes.append("~ predicted, not measured: folds or epochs are missing.")
    if any(row.rank is None for row in shown):
        notes.append("at: fold.epoch.")
    numbers = {row.trial.number for row in shown}
    counts = Counter(str(row.state) for row in rows if row.trial.number not in numbers)
    if counts:
        more = ", ".join(f"{count} {state}" for state, count in counts.items())
        notes.append(f"Not shown: {more} (--all).")
    if same:
        notes.append(f"Same in all: {', '.join(f'{name} {own}' for name, own in same.items())}.")
    return notes
