"""Tables of trials: the ranking, the ways of the race, the documented models."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_hpo.configs import in_words, same_in_all
from mnist_hpo.formats import (
    count_text,
    duration_text,
    place_text,
    predicted_text,
    score_text,
    whole_text,
)
from mnist_hpo.prospects import value_of
from mnist_hpo.ranking import Standing
from mnist_hpo.report.material import Material
from spaces.documented import DOCUMENTED, DocumentedModel

MOST_ROWS = 500
"""A page with more would be slow on a telephone; `show --csv` has them all."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows and, where that differs, what it is sorted by."""

    text: str
    sort: str = ""
    number: bool = False
    rank: int = 0
    """How soon it leaves on a narrow screen; 0: never."""

    wraps: bool = False
    """A sentence: it may take several lines."""


@dataclass(frozen=True, slots=True)
class Head:
    """A column's title."""

    text: str
    number: bool = False
    rank: int = 0
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row, and the trial it stands for."""

    cells: tuple[Cell, ...]
    trial: int | None = None
    best: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlTable:
    """A table of a page."""

    caption: str
    heads: tuple[Head, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()
    sortable: bool = True


def leaderboard(material: Material) -> HtmlTable:
    """Returns the ranking, then the unfinished trials by predicted mean, then the failed."""
    words = [in_words(row.trial.config) for row in material.rows]
    same = same_in_all(words)
    names = tuple(dict.fromkeys(name for own in words for name in own if name not in same))
    heads = (
        Head("rank", number=True),
        Head("trial", number=True),
        Head("score", number=True, about="mean ± standard deviation over the folds"),
        Head("worst", number=True, rank=2, about="lowest fold"),
        *(Head(name, rank=3) for name in names),
        Head("params", number=True, rank=2),
        Head("time", number=True, rank=3),
        Head("origin", rank=3),
        Head("state", rank=1),
    )
    shown = material.rows[:MOST_ROWS]
    notes = ["= a tie with rank 1 on these folds."]
    if any(row.predicted is not None for row in shown):
        notes.append("~ predicted, not measured: folds or epochs are missing; never a score.")
    if same:
        notes.append(f"Same in all: {', '.join(f'{name} {own}' for name, own in same.items())}.")
    if len(shown) < len(material.rows):
        left = len(material.rows) - len(shown)
        notes.append(f"{left} more trials are left out; mnist-hpo show --csv has all of them.")
    return HtmlTable(
        caption=f"{len(shown)} trials, the best first",
        heads=heads,
        rows=tuple(_row(row, own, names) for row, own in zip(shown, words, strict=False)),
        notes=tuple(notes),
    )


def _row(row: Standing, words: dict[str, str], names: Sequence[str]) -> TableRow:
    trial = row.trial
    rank = "" if row.rank is None else f"{row.rank}{'=' if row.is_tied else ''}"
    value = value_of(row)
    if row.score is not None:
        score = score_text(row.score)
    else:
        score = "" if row.predicted is None else predicted_text(row.predicted)
    worst = "" if row.worst is None else f"{row.worst:.4f}"
    cells = (
        Cell(rank, "" if row.rank is None else str(row.rank), number=True),
        Cell(str(trial.number), number=True),
        Cell(score, "" if value is None else repr(value), number=True),
        Cell(worst, number=True, rank=2),
        *(Cell(words.get(name, ""), _sorted_by(words.get(name, "")), rank=3) for name in names),
        Cell(count_text(trial.params), str(trial.params), number=True, rank=2),
        Cell(duration_text(trial.seconds), f"{trial.seconds:.3f}", number=True, rank=3),
        Cell(trial.origin, rank=3),
        Cell(str(row.state), rank=1),
    )
    return TableRow(cells=cells, trial=trial.number, best=row.rank == 1)


def _sorted_by(text: str) -> str:
    """Returns what a value of a configuration is sorted by: numbers by size, others as words."""
    return text.partition("-")[0] if text[:1].isdigit() and "e" not in text else text


def ways(material: Material) -> HtmlTable:
    """Returns where each trial stands and why: the race diagram for those who do not see it."""
    return HtmlTable(
        caption="Where each trial ended, and why",
        heads=(
            Head("trial", number=True),
            Head("state"),
            Head("at", rank=1),
            Head("fold-epochs", number=True, rank=2),
            Head("why"),
        ),
        rows=tuple(
            TableRow(
                cells=(
                    Cell(str(row.trial.number), number=True),
                    Cell(str(row.state)),
                    Cell(place_text(row.trial) if row.trial.fold_epochs else "-", rank=1),
                    Cell(str(row.trial.fold_epochs), number=True, rank=2),
                    Cell(row.reason or "", wraps=True),
                ),
                trial=row.trial.number,
            )
            for row in material.rows[:MOST_ROWS]
        ),
    )


def fold_table(material: Material, count: int) -> HtmlTable:
    """Returns the folds of the best complete trials, with their differences to rank 1."""
    folds = material.facts.folds
    rows = []
    for row in material.complete[:count]:
        assert row.score is not None  # noqa: S101 - complete trials have one
        last = [curve.accuracies[material.facts.epochs - 1] for curve in row.trial.curves]
        gap = row.to_best
        shown = "" if gap is None else f"{gap.mean:+.4f} ± {gap.half_width:.4f}"
        cells = (
            Cell(str(row.trial.number), number=True),
            *(Cell(f"{value:.4f}", number=True, rank=2) for value in last),
            Cell(score_text(row.score), repr(row.score.mean), number=True),
            Cell(shown + (" =" if row.is_tied else ""), "" if gap is None else repr(gap.mean),
                 number=True),
        )  # fmt: skip
        rows.append(TableRow(cells=cells, trial=row.trial.number, best=row.rank == 1))
    return HtmlTable(
        caption=f"Accuracy on each of {folds} folds",
        heads=(
            Head("trial", number=True),
            *(Head(f"fold {fold}", number=True, rank=2) for fold in range(1, folds + 1)),
            Head("mean ± std", number=True),
            Head("to rank 1, paired", number=True, about="corrected 95 % interval"),
        ),
        rows=tuple(rows),
        notes=("± of the last column is half of the paired, Nadeau-Bengio-corrected interval.",),
    )


_NOT_RANKED = (
    "Published figures come from single runs on other images (named beside each), so they stand "
    "in a column of their own and have no rank."
)


def documented_table(material: Material) -> HtmlTable:
    """Returns the documented models: ours beside theirs, not ranked with each other."""
    by_origin = {row.trial.origin: row for row in reversed(material.rows)}
    return HtmlTable(
        caption="The documented models",
        heads=(
            Head("model"),
            Head("params", number=True, rank=1),
            Head("optimizer", rank=3),
            Head("batch", number=True, rank=3),
            Head("here", number=True, about="score, or ~ predicted mean, in this study"),
            Head("rank here", number=True, rank=2),
            Head(
                "at its own epochs", rank=2, about="on its longest fold, at the documented epoch"
            ),
            Head("published", about="as the source reports it; no cross-validation score"),
        ),
        rows=tuple(_documented_row(model, by_origin.get(model.name)) for model in DOCUMENTED),
        notes=(
            _NOT_RANKED,
            *(f"{model.name}: {note}" for model in DOCUMENTED for note in model.notes),
        ),
        sortable=False,
    )


def _documented_row(model: DocumentedModel, row: Standing | None) -> TableRow:
    here = rank = early = ""
    if row is None:
        here = "did not take part"
    else:
        if row.score is not None:
            here = score_text(row.score)
        elif row.predicted is not None:
            here = f"{predicted_text(row.predicted)} ({row.state})"
        else:
            here = str(row.state)
        rank = "" if row.rank is None else f"{row.rank}{'=' if row.is_tied else ''}"
        curve = max(row.trial.curves, key=len, default=None)
        if curve is not None and len(curve) >= model.epochs:
            early = f"{curve.accuracies[model.epochs - 1]:.4f} at epoch {model.epochs}"
    published = "; ".join(
        f"{figure.value:.4f} {figure.label} ({whole_text(figure.images)})"
        for figure in model.published
    )
    return TableRow(
        cells=(
            Cell(f"{model.name} {model.title}", wraps=True),
            Cell(whole_text(model.size.params), number=True, rank=1),
            Cell(f"{model.optimizer} {model.learning_rate:g}", rank=3),
            Cell(str(model.batch_size), number=True, rank=3),
            Cell(here, number=True),
            Cell(rank, number=True, rank=2),
            Cell(early, rank=2),
            Cell(published or "nothing", wraps=True),
        ),
        trial=None if row is None else row.trial.number,
    )
