"""Recording a grid: every configuration trained whole, to be raced on paper ever after.

A recording is an ordinary study of the full policy, so it survives what a study survives.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import fmean, median
from typing import Any, Self, final

import numpy as np

from search.errors import TableError
from search.grid import GridProposer, grid_points
from search.proposals import AbstractProposer, Misfit
from search.records import Epoch, History, Trial
from search.seeds import Purpose, seed_for
from search.table import Row, Table
from spaces.catalog import Catalogued, load
from spaces.narrowing import narrowed
from spaces.space import Config, Space, Value

_KEYS = {"space", "grid", "fix", "folds", "epochs", "repeats"}


@dataclass(frozen=True, kw_only=True)
class GridPlan:
    """What a grid file asks for."""

    catalogue: Catalogued
    """Narrowed to the grid."""

    axes: Mapping[str, Sequence[Value]]
    ranges: Mapping[str, str]
    fixed: Mapping[str, str]
    folds: int = 5
    epochs: int = 10
    repeated: int = 0
    """Configurations that are trained again, to measure the noise of the seed."""

    seeds: int = 0
    """How many times more each of them is trained."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a grid file.

        Raises:
            TableError: it cannot be read or asks for something unknown.
            SpaceError: a hyperparameter or a value that the space does not have.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        # ValueError: no UTF-8, no JSON, or an integer of thousands of digits.
        except (OSError, ValueError, RecursionError) as error:
            raise TableError(f"The grid {path} cannot be read: {error}.") from error
        if not isinstance(record, dict) or not isinstance(record.get("grid"), dict):
            raise TableError(
                f'A grid file is a JSON object with "grid": {{name: [values]}}, none in {path}.'
            )
        if unknown := sorted(record.keys() - _KEYS):
            raise TableError(
                f"A grid file has the keys {', '.join(sorted(_KEYS))}; {path} has {unknown[0]!r}."
            )
        try:
            catalogue = load(record.get("space", "cnn"))
            ranges = {name: _range(name, own) for name, own in record["grid"].items()}
            given = {name: _text(own) for name, own in record.get("fix", {}).items()}
            folds, epochs = _count(record, "folds", 5, least=2), _count(record, "epochs", 10)
            repeated, seeds = _repeats(record.get("repeats", {}))
        except (TypeError, ValueError, AttributeError) as error:
            raise TableError(f"The grid {path} has a bad value: {error}.") from error
        fixed = _all_fixed(catalogue.space, ranges, given)
        return cls(
            catalogue=catalogue.with_space(narrowed(catalogue.space, ranges, fixed)),
            axes=record["grid"],
            ranges=ranges,
            fixed=fixed,
            folds=folds,
            epochs=epochs,
            repeated=repeated,
            seeds=seeds,
        )

    @property
    def space(self) -> Space:
        """The grid as a space."""
        return self.catalogue.space


def _range(name: str, values: object) -> str:
    """Writes a list of JSON values as `--set` takes it."""
    if not isinstance(values, list):
        raise TypeError(f"{name!r} has a list of values, got {values!r}")
    texts = [_text(value) for value in values]
    if several := [text for text in texts if "," in text or ".." in text]:
        raise ValueError(f"{name!r} lists one value at a time, got {several[0]!r}")
    return ",".join(texts)


def _repeats(record: Mapping[str, Any]) -> tuple[int, int]:
    """Returns how many configurations are repeated, and how often."""
    if unknown := sorted(record.keys() - {"configurations", "seeds"}):
        raise ValueError(f"'repeats' has configurations and seeds, got {unknown[0]!r}")
    return _count(record, "configurations", 0, least=0), _count(record, "seeds", 0, least=0)


def _count(record: Mapping[str, Any], name: str, default: int, *, least: int = 1) -> int:
    value = record.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name!r} is a whole number from {least}, got {value!r}")
    return value


def _text(value: object) -> str:
    """Writes a JSON value as `--set` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _all_fixed(
    space: Space, ranges: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """Fixes whatever the grid does not vary, at its default where nothing else is asked."""
    narrow = narrowed(space, ranges, given)
    chosen: dict[str, str] = dict(given)
    for dimension in narrow.dimensions:
        name = dimension.name
        if name in ranges or name in chosen:
            continue
        before = narrowed(space, ranges, chosen)
        if name in before:
            chosen[name] = _text(dimension.default)
    final = narrowed(space, ranges, chosen)
    return {name: value for name, value in chosen.items() if name in final}


@final
class RecordingProposer(AbstractProposer):
    """Every point of the grid once, then some of them again, with the seeds of new trials."""

    name = "grid"

    def __init__(self, repeated: int, seeds: int) -> None:
        self._grid = GridProposer()
        self._repeated = repeated
        self._seeds = seeds

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns the next point, or the next one to train again."""
        fresh = self._grid.propose(history, misfit)
        if fresh is not None:
            return fresh
        points = list(dict.fromkeys(trial.key for trial in history.trials))
        again = len(history.trials) - len(points)
        if again >= self._seeds * self._repeated:
            return None
        rng = np.random.default_rng(seed_for(history.facts.seed, Purpose.GRID, 1))
        chosen = rng.permutation(len(points))[: self._repeated]
        return history.trials[int(chosen[again % self._repeated])].config

    def refuse(self, space: Space) -> str | None:
        """Refuses a grid with too many points."""
        return self._grid.refuse(space)


