"""Who is best, who ties with it, and what it cost. Pure: a history in, records out."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from search.records import History, Score, Trial, TrialState

if TYPE_CHECKING:  # it imports NumPy, which only studies with unfinished trials need
    from search.prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far a trial is from the best one, paired by fold."""

    mean: float
    half_width: float
    """Half of the corrected 95 % interval."""

    @property
    def is_tie(self) -> bool:
        """The interval contains zero."""
        return abs(self.mean) <= self.half_width


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A trial and where it stands in its study."""

    trial: Trial
    state: TrialState

    rank: int | None
    """From 1; None without a score."""

    score: Score | None

    worst: float | None
    """Lowest accuracy at the last epoch, over the folds that reached it."""

    to_best: Difference | None
    """None without a score, and for rank 1."""

    predicted: "Prediction | None" = None
    """What an unfinished trial would most likely score; `prospects.with_predictions` adds it."""

    reason: str | None = None
    """Why it was stopped, failed or waits; `prospects.with_reasons` adds it."""

    @property
    def is_unfinished(self) -> bool:
        """It has no score, and did not fail: it may go on, or was given up."""
        return self.score is None and self.state is not TrialState.FAILED

    @property
    def is_tied(self) -> bool:
        """It has a score that these folds cannot tell from the best one."""
        return self.to_best is not None and self.to_best.is_tie


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was trained, against full cross-validation of the same trials."""

    fold_epochs: int
    seconds: float
    full_fold_epochs: int

    full_seconds: float | None
    """Each trial at its own pace; trials that have none yet at the others' mean pace."""

    settled: int
    """Trials that nothing is missing of, by the study's policy."""

    settled_fold_epochs: int
    saved_fold_epochs: int
    """Of the settled trials. Failed ones are not settled: they saved nothing."""

    @property
    def saved_share(self) -> float:
        """Share of the settled trials' full cross-validation that was not needed."""
        all_ = self.settled_fold_epochs + self.saved_fold_epochs
        return self.saved_fold_epochs / all_ if all_ else 0.0


def standings(history: History, *, owned: bool = False) -> tuple[Standing, ...]:
    """Ranks the trials of a study.

    Args:
        history: The study.
        owned: A living process searches it, so trials may be running.

    Returns:
        Every trial: the complete ones by score, then the unfinished ones, furthest first, then
        the failed ones.
    """
    running = in_flight(history) if owned else frozenset[int]()
    complete = history.complete()
    rows = [
        _standing(history, trial, running, rank=rank, best=complete[0])
        for rank, trial in enumerate(complete, start=1)
    ]
    ranked = {trial.number for trial in complete}
    others = [
        _standing(history, trial, running, rank=None, best=None)
        for trial in history.trials
        if trial.number not in ranked
    ]
    others.sort(
        key=lambda row: (
            row.state is TrialState.FAILED,
            -row.trial.fold_epochs,
            row.trial.number,
        )
    )
    return (*rows, *others)


def in_flight(history: History) -> frozenset[int]:
    """Returns the trials that a job was started for and has not come back from.

    Only meaningful while the study is owned: a dead owner leaves its last jobs like this.
    """
    epochs = history.facts.epochs
    return frozenset(
        trial.number
        for trial in history.trials
        if not trial.is_final(epochs)
        and any(
            count > 0 and start == len(curve) < epochs
            for (start, count), curve in zip(trial.attempts, trial.curves, strict=True)
        )
    )


def _standing(
    history: History,
    trial: Trial,
    running: frozenset[int],
    *,
    rank: int | None,
    best: Trial | None,
) -> Standing:
    epochs = history.facts.epochs
    last = [
        curve.epochs[epochs - 1].valid_accuracy
        for curve in trial.curves
        if len(curve.epochs) >= epochs
    ]
    to_best = None
    if best is not None and best is not trial:
        to_best = difference(last, [curve.accuracies[epochs - 1] for curve in best.curves])
    return Standing(
        trial=trial,
        state=history.state_of(trial, running),
        rank=rank,
        score=None if rank is None else trial.score(epochs),
        worst=min(last, default=None),
        to_best=to_best,
    )


def difference(
    accuracies: Sequence[float], best: Sequence[float], *, of: int | None = None
) -> Difference:
    """Compares two trials on the same folds.

    Half the interval is t(0.975, j - 1) sqrt(1/j + 1/(k - 1)) s, with s the standard deviation
    of the j paired differences; 1/(k - 1) is n_valid / n_train of a k-fold split.

    Args:
        accuracies: One a fold, at least two.
        best: The best trial's, fold by fold.
        of: The k folds of the split; None: the j compared are all of them.

    References:
        Nadeau and Bengio (2003), "Inference for the generalization error", Machine Learning 52.
    """
    gains = [own - other for own, other in zip(accuracies, best, strict=True)]
    seen = len(gains)
    folds = of or seen
    mean = statistics.fmean(gains)
    # statistics.stdev computes in fractions: exact, and much of the time of a large table.
    deviation = math.sqrt(math.fsum((gain - mean) ** 2 for gain in gains) / (seen - 1))
    spread = deviation * math.sqrt(1 / seen + 1 / (folds - 1))
    return Difference(mean=mean, half_width=t_quantile(seen - 1) * spread)


@cache
def t_quantile(freedom: int) -> float:
    """Returns the 0.975 quantile of Student's t: half of the two-sided 95 % level.

    For whole degrees of freedom the distribution is a finite sum, so bisection gives every
    digit; importing SciPy for it would take longer than the whole command.

    Args:
        freedom: Degrees of freedom, at least 1.
    """
    low, high = 0.0, 13.0  # the largest is 12.706, for one degree of freedom
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if _t_within(middle, freedom) < 0.95 else (low, middle)
    return middle


def _t_within(t: float, freedom: int) -> float:
    """Returns P(|T| < t).

    References:
        Abramowitz and Stegun (1964), "Handbook of mathematical functions", 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    # 1 + 1/2 cos^2 + 1/2 3/4 cos^4 + ... (even), cos + 2/3 cos^3 + 2/3 4/5 cos^5 + ... (odd)
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine**2 * (power - 1) / power
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def cost(history: History, rows: Iterable[Standing]) -> Cost:
    """Adds up what a study trained and what it did not need to train."""
    each = history.facts.folds * history.facts.epochs
    count = fold_epochs = settled = done = 0
    seconds, paces = 0.0, []
    for row in rows:
        own, took = row.trial.fold_epochs, row.trial.seconds
        count += 1
        fold_epochs += own
        seconds += took
        if own:
            paces.append(took / own)
        if is_settled(history, row):
            settled += 1
            done += own
    return Cost(
        fold_epochs=fold_epochs,
        seconds=seconds,
        full_fold_epochs=each * count,
        full_seconds=statistics.fmean(paces) * each * count if paces else None,
        settled=settled,
        settled_fold_epochs=done,
        saved_fold_epochs=each * settled - done,
    )


def is_settled(history: History, row: Standing) -> bool:
    """Says whether a trial went as far as its policy wanted it to go, for now.

    A paused trial waits at a rung of a race; under the full policy it is merely unfinished, as
    is one under any policy that has not finished its first epoch.
    """
    if row.state is TrialState.COMPLETE or row.trial.verdict is not None:
        return row.state is not TrialState.FAILED
    waits = row.state in {TrialState.PAUSED, TrialState.STOPPED}
    return waits and history.facts.policy != "full" and row.trial.fold_epochs > 0
