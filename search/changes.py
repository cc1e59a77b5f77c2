"""The ledger's rules: from one history to the next, without a place to keep it.

A ledger asks here what a change makes of its history, keeps the change, and only then takes the
new history for its own. So every ledger follows the same rules, wherever it keeps things.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from search.errors import LedgerError, StudyError
from search.records import (
    AGAIN,
    Budget,
    Curve,
    Ending,
    Epoch,
    Failure,
    History,
    Job,
    Opening,
    Trial,
    TrialState,
    Verdict,
)


def added(history: History, trial: Trial) -> History:
    """Adds a candidate."""
    return history.with_trial(trial)


def again(history: History, number: int) -> Trial:
    """Makes a trial of another one's configuration: its number gives it other seeds.

    Raises:
        StudyError: there is no such trial.
    """
    if not 0 <= number < len(history.trials):
        raise StudyError(
            f"Study {history.facts.study!r} has trials 0 to {len(history.trials) - 1}, got "
            f"{number} to train again."
        )
    return _anew(history, history.trials[number], origin=AGAIN)


def failed_anew(history: History) -> tuple[Trial, ...]:
    """Makes a trial of each configuration that has failed and of which no trial has not.

    They take part as their configurations did: a baseline's is a baseline once more.
    """
    spoilt: dict[str, Trial] = {}
    for trial in history.trials:
        if trial.is_failed:
            spoilt.setdefault(trial.key, trial)
    sound = {trial.key for trial in history.trials if not trial.is_failed}
    return tuple(
        _anew(history, trial, origin=trial.origin)
        for key, trial in spoilt.items()
        if key not in sound
    )


def _anew(history: History, known: Trial, *, origin: str) -> Trial:
    """Returns a trial of the same configuration that has trained nothing yet."""
    folds = history.facts.folds
    return replace(
        known,
        number=len(history.trials),
        origin=origin,
        curves=(Curve(),) * folds,
        attempts=((0, 0),) * folds,
        failures=(),
        verdict=None,
    )


def started(history: History, job: Job) -> History:
    """Counts an attempt at a job; the first one at another epoch counts as one again."""
    epoch, count = history.trials[job.trial].attempts[job.fold]
    return _attempted(history, job, count + 1 if epoch == job.start else 1)


def released(history: History, job: Job) -> History:
    """Takes an attempt at a job back, if one was counted."""
    epoch, count = history.trials[job.trial].attempts[job.fold]
    return _attempted(history, job, max(count - 1, 0) if epoch == job.start else 0)


def _attempted(history: History, job: Job, count: int) -> History:
    trial = _unfinished(history, job.trial)
    attempts = list(trial.attempts)
    attempts[job.fold] = (job.start, count)
    return history.with_trial(replace(trial, attempts=tuple(attempts)))


def recorded(history: History, job: Job, *, number: int, epoch: Epoch, elapsed: float) -> History:
    """Adds one finished epoch of a job.

    Raises:
        LedgerError: it is not the next one of its fold's present run, or the trial is final.
    """
    curve = history.trials[job.trial].curves[job.fold]
    if number != len(curve) or job.run != curve.run:
        raise LedgerError(
            f"Epochs are committed in order: fold {job.fold} of trial {job.trial} has "
            f"{len(curve)} of run {curve.run}, got epoch {number} of run {job.run}."
        )
    trial = _unfinished(history, job.trial)
    longer = Curve((*curve.epochs, epoch), curve.run)
    return replace(history.with_trial(_curved(trial, job.fold, longer)), elapsed=elapsed)


def failed(history: History, failure: Failure, number: int, *, elapsed: float) -> History:
    """Adds a failed run to trial `number`: its fold begins anew, as another run."""
    trial = _unfinished(history, number)
    empty = Curve((), trial.curves[failure.fold].run + 1)
    trial = replace(_curved(trial, failure.fold, empty), failures=(*trial.failures, failure))
    return replace(history.with_trial(trial), elapsed=elapsed)


def verdict_of_failures(history: History, number: int) -> Verdict | None:
    """Returns what the failures of trial `number` lead to, or None: it may be tried again."""
    retries = history.facts.retries
    for failure in history.trials[number].failures:
        if failure.run >= retries:
            tries = "" if retries == 0 else f" after {retries + 1} runs"
            return Verdict(
                state=TrialState.FAILED,
                reason=f"{failure.message}{tries}",
                fold=failure.fold,
                epoch=failure.epoch,
            )
    return None


def judged(history: History, number: int, verdict: Verdict) -> History:
    """Closes trial `number`."""
    return history.with_trial(replace(_unfinished(history, number), verdict=verdict))


def budget_set(history: History, budget: Budget) -> History:
    """Gives new totals; larger ones open a study that is done again."""
    return replace(history, budget=budget)


def ended(history: History, reason: str) -> History:
    """Ends the study under its present budget."""
    return replace(history, ending=Ending(reason=reason, budget=history.budget))


def look_opened(history: History, trial: int) -> History:
    """Adds a look at the test set, its result still unknown."""
    opening = Opening(trial=trial, result=None)
    return replace(history, openings=(*history.openings, opening))


def look_recorded(history: History, number: int, result: Mapping[str, Any]) -> History:
    """Adds what look `number` at the test set showed."""
    openings = list(history.openings)
    openings[number] = replace(openings[number], result=result)
    return replace(history, openings=tuple(openings))


def _curved(trial: Trial, fold: int, curve: Curve) -> Trial:
    curves = list(trial.curves)
    curves[fold] = curve
    return replace(trial, curves=tuple(curves))


def _unfinished(history: History, number: int) -> Trial:
    """Returns a trial that may still change."""
    trial = history.trials[number]
    if trial.is_final(history.facts.epochs):
        raise LedgerError(
            f"A final trial does not change any more: trial {number} is {history.state_of(trial)}."
        )
    return trial
