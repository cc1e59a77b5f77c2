"""Fold by fold: the scores of the best trials and what they are means of."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_hpo.charts.frame import Box
from mnist_hpo.charts.scales import Accuracy
from mnist_hpo.charts.svg import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRow:
    """A complete trial."""

    trial: int
    label: str
    accuracies: tuple[float, ...]
    """At the last epoch, one a fold."""

    mean: float
    std: float


_ROW = 26.0


def fold_chart(rows: Sequence[FoldRow], *, width: float) -> Drawing:
    """Draws a row a trial: its folds as numbered dots, its mean as a bar, its spread as a line."""
    bottom = 24 + _ROW * len(rows)
    drawing = Drawing(
        width, bottom + 44, title=f"Fold scores of the {len(rows)} best complete trials"
    )
    box = Box(78, 18, width - 14, bottom)
    x = Accuracy.over(
        [value for row in rows for value in (*row.accuracies, row.mean - row.std)],
        box.left,
        box.right,
    )
    for place, label in x.ticks():
        drawing.line(place, box.top, place, box.bottom, "grid")
        drawing.text(place, box.bottom + 16, label, anchor="middle", cls="tick")
    for number, row in enumerate(rows):
        y = 24 + _ROW * (number + 0.5)
        drawing.text(box.left - 8, y + 4, row.label, anchor="end", trial=row.trial)
        drawing.line(x.at(row.mean - row.std), y, x.at(row.mean + row.std), y, "whisker")
        for fold, value in enumerate(row.accuracies, start=1):
            drawing.add(
                "circle", cx=x.at(value), cy=y, r=4.5, cls="dot", trial=row.trial,
                tip=f"trial {row.trial}, fold {fold}: {value:.4f}",
            )  # fmt: skip
        mean = x.at(row.mean)
        drawing.line(mean, y - 9, mean, y + 9, "mean")
    drawing.line(box.left, box.bottom, box.right, box.bottom, "axis")
    drawing.text(
        (box.left + box.right) / 2, box.bottom + 34, "accuracy, by error rate", anchor="middle",
        cls="name",
    )  # fmt: skip
    return drawing
