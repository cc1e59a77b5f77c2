"""Ray Tune's ASHA scheduler and Optuna searcher, driven in simulated time.

Real trials would be actors that sleep; one worker's hour would take an hour. So the calls that
`tune.Tuner`'s controller makes on the two classes are made here, in its order, for one trial
after the other: with one worker it would do the same. What is missing is the controller's own
overhead, which flatters Ray. Needs the second environment, see `README.md`.
"""

import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.peers.course import Course, Result, Runner, Setting
from benchmarks.peers.naive import SAMPLER_WORDS, sampler
from benchmarks.peers.optuna_axes import suggest
from search.quiet import quiet_optuna
from search.table import Table
from spaces.space import Space

_METRIC = "accuracy"


def run(peer: str, table: Table, *, candidates: int, seed: int, setting: Setting) -> Result:
    """Runs ASHA once; it stops trials and never takes one up again."""
    course = Course(table, candidates)
    folds = [0] if peer.endswith("-fold1") else list(range(table.folds))
    # The scheduler draws a trial's bracket from NumPy's global generator.
    np.random.seed(seed)  # noqa: NPY002 - the library offers no other way
    runner = Runner(course)
    with quiet_optuna():
        searcher, scheduler = _parts(course, seed, setting)
        best, pick = -1.0, None
        for number in range(course.candidates):
            trial_id = f"{number:05d}"
            row = runner.candidate(searcher.suggest(trial_id))
            assert row is not None  # noqa: S101 - as many trials as candidates
            last = _trained(runner, row, folds, (searcher, scheduler, trial_id))
            # `get_best_result` takes the best last report, a stopped trial's among them.
            if last > best:
                best, pick = last, row
            runner.recommend(pick)
    factor = "" if setting == "default" else ", reduction_factor=3"
    return runner.finish(
        peer,
        setting,
        {
            "searcher": f"OptunaSearch, {SAMPLER_WORDS[setting]}",
            "scheduler": f"ASHAScheduler(max_t={table.epochs}{factor})",
            "objective": ("fold 1" if len(folds) == 1 else "mean of all folds")
            + " after each epoch",
        },
        seed,
    )


def _parts(course: Course, seed: int, setting: Setting) -> tuple[OptunaSearch, ASHAScheduler]:
    # Ray pickles the function when it saves the search: no closure.
    space = functools.partial(_suggested, course.space)
    epochs = course.table.epochs
    common = {"metric": _METRIC, "mode": "max"}
    if setting == "default":
        return OptunaSearch(space, seed=seed, **common), ASHAScheduler(max_t=epochs, **common)
    return (
        OptunaSearch(space, sampler=sampler(setting, seed), **common),
        ASHAScheduler(max_t=epochs, reduction_factor=3, **common),
    )


def _suggested(space: Space, trial: Any) -> dict[str, Any]:  # noqa: ANN401 - Ray's stand-in
    return dict(suggest(trial, space))


def _trained(
    runner: Runner,
    row: int,
    folds: list[int],
    parts: tuple[OptunaSearch, ASHAScheduler, str],
) -> float:
    """Trains a trial until the scheduler stops it; returns the last report."""
    searcher, scheduler, trial_id = parts
    trial = SimpleNamespace(trial_id=trial_id)
    scheduler.on_trial_add(None, trial)
    result: dict[str, Any] = {}
    for epoch in range(runner.course.table.epochs):
        value = runner.train_folds(row, folds, epoch, epoch + 1)[-1]
        result = {_METRIC: value, "training_iteration": epoch + 1}
        if scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
            break
        searcher.on_trial_result(trial_id, result)
    scheduler.on_trial_complete(None, trial, result)
    searcher.on_trial_complete(trial_id, result)
    return float(result[_METRIC])
