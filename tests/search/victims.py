"""Searches to be killed: run by `test_keras_tuner_defects.py` in processes of their own.

    python victims.py CASE FOLDER

Trains nothing: curves are scripted, everything else is the real thing.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from search import events, reader
from search.engine import InlineEngine
from search.errors import UnknownStudy
from search.records import Budget, Facts
from search.store import Ledger
from search.study import driver_for
from search.testing import ScriptedTrainer, facts
from search.trainer import AbstractTrainer, Task, Trained
from spaces.architecture import Size
from spaces.space import Choice, Config, Space

NINE = Space(
    "nine",
    (
        Choice(name="width", values=(8, 16, 32), default=8, ordered=True),
        Choice(name="kind", values=("a", "b", "c"), default="a"),
    ),
)


class Deadly(AbstractTrainer):
    """Kills its own process whenever it is to train trial 1, as running out of memory does."""

    def __init__(self) -> None:
        self.inner = ScriptedTrainer()

    def train(self, task: Task) -> Trained:
        if task.job.trial == 1:
            die()
        return self.inner.train(task)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def size_of(_: Config) -> Size:
    return Size(params=1000, macs=1000)


def search(
    folder: Path, study: Facts, trials: int, trainer: AbstractTrainer, listen: events.Listener
) -> None:
    """Starts the study, or goes on with it."""
    path = folder / "study.db"
    try:
        ledger = Ledger.open(path, study.study) if path.is_file() else None
    except UnknownStudy:
        ledger = None
    ledger = ledger or Ledger.create(path, study, Budget(trials=trials))
    engine = InlineEngine()
    engine.start(trainer)
    driver_for(ledger, engine, size_of=size_of, baselines=(), folder=folder, listen=listen).run()
    ledger.close()


def ignore(_: events.Event) -> None:
    """Listens to nothing."""


def in_trial(folder: Path) -> None:
    """Row 1: dies in trial 1, every time."""
    search(folder, facts(), 3, Deadly(), ignore)


def grid(folder: Path) -> None:
    """Row 3: dies once in the middle of a trial, once between two, then reaches the end."""
    start = len(list(folder.glob("start-*")))
    (folder / f"start-{start}").touch()

    def listen(event: events.Event) -> None:
        if start == 0 and isinstance(event, events.EpochsCommitted) and event.job.trial == 2:
            die()
        if start == 1 and isinstance(event, events.TrialClosed) and event.trial == 4:
            die()

    search(folder, facts(space=NINE, sampler="kt-grid", epochs=1), 20, ScriptedTrainer(), listen)


def started(run: Callable[[], None]) -> int:
    """Starts a search in a process of its own, forked: all modules are there already."""
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    return child


def committed(folder: Path) -> int:
    """Opens the ledger, as any reader may right after a death, and counts its epochs."""
    try:
        history = reader.read(folder / "study.db", facts().study).history
    except UnknownStudy:
        return 0
    return sum(trial.fold_epochs for trial in history.trials)


def run_until_done(run: Callable[[Path], None], folder: Path) -> None:
    """Starts a search that kills itself again and again; prints how often that was."""
    deaths = 0
    while os.waitpid(started(partial(run, folder)), 0)[1] != 0:
        deaths += 1
    print(json.dumps(deaths))  # noqa: T201 - the test reads it


def run_killed(folder: Path) -> None:
    """Row 6: kills a search ten times at random, then tears its checkpoints and lets it end.

    Prints the epochs that the ledger had after each death.
    """
    rng, counts = random.Random(6), []  # noqa: S311 - no secret
    for turn in range(10):
        ears, mouth = os.pipe()

        def tell(event: events.Event, mouth: int = mouth) -> None:
            if isinstance(event, events.EpochsCommitted):
                os.write(mouth, b".")

        child = started(partial(search, folder, facts(), 6, ScriptedTrainer(), tell))
        # The first ones die while the ledger is being made, the others after some epochs:
        # counted, since a busy machine may take a second to come to its first one.
        for _ in range(0 if turn < 3 else rng.randint(1, 8)):
            os.read(ears, 1)
        time.sleep(rng.uniform(0.0, 0.1 if turn < 3 else 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ears)
        os.close(mouth)
        counts.append(committed(folder) if (folder / "study.db").exists() else 0)
    for path in (folder / "checkpoints").glob("*.npz"):
        path.write_bytes(path.read_bytes()[:-5])
    search(folder, facts(), 6, ScriptedTrainer(), ignore)
    print(json.dumps(counts))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    name, place = sys.argv[1], Path(sys.argv[2])
    if name == "anywhere":
        run_killed(place)
    else:
        run_until_done({"in-trial": in_trial, "grid": grid}[name], place)
