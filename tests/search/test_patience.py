"""How long a job may take before its worker is taken to hang."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import pytest

from search import reader
from search.driver import MAX_DEATHS
from search.engine import AbstractEngine, Lost, Outcome, attempt
from search.patience import Patience
from search.records import Job, TrialState
from search.testing import ScriptedTrainer
from search.trainer import AbstractTrainer, Task

Make = Callable[..., Any]


class Clock:
    """Shows what it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_job_is_overdue_after_the_time_of_its_epochs(epochs: int) -> None:
    """Once in the time of an epoch: whoever was told may have tried in vain."""
    clock = Clock()
    patience = Patience(30.0, clock)
    job = Job(trial=0, fold=0, start=0, stop=epochs)
    patience.begin(job)

    told = []
    for later in (0.0, 0.1, 29.9, 30.2):
        clock.now = 30.0 * epochs + later
        told.append(list(patience.overdue([job])))

    assert told == [[], [job], [], [job]]


def test_the_next_job_of_a_fold_has_its_own_time() -> None:
    clock = Clock()
    patience = Patience(30.0, clock)
    patience.begin(Job(trial=0, fold=0, start=0, stop=1))
    clock.now = 20.0
    second = Job(trial=0, fold=0, start=1, stop=2)
    patience.begin(second)

    clock.now = 49.0

    assert list(patience.overdue([second])) == []


class Hanging(AbstractEngine):
    """Never ends the jobs of one trial, and lets the clock go on meanwhile."""

    workers = 1

    def __init__(self, clock: Clock, trial: int) -> None:
        self._clock = clock
        self._trial = trial
        self._trainer: AbstractTrainer = ScriptedTrainer()
        self._tasks: list[Task] = []
        self._outcomes: deque[Outcome] = deque()
        self.given_up: list[Job] = []

    def start(self, trainer: AbstractTrainer) -> None:
        self._trainer = trainer

    def free(self) -> int:
        return 0 if self._tasks else 1

    def is_warm(self, job: Job) -> bool:
        del job
        return False

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def wait(self, seconds: float) -> tuple[Outcome, ...]:
        self._clock.now += seconds
        for task in list(self._tasks):
            if task.job.trial != self._trial:
                self._tasks.remove(task)
                self._outcomes.append(attempt(self._trainer, task))
        outcomes = tuple(self._outcomes)
        self._outcomes.clear()
        return outcomes

    def give_up(self, job: Job, reason: str) -> None:
        self.given_up.append(job)
        self._tasks = [task for task in self._tasks if task.job != job]
        self._outcomes.append(Lost(job, reason, died=True))

    def close(self) -> None:
        self._tasks.clear()


def test_a_job_that_hangs_three_times_fails_its_trial_and_the_study_goes_on(
    new_study: Make,
) -> None:
    """Its worker goes each time; the trial has the reason."""
    study, clock = new_study(), Clock()
    engine = Hanging(clock, trial=1)

    reason = study.run(engine=engine, clock=clock, epoch_seconds=90.0)

    first, second, third = reader.read(study.path, "demo").history.trials
    assert reason == "3 trials"
    assert max(Counter(engine.given_up).values()) == MAX_DEATHS
    assert {job.trial for job in engine.given_up} == {1}
    assert second.verdict is not None
    assert second.verdict.state is TrialState.FAILED
    assert second.verdict.reason == ("it took more than 1.5 minutes, 3 times in this epoch")
    assert first.is_complete(4)
    assert third.is_complete(4)
