"""Engines: whatever dies, the study goes on, and what is counted is counted once."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import psutil  # type: ignore[import-untyped]  # distributed brings it, nobody its stubs
import pytest

import search
from search import events, reader
from search.candidates import Baseline
from search.dask_engine import DaskEngine
from search.driver import MAX_DEATHS, Driver
from search.engine import AbstractEngine, Done, Failed, InlineEngine, Lost, Outcome
from search.errors import ClusterError
from search.records import Budget, History, Job, TrialState
from search.store import Ledger
from search.testing import ScriptedTrainer, scripted_accuracy
from search.trainer import AbstractTrainer, Task
from spaces.space import Config

ROOT = Path(search.__file__).parents[1]
CONFIG: Config = {"width": 8, "rate": 0.01}
Make = Callable[..., Any]


def task(trial: int = 0, fold: int = 0, start: int = 0, stop: int = 1, **options: Any) -> Task:
    job = Job(trial=trial, fold=fold, start=start, stop=stop)
    return Task(**{"job": job, "config": CONFIG, "keep": True, **options})


def pids(engine: DaskEngine) -> dict[str, int]:
    """Returns the process of each worker, by its address."""
    assert engine._client is not None
    found: dict[str, int] = engine._client.run(os.getpid)
    return found


def gone(processes: list[int], seconds: float) -> bool:
    """Waits until none of the processes is there (a zombie is not)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        alive = [pid for pid in processes if psutil.pid_exists(pid)]
        with contextlib.suppress(psutil.NoSuchProcess):
            if all(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in alive):
                return True
        time.sleep(0.1)
    return False


