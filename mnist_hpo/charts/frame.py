"""The two axes of a chart."""

from dataclasses import dataclass

from mnist_hpo.charts.scales import AbstractScale
from mnist_hpo.charts.svg import Drawing


@dataclass(frozen=True, slots=True)
class Box:
    """Where the data of a chart are drawn."""

    left: float
    top: float
    right: float
    bottom: float


def draw_axes(  # noqa: PLR0913 - two axes, each with a name
    drawing: Drawing,
    box: Box,
    x: AbstractScale,
    y: AbstractScale,
    *,
    x_name: str,
    y_name: str,
) -> None:
    """Draws grid lines, tick labels and the names of both axes."""
    for place, label in y.ticks():
        drawing.line(box.left, place, box.right, place, "grid")
        drawing.text(box.left - 6, place + 4, label, anchor="end", cls="tick")
    last = -1e9
    for place, label in x.ticks():
        drawing.line(place, box.bottom, place, box.bottom + 4, "axis")
        # Seven pixels a letter: a label that would run into the one before is left out.
        if place - 3.5 * len(label) > last + 4:
            drawing.text(place, box.bottom + 17, label, anchor="middle", cls="tick")
            last = place + 3.5 * len(label)
    drawing.line(box.left, box.bottom, box.right, box.bottom, "axis")
    drawing.text((box.left + box.right) / 2, box.bottom + 34, x_name, anchor="middle", cls="name")
    drawing.text(box.left - 44, box.top - 8, y_name, cls="name")
