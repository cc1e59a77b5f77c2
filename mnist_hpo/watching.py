"""From two readings of a ledger to the events that lie between them. Pure."""

from collections.abc import Iterator

from search import events
from search.reader import Snapshot
from search.records import History, Job


def followed(before: Snapshot | None, after: Snapshot) -> Iterator[events.Event]:
    """Yields what a listener of the search itself would have heard, as far as a ledger tells.

    Args:
        before: The reading before; None: this is the first one.
        after: The newest reading.
    """
    history = after.history
    if before is None:
        yield events.Started(history, len(_in_hand(after)))
    known = len(history.trials) if before is None else len(before.history.trials)
    for number in range(known, len(history.trials)):
        yield events.TrialAdded(history, number)
    if before is not None:
        yield from _trained(before.history, history)
    started = _in_hand(after) - (frozenset() if before is None else _in_hand(before))
    for trial, fold, start in sorted(started):
        yield events.JobStarted(history, Job(trial=trial, fold=fold, start=start, stop=start + 1))
    if history.ending is not None and history.is_done:
        yield events.Ended(history, history.ending.reason)


def _trained(before: History, after: History) -> Iterator[events.Event]:
    epochs = after.facts.epochs
    for trial in after.trials:
        old = before.trials[trial.number] if trial.number < len(before.trials) else None
        for fold, curve in enumerate(trial.curves):
            start = 0 if old is None else len(old.curves[fold])
            if len(curve) > start:
                job = Job(trial=trial.number, fold=fold, start=start, stop=len(curve))
                yield events.EpochsCommitted(after, job)
        failures = 0 if old is None else len(old.failures)
        for failure in trial.failures[failures:]:
            yield events.RunFailed(after, trial.number, failure)
        if trial.is_final(epochs) and not (old is not None and old.is_final(epochs)):
            yield events.TrialClosed(after, trial.number)


def _in_hand(snapshot: Snapshot) -> frozenset[tuple[int, int, int]]:
    """Returns trial, fold and epoch of each job that was started and has not come back."""
    if snapshot.owner is None:
        return frozenset()
    epochs = snapshot.history.facts.epochs
    return frozenset(
        (trial.number, fold, start)
        for trial in snapshot.history.trials
        if not trial.is_final(epochs)
        for fold, ((start, count), curve) in enumerate(
            zip(trial.attempts, trial.curves, strict=True)
        )
        if count > 0 and start == len(curve) < epochs
    )
