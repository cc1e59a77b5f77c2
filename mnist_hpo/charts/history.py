"""The search as it went: what each trial came to, and the best one so far."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_hpo.charts.frame import Box, draw_axes
from mnist_hpo.charts.scales import Accuracy, Linear
from mnist_hpo.charts.svg import Drawing, points


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A trial with a value."""

    trial: int
    value: float
    """Its score, or its predicted mean."""

    std: float | None
    """Over the folds; None: the value is predicted."""

    tip: str


def history_chart(marks: Sequence[Mark], *, width: float) -> Drawing:
    """Draws scores with their spread, predicted means, and the steps of the best score.

    Args:
        marks: In the order of their trials; at least one.
        width: In pixels.
    """
    complete = [mark for mark in marks if mark.std is not None]
    drawing = Drawing(
        width,
        320,
        title=f"Search history: {len(complete)} scores and {len(marks) - len(complete)} "
        f"predicted means by trial, with the steps of the best score",
    )
    box = Box(56, 24, width - 12, 276)
    x = Linear(-0.5, max(mark.trial for mark in marks) + 0.5, box.left, box.right, whole=True)
    ends = [mark.value + sign * (mark.std or 0) for mark in marks for sign in (-1, 1)]
    y = Accuracy.over(ends, box.bottom, box.top)
    draw_axes(drawing, box, x, y, x_name="trial", y_name="accuracy, by error rate")
    steps, best = [], -1.0
    for mark in complete:
        if mark.value > best:
            if best >= 0:
                steps.append((x.at(mark.trial), y.at(best)))
            best = mark.value
            steps.append((x.at(mark.trial), y.at(best)))
    if steps:
        steps.append((box.right, y.at(best)))
        drawing.add("polyline", points=points(steps), cls="best")
    for mark in marks:
        place = x.at(mark.trial), y.at(mark.value)
        if mark.std is None:
            drawing.add(
                "circle", cx=place[0], cy=place[1], r=3.5, cls="hollow", tip=mark.tip,
                trial=mark.trial,
            )  # fmt: skip
            continue
        low, high = y.at(mark.value - mark.std), y.at(mark.value + mark.std)
        drawing.line(place[0], low, place[0], high, "whisker")
        drawing.add(
            "circle", cx=place[0], cy=place[1], r=4.5, cls="dot", tip=mark.tip, trial=mark.trial
        )
    return drawing
