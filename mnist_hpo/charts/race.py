"""The race: how far each trial came, and how it ended there."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_hpo.charts.svg import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A trial's way through folds and epochs."""

    trial: int
    state: str
    """As in tables: complete, stopped, paused, running or failed."""

    epochs: tuple[int, ...]
    """Finished epochs of each fold."""

    tip: str


_KINDS = {"complete": "bar done", "failed": "bar fail"}
_TALLEST, _LOWEST = 16.0, 4.0


def race_chart(
    lanes: Sequence[Lane], *, epochs: int, rungs: Sequence[int], width: float
) -> Drawing:
    """Draws a row a trial, with a bar in each fold that it trained.

    Args:
        lanes: The trials, the best on top; at least one.
        epochs: Of a fold.
        rungs: Epochs of the first fold after which trials were compared.
        width: In pixels.
    """
    folds = len(lanes[0].epochs)
    row = min(max(900 / len(lanes), _LOWEST), _TALLEST)
    left, top = 44.0, 40.0
    bottom = top + row * len(lanes)
    drawing = Drawing(
        width,
        bottom + 26,
        title=f"Race diagram: how many epochs of how many folds each of {len(lanes)} trials "
        f"trained, the best on top",
    )
    fold_width = (width - left - 14) / folds
    each = (fold_width - 4) / epochs
    for fold in range(folds):
        start = left + fold * fold_width
        drawing.text(start + each * epochs / 2, 16, f"fold {fold + 1}", anchor="middle")
        drawing.line(start, top - 4, start, bottom, "axis")
    for rung in [own for own in rungs if own < epochs]:
        at = left + rung * each
        drawing.line(at, top - 4, at, bottom, "rung")
        drawing.text(at, top - 8, str(rung), anchor="middle", cls="small")
    every = max(1, round(12 / row))
    for place, lane in enumerate(lanes):
        y = top + place * row
        if place % every == 0:
            drawing.text(
                left - 6, y + row / 2 + 4, f"{lane.trial}", anchor="end", cls="small",
                trial=lane.trial,
            )  # fmt: skip
        _draw_lane(drawing, lane, y, row, left=left, fold_width=fold_width, each=each)
    drawing.text(left, bottom + 18, "trials, best on top; epochs to the right", cls="name")
    return drawing


def _draw_lane(  # noqa: PLR0913 - the geometry of one row
    drawing: Drawing,
    lane: Lane,
    y: float,
    row: float,
    *,
    left: float,
    fold_width: float,
    each: float,
) -> None:
    kind = _KINDS.get(lane.state, "bar part")
    end = left
    for fold, trained in enumerate(lane.epochs):
        if trained:
            start = left + fold * fold_width
            end = start + trained * each
            drawing.add(
                "rect", x=start, y=y + 0.5, width=trained * each, height=max(row - 2, 2),
                cls=kind, tip=lane.tip, trial=lane.trial,
            )  # fmt: skip
    if row < 8 or lane.state == "complete":
        return
    # A cross: given up. A circle: waits. Told apart without colours.
    middle, size = y + row / 2 - 0.5, 3.0
    if lane.state in {"failed", "stopped"}:
        for sign in (-1, 1):
            drawing.add(
                "line", x1=end + 2, y1=middle - sign * size, x2=end + 2 + 2 * size,
                y2=middle + sign * size, cls="end",
            )  # fmt: skip
    else:
        drawing.add("circle", cx=end + 5, cy=middle, r=size, cls="end")
