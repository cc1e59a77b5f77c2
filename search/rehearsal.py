"""The real loop around scripted curves, without a disk: what a policy does with whole studies."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from search import events
from search.candidates import Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import AbstractEngine, Done, Outcome, attempt
from search.memory import MemoryLedger
from search.policy import AbstractPolicy, Action, Allowance
from search.records import Budget, Facts, History, Job, Trial
from search.samplers import proposer
from search.trainer import AbstractTrainer, Task
from spaces.architecture import Size


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy was asked once, and what it answered."""

    history: History
    running: frozenset[Job]
    allowance: Allowance
    answer: Action


@final
class Watched(AbstractPolicy):
    """A policy whose answers are kept."""

    def __init__(self, policy: AbstractPolicy) -> None:
        self._policy = policy
        self.asked: list[Asked] = []

    @property
    def name(self) -> str:
        return self._policy.name

    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        answer = self._policy.next(history, running, allowance)
        self.asked.append(Asked(history, running, allowance, answer))
        return answer

    def leader(self, history: History) -> Trial | None:
        return self._policy.leader(history)


@final
class WarmEngine(AbstractEngine):
    """Workers in this process that keep every state they have trained."""

    def __init__(self, workers: int = 1, *, newest_first: bool = False) -> None:
        """Hires workers.

        Args:
            workers: Tasks that can be under way at once.
            newest_first: What began last ends first, so that the oldest job stays in flight as
                long as there is another; else jobs end as they began.
        """
        self._workers = workers
        self._newest_first = newest_first
        self._tasks: list[Task] = []
        self._states: dict[tuple[int, int], bytes | None] = {}
        self._trainer: AbstractTrainer | None = None

    @property
    def workers(self) -> int:
        return self._workers

    def start(self, trainer: AbstractTrainer) -> None:
        self._trainer = trainer

    def free(self) -> int:
        return self._workers - len(self._tasks)

    def is_warm(self, job: Job) -> bool:
        del job
        return True

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def wait(self, seconds: float) -> tuple[Outcome, ...]:
        del seconds  # the wait is the training itself
        if not self._tasks or self._trainer is None:
            return ()
        task = self._tasks.pop(-1 if self._newest_first else 0)
        state = self._states[task.job.lane] if task.job.start else None
        outcome = attempt(self._trainer, replace(task, checkpoint=state))
        if not isinstance(outcome, Done):
            return (outcome,)
        self._states[task.job.lane] = outcome.trained.checkpoint
        return (Done(task.job, replace(outcome.trained, checkpoint=None)),)

    def close(self) -> None:
        self._tasks.clear()


@final
class Rehearsal:
    """A study that can be run, stopped after so many epochs, and run again."""

    def __init__(
        self,
        policy: AbstractPolicy,
        study: Facts,
        trainer: AbstractTrainer,
        *,
        budget: Budget,
        engine: AbstractEngine | None = None,
    ) -> None:
        self.policy = Watched(policy)
        self.ledger = MemoryLedger(study, budget)
        self._engine = engine or WarmEngine()
        self._engine.start(trainer)

    @property
    def history(self) -> History:
        """What the ledger knows by now."""
        return self.ledger.history

    def run(
        self,
        *,
        epochs: int | None = None,
        clock: Callable[[], float] = lambda: 0.0,
        heard: events.Listener = lambda _: None,
    ) -> str | None:
        """Searches as `search` would.

        Args:
            epochs: Stop after so many commits, as Ctrl-C would; None: go on to the end.
            clock: What the loop takes for seconds.
            heard: Gets every event.

        Returns:
            Why the study is done, or None: it was stopped.
        """
        commits = 0

        def listen(event: events.Event) -> None:
            nonlocal commits
            heard(event)
            commits += isinstance(event, events.EpochsCommitted)
            if commits == epochs:
                driver.stop()

        driver = Driver(
            ledger=self.ledger,
            policy=self.policy,
            candidates=Candidates(
                proposer(self.history.facts.sampler), lambda _: Size(params=1000, macs=1000)
            ),
            engine=self._engine,
            checkpoints=CheckpointFolder(Path("/nonexistent/rehearsal")),
            listen=listen,
            clock=clock,
        )
        return driver.run()
