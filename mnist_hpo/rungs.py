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


def ladder(history: History) -> tuple[tuple[int, int], ...]:
    """Returns the epochs of each rung and how many trials reached it; nothing without rungs."""
    longest = [
        max(len(curve) for curve in trial.curves)
        for trial in history.trials
        if not trial.is_failed
    ]
    return tuple(
        (rung, sum(epochs >= rung for epochs in longest)) for rung in rungs_of(history.facts)
    )


def ladder_text(history: History) -> str:
    """Returns how many trials reached which rung, as `1: 27  2: 9  4: 3  10: 1`, or ""."""
    return "  ".join(f"{rung}: {count}" for rung, count in ladder(history))


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


def next_stop(history: History, lane: tuple[int, int]) -> int:
    """Returns the epoch up to which a trial goes on at a fold: the next rung, or the last one."""
    number, fold = lane
    done = len(history.trials[number].curves[fold])
    above = [rung for rung in rungs_of(history.facts) if rung > done]
    return above[0] if above and _is_only(history, number, fold) else history.facts.epochs


def _is_first(history: History, job: Job) -> bool:
    """Says whether a job works at its trial's first fold: only that one has rungs."""
    return _is_only(history, job.trial, job.fold)


def _is_only(history: History, number: int, fold: int) -> bool:
    curves = history.trials[number].curves
    return not any(len(own) for other, own in enumerate(curves) if other != fold)
