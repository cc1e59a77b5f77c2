"""Searches of scripted curves, made to be killed: each commit is acknowledged in a line.

Run by `zygote.py`, in forks that have all modules.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import psutil  # type: ignore[import-untyped]  # as in tests/search/test_training.py

from search import events
from search.candidates import Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import AbstractEngine, InlineEngine, Outcome, attempt
from search.errors import StudyError
from search.places import place_at
from search.policies import policy_for, predictor_of
from search.records import Budget, Facts, Job
from search.samplers import proposer
from search.store import Ledger
from search.testing import ScriptedTrainer, facts
from search.trainer import AbstractTrainer, Task, Trained
from spaces.architecture import Size
from spaces.space import Config

Tell = Callable[[str], object]
"""Takes one line."""

RACE = {"rungs": "1,2", "factors": "2,2", "cohort": "10"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A study of scripted curves."""

    folder: str
    """Of the checkpoints, and of the ledger unless `storage` names a place for it."""

    storage: str | None = None
    trials: int = 30
    sampler: str = "tpe"
    policy: str = "full"
    workers: int = 1
    folds: int = 3
    epochs: int = 4
    seconds: float = 0.0
    """How long an epoch takes."""

    broken: Mapping[str, str] = field(default_factory=dict)
    """As in `ScriptedTrainer`, by the number as text: plans travel as JSON."""

    @property
    def study(self) -> Facts:
        return facts(
            sampler=self.sampler,
            policy=self.policy,
            folds=self.folds,
            epochs=self.epochs,
            race=RACE if self.policy == "race" else {},
        )


@final
class Telling(AbstractTrainer):
    """A scripted trainer that tells what it trains."""

    def __init__(self, plan: Plan, tell: Tell) -> None:
        broken = {int(number): message for number, message in plan.broken.items()}
        self._inner = ScriptedTrainer(seconds=plan.seconds, broken=broken)
        self._tell = tell

    def train(self, task: Task) -> Trained:
        job = task.job
        for epoch in range(job.start, job.stop):
            self._tell(f"trained {job.trial} {job.fold} {epoch}")
        return self._inner.train(task)


@final
class Threads(AbstractEngine):
    """Some workers that share nothing but this process: results come in any order."""

    def __init__(self, workers: int, make: Callable[[], AbstractTrainer]) -> None:
        self._workers = workers
        self._make = make
        self._pool = ThreadPoolExecutor(workers)
        self._running: set[Future[Outcome]] = set()

    @property
    def workers(self) -> int:
        return self._workers

    def start(self, trainer: AbstractTrainer) -> None:
        del trainer  # each task gets one of its own: no worker is ever warm

    def free(self) -> int:
        return self._workers - len(self._running)

    def is_warm(self, job: Job) -> bool:
        del job
        return False

    def submit(self, task: Task) -> None:
        self._running.add(self._pool.submit(attempt, self._make(), task))

    def wait(self, seconds: float) -> tuple[Outcome, ...]:
        done, self._running = wait(self._running, seconds, FIRST_COMPLETED)
        return tuple(future.result() for future in done)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def size_of(_: Config) -> Size:
    return Size(params=1000, macs=1000)


def run(plan: Plan, tell: Tell) -> None:
    """Starts the study or goes on with it, to its end."""
    folder = Path(plan.folder)
    where = place_at(plan.storage) if plan.storage else folder / "study.db"

    def acknowledge(event: events.Event) -> None:
        """Tells what was just committed."""
        if isinstance(event, events.EpochsCommitted):
            job = event.job
            value = event.history.trials[job.trial].curves[job.fold].accuracies[-1]
            tell(f"epoch {job.trial} {job.fold} {job.start} {value.hex()}")
        if isinstance(event, events.TrialClosed) and (event.trial + 1) % 50 == 0:
            process = psutil.Process()
            tell(f"holds {process.memory_info().rss} {process.num_fds()}")

    try:
        ledger = Ledger.create(where, plan.study, Budget(trials=plan.trials, auto_stop=False))
    except StudyError:
        ledger = Ledger.open(where, "demo")
    engine: AbstractEngine = InlineEngine()
    if plan.workers > 1:
        engine = Threads(plan.workers, lambda: Telling(plan, tell))
    engine.start(Telling(plan, tell))
    policy = policy_for(plan.policy, ledger.history.facts.race)
    driver = Driver(
        ledger=ledger,
        policy=policy,
        candidates=Candidates(proposer(plan.sampler, predictor_of(policy)), size_of),
        engine=engine,
        checkpoints=CheckpointFolder(folder / "checkpoints"),
        listen=acknowledge,
    )
    try:
        tell(f"done {driver.run()}")
    finally:
        engine.close()
        ledger.close()