def outcome_of(engine: AbstractEngine, seconds: float = 60) -> Outcome:
    """Waits for the one task in flight."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        outcomes = engine.wait(1.0)
        if outcomes:
            (outcome,) = outcomes
            return outcome
    raise TimeoutError(f"nothing ended within {seconds} s")


def history_of(study: Any) -> History:
    return reader.read(study.path, study.facts.study).history


def measured(history: History) -> dict[tuple[int, int, int], tuple[Config, float]]:
    """Returns what each (trial, fold, epoch) gave."""
    return {
        (t.number, fold, epoch): (t.config, value)
        for t in history.trials
        for fold, curve in enumerate(t.curves)
        for epoch, value in enumerate(curve.accuracies)
    }


@pytest.fixture(params=["inline", "dask"])
def engine(request: pytest.FixtureRequest) -> Iterator[AbstractEngine]:
    """Every engine, ready."""
    made: AbstractEngine = InlineEngine() if request.param == "inline" else DaskEngine(1)
    made.start(ScriptedTrainer(broken={9: "loss is nan"}))
    yield made
    made.close()
    made.close()  # twice is allowed


@pytest.mark.slow
def test_an_engine_keeps_its_contract(engine: AbstractEngine) -> None:
    """One after the other on one cluster: starting one for each question takes seconds."""
    assert (engine.workers, engine.free()) == (1, 1)
    assert engine.wait(0.01) == ()

    engine.submit(task())
    assert engine.free() == 0
    first = outcome_of(engine)
    assert isinstance(first, Done)
    assert first.job == task().job
    assert first.trained.epochs[0].valid_accuracy == scripted_accuracy(CONFIG, 0, 0)
    assert engine.free() == 1

    # The worker is warm for what follows, and for nothing else.
    assert engine.is_warm(task(start=1, stop=2).job)
    assert not engine.is_warm(task(start=2, stop=3).job)
    assert not engine.is_warm(task(fold=1, start=1, stop=2).job)
    engine.submit(task(start=1, stop=2))
    assert isinstance(outcome_of(engine), Done)

    # Somewhere else it is cold without a checkpoint, and no longer warm where it was.
    engine.submit(task(trial=3, start=1, stop=2))
    cold = outcome_of(engine)
    assert isinstance(cold, Lost)
    assert not cold.died
    assert "no checkpoint of epoch 1" in cold.reason
    assert not engine.is_warm(task(start=2, stop=3).job)

    # A checkpoint travels with the task.
    engine.submit(task(start=1, stop=2, checkpoint=first.trained.checkpoint))
    assert isinstance(outcome_of(engine), Done)

    # A large one does so without a word: a warning would be an error here.
    engine.submit(task(start=1, stop=2, checkpoint=bytes(11 * 2**20)))
    wrong = outcome_of(engine)
    assert isinstance(wrong, Failed)
    assert "checkpoint of another job" in wrong.message

    # An exception is an outcome, with its traceback as text.
    engine.submit(task(trial=9))
    failed = outcome_of(engine)
    assert isinstance(failed, Failed)
    assert failed.message == "TrainingError: loss is nan"
    assert "Traceback (most recent call last)" in failed.traceback


def test_an_exception_of_several_lines_has_a_one_line_message() -> None:
    """The table shows the message; the rest stands in the traceback."""

    class Talkative(AbstractTrainer):
        def train(self, task: Task) -> Any:
            del task
            raise ValueError("first line\nsecond line")

    engine = InlineEngine()
    engine.start(Talkative())
    engine.submit(task())
    (outcome,) = engine.wait(0)

    assert isinstance(outcome, Failed)
    assert outcome.message == "ValueError: first line"
    assert "second line" in outcome.traceback


@pytest.mark.slow
def test_two_workers_measure_what_one_measures(new_study: Make) -> None:
    """Results arrive in any order; each (trial, fold, epoch) keeps its value."""
    alone, shared = new_study(Budget(trials=6)), new_study(Budget(trials=6))
    alone.run()
    engine = DaskEngine(2)
    seen: list[int] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.JobStarted):
            seen.append(2 - engine.free())

    try:
        reason = shared.run(engine=engine, listen=listen)
    finally:
        engine.close()

    assert reason == "6 trials"
    assert measured(history_of(shared)) == measured(history_of(alone))
    assert len(measured(history_of(shared))) == 6 * 3 * 4
    assert max(seen) == 2  # both did work at the same time


def survive(new_study: Make, *, trials: int, kills: int) -> Counter[str]:
    """Kills workers at work, so often, and checks the study; returns why jobs were lost.

    At least four epochs are committed in between: a job that loses three workers is given up.
    """
    alone, shared = new_study(Budget(trials=trials)), new_study(Budget(trials=trials))
    alone.run()
    engine = DaskEngine(2)
    rng = random.Random(kills)  # noqa: S311 - moments of kills, no secrets
    committed: Counter[tuple[int, int, int]] = Counter()
    lost: Counter[str] = Counter()
    left, due = kills, 4

    def kill_one() -> None:
        busy: set[str] = set()
        assert engine._cluster is not None
        while not busy:  # unless all are gone, there is work until long after the last kill
            time.sleep(0.02)
            busy = {address for _, address in engine._running.values()} & set(engine._alive())
        address = rng.choice(sorted(busy))
        (nanny,) = (n for n in engine._cluster.workers.values() if n.worker_address == address)
        os.kill(nanny.pid, signal.SIGKILL)

    def listen(event: events.Event) -> None:
        nonlocal left, due
        if isinstance(event, events.EpochsCommitted):
            committed[event.job.trial, event.job.fold, event.job.start] += 1
            if left and committed.total() >= due:
                left, due = left - 1, due + 6
                threading.Timer(rng.uniform(0.05, 0.25), kill_one).start()
        elif isinstance(event, events.WorkerLost):
            lost[event.reason] += 1

    try:
        shared.run(ScriptedTrainer(seconds=0.3), engine=engine, listen=listen)
    finally:
        engine.close()
    assert left == 0
    assert measured(history_of(shared)) == measured(history_of(alone))
    assert set(committed.values()) == {1}
    assert not any(t.failures for t in history_of(shared).trials)
    return lost


@pytest.mark.slow
def test_a_study_whose_worker_is_killed_loses_nothing(new_study: Make) -> None:
    """kill -9 in the middle of a job, twice: the job is handed out again, the rest goes on."""
    lost = survive(new_study, trials=2, kills=2)

    assert lost["its worker died"] == 2


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_study_whose_workers_are_killed_again_and_again_loses_nothing(
    new_study: Make, portion: Callable[[int], int]
) -> None:
    """The full size: 60 kills in a study of 372 epochs."""
    kills = portion(60)

    lost = survive(new_study, trials=1 + (4 + 6 * kills) // 12, kills=kills)

    print(dict(lost))  # noqa: T201 - figures for docs/


@pytest.mark.slow
def test_a_trial_that_kills_its_workers_is_failed_and_the_study_goes_on(new_study: Make) -> None:
    """Three deaths at the same epoch and it is taken to be the killer."""
    study = new_study(Budget(trials=3), epochs=1, folds=2)
    deadly = Baseline(name="deadly", config={"width": 13, "rate": 0.01})

    def accuracy(config: Config, fold: int, epoch: int) -> float:
        if config["width"] == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return scripted_accuracy(config, fold, epoch)

    engine = DaskEngine(2)
    deaths: list[events.WorkerLost] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.WorkerLost):
            deaths.append(event)

    try:
        reason = study.run(
            ScriptedTrainer(accuracy=accuracy), engine=engine, listen=listen, baselines=[deadly]
        )
    finally:
        engine.close()

    history = history_of(study)
    first = history.trials[0]
    assert reason == "3 trials"
    assert first.origin == "deadly"
    assert first.verdict is not None
    assert first.verdict.state is TrialState.FAILED
    assert first.verdict.reason == f"its worker died, {MAX_DEATHS} times in this epoch"
    assert {event.job.trial for event in deaths} == {0}
    assert [history.state_of(t) for t in history.trials[1:]] == ["complete"] * 2


def test_no_worker_seems_gone_while_the_client_updates_what_it_knows() -> None:
    """Dask's client asks for the scheduler's state, without workers, every few seconds.

    What it was told last must not be taken for the answer to our question: on a busy machine
    all jobs in flight were then lost at once, though their workers went on.
    """
    engine = DaskEngine(2)
    with dask.config.set({"distributed.client.scheduler-info-interval": "1ms"}):
        engine.start(ScriptedTrainer())
    try:
        free = Counter(engine.free() for _ in range(1000))
    finally:
        engine.close()

    assert free == {2: 1000}


@pytest.fixture
def scarce() -> Iterator[Path]:
    """A control group whose processes have 64 MB of memory."""
    group = Path(f"/sys/fs/cgroup/memory/mnist-hpo-{os.getpid()}")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(64 << 20))
    except OSError as error:
        pytest.skip(f"no control group with a limit of memory can be made: {error}")
    yield group
    group.rmdir()


@pytest.mark.slow
def test_a_worker_that_runs_out_of_memory_is_lost_for_that_reason(scarce: Path) -> None:
    """The kernel ends it, without a word to it; the kernel's count says why."""

    def accuracy(config: Config, fold: int, epoch: int) -> float:
        (scarce / "cgroup.procs").write_text(str(os.getpid()))
        return len(b"x" * (256 << 20)) * float(config["rate"]) + fold + epoch

    engine = DaskEngine(1)
    engine.start(ScriptedTrainer(accuracy=accuracy))
    try:
        engine.submit(task())
        outcome = outcome_of(engine)
    finally:
        engine.close()

    assert isinstance(outcome, Lost)
    assert outcome.died
    assert outcome.reason == ("its worker died (the kernel ended a process for want of memory)")


