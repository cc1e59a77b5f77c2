"""One measure by epoch, a line a fold."""

from collections.abc import Sequence
from typing import Literal

from mnist_hpo.charts.frame import Box, draw_axes
from mnist_hpo.charts.scales import AbstractScale, Accuracy, Linear, Log
from mnist_hpo.charts.svg import Drawing, points

_STYLES = 5
"""Kinds of lines; further folds begin again."""


def curve_chart(
    series: Sequence[Sequence[float]],
    *,
    name: str,
    measure: Literal["accuracy", "loss"],
    trial: int,
    width: float,
) -> Drawing:
    """Draws the values of each fold by epoch.

    Args:
        series: One a fold, epoch by epoch; empty where not trained, but not all of them.
        name: Of the measure: "validation loss".
        measure: Losses stand on a logarithmic scale, accuracies are spaced by error rate.
        trial: Whose curves they are.
        width: In pixels.
    """
    trained = sum(1 for values in series if values)
    drawing = Drawing(
        width, 216, title=f"Trial {trial}: {name} by epoch, {trained} fold{'s'[: trained != 1]}"
    )
    box = Box(54, 26, width - 12, 172)
    longest = max(len(values) for values in series)
    x = Linear(1, max(longest, 2), box.left, box.right, whole=True)
    every = [value for values in series for value in values]
    y: AbstractScale
    if measure == "accuracy":
        y = Accuracy.over(every, box.bottom, box.top)
    else:
        positive = [max(value, 1e-7) for value in every]
        y = Log(min(positive) / 1.05, max(positive) * 1.05, box.bottom, box.top)
    draw_axes(drawing, box, x, y, x_name="epoch", y_name=name)
    for fold, values in enumerate(series):
        places = [(x.at(i), y.at(value)) for i, value in enumerate(values, start=1)]
        tip = f"fold {fold + 1}: " + ", ".join(f"{value:.4g}" for value in values)
        kind = f"curve c{fold % _STYLES + 1}"
        if len(places) == 1:
            drawing.add("circle", cx=places[0][0], cy=places[0][1], r=3.5, cls="dot", tip=tip)
        elif places:
            drawing.add("polyline", points=points(places), cls=kind, tip=tip)
    return drawing
