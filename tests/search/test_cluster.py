"""A cluster that somebody else started: a real scheduler and real workers, on this machine."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # distributed brings it, nobody its stubs
import pytest

import search
from search import events, reader
from search.dask_address import checked_address, is_exposed
from search.dask_cluster import ClusterEngine
from search.errors import ClusterError, PlaceError
from search.records import Budget, History
from search.testing import ScriptedTrainer

ROOT = Path(search.__file__).parents[1]
Make = Callable[..., Any]


class Cluster:
    """A scheduler and its workers, each started as a person starts them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        told = folder / "scheduler.json"
        self.scheduler = self._start(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told)),
        )
        end = time.monotonic() + 120
        while not told.exists() or not told.read_text().endswith("}"):
            assert self.scheduler.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        self.address: str = json.loads(told.read_text())["address"]

    def add_worker(self) -> psutil.Process:
        """Adds a worker and returns its nanny, whose child it is."""
        nanny = self._start("worker", self.address, "--nthreads", "1", "--local-directory", "own")
        return psutil.Process(nanny.pid)

    def _start(self, kind: str, *words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *words, "--no-dashboard"],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        for process in reversed(self._started):
            process.terminate()
        for process in self._started:
            process.wait(60)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without workers."""
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def history_of(study: Any) -> History:
    return reader.read(study.path, study.facts.study).history


def accuracies(history: History) -> list[Any]:
    return [(t.config, [curve.accuracies for curve in t.curves]) for t in history.trials]


def worker_of(nanny: psutil.Process) -> psutil.Process:
    """Returns the process that trains: the child that is no helper of Python's own."""
    (worker,) = (own for own in nanny.children() if "spawn_main" in " ".join(own.cmdline()))
    return worker


@pytest.mark.slow
def test_a_study_on_a_cluster_survives_its_worker_but_not_its_scheduler(
    cluster: Cluster, new_study: Make
) -> None:
    """A killed worker is replaced; a killed scheduler ends the search, and the study goes on."""
    nanny = cluster.add_worker()
    alone, study = new_study(Budget(trials=2)), new_study(Budget(trials=2))
    alone.run()
    engine = ClusterEngine(cluster.address, None)
    committed: list[events.Event] = []
    lost: list[str] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.WorkerLost):
            lost.append(event.reason)
        if isinstance(event, events.EpochsCommitted):
            committed.append(event)
            if len(committed) == 4:
                threading.Timer(0.1, lambda: worker_of(nanny).kill()).start()
            if len(committed) == 14:
                cluster.scheduler.kill()

    try:
        with pytest.raises(ClusterError, match="scheduler of the workers has gone"):
            study.run(ScriptedTrainer(seconds=0.2), engine=engine, listen=listen)
    finally:
        engine.close()
    between = history_of(study)
    study.run()

    assert lost == ["its worker died"]
    assert 14 <= sum(trial.fold_epochs for trial in between.trials) <= 15
    for trial in between.trials:
        for (start, count), curve in zip(trial.attempts, trial.curves, strict=True):
            assert count == 0 or start < len(curve)
    assert accuracies(history_of(study)) == accuracies(history_of(alone))


@pytest.mark.full
def test_a_worker_that_hangs_is_replaced_and_one_of_other_versions_gets_no_job(
    cluster: Cluster, new_study: Make
) -> None:
    """The first is stopped by SIGSTOP; the second is told that the study had another Python."""
    nanny = cluster.add_worker()
    study = new_study(Budget(trials=1))
    engine = ClusterEngine(cluster.address, None)
    stopped: list[psutil.Process] = []
    lost: list[str] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.WorkerLost):
            lost.append(event.reason)
        if isinstance(event, events.JobStarted) and not stopped:
            stopped.append(worker_of(nanny))
            os.kill(stopped[0].pid, signal.SIGSTOP)

    try:
        reason = study.run(ScriptedTrainer(), engine=engine, listen=listen, epoch_seconds=3.0)
    finally:
        engine.close()
    other = ClusterEngine(cluster.address, {"python": "2.7"}, patience=10.0)
    try:
        with pytest.raises(ClusterError, match=r"no worker can train .* python: was 2\.7"):
            new_study().run(engine=other)
    finally:
        other.close()

    assert reason == "1 trials"
    assert lost == ["it took more than 0.05 minutes"]
    assert not stopped[0].is_running()


@pytest.mark.slow
def test_a_cluster_that_is_not_there_or_has_no_worker_says_so(cluster: Cluster) -> None:
    """Before anything is trained, with the command that starts a worker."""
    nobody = ClusterEngine("tcp://127.0.0.1:1", None, patience=1.0)
    alone = ClusterEngine(cluster.address, None, patience=1.0)

    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1 did not answer for 1 s"):
        nobody.start(ScriptedTrainer())
    with pytest.raises(ClusterError, match=rf"dask worker {cluster.address} --nthreads 1"):
        alone.start(ScriptedTrainer())
    alone.close()

    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "text",
    [
        *("", "host:8786", "http://host:1", "tcp://host", "tcp://host:0", "tcp://host:65536"),
        *("tcp://:1", "tcp://a b:1", "tcp://user:secret@host:1", "tcp://host:1/x"),
        "postgresql://u:secret@h:1/d",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    """It may be a storage's URL, with a password."""
    with pytest.raises(PlaceError, match=r"tcp://HOST:PORT or tls://HOST:PORT") as refused:
        checked_address(text)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "exposed"),
    [
        ("tcp://node7.example.org:8786", True),
        ("tcp://10.0.0.7:8786", True),
        ("tcp://[fe80::1]:8786", True),
        ("tls://node7.example.org:8786", False),
        ("tcp://127.0.0.1:8786", False),
        ("tcp://localhost:8786", False),
        ("tcp://[::1]:8786", False),
    ],
)
def test_an_address_that_others_can_read_along_is_exposed(address: str, exposed: bool) -> None:
    assert is_exposed(checked_address(address)) is exposed
