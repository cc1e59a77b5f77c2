"""The charts of a study, by section: what the page shows and `--figures` writes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mnist_hpo.charts.confusion import confusion_chart
from mnist_hpo.charts.curves import curve_chart
from mnist_hpo.charts.effects import Share, effect_chart, importance_chart
from mnist_hpo.charts.folds import FoldRow, fold_chart
from mnist_hpo.charts.history import Mark, history_chart
from mnist_hpo.charts.race import Lane, race_chart
from mnist_hpo.charts.svg import Drawing
from mnist_hpo.formats import place_text, predicted_text, score_text
from mnist_hpo.prospects import value_of
from mnist_hpo.ranking import Standing
from mnist_hpo.report.effects import effects, weighed
from mnist_hpo.report.material import Material
from mnist_hpo.report.network import network_chart
from mnist_hpo.rungs import rungs_of
from search.records import Curve

WIDE, NARROW, SMALL = 760.0, 350.0, 350.0
"""Pixels: of a chart on a screen, on a telephone, and of one beside others."""

MOST_LANES = 200
MOST_FOLD_ROWS = 10
MOST_CURVES = 6
"""Trials whose curves are shown: the best complete ones."""

_MEASURES: tuple[tuple[str, Literal["accuracy", "loss"], Callable[[Curve], list[float]]], ...] = (
    ("validation loss", "loss", lambda own: [epoch.valid_loss for epoch in own.epochs]),
    ("validation accuracy", "accuracy", lambda own: list(own.accuracies)),
    ("training loss", "loss", lambda own: [epoch.train_loss for epoch in own.epochs]),
    ("training accuracy", "accuracy", lambda own: [epoch.train_accuracy for epoch in own.epochs]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart of the page."""

    name: str
    """Of the file that `--figures` writes, without its ending."""

    section: str
    wide: Drawing
    narrow: Drawing | None = None
    """For a telephone; None: `wide` fits."""


def pictures(material: Material) -> Iterator[Picture]:
    """Yields every chart that the study has the facts for."""
    marks = _marks(material.rows)
    if marks:
        yield _both("history", "history", lambda width: history_chart(marks, width=width))
    lanes = [_lane(row) for row in material.rows[:MOST_LANES] if row.trial.fold_epochs]
    if lanes:
        epochs, rungs = material.facts.epochs, rungs_of(material.facts)
        yield _both(
            "race",
            "race",
            lambda width: race_chart(lanes, epochs=epochs, rungs=rungs, width=width),
        )
    yield from _parameters(material)
    rows = [_fold_row(row, material.facts.epochs) for row in material.complete[:MOST_FOLD_ROWS]]
    if rows:
        yield _both("folds", "folds", lambda width: fold_chart(rows, width=width))
    for row in material.complete[:MOST_CURVES]:
        yield from _curves(row)
    if material.final is not None:
        chart = confusion_chart(material.final.result.confusion)
        yield Picture(name="confusion", section="test", wide=chart)
    network = network_chart(material, width=SMALL + 40)
    if network is not None:
        yield Picture(name="network", section="network", wide=network)


def _both(name: str, section: str, draw: Callable[[float], Drawing]) -> Picture:
    return Picture(name=name, section=section, wide=draw(WIDE), narrow=draw(NARROW))


def _marks(rows: Sequence[Standing]) -> list[Mark]:
    return [
        Mark(
            trial=row.trial.number,
            value=value,
            std=None if row.score is None else row.score.std,
            tip=_tip(row),
        )
        for row in sorted(rows, key=lambda row: row.trial.number)
        if (value := value_of(row)) is not None
    ]


def _tip(row: Standing) -> str:
    """Returns what a mark says when the pointer rests on it."""
    who = f"trial {row.trial.number} ({row.trial.origin})"
    if row.score is not None:
        return f"{who}: {score_text(row.score)}, rank {row.rank}"
    predicted = "" if row.predicted is None else f" {predicted_text(row.predicted)} predicted,"
    return f"{who}:{predicted} {row.state} at {place_text(row.trial)}"


def _lane(row: Standing) -> Lane:
    why = f"; {row.reason}" if row.reason else ""
    return Lane(
        trial=row.trial.number,
        state=str(row.state),
        epochs=tuple(len(curve) for curve in row.trial.curves),
        tip=_tip(row) + why,
    )


def _fold_row(row: Standing, epochs: int) -> FoldRow:
    assert row.score is not None  # noqa: S101 - complete trials have one
    return FoldRow(
        trial=row.trial.number,
        label=f"{row.rank}{'=' if row.is_tied else ''}  #{row.trial.number}",
        accuracies=tuple(curve.accuracies[epochs - 1] for curve in row.trial.curves),
        mean=row.score.mean,
        std=row.score.std,
    )


def _curves(row: Standing) -> Iterator[Picture]:
    for name, measure, values in _MEASURES:
        yield Picture(
            name=f"curves-trial-{row.trial.number}-{name.replace(' ', '-')}",
            section=f"curves-{row.trial.number}",
            wide=curve_chart(
                [values(curve) for curve in row.trial.curves],
                name=name,
                measure=measure,
                trial=row.trial.number,
                width=SMALL,
            ),
        )


def _parameters(material: Material) -> Iterator[Picture]:
    if not material.importances:
        return
    shares = [
        Share(
            name=own.name,
            share=own.share,
            trials=own.trials,
            is_beyond_chance=own.is_beyond_chance,
        )
        for own in weighed(material)
    ]
    yield _both("importance", "importance", lambda width: importance_chart(shares, width=width))
    for effect in effects(material):
        yield Picture(
            name=f"effect-{effect.name}", section="effects", wide=effect_chart(effect, width=SMALL)
        )
