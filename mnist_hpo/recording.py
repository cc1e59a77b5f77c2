"""Recording a grid: every configuration trained whole, to be raced on paper ever after.

A recording is an ordinary study of the full policy, so it survives what a study survives.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from statistics import fmean, median
from typing import Any, final

import numpy as np

from mnist_hpo.grid_plan import GridPlan
from search.errors import StudyError, TableError
from search.grid import GridProposer, grid_points
from search.proposals import AbstractProposer, Misfit
from search.records import Epoch, History, Trial
from search.seeds import Purpose, seed_for
from search.table import Row, Table
from spaces.space import Config, Space


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
        chosen = places_to_repeat(history.facts.seed, len(points), self._repeated)
        return history.trials[chosen[again % self._repeated]].config

    def refuse(self, space: Space) -> str | None:
        """Refuses a grid with too many points."""
        return self._grid.refuse(space)


def places_to_repeat(seed: int, points: int, count: int) -> list[int]:
    """Draws which of a grid's points, in the order of a recording, are trained again."""
    rng = np.random.default_rng(seed_for(seed, Purpose.GRID, 1))
    return [int(place) for place in rng.permutation(points)[:count]]


def repeat_of(trial: Trial) -> dict[str, Any]:
    """Returns what a table keeps of a configuration that was trained again."""
    return {
        "acc": [list(curve.accuracies) for curve in trial.curves],
        "loss": [
            [float(f"{epoch.valid_loss:.7g}") for epoch in curve.epochs] for curve in trial.curves
        ],
    }


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


def check_same_recording(history: History, plan: GridPlan, *, seed: int, size: int) -> None:
    """Makes sure that a recording goes on as it was begun; its space is checked elsewhere.

    Raises:
        StudyError: the grid file or the seed changed; the message says what.
    """
    facts = history.facts
    changes = [
        f"{name}: {was}, now {now}"
        for name, was, now in (
            ("seed", facts.seed, seed),
            ("folds", facts.folds, plan.folds),
            ("epochs", facts.epochs, plan.epochs),
            ("trainings, repeats included", history.budget.trials, size),
        )
        if was != now
    ]
    if changes:
        raise StudyError(
            f"Recording {facts.study!r} was begun otherwise:"
            + "".join(f"\n  {line}" for line in changes)
            + "\nPut back what changed, or give the new recording another --study."
        )


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
            **({"repeats": [repeat_of(again) for again in repeats]} if repeats else {}),
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
