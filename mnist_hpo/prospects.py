"""What unfinished trials would most likely score, and why they wait.

Both come from the model behind the race, which needs NumPy: it is imported here once there is
an unfinished trial, so that a study of complete ones is shown without it.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from mnist_hpo.ranking import Standing, standings
from search.errors import StudyError
from search.policy import AbstractPolicy
from search.records import Facts, History, Trial, TrialState

if TYPE_CHECKING:  # it imports NumPy
    from search.prediction import Measure, Prediction

ENDED = "the study ended before it"
"""Why a trial was stopped that nobody gave up."""


def with_predictions(history: History, rows: Sequence[Standing]) -> tuple[Standing, ...]:
    """Adds predicted means, and puts the unfinished trials in their order.

    Args:
        history: The study.
        rows: Its standings, all of them.

    Returns:
        The ranked trials, the unfinished ones by predicted mean, those without one, the failed.
    """
    if not any(row.is_unfinished and row.trial.fold_epochs for row in rows):
        return tuple(rows)
    from search.prediction import predictions  # noqa: PLC0415 - NumPy

    found = predictions(history, _measure(history.facts))
    told = [
        replace(row, predicted=found.get(row.trial.number)) if row.is_unfinished else row
        for row in rows
    ]
    return tuple(sorted(told, key=_place))


def _measure(facts: Facts) -> "Measure":
    """Returns what the study's own race predicts from."""
    from search.policies import race_options  # noqa: PLC0415 - NumPy

    with contextlib.suppress(StudyError):  # constants of another version
        return race_options(facts.race).measure
    return race_options({}).measure


def predictions_of(history: History) -> "Mapping[int, Prediction]":
    """Returns the predicted mean of each unfinished trial that has any epoch."""
    rows = with_predictions(history, standings(history))
    return {row.trial.number: row.predicted for row in rows if row.predicted is not None}


def value_of(row: Standing) -> float | None:
    """Returns what a trial came to: its score, else its predicted mean, else nothing."""
    if row.score is not None:
        return row.score.mean
    return None if row.predicted is None else row.predicted.mean


def values_of(rows: Sequence[Standing]) -> dict[int, float]:
    """Returns what each trial of the space scored, or would most likely score, by its number."""
    return {
        row.trial.number: value
        for row in rows
        if row.trial.in_space and (value := value_of(row)) is not None
    }


def _place(row: Standing) -> tuple[int, float]:
    """Sorts stably: what is equal here stays as `standings` had it."""
    if row.predicted is not None:
        return 1, -row.predicted.mean
    if row.is_unfinished:
        return 2, 0.0
    return (0, 0.0) if row.score is not None else (3, 0.0)


def with_reasons(history: History, rows: Sequence[Standing]) -> tuple[Standing, ...]:
    """Adds why trials were stopped or wait, for as many rows as will be shown."""
    return tuple(replace(row, reason=reason_of(history, row)) for row in rows)


def told(history: History, rows: Sequence[Standing], number: int) -> Standing:
    """Returns all that is known of one trial; predicts nothing for one that is finished."""
    row = next(row for row in rows if row.trial.number == number)
    if row.is_unfinished:
        rows = with_predictions(history, rows)
        row = next(row for row in rows if row.trial.number == number)
    return replace(row, reason=reason_of(history, row))


def reason_of(history: History, row: Standing) -> str | None:
    """Says why a trial was stopped, failed or waits; None: it is complete, or at work."""
    if row.trial.verdict is not None:
        return row.trial.verdict.reason
    if not row.is_unfinished or row.state is TrialState.RUNNING:
        return None
    said = why_it_waits(history, row.trial)
    return ENDED if said is None and row.state is TrialState.STOPPED else said


def why_it_waits(history: History, trial: Trial) -> str | None:
    """Says why the policy lets an open trial wait; None: there is nothing to say."""
    facts = history.facts
    if facts.policy == "full" or not trial.fold_epochs:
        return None
    # A policy or a constant of another version: words may be missing, the study stays readable.
    with contextlib.suppress(StudyError):
        return _policy(facts.policy, tuple(facts.race.items())).standing(history, trial)
    return None


@cache
def _policy(name: str, options: tuple[tuple[str, str], ...]) -> AbstractPolicy:
    """Returns one policy for all trials of a study: it remembers what it has computed."""
    from search.policies import policy_for  # noqa: PLC0415 - NumPy

    return policy_for(name, dict(options))
