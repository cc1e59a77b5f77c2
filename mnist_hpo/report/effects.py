"""How accuracy went with each hyperparameter, where enough trials tell."""

from mnist_hpo.charts.effects import Effect, EffectPoint
from mnist_hpo.formats import predicted_text, score_text, value_text
from mnist_hpo.prospects import value_of, values_of
from mnist_hpo.ranking import Standing
from mnist_hpo.report.material import Material
from search.importance import LEAST_TRIALS, Importance
from spaces.space import Choice, Dimension, Value

_MOST_STEPS = 8
"""Whole numbers up to so many are shown like categories, with counts and medians."""


def effects(material: Material) -> tuple[Effect, ...]:
    """Returns the hyperparameters that at least 30 trials had, the surest first."""
    rows = _judged(material)
    found = [_effect(material.facts.space[own.name], rows) for own in weighed(material)]
    return tuple(own for own in found if len(own.points) >= LEAST_TRIALS and _varies(own))


def weighed(material: Material) -> tuple[Importance, ...]:
    """Returns the importances of what at least 30 trials had."""
    return tuple(own for own in material.importances if own.trials >= LEAST_TRIALS)


def _judged(material: Material) -> tuple[Standing, ...]:
    """Returns the trials that tell something of the space: points of it with a value."""
    values = values_of(material.rows)
    return tuple(row for row in material.rows if row.trial.number in values)


def untold(material: Material) -> tuple[str, ...]:
    """Returns the hyperparameters that too few trials had to say anything, with their counts."""
    rows = _judged(material)
    counts = {
        dimension.name: sum(dimension.name in row.trial.config for row in rows)
        for dimension in material.facts.space.dimensions
    }
    return tuple(f"{name} ({count})" for name, count in counts.items() if count < LEAST_TRIALS)


def _varies(effect: Effect) -> bool:
    return len({own.place for own in effect.points}) > 1


def _categories(dimension: Dimension) -> tuple[Value, ...]:
    """Returns the values that stand side by side; nothing where numbers make an axis."""
    if isinstance(dimension, Choice):
        return dimension.values
    steps = dimension.steps() if dimension.kind == "int" else None
    return steps if steps is not None and len(steps) <= _MOST_STEPS else ()


def _effect(dimension: Dimension, rows: tuple[Standing, ...]) -> Effect:
    name = dimension.name
    listed = _categories(dimension)
    points = []
    for row in rows:
        value, accuracy = row.trial.config.get(name), value_of(row)
        if value is None or accuracy is None:
            continue
        shown = predicted_text(row.predicted) if row.predicted else ""
        points.append(
            EffectPoint(
                trial=row.trial.number,
                place=listed.index(value) if listed else float(value),
                accuracy=accuracy,
                is_score=row.score is not None,
                tip=f"trial {row.trial.number}, {name} {value_text(value)}: "
                + (score_text(row.score) if row.score else shown),
            )
        )
    return Effect(
        name=name,
        labels=tuple(value_text(own) for own in listed),
        is_log=not isinstance(dimension, Choice) and dimension.sampling == "log",
        points=tuple(points),
    )
