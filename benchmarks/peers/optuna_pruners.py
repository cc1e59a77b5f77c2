"""Optuna's pruners with its TPE: three that race epochs, one that races folds."""

from collections.abc import Callable, Mapping

import optuna
import scipy.stats  # noqa: F401 - WilcoxonPruner would import it in the middle of a run

from benchmarks.peers.course import Course, Result, Runner, Setting
from benchmarks.peers.naive import SAMPLER_WORDS, sampler
from benchmarks.peers.optuna_axes import suggest
from search.quiet import quiet_optuna
from search.table import Table

_FIRST_FOLD = "-fold1"
"""How the variants are called that see one fold only."""

Objective = Callable[[optuna.Trial], float]
Make = Callable[[int], optuna.pruners.BasePruner]
"""From the epochs of a training to a pruner."""

_PRUNERS: Mapping[tuple[str, Setting], tuple[str, Make]] = {
    ("optuna-median", "default"): ("MedianPruner()", lambda _: optuna.pruners.MedianPruner()),
    ("optuna-median", "best effort"): (
        "MedianPruner(n_startup_trials=2)",
        lambda _: optuna.pruners.MedianPruner(n_startup_trials=2),
    ),
    ("optuna-sha", "default"): (
        "SuccessiveHalvingPruner()",
        lambda _: optuna.pruners.SuccessiveHalvingPruner(),
    ),
    ("optuna-sha", "best effort"): (
        "SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)",
        lambda _: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    ),
    ("optuna-hyperband", "default"): (
        "HyperbandPruner()",
        lambda _: optuna.pruners.HyperbandPruner(),
    ),
    ("optuna-hyperband", "best effort"): (
        "HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)",
        lambda epochs: optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=epochs, reduction_factor=3
        ),
    ),
    ("optuna-wilcoxon", "default"): (
        "WilcoxonPruner()",
        lambda _: optuna.pruners.WilcoxonPruner(),
    ),
    ("optuna-wilcoxon", "best effort"): (
        "WilcoxonPruner(p_threshold=0.26)",
        lambda _: optuna.pruners.WilcoxonPruner(p_threshold=0.26),
    ),
}


def run(peer: str, table: Table, *, candidates: int, seed: int, setting: Setting) -> Result:
    """Runs one of the pruners once."""
    course = Course(table, candidates)
    runner, rows = Runner(course), dict[int, int]()
    with quiet_optuna():
        words, make = _PRUNERS[peer.removesuffix(_FIRST_FOLD), setting]
        study = optuna.create_study(
            direction="maximize",
            sampler=sampler(setting, seed),
            pruner=make(table.epochs),
            # Hyperband deals trials to brackets by a hash of the study's name.
            study_name=f"{peer}-{seed}",
        )
        objective, measure = _objective(peer, setting, runner, rows)
        study.optimize(
            objective,
            n_trials=course.candidates,
            callbacks=[lambda study, _: runner.recommend(_best(study, rows))],
        )
    settings = {"sampler": SAMPLER_WORDS[setting], "pruner": words, "objective": measure}
    return runner.finish(peer, setting, settings, seed)


def _best(study: optuna.Study, rows: Mapping[int, int]) -> int | None:
    try:
        return rows[study.best_trial.number]
    except ValueError:
        return None  # every trial so far is pruned


def _objective(
    peer: str, setting: Setting, runner: Runner, rows: dict[int, int]
) -> tuple[Objective, str]:
    if peer == "optuna-wilcoxon":
        return _by_folds(runner, rows), "raw fold scores, reported after each fold"
    if peer.endswith(_FIRST_FOLD):
        return _by_epochs(runner, rows, [0], setting), "fold 1 after each epoch"
    folds = range(runner.course.table.folds)
    return _by_epochs(runner, rows, folds, setting), "mean of all folds after each epoch"


def _candidate(trial: optuna.Trial, runner: Runner, rows: dict[int, int]) -> int:
    row = runner.candidate(suggest(trial, runner.course.space))
    assert row is not None  # noqa: S101 - as many trials as candidates
    rows[trial.number] = row
    return row


def _by_epochs(
    runner: Runner, rows: dict[int, int], folds: range | list[int], setting: Setting
) -> Objective:
    """Trains an epoch of each fold, reports their mean, and asks whether to go on.

    By default also after the last epoch, as Optuna's examples do: a trial that has paid
    everything may still be pruned there.
    """
    epochs = runner.course.table.epochs
    asked = epochs if setting == "default" else epochs - 1

    def objective(trial: optuna.Trial) -> float:
        row, value = _candidate(trial, runner, rows), 0.0
        for epoch in range(epochs):
            value = runner.train_folds(row, folds, epoch, epoch + 1)[-1]
            trial.report(value, step=epoch + 1)
            if epoch < asked and trial.should_prune():
                raise optuna.TrialPruned
        return value

    return objective


def _by_folds(runner: Runner, rows: dict[int, int]) -> Objective:
    """Trains one fold after the other.

    A pruned trial returns the mean of its folds, as Optuna's documentation advises; the pruner
    never prunes a trial whose mean is above the best one's, so no such trial becomes the best.
    """
    table = runner.course.table

    def objective(trial: optuna.Trial) -> float:
        row, scores = _candidate(trial, runner, rows), list[float]()
        for fold in range(table.folds):
            scores.append(runner.train(row, fold, 0, table.epochs)[-1])
            trial.report(scores[-1], step=fold)
            if trial.should_prune():
                break
        return sum(scores) / len(scores)

    return objective
