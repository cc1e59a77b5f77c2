"""A recorded table in place of training: the same driver, race and proposals, in milliseconds.

Only the clock is simulated. A job costs the seconds its epochs took when they were recorded,
and the building of its model where the worker has not kept it.
"""

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from search import events
from search.candidates import Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import AbstractEngine, Done, Outcome
from search.memory import MemoryLedger
from search.per_trial import PerTrial
from search.policy import AbstractPolicy
from search.proposals import AbstractProposer, Misfit
from search.records import Budget, Epoch, Facts, History, Job, Trial
from search.table import Row, Table
from search.table_space import Recorded, space_of
from search.trainer import MAX_KEPT, AbstractTrainer, Task, Trained
from spaces.architecture import Size
from spaces.space import Config, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What one replayed search came to."""

    seed: int
    pick: int
    """Row of the recommended configuration."""

    score: float
    """The pick's true score."""

    training_seconds: float
    """Simulated time until the last worker was done."""

    decision_seconds: float
    """Real time of the driver, the policy and the sampler, on this machine."""

    fold_epochs: int
    trials: int
    jobs: int
    busy_seconds: float
    """Recorded seconds over all workers: training_seconds x workers, if none ever waited."""

    steps: tuple[tuple[float, int], ...]
    """Whenever the study's answer changed: the row of the new one, and the simulated seconds at
    which it is complete, if the study is told to end at that moment."""

    history: History

    @property
    def cost(self) -> float:
        """Seconds from start to end: training, and the decisions that workers wait for."""
        return self.training_seconds + self.decision_seconds


@final
class Replay:
    """Searches a table again and again."""

    def __init__(self, table: Table, name: str = "table") -> None:
        self.table = table
        self.space: Space = space_of(table)
        self.recorded = Recorded(table, self.space)
        self._name = name

    @property
    def best(self) -> float:
        """The best true score of the table."""
        return self.table.best

    def facts(self, *, policy: AbstractPolicy, sampler: str, seed: int) -> Facts:
        """States the facts of a study on this table."""
        return Facts(
            study=f"replay-{seed}",
            dataset=self._name,
            data_sha256="",
            images=self.table.images,
            folds=self.table.folds,
            folds_sha256="",
            epochs=self.table.epochs,
            seed=seed,
            policy=policy.name,
            sampler=sampler,
            model=self.space.name,
            space=self.space,
            ranges={},
            fixed={},
            baselines="none",
            max_params=2**62,
            max_macs=2**62,
            precision="float32",
        )

    def run(  # noqa: PLR0913 - what one search is made of, by name
        self,
        policy: AbstractPolicy,
        asked: AbstractProposer,
        *,
        candidates: int,
        seed: int,
        workers: int = 1,
        auto_stop: bool = True,
        heard: Callable[[float, History], None] = lambda _, __: None,
    ) -> Replayed:
        """Runs one search until its candidates are used or the policy is done.

        Args:
            policy: Decides what is trained.
            asked: Proposes; what it proposes becomes the nearest recorded configuration
                that no trial has yet.
            candidates: Trials of the study.
            seed: Of the study.
            workers: Simulated workers.
            auto_stop: Whether the policy may end the study before.
            heard: Told the simulated seconds and the history after each commit of epochs.
        """
        facts = self.facts(policy=policy, sampler=asked.name, seed=seed)
        ledger = MemoryLedger(facts, Budget(trials=candidates, auto_stop=auto_stop))
        engine = SimulatedEngine(self, workers)
        steps: list[tuple[float, int]] = []

        def listen(event: events.Event) -> None:
            if isinstance(event, events.EpochsCommitted):
                heard(engine.clock, event.history)
            if isinstance(event, events.EpochsCommitted | events.TrialClosed):
                answer = policy.leader(event.history)
                row = -1 if answer is None else self._row(answer.config)
                if answer is not None and (not steps or steps[-1][1] != row):
                    steps.append((engine.clock + engine.seconds_to_complete(answer), row))

        driver = Driver(
            ledger=ledger,
            policy=policy,
            candidates=Candidates(_Snapped(asked, self.recorded), self.size_of),
            engine=engine,
            checkpoints=CheckpointFolder(Path("/nonexistent/replay")),
            listen=listen,
            clock=lambda: engine.clock,
        )
        began = time.perf_counter()
        driver.run()
        decision_seconds = time.perf_counter() - began - engine.own_seconds
        history = ledger.history
        best = history.incumbent
        assert best is not None, "every policy completes a trial"  # noqa: S101 - its contract
        pick = self._row(best.config)
        return Replayed(
            seed=seed,
            pick=pick,
            score=self.table.rows[pick].score,
            training_seconds=engine.clock,
            decision_seconds=decision_seconds,
            fold_epochs=sum(trial.fold_epochs for trial in history.trials),
            trials=len(history.trials),
            jobs=engine.jobs,
            busy_seconds=engine.busy_seconds,
            steps=tuple(steps),
            history=history,
        )

    def row(self, config: Config) -> Row:
        """Returns the row of a recorded configuration."""
        return self.table.rows[self._row(config)]

    def size_of(self, config: Config) -> Size:
        """Returns parameters and multiply-adds of a recorded configuration."""
        row = self.row(config)
        return Size(params=row.params, macs=row.macs)

    def graph(self, config: Config) -> tuple[str, float]:
        """Returns what may be kept built for a configuration, and the seconds to reuse it."""
        index = self._row(config)
        more = self.table.rows[index].more
        return str(more.get("graph", index)), float(more.get("warm", 0.0))

    def graph_of(self, config: Config) -> str:
        """Names the graph of what would be trained for a configuration, recorded or not."""
        row = self.recorded.nearest(config)
        assert row is not None, "a table has rows"  # noqa: S101 - it is not read without any
        return self.graph(self.recorded.config(row))[0]

    def _row(self, config: Config) -> int:
        index = self.recorded.index(config)
        assert index is not None, "a trial has a recorded configuration"  # noqa: S101 - snapped
        return index


