"""What a race's history tells of its rungs: who reached which, and who goes on."""

import contextlib

from search.errors import StudyError
from search.records import Facts, History, Job


def rungs_of(facts: Facts) -> tuple[int, ...]:
    """Returns the epochs after which a race compares, the last epoch included; else nothing."""
    if facts.policy != "race":
        return ()
    from search.policies import race_options  # noqa: PLC0415 - NumPy, for a race only

    with contextlib.suppress(StudyError):  # constants of another version
        return race_options(facts.race).rungs_below(facts.epochs)
    return ()


def ladder_text(history: History) -> str:
    """Returns how many trials reached which rung, as `1: 27  2: 9  4: 3  10: 1`, or ""."""
    longest = [
        max(len(curve) for curve in trial.curves)
        for trial in history.trials
        if not trial.is_failed
    ]
    return "  ".join(
        f"{rung}: {sum(epochs >= rung for epochs in longest)}" for rung in rungs_of(history.facts)
    )


def rung_reached(history: History, job: Job) -> int | None:
    """Returns the rung, below the last epoch, at which a finished job left its trial."""
    below = rungs_of(history.facts)[:-1]
    return job.stop if job.stop in below and _is_first(history, job) else None


def rung_ahead(history: History, job: Job) -> int | None:
    """Returns the rung that a starting job's trial goes on to from one it stood at."""
    rungs = rungs_of(history.facts)
    if job.start not in rungs[:-1] or not _is_first(history, job):
        return None
    return rungs[rungs.index(job.start) + 1]


def _is_first(history: History, job: Job) -> bool:
    """Says whether a job works at its trial's first fold: only that one has rungs."""
    trial = history.trials[job.trial]
    return not any(len(own) for fold, own in enumerate(trial.curves) if fold != job.fold)
