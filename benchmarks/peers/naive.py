"""The naive loop: every candidate trained whole, chosen at random or by Optuna's TPE."""

import numpy as np
import optuna

from benchmarks.peers.course import Course, Result, Runner, Setting
from benchmarks.peers.optuna_axes import suggest
from search.quiet import quiet_optuna
from search.table import Table


def run(peer: str, table: Table, *, candidates: int, seed: int, setting: Setting) -> Result:
    """Runs `naive-random` or `naive-tpe` once."""
    course = Course(table, candidates)
    if peer == "naive-random":
        return _random(peer, course, seed, setting)
    return _tpe(peer, course, seed, setting)


def sampler(setting: Setting, seed: int) -> optuna.samplers.TPESampler:
    """Returns TPE by the setting: `group` lets it model conditional spaces jointly."""
    if setting == "default":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


SAMPLER_WORDS = {
    "default": "TPESampler()",
    "best effort": "TPESampler(multivariate=True, group=True)",
}


def _random(peer: str, course: Course, seed: int, setting: Setting) -> Result:
    runner = Runner(course)
    order = np.random.default_rng(seed).permutation(len(course.table.rows))
    best, pick = -1.0, None
    for index in order[: course.candidates]:
        row = runner.candidate(course.table.rows[int(index)].config)
        assert row is not None  # noqa: S101 - as many rows as candidates
        score = runner.train_folds(row, range(course.table.folds), 0, course.table.epochs)[-1]
        if score > best:
            best, pick = score, row
        runner.recommend(pick)
    return runner.finish(peer, setting, {"sampler": "rows in random order"}, seed)


def _tpe(peer: str, course: Course, seed: int, setting: Setting) -> Result:
    table, rows = course.table, dict[int, int]()
    runner = Runner(course)

    def objective(trial: optuna.Trial) -> float:
        row = runner.candidate(suggest(trial, course.space))
        assert row is not None  # noqa: S101 - as many trials as candidates
        rows[trial.number] = row
        return runner.train_folds(row, range(table.folds), 0, table.epochs)[-1]

    with quiet_optuna():
        study = optuna.create_study(direction="maximize", sampler=sampler(setting, seed))
        study.optimize(
            objective,
            n_trials=course.candidates,
            callbacks=[lambda study, _: runner.recommend(rows[study.best_trial.number])],
        )
    return runner.finish(peer, setting, {"sampler": SAMPLER_WORDS[setting]}, seed)