@final
class _Snapped(AbstractProposer):
    """Turns proposals into recorded configurations."""

    def __init__(self, asked: AbstractProposer, recorded: Recorded) -> None:
        self._asked = asked
        self._recorded = recorded
        self._rows = PerTrial(lambda config, _: recorded.index(config))
        self.name = asked.name

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        used = frozenset(
            index
            for trial in history.trials
            if (index := self._rows.of(trial, history.facts.space)) is not None
        )
        del misfit  # whatever was recorded fits
        wish = self._asked.propose(history, lambda _: None)
        if wish is None:
            return None
        row = self._recorded.nearest(wish, used)
        return None if row is None else self._recorded.config(row)

    def promise(self, history: History, misfit: Misfit) -> float | None:
        del misfit  # likewise
        return self._asked.promise(history, lambda _: None)


@dataclass(slots=True)
class _Worker:
    built: OrderedDict[str, None] = field(default_factory=OrderedDict)
    warm: tuple[tuple[int, int], int] | None = None


@final
class SimulatedEngine(AbstractEngine):
    """Workers that answer from a table, each with a clock of its own."""

    def __init__(self, replay: Replay, workers: int) -> None:
        self._replay = replay
        self._workers = [_Worker() for _ in range(workers)]
        self._idle = set(range(workers))
        self._queue: list[tuple[float, int, int, Task]] = []
        self._building: dict[tuple[int, int], float] = {}
        self.jobs = 0
        self.clock = 0.0
        """Simulated seconds since the start."""

        self.busy_seconds = 0.0
        self.own_seconds = 0.0
        """Real seconds that the simulation itself took: nobody would wait for them."""

    @property
    def workers(self) -> int:
        return len(self._workers)

    def start(self, trainer: AbstractTrainer) -> None:
        del trainer

    def free(self) -> int:
        return len(self._idle)

    def is_warm(self, job: Job) -> bool:
        """Says yes: a checkpoint costs next to nothing here, as on a real worker."""
        del job
        return True

    def submit(self, task: Task) -> None:
        began = time.perf_counter()
        graph, warm_seconds = self._replay.graph(task.config)
        number = self._chosen(task.job, graph)
        worker = self._workers[number]
        job, row = task.job, self._replay.row(task.config)
        building = 0.0
        if graph not in worker.built:
            building = row.build[job.fold]
        elif job.start == 0:
            building = warm_seconds
        seconds = building + sum(row.seconds[job.fold][job.start : job.stop])
        self._building[job.lane] = building
        worker.built[graph] = None
        worker.built.move_to_end(graph)
        if len(worker.built) > MAX_KEPT:
            worker.built.popitem(last=False)
        worker.warm = (job.lane, job.stop)
        self._idle.remove(number)
        self.jobs += 1
        self.busy_seconds += seconds
        heapq.heappush(self._queue, (self.clock + seconds, self.jobs, number, task))
        self.own_seconds += time.perf_counter() - began

    def seconds_to_complete(self, trial: Trial) -> float:
        """Returns what the missing epochs of a trial take, if all workers do nothing else."""
        row = self._replay.row(trial.config)
        ends = {task.job.lane: (end, task.job.stop) for end, _, _, task in self._queue}
        missing = [0.0]
        for fold, curve in enumerate(trial.curves):
            end, begun = ends.get((trial.number, fold), (self.clock, len(curve)))
            rest = end - self.clock + sum(row.seconds[fold][begun:])
            if not begun and len(self._workers) > 1:
                rest += row.build[fold]  # the folds part: each goes to a worker of its own
            missing.append(rest)
        return max(*missing, sum(missing) / len(self._workers))

    def _chosen(self, job: Job, graph: str) -> int:
        return min(
            self._idle,
            key=lambda number: (
                self._workers[number].warm != (job.lane, job.start),
                graph not in self._workers[number].built,
                number,
            ),
        )

    def wait(self, seconds: float) -> tuple[Outcome, ...]:
        del seconds  # simulated time passes at once
        began = time.perf_counter()
        self.clock, _, number, task = heapq.heappop(self._queue)
        self._idle.add(number)
        done = Done(task.job, self._trained(task))
        self.own_seconds += time.perf_counter() - began
        return (done,)

    def _trained(self, task: Task) -> Trained:
        row, fold = self._replay.row(task.config), task.job.fold
        building = self._building.pop(task.job.lane)
        return Trained(
            epochs=tuple(
                Epoch(
                    valid_accuracy=row.accuracy[fold][epoch],
                    valid_loss=row.loss[fold][epoch],
                    train_accuracy=row.accuracy[fold][epoch],
                    train_loss=row.loss[fold][epoch],
                    seconds=row.seconds[fold][epoch],
                    build_seconds=building if epoch == task.job.start else 0.0,
                )
                for epoch in range(task.job.start, task.job.stop)
            )
        )

    def close(self) -> None:
        self._queue.clear()
