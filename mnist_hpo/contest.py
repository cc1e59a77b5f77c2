"""Trials side by side, paired by fold: what `compare` shows. Pure."""

from dataclasses import dataclass

from mnist_hpo.prospects import told
from mnist_hpo.ranking import Difference, Standing, difference, standings
from search.reader import Snapshot
from search.records import Facts

_PAIRED = ("data_sha256", "folds_sha256", "folds", "epochs")
"""What two studies must have in common for their folds to be pairs."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A trial of a study."""

    facts: Facts
    row: Standing

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.row.trial.number

    def last(self, fold: int) -> float | None:
        """Returns the accuracy at the last epoch of a fold, None if it is not there yet."""
        curve = self.row.trial.curves[fold]
        end = self.facts.epochs
        return curve.epochs[end - 1].valid_accuracy if len(curve) >= end else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """How a trial did against another one on the folds that both have whole."""

    folds: int
    won: int
    tied: int
    """Folds with equal accuracies."""

    difference: Difference | None
    """None with fewer than two folds."""


def contestant(snapshot: Snapshot, number: int | None) -> Contestant | None:
    """Returns a trial of a study, or its best one; None: there is no such trial."""
    history = snapshot.history
    if number is None:
        best = history.incumbent
        number = None if best is None else best.number
    if number is None or number >= len(history.trials):
        return None
    rows = standings(history, owned=snapshot.owner is not None)
    return Contestant(history.facts, told(history, rows, number))


def unpaired(one: Facts, other: Facts) -> tuple[str, ...]:
    """Returns what keeps the folds of two studies from being pairs; nothing: they are."""
    return tuple(name for name in _PAIRED if getattr(one, name) != getattr(other, name))


def paired(own: Contestant, first: Contestant) -> Paired | None:
    """Compares a trial with another one, fold by fold; None: their folds are no pairs."""
    if unpaired(own.facts, first.facts):
        return None
    pairs = [
        (mine, theirs)
        for fold in range(own.facts.folds)
        if (mine := own.last(fold)) is not None and (theirs := first.last(fold)) is not None
    ]
    gap = None
    if len(pairs) > 1:
        gap = difference(*zip(*pairs, strict=True), of=own.facts.folds)
    return Paired(
        folds=len(pairs),
        won=sum(mine > theirs for mine, theirs in pairs),
        tied=sum(mine == theirs for mine, theirs in pairs),
        difference=gap,
    )
