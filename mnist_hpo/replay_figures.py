"""What replayed studies add up to: speed-up, regret, seconds to a target, and how sure each is."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_hpo.replaying import Result
from search.table import Table

BOOTSTRAPS = 2000
"""Resamples behind an interval."""


def summary(
    results: Sequence[Result], naive: Sequence[Result], *, best: float, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Sums up a method: costs as ratios to the naive loop's, seed by seed where both have it."""
    base = {result.seed: result.cost for result in naive}
    middle = float(np.median(list(base.values())))
    ratios = np.array([base.get(r.seed, middle) / r.cost for r in results])
    regrets = np.array([best - r.score for r in results]) * 100
    low, high = bootstrap(ratios)
    misses = [miss for result in results for miss in result.misses]
    return {
        "name": results[0].method,
        "settings": dict(settings),
        "seeds": len(results),
        "speedup": {"median": float(np.median(ratios)), "low": low, "high": high},
        "regret": {"mean": float(regrets.mean()), "p90": float(np.quantile(regrets, 0.9))},
        "seconds": float(np.median([r.cost for r in results])),
        "decision_seconds": float(np.median([r.decision for r in results])),
        "decision_ms_per_job": 1000 * fmean(r.decision / max(r.jobs, 1) for r in results),
        "fold_epochs": fmean(r.fold_epochs for r in results),
        "trials": fmean(r.trials for r in results),
        "coverage": fmean(inside for _, _, inside in misses) if misses else None,
        "bias": fmean(mean - true for mean, true, _ in misses) * 100 if misses else None,
    }


def bootstrap(values: "np.ndarray[Any, Any]") -> tuple[float, float]:
    """Returns the 95 % bootstrap interval of a median."""
    rng = np.random.default_rng(0)
    draws = rng.integers(len(values), size=(BOOTSTRAPS, len(values)))
    low, high = np.quantile(np.median(values[draws], axis=1), [0.025, 0.975])
    return float(low), float(high)


def noise_floor(table: Table) -> float:
    """Returns what two equally good configurations differ by, in points of the score.

    Measured where the table has repeats with other seeds: the standard deviation of a score
    between seeds among the better half of the configurations, without runs of which a fold
    collapsed. Bad ones vary several times as much and would outweigh all others; nobody
    recommends them. Else one paired standard error: two thirds of the errors over the images.
    """
    middle = median(row.score for row in table.rows)
    squares, freedom = 0.0, 0
    for row in table.rows:
        if row.score < middle:
            continue
        runs = [row.accuracy, *(again["acc"] for again in row.more.get("repeats", []))]
        ends = [[fold[-1] for fold in run] for run in runs]
        scores = [fmean(run) for run in ends if min(run) > max(run) / 2]
        if len(scores) > 1:
            mean = fmean(scores)
            squares += sum((score - mean) ** 2 for score in scores)
            freedom += len(scores) - 1
    if freedom:
        return 100 * float(np.sqrt(squares / freedom))
    wrong = 1 - table.best
    return 100 * float(np.sqrt(2 / 3 * wrong / table.images))


def times_to(results: Sequence[Result], target: float) -> list[tuple[float, bool]]:
    """Returns for each study from when on its recommendation meets the target, in seconds.

    With whether it ever does: a study that does not counts with all of its cost. A recommendation
    that was good once and was given up again does not count: nobody would have known when to stop.
    """
    return [_time_to(result, target) for result in results]


def _time_to(result: Result, target: float) -> tuple[float, bool]:
    since = result.cost
    for cost, score in reversed(result.steps):
        if score < target:
            break
        since = min(since, cost)
    return since, result.score >= target


def expected_seconds(times: Sequence[tuple[float, bool]]) -> float | None:
    """Returns the expected seconds until the target is met by studies run one after another.

    All seconds, those of failures included, over the number of successes; None without one.

    References:
        Hansen, Auger, Finck and Ros (2009), "Real-parameter black-box optimization
        benchmarking: experimental setup": the expected running time (ERT).
    """
    successes = sum(met for _, met in times)
    return sum(seconds for seconds, _ in times) / successes if successes else None


def times_slower(
    own: Sequence[tuple[float, bool]], other: Sequence[tuple[float, bool]]
) -> dict[str, float | None]:
    """Returns how many times the expected seconds of another one takes, with a 95 % interval.

    The interval is a bootstrap over the studies of both; None stands for infinity.
    """
    first, second = expected_seconds(own), expected_seconds(other)
    if second is None:
        return {"ratio": None, "low": None, "high": None}
    rng = np.random.default_rng(0)
    slower, faster = _resampled(own, rng), _resampled(other, rng)
    known = np.isfinite(faster)  # a resample without a success of the other says nothing
    low, high = np.quantile(slower[known] / faster[known], [0.025, 0.975], method="nearest")
    return {
        "ratio": None if first is None else first / second,
        "low": _finite(low),
        "high": _finite(high),
    }


def _resampled(
    times: Sequence[tuple[float, bool]], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Returns the expected seconds of resampled studies; infinity where none succeeds."""
    values = np.array(times, dtype=float)
    draws = values[rng.integers(len(values), size=(BOOTSTRAPS, len(values)))]
    seconds, successes = draws.sum(axis=1).T
    return np.where(successes > 0, seconds / np.maximum(successes, 1), np.inf)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
