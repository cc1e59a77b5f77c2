"""Racing over folds only: a trial is stopped between two folds, each trained whole."""

from dataclasses import dataclass
from statistics import fmean
from typing import Literal, final

from search.policy import AbstractPolicy, Action, Allowance, FullPolicy, Judge
from search.records import History, Job, Trial, TrialState, Verdict


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FoldsPolicy(AbstractPolicy):
    """Stops a trial whose mean so far is no better than the incumbent's mean or worst fold.

    References:
        Bergman, Purucker and Hutter (2024), "Don't waste your time: early stopping
        cross-validation", AutoML: "aggressive" and "forgiving".
    """

    against: Literal["mean", "worst"] = "worst"

    @property
    def name(self) -> str:
        return "folds-forgiving" if self.against == "worst" else "folds-aggressive"

    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        """Returns a verdict where one is due, else what the naive loop does next."""
        active = {job.trial for job in running}
        epochs, best = history.facts.epochs, history.incumbent
        if best is not None:
            for trial in history.trials:
                if trial.is_final(epochs) or trial.number in active:
                    continue
                verdict = self._verdict(trial, best, epochs)
                if verdict is not None:
                    return Judge(trial.number, verdict)
        return FullPolicy().next(history, running, allowance)

    def leader(self, history: History) -> Trial | None:
        """Returns the incumbent, else the first trial that can become it."""
        return FullPolicy().leader(history)

    def _verdict(self, trial: Trial, best: Trial, epochs: int) -> Verdict | None:
        whole = [fold for fold, curve in enumerate(trial.curves) if len(curve) >= epochs]
        if not whole:
            return None
        seen = [trial.curves[fold].accuracies[epochs - 1] for fold in whole]
        theirs = [curve.accuracies[epochs - 1] for curve in best.curves]
        limit = fmean(theirs) if self.against == "mean" else min(theirs)
        mean = fmean(seen)
        if mean > limit:
            return None
        what = "mean" if self.against == "mean" else "worst fold"
        return Verdict(
            state=TrialState.STOPPED,
            reason=(
                f"stopped after {len(seen)} of {len(trial.curves)} folds: their mean {mean:.4f} "
                f"is not above the {what} of trial {best.number}, {limit:.4f}"
            ),
            fold=whole[-1],
            epoch=epochs - 1,
        )
