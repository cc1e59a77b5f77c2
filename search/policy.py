"""The contract of a policy: what to do next, given the history.

A policy keeps no state, reads no clock, does no I/O and draws no random number: the same
history and the same running jobs get the same answer, so a resumed study decides like an
uninterrupted one, and a recorded table can be raced in milliseconds.
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from search.records import History, Job, Trial, Verdict


@dataclass(frozen=True, slots=True)
class Run:
    """Train this job."""

    job: Job


def going_on(trial: Trial, fold: int, stop: int) -> Run:
    """Returns the training of a fold from where it stands up to `stop` epochs."""
    curve = trial.curves[fold]
    return Run(Job(trial=trial.number, fold=fold, start=len(curve), stop=stop, run=curve.run))


@dataclass(frozen=True, slots=True)
class Propose:
    """Add another trial; the driver asks the sampler for its configuration."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Close a trial."""

    trial: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing useful can start before a running job ends; with none running, the end."""


POLICIES = ("race", "full", "epochs", "folds-forgiving", "folds-aggressive")
"""Every policy by the name that `--policy` takes; the first is the default. `search.policies`
makes them: a list of names need not import them."""

SETTLED = "another trial is unlikely to win"
"""Why a study ended that its policy ended."""

Action = Run | Propose | Judge | Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What the budget still allows; the driver's clock has already been read."""

    may_propose: bool
    """Another trial may be added."""

    may_widen: bool
    """Any useful work may start; False: only what a first complete trial needs."""

    promise: Callable[[], float | None] = lambda: None
    """Tells the chance that the sampler's next proposal wins by more than a standard error, a
    function of the history; None: the sampler does not know. A call, for it may take a while."""


class AbstractPolicy(abc.ABC):
    """Decides what a free worker does."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What `--policy` and the ledger call it."""

    @abc.abstractmethod
    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        """Returns the next action for one free worker.

        The driver asks again after each action, until every worker is busy or the answer
        is `Wait`. A `Run` may span several epochs: the driver cuts it, commits epoch by
        epoch and asks anew.

        Args:
            history: All that the ledger knows.
            running: Jobs in flight; none may be given out twice.
            allowance: What the budget allows.
        """

    @abc.abstractmethod
    def leader(self, history: History) -> Trial | None:
        """Returns the trial that would be completed first if time were short, None: no trial.

        The driver keeps enough time for it; once a trial is complete, that is the incumbent.
        """

    def standing(self, history: History, trial: Trial) -> str | None:
        """Says in words why an open trial waits; None: there is nothing to say."""
        del history, trial
        return None


@final
class FullPolicy(AbstractPolicy):
    """The naive loop: every trial trains every epoch of every fold, in order."""

    name = "full"

    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        """Returns the first missing fold of the first trial, else asks for another trial."""
        epochs = history.facts.epochs
        busy = {job.lane for job in running}
        if not allowance.may_widen and history.incumbent is not None:
            return Wait()
        for trial in history.trials:
            if trial.is_final(epochs):
                continue
            for fold, curve in enumerate(trial.curves):
                if len(curve) < epochs and (trial.number, fold) not in busy:
                    return going_on(trial, fold, epochs)
            if not allowance.may_widen:
                # The first unfinished trial is the leader; its last folds are in flight.
                return Wait()
        return Propose() if allowance.may_propose else Wait()

    def leader(self, history: History) -> Trial | None:
        """Returns the incumbent, else the first trial that can become it."""
        epochs = history.facts.epochs
        unfinished = (trial for trial in history.trials if not trial.is_final(epochs))
        return history.incumbent or next(unfinished, None)