@pytest.mark.slow
def test_a_worker_that_hangs_is_ended_and_another_one_takes_its_place() -> None:
    """Stopped, even its heart stands still: no library says that it has gone."""
    engine = DaskEngine(1)
    engine.start(ScriptedTrainer(seconds=1.0))
    hanging = task(trial=1)
    try:
        (worker,) = pids(engine).values()
        os.kill(worker, signal.SIGSTOP)
        engine.submit(hanging)
        assert engine.wait(2.0) == ()

        engine.give_up(task(trial=2).job, "another job")
        engine.give_up(hanging.job, "it took too long")
        outcome = outcome_of(engine)
        engine.submit(hanging)
        again = outcome_of(engine)
    finally:
        engine.close()

    assert outcome == Lost(hanging.job, "it took too long", died=True)
    assert isinstance(again, Done)
    assert gone([worker], 10)


@pytest.mark.slow
def test_a_worker_that_dask_has_given_up_is_replaced() -> None:
    """It does so when a worker was not back in time, as on a busy machine.

    Found by killing workers again and again: a study waited for ever.
    """
    engine = DaskEngine(1)
    engine.start(ScriptedTrainer())
    assert engine._cluster is not None
    (nanny,) = engine._cluster.workers.values()
    try:
        with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
            engine._cluster.sync(nanny.close)
            engine.submit(task())
            outcome = outcome_of(engine, 120)
    finally:
        engine.close()

    assert isinstance(outcome, Done)


