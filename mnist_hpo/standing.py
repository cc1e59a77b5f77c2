"""Where a study stands and what a person can type next."""

from enum import StrEnum
from typing import Any

from mnist_hpo.formats import whole_text
from search.policy import SETTLED
from search.reader import Snapshot
from search.records import History, Opening


class StudyState(StrEnum):
    """What a study is doing."""

    RUNNING = "running"
    """A living process searches it."""

    INTERRUPTED = "interrupted"
    """Nobody searches it, and its budget is not used up."""

    DONE = "done"
    """Its budget is used up."""


def state_of(snapshot: Snapshot) -> StudyState:
    """Returns what a study is doing."""
    if snapshot.owner is not None and not snapshot.history.is_done:
        return StudyState.RUNNING
    return StudyState.DONE if snapshot.history.is_done else StudyState.INTERRUPTED


def next_command(snapshot: Snapshot) -> str:
    """Returns the name of the command that brings a study further."""
    state = state_of(snapshot)
    if state is StudyState.INTERRUPTED:
        return "resume"
    if state is StudyState.RUNNING or last_result(snapshot.history) is not None:
        return "show"
    return "finalize" if snapshot.history.incumbent is not None else "resume"


def larger_budget(history: History) -> list[str]:
    """Returns the options that let a study go on whose budget is used up.

    Nothing where every configuration of the space was tried.
    """
    budget, words = history.budget, []
    if budget.minutes is not None and history.elapsed >= budget.minutes * 60:
        words += ["--minutes", f"{2 * budget.minutes:g}"]
    if budget.trials is not None and len(history.trials) >= budget.trials:
        words += ["--trials", f"{len(history.trials) + 10}"]
    if not words and history.ending is not None and history.ending.reason == SETTLED:
        words = ["--no-auto-stop"]
    return words


def last_result(history: History) -> Opening | None:
    """Returns the last look at the test set that has a result."""
    seen = [opening for opening in history.openings if opening.result is not None]
    return seen[-1] if seen else None


def result_text(history: History) -> str | None:
    """Returns one line on the test set, or None while it is sealed."""
    if not history.openings:
        return None
    opening = last_result(history)
    if opening is None or opening.result is None:
        return "test set  opened, but the process ended before it wrote a result"
    result: Any = opening.result
    low, high = result["interval"]
    wrong = whole_text(result["total"] - result["correct"])
    looks = len(history.openings)
    return (
        f"test set  {result['accuracy']:.4f}  (trial {opening.trial}; {wrong} wrong of "
        f"{whole_text(result['total'])}, 95 % interval {low:.4f}-{high:.4f})  "
        f"seen {'once' if looks == 1 else f'{looks} times'}"
    )