def size_of_recording(plan: GridPlan, fits: Misfit) -> int:
    """Returns how many trainings a grid needs, the repeated ones included.

    Raises:
        TableError: no configuration can be trained, or fewer than are to be repeated.
    """
    points = sum(fits(point) is None for point in grid_points(plan.space, GridProposer.LEVELS))
    if points == 0 or points < plan.repeated:
        raise TableError(
            f"A grid has configurations to train and as many as are repeated: got {points}, "
            f"and {plan.repeated} to repeat."
        )
    return points + plan.repeated * plan.seeds


class Clock(StrEnum):
    """Which of the recorded seconds become the table's."""

    WALL = "wall"
    """What a worker took: right on a machine that does nothing else."""

    PROCESSOR = "processor"
    """What its process used: right for one thread on a machine that others share."""

    def epoch(self, epoch: Epoch) -> float:
        """Returns the seconds of training and validation."""
        return epoch.seconds if self is Clock.WALL else epoch.cpu_seconds

    def building(self, epoch: Epoch) -> float:
        """Returns the seconds of building before it."""
        return epoch.build_seconds if self is Clock.WALL else epoch.build_cpu_seconds


def recorded_table(
    history: History, plan: GridPlan, more: Mapping[str, Any], *, clock: Clock = Clock.WALL
) -> Table:
    """Makes the table of a finished recording.

    Args:
        history: Of the recording.
        plan: What was recorded.
        more: Further facts for the provenance.
        clock: Which seconds to take.

    Raises:
        TableError: no configuration was trained whole.
    """
    facts = history.facts
    first: dict[str, Trial] = {}
    repeats: dict[str, list[Trial]] = {}
    for trial in history.trials:
        if trial.score(facts.epochs) is None:
            continue
        if trial.key in first:
            repeats.setdefault(trial.key, []).append(trial)
        else:
            first[trial.key] = trial
    if not first:
        raise TableError(f"No configuration of study {facts.study!r} could be trained whole.")
    measured: dict[str, list[float]] = {}
    for trial in first.values():
        graph = plan.catalogue.graph_of(trial.config)
        measured.setdefault(graph, []).extend(_building(trial, clock))
    return Table(
        grid=plan.axes,
        provenance={
            "dataset": facts.dataset,
            "data_sha256": facts.data_sha256,
            "images": facts.images,
            "folds_sha256": facts.folds_sha256,
            "seed": facts.seed,
            "created": facts.created,
            "environment": dict(facts.environment),
            "fixed": dict(facts.fixed),
            "clock": str(clock),
            "failed": [dict(t.config) for t in history.trials if t.verdict is not None],
            **more,
        },
        rows=tuple(
            _row(trial, repeats.get(key, []), clock, graph=graph, measured=measured[graph])
            for key, trial in first.items()
            for graph in [plan.catalogue.graph_of(trial.config)]
        ),
        more={"format": 1, "space": facts.space.to_json()},
    )


def _row(
    trial: Trial,
    repeats: Sequence[Trial],
    clock: Clock,
    *,
    graph: str,
    measured: Sequence[float],
) -> Row:
    """Makes a row; `measured` are the building seconds of all folds that share its graph."""
    curves = trial.curves
    seconds = [[clock.epoch(epoch) for epoch in curve.epochs] for curve in curves]
    build, warm = _build_seconds(measured)
    return Row(
        config=trial.config,
        accuracy=tuple(curve.accuracies for curve in curves),
        loss=tuple(tuple(e.valid_loss for e in curve.epochs) for curve in curves),
        seconds=tuple((fold[0] - _tracing_seconds(fold), *fold[1:]) for fold in seconds),
        build=(build,) * len(curves),
        params=trial.params,
        macs=trial.macs,
        more={
            "graph": graph,
            "warm": round(warm, 4),
            "build_measured": [round(own, 4) for own in _building(trial, clock)],
            **(
                {
                    "repeats": [
                        {
                            "acc": [list(curve.accuracies) for curve in again.curves],
                            "loss": [
                                [float(f"{e.valid_loss:.7g}") for e in curve.epochs]
                                for curve in again.curves
                            ],
                        }
                        for again in repeats
                    ]
                }
                if repeats
                else {}
            ),
        },
    )


def _building(trial: Trial, clock: Clock) -> list[float]:
    """Returns what each fold took before its model could train: building, and tracing."""
    return [
        clock.building(curve.epochs[0])
        + _tracing_seconds([clock.epoch(epoch) for epoch in curve.epochs])
        for curve in trial.curves
    ]


def _tracing_seconds(seconds: Sequence[float]) -> float:
    """Returns what the first epoch took above the later ones: TensorFlow traces in it."""
    return max(0.0, seconds[0] - median(seconds[1:])) if len(seconds) > 1 else 0.0


def _build_seconds(colds: Sequence[float]) -> tuple[float, float]:
    """Returns what a worker without the traced model pays, and what one with it pays.

    Whoever trains a graph first on a worker is cold, and all others there are warm; the two
    differ severalfold, so half of the largest parts them.
    """
    limit = max(colds) / 2
    warm = [seconds for seconds in colds if seconds < limit]
    return fmean(s for s in colds if s >= limit), fmean(warm) if warm else 0.0