@pytest.mark.slow
def test_a_study_whose_scheduler_dies_stops_and_goes_on_with_another(new_study: Make) -> None:
    """Nothing can be handed out any more: an error, and no job is to blame."""
    alone, study = new_study(Budget(trials=2)), new_study(Budget(trials=2))
    alone.run()
    engine = DaskEngine(1)
    committed: list[Job] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.EpochsCommitted):
            committed.append(event.job)
            if len(committed) == 3:
                assert engine._cluster is not None
                engine._cluster.sync(engine._cluster.scheduler.close)

    try:
        # Closing asks the scheduler, too: nobody need wait long for a dead one here.
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
            pytest.raises(ClusterError, match="has gone"),
        ):
            study.run(engine=engine, listen=listen)
    finally:
        engine.close()
    between = history_of(study)
    study.run()

    assert len(measured(between)) == 3
    for (start, count), curve in zip(
        between.trials[0].attempts, between.trials[0].curves, strict=True
    ):
        assert count == 0 or start < len(curve)
    assert measured(history_of(study)) == measured(history_of(alone))


@pytest.mark.slow
def test_a_worker_is_chosen_by_what_it_still_has() -> None:
    """The state itself before a traced model, that before nothing to lose, that before any."""
    engine = DaskEngine(2)
    engine.start(ScriptedTrainer())
    other: Config = {"width": 16, "rate": 0.01}
    third: Config = {"width": 32, "rate": 0.01}
    fourth: Config = {"width": 32, "rate": 0.1}
    used: list[str] = []

    def train(one: Task) -> None:
        engine.submit(one)
        ((_, address),) = engine._running.values()
        used.append(address)
        assert isinstance(outcome_of(engine), Done)

    try:
        train(task(0))  # anywhere
        train(task(1, config=other))  # where no state is lost
        train(task(0, fold=1))  # where the configuration was
        train(task(1, fold=1, config=other))  # likewise, and that is not the same one
        train(task(0, fold=1, start=1, stop=2))  # where its state is
        train(task(2, config=third, graph="same"))  # anywhere
        train(task(2, fold=1, config=third, graph="same"))
        train(task(3, config=fourth, graph="same"))  # where a model is that it can share
    finally:
        engine.close()

    first, second, *others, anywhere, again, sharing = used
    assert first != second
    assert others == [first, second, first]
    assert again == sharing == anywhere


@pytest.mark.slow
def test_no_task_queues_behind_another_while_a_worker_restarts() -> None:
    """It would die with the other's worker, and be blamed for it.

    Found by the test above: the innocent second trial lost two of its three lives.
    """
    engine = DaskEngine(2)
    engine.start(ScriptedTrainer(seconds=30))
    try:
        workers = pids(engine)
        engine.submit(task())
        ((_, busy),) = engine._running.values()
        del workers[busy]
        free = [engine.free()]

        os.kill(next(iter(workers.values())), signal.SIGKILL)
        end = time.monotonic() + 60
        while (0 not in free or free[-1] == 0) and time.monotonic() < end:
            free.append(engine.free())
            time.sleep(0.01)
    finally:
        engine.close()

    assert free[0] == free[-1] == 1
    assert 0 in free


