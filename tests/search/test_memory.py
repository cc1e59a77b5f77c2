"""Two ledgers, one history: what a replay in memory shows is what a study would have done."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from search import changes, reader
from search.errors import LedgerError
from search.ledger import AbstractLedger
from search.memory import MemoryLedger
from search.records import Budget, Epoch, Failure, History, Job, TrialState, Verdict
from search.store import Ledger
from search.testing import ScriptedTrainer, facts, history, trial

STUDY = facts(folds=2, epochs=2, retries=1)
FIRST = Job(trial=0, fold=0, start=0, stop=1)
STOPPED = Verdict(state=TrialState.STOPPED, reason="because", fold=0, epoch=0)
FAILURE = Failure(fold=0, epoch=0, run=0, message="nan", traceback="...")

Change = Callable[[AbstractLedger], None]

CHANGES: dict[str, Change] = {
    "start": lambda ledger: ledger.start(FIRST),
    "release": lambda ledger: ledger.release(FIRST),
    "record": lambda ledger: ledger.record(FIRST, (epoch(0.5),), elapsed=1.0),
    "fail": lambda ledger: ledger.fail(FAILURE, 0, elapsed=1.0),
    "judge": lambda ledger: ledger.judge(0, STOPPED),
}
"""Every change of a trial that is there."""


def epoch(accuracy: float) -> Epoch:
    return Epoch(
        valid_accuracy=accuracy,
        valid_loss=1 - accuracy,
        train_accuracy=accuracy,
        train_loss=0.1,
        seconds=2.0,
        build_seconds=0.5,
        checkpoint="c" * 64,
    )


def refusal(change: Change, ledger: AbstractLedger) -> str | None:
    """Makes a change and returns why the ledger refused it; None: it did not."""
    try:
        change(ledger)
    except LedgerError as error:
        return str(error)
    return None


@pytest.fixture(params=["disk", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AbstractLedger]:
    if request.param == "memory":
        yield MemoryLedger(STUDY, Budget(trials=3))
        return
    ledger = Ledger.create(tmp_path / "study.db", STUDY, Budget(trials=3))
    yield ledger
    ledger.close()


class TwoLedgers(RuleBasedStateMachine):
    """Tells two ledgers the same, mostly what a driver would, sometimes what it must not."""

    numbers = st.integers(0, 9)
    folds = st.integers(0, STUDY.folds - 1)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.disk = Ledger.create(path, STUDY, Budget(trials=3))
        self.memory = MemoryLedger(STUDY, Budget(trials=3))
        self.seconds = count(1)

    def both(self, change: Change) -> None:
        assert refusal(change, self.disk) == refusal(change, self.memory)

    def some(self, number: int) -> int:
        """Returns the number of a trial that is there."""
        return number % len(self.memory.history.trials)

    def next_job(self, number: int, fold: int) -> Job:
        """Returns the job that a policy would give out there."""
        there = self.some(number)
        curve = self.memory.history.trials[there].curves[fold]
        start = len(curve)
        return Job(trial=there, fold=fold, start=start, stop=start + 1, run=curve.run)

    @initialize()
    def begin(self) -> None:
        self.add(in_space=True)

    @rule(in_space=st.booleans())
    def add(self, *, in_space: bool) -> None:
        number = len(self.memory.history.trials)
        self.both(lambda ledger: ledger.add(trial(number, STUDY, in_space=in_space)))

    @rule(number=numbers, fold=folds, release=st.booleans())
    def start(self, *, number: int, fold: int, release: bool) -> None:
        job = self.next_job(number, fold)
        self.both(lambda ledger: ledger.start(job))
        if release:
            self.both(lambda ledger: ledger.release(job))

    @rule(
        number=numbers,
        folds=st.lists(folds, min_size=1, max_size=STUDY.folds, unique=True),
        accuracies=st.lists(st.floats(0, 1), min_size=1, max_size=STUDY.epochs),
    )
    def train(self, *, number: int, folds: list[int], accuracies: list[float]) -> None:
        for fold in folds:
            self.train_fold(number, fold, accuracies)

    def train_fold(self, number: int, fold: int, accuracies: list[float]) -> None:
        job = self.next_job(number, fold)
        # Where a fold is whole this is one epoch more, which a final trial must refuse.
        epochs = tuple(map(epoch, accuracies[: max(STUDY.epochs - job.start, 1)]))
        elapsed = next(self.seconds) / 8
        self.both(lambda ledger: ledger.start(job))
        self.both(lambda ledger: ledger.record(job, epochs, elapsed=elapsed))

    @rule(number=numbers, fold=folds, start=st.integers(0, 2), run=st.integers(0, 1))
    def record_anything(self, *, number: int, fold: int, start: int, run: int) -> None:
        job = Job(trial=self.some(number), fold=fold, start=start, stop=start + 1, run=run)
        elapsed = next(self.seconds) / 8
        self.both(lambda ledger: ledger.record(job, (epoch(0.5),), elapsed=elapsed))

    @rule(number=numbers, fold=folds, message=st.sampled_from(["nan", "out of memory"]))
    def fail(self, *, number: int, fold: int, message: str) -> None:
        job = self.next_job(number, fold)
        failure = Failure(fold=fold, epoch=job.start, run=job.run, message=message)
        elapsed = next(self.seconds) / 8
        self.both(lambda ledger: ledger.fail(failure, job.trial, elapsed=elapsed))

    @precondition(lambda self: any(t.fold_epochs for t in self.memory.history.trials))
    @rule(number=numbers, state=st.sampled_from([TrialState.STOPPED, TrialState.FAILED]))
    def judge(self, *, number: int, state: TrialState) -> None:
        verdict = replace(STOPPED, state=state)
        there = self.some(number)
        self.both(lambda ledger: ledger.judge(there, verdict))

    @rule(trials=st.integers(1, 9), minutes=st.none() | st.floats(0.5, 9.0))
    def set_budget(self, *, trials: int, minutes: float | None) -> None:
        budget = Budget(trials=trials, minutes=minutes)
        self.both(lambda ledger: ledger.set_budget(budget))

    @precondition(lambda self: not self.memory.history.is_done)
    @rule()
    def end(self) -> None:
        self.both(lambda ledger: ledger.end("3 trials"))

    @invariant()
    def they_agree(self) -> None:
        assert self.memory.history == self.disk.history

    def teardown(self) -> None:
        self.disk.close()
        assert reader.read(self.path, STUDY.study).history == self.memory.history


def test_the_same_calls_make_the_same_history(tmp_path: Path) -> None:
    """After any calls both ledgers know the same, have refused the same, and it is on disk."""
    numbers = count()

    run_state_machine_as_test(
        lambda: TwoLedgers(tmp_path / f"{next(numbers)}" / "study.db"),  # type: ignore[arg-type]  # any factory does
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


@pytest.mark.timeout(60)  # a ledger that forgets a verdict would be failed for ever
@pytest.mark.parametrize("sampler", ["tpe", "grid"])
def test_the_loop_makes_the_same_study_of_both(
    new_study: Callable[..., Any], sampler: str
) -> None:
    """A driver cannot tell them apart: retries, failed trials and the clock included."""
    budget = Budget(trials=8)
    study = new_study(budget=budget, sampler=sampler, retries=1)
    replayed = new_study(budget=budget, sampler=sampler, retries=1)
    broken = {1: "loss is nan", 3: "out of memory!"}
    memory = MemoryLedger(replayed.facts, budget)

    study.run(ScriptedTrainer(broken=broken), clock=map(float, count()).__next__)
    replayed.driver(
        memory, ScriptedTrainer(broken=broken), clock=map(float, count()).__next__
    ).run()

    assert memory.history == reader.read(study.path, "demo").history
    assert memory.history.is_done
    assert len(memory.history.complete()) == 7


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("closed_by", ["verdict", "last epoch"])
def test_a_final_trial_does_not_change(
    ledger: AbstractLedger, closed_by: str, change: Change
) -> None:
    """Neither one with a verdict nor a complete one, whatever a policy asks for."""
    ledger.add(trial(0, STUDY))
    if closed_by == "verdict":
        ledger.judge(0, STOPPED)
    else:
        for fold in range(STUDY.folds):
            job = Job(trial=0, fold=fold, start=0, stop=2)
            ledger.record(job, (epoch(0.5), epoch(0.6)), elapsed=1.0)
    before = ledger.history

    with pytest.raises(LedgerError, match=r"does not change any more|in order"):
        change(ledger)

    assert ledger.history is before


@pytest.mark.parametrize(
    ("retries", "reason"), [(0, "nan"), (1, "nan after 2 runs"), (2, None)], ids=str
)
def test_the_last_retry_decides(retries: int, reason: str | None) -> None:
    """A run fails the trial if it had as many before it as the study retries."""
    failures = (FAILURE, replace(FAILURE, run=1, epoch=3))
    past = history(facts(retries=retries), trial(0, STUDY, failures=failures))

    verdict = changes.verdict_of_failures(past, 0)

    assert (verdict and verdict.reason) == reason


def test_an_attempt_at_another_epoch_is_a_first_one() -> None:
    """Only starts in a row at the same epoch speak for a job that kills its process."""
    past = history(STUDY, trial(0, STUDY))

    again = changes.started(changes.started(past, FIRST), FIRST)
    later = changes.started(again, replace(FIRST, start=1, stop=2))

    assert again.trials[0].attempts[0] == (0, 2)
    assert later.trials[0].attempts[0] == (1, 1)
    assert past.trials[0].attempts[0] == (0, 0)


def test_no_change_touches_the_history_before_it() -> None:
    """A decision can be checked against the history it was made from, long after."""
    ledger = MemoryLedger(STUDY, Budget(trials=3))
    seen: list[tuple[History, str]] = []

    ledger.add(trial(0, STUDY))
    for change in CHANGES.values():
        seen.append((ledger.history, repr(ledger.history)))
        change(ledger)

    assert [repr(past) for past, _ in seen] == [then for _, then in seen]
