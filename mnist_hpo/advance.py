"""How far a search is, in what can be counted honestly."""

from dataclasses import dataclass

from mnist_hpo.rungs import next_stop
from search.records import History


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that is done step by step."""

    name: str
    done: float
    total: float | None
    """None: nobody knows."""


def overall(history: History) -> Bar:
    """Returns how much of the budget is used.

    Only the full policy knows beforehand what it will train. Others count the trials proposed,
    or the minutes where those are the only budget.
    """
    facts, budget = history.facts, history.budget
    if facts.policy == "full":
        each = facts.folds * facts.epochs
        done = sum(each if t.is_final(facts.epochs) else t.fold_epochs for t in history.trials)
        return Bar("fold-epochs", done, None if budget.trials is None else budget.trials * each)
    if budget.trials is None and budget.minutes is not None:
        return Bar("minutes", min(history.elapsed / 60, budget.minutes), budget.minutes)
    return Bar("trials", len(history.trials), budget.trials)


def finalists(history: History) -> Bar | None:
    """Returns the folds trained whole by the trials still in the race for the best score.

    The total falls when one of them is given up, and grows with each new one; None: nobody has
    a whole fold yet.
    """
    epochs = history.facts.epochs
    whole = [
        count
        for trial in history.trials
        if trial.verdict is None
        and (count := sum(len(curve) >= epochs for curve in trial.curves)) > 0
    ]
    if not whole:
        return None
    return Bar("finalists' folds", sum(whole), len(whole) * history.facts.folds)


def current(history: History, lane: tuple[int, int]) -> Bar:
    """Returns how far the work in hand is.

    Under the full policy that is a trial's whole cross-validation, else a fold up to where it is
    compared next.
    """
    number, fold = lane
    trial, facts = history.trials[number], history.facts
    if facts.policy == "full":
        return Bar(f"trial {number}", trial.fold_epochs, facts.folds * facts.epochs)
    stop = next_stop(history, lane)
    return Bar(f"trial {number}, fold {fold + 1}", len(trial.curves[fold]), stop)
