"""How accuracy goes with one hyperparameter, and how much each of them mattered."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from mnist_hpo.charts.frame import Box, draw_axes
from mnist_hpo.charts.scales import Accuracy, Bands, Linear, Log
from mnist_hpo.charts.svg import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectPoint:
    """A trial: what it had, and what it came to."""

    trial: int
    place: float
    """The hyperparameter's value, or the index of its category."""

    accuracy: float
    is_score: bool
    tip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One hyperparameter and the trials that had it."""

    name: str
    labels: tuple[str, ...]
    """Its categories; empty for numbers."""

    is_log: bool
    points: tuple[EffectPoint, ...]


def effect_chart(effect: Effect, *, width: float) -> Drawing:
    """Draws a point a trial; with categories also their medians and counts."""
    drawing = Drawing(
        width,
        216,
        title=f"Accuracy by {effect.name}, {len(effect.points)} trials",
    )
    box = Box(54, 40, width - 12, 178)
    drawing.text(10, 16, f"{effect.name}  ({len(effect.points)} trials)", cls="bold")
    y = Accuracy.over([own.accuracy for own in effect.points], box.bottom, box.top)
    if effect.labels:
        _draw_categories(drawing, box, effect, y)
    else:
        values = [own.place for own in effect.points]
        ends = min(values), max(values), box.left + 6, box.right - 6
        x = Log(*ends) if effect.is_log else Linear(*ends)
        draw_axes(drawing, box, x, y, x_name="", y_name="accuracy")
        for own in effect.points:
            _draw_point(drawing, own, x.at(own.place), y)
    return drawing


def _draw_categories(drawing: Drawing, box: Box, effect: Effect, y: Accuracy) -> None:
    x = Bands(effect.labels, box.left, box.right)
    draw_axes(drawing, box, x, y, x_name="", y_name="accuracy")
    room = min(x.step, 60)
    for own in effect.points:
        # Trials of a category stand side by side; by number, so that nothing is random.
        shift = (own.trial * 7 % 11 - 5) / 11 * room * 0.7
        _draw_point(drawing, own, x.at(own.place) + shift, y)
    for index in range(len(effect.labels)):
        group = [own.accuracy for own in effect.points if own.place == index]
        if group:
            at, middle = x.at(index), y.at(median(group))
            drawing.line(at - room * 0.4, middle, at + room * 0.4, middle, "mean")
            drawing.text(at, box.top - 1, f"n {len(group)}", anchor="middle", cls="small")


def _draw_point(drawing: Drawing, own: EffectPoint, x: float, y: Accuracy) -> None:
    drawing.add(
        "circle", cx=x, cy=y.at(own.accuracy), r=3.2, cls="dot" if own.is_score else "hollow",
        tip=own.tip, trial=own.trial,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a hyperparameter has of all the importance."""

    name: str
    share: float
    trials: int
    is_beyond_chance: bool


def importance_chart(shares: Sequence[Share], *, width: float) -> Drawing:
    """Draws a bar a hyperparameter, the largest first; hollow ones may be chance."""
    row = 22.0
    ranked = sorted(shares, key=lambda own: -own.share)
    drawing = Drawing(
        width,
        row * len(ranked) + 12,
        title="Importance of the hyperparameters: "
        + ", ".join(f"{own.name} {own.share:.2f}" for own in ranked[:3]),
    )
    left, right = 120.0, width - 96
    largest = max((own.share for own in ranked), default=1.0) or 1.0
    for place, own in enumerate(ranked):
        y = 6 + row * place
        drawing.text(left - 8, y + 14, own.name, anchor="end")
        long = own.share / largest * (right - left)
        drawing.add(
            "rect", x=left, y=y + 3, width=max(long, 1), height=row - 8,
            cls="bar" if own.is_beyond_chance else "hollow",
            tip=f"{own.name}: {own.share:.3f}, {own.trials} trials"
            + ("" if own.is_beyond_chance else ", may be chance"),
        )  # fmt: skip
        drawing.text(left + long + 6, y + 14, f"{own.share:.2f} (n {own.trials})", cls="small")
    return drawing