@pytest.mark.slow
def test_with_every_worker_dead_a_task_waits_for_the_first_to_come_back() -> None:
    """Otherwise the driver would find nothing to do and take that for the end.

    And the second task waits for the second worker: put behind the first, it would die with it.
    """
    engine = DaskEngine(2)
    engine.start(ScriptedTrainer())
    try:
        for pid in pids(engine).values():
            os.kill(pid, signal.SIGKILL)
        assert engine._client is not None
        end = time.monotonic() + 10
        while engine._idle() and time.monotonic() < end:
            time.sleep(0.01)

        assert engine.free() == 1
        engine.submit(task())
        engine.submit(task(1))
        addresses = {address for _, address in engine._running.values()}
        outcomes: list[Outcome] = []
        while len(outcomes) < 2:
            outcomes += engine.wait(1.0)
        assert engine.free() >= 1
    finally:
        engine.close()

    assert len(addresses) == 2
    assert all(isinstance(outcome, Done) for outcome in outcomes)


@pytest.mark.slow
def test_what_a_terminal_sends_does_not_end_workers() -> None:
    """Ctrl-C and hanging up reach the whole process group; the driver alone decides."""
    engine = DaskEngine(2)
    engine.start(ScriptedTrainer(seconds=0.5))
    before = pids(engine)

    engine.submit(task(stop=2))
    for pid in before.values():
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
    outcome = outcome_of(engine)
    after = pids(engine)
    engine.close()

    assert isinstance(outcome, Done)
    assert after == before
    # And closing, which is how a driver ends, leaves no worker behind.
    assert gone(list(before.values()), 10)


@pytest.mark.slow
def test_closing_ends_jobs_in_flight() -> None:
    """A second Ctrl-C must not wait for an epoch of minutes."""
    engine = DaskEngine(2)
    engine.start(ScriptedTrainer(seconds=60))
    workers = list(pids(engine).values())
    engine.submit(task())
    engine.wait(0.5)

    began = time.monotonic()
    engine.close()

    assert gone(workers, 10)
    assert time.monotonic() - began < 20


DRIVER = """
import os, time
from search.dask_engine import DaskEngine
from search.records import Job
from search.testing import ScriptedTrainer
from search.trainer import Task

if __name__ == "__main__":
    engine = DaskEngine(2)
    engine.start(ScriptedTrainer(seconds=60))
    config = {"width": 8, "rate": 0.01}
    engine.submit(Task(job=Job(trial=0, fold=0, start=0, stop=1), config=config))
    print(*engine._client.run(os.getpid).values(), flush=True)
    time.sleep(120)
"""


class _Slow:
    """A cluster on a machine that is too busy to end it in time."""

    def close(self, timeout: float) -> None:
        raise TimeoutError(timeout)


def test_a_cluster_that_ends_late_does_not_fail_a_search_that_is_done() -> None:
    engine: Any = DaskEngine(1)
    engine._client = engine._cluster = _Slow()

    engine.close()

    assert engine._cluster is None


@pytest.mark.slow
def test_workers_of_a_killed_driver_end_by_themselves(tmp_path: Path) -> None:
    """Within half a minute, one of them in the middle of a job."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    driver = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert driver.stdout is not None
    workers = [int(pid) for pid in driver.stdout.readline().split()]
    alive = [psutil.pid_exists(pid) for pid in workers]

    driver.kill()
    driver.wait()
    driver.stdout.close()

    assert alive == [True, True]
    assert gone(workers, 30)


@pytest.mark.slow
def test_an_interrupted_study_leaves_a_ledger_that_any_engine_goes_on_with(
    new_study: Make,
) -> None:
    """Begun by one worker, stopped in the middle of a fold; nothing of it is trained again."""
    whole, study = new_study(Budget(trials=1)), new_study(Budget(trials=1))
    whole.run()
    drivers: list[Driver] = []

    def stop(event: events.Event) -> None:
        if isinstance(event, events.EpochsCommitted):
            drivers[0].stop()

    trainer = ScriptedTrainer()
    ledger = Ledger.open(study.path, "demo")
    drivers.append(study.driver(ledger, trainer, listen=stop))
    assert drivers[0].run() is None
    ledger.close()
    engine = DaskEngine(2)

    submitted: list[Job] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.JobStarted):
            submitted.append(event.job)

    try:
        study.run(engine=engine, listen=listen)
    finally:
        engine.close()

    assert trainer.trained == [(0, 0, 0, 0)]
    assert (0, 0, 0) not in {(job.trial, job.fold, job.start) for job in submitted}
    assert measured(history_of(study)) == measured(history_of(whole))
