"""The tests' side of the zygote, and what must hold after each kill."""

import hashlib
import json
import os
import select
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from search import reader
from search.checkpoints import CheckpointFolder
from search.errors import SearchError, UnknownStudy
from search.records import History

ZYGOTE = Path(__file__).with_name("zygote.py")
ROOT = Path(__file__).parents[2]

PATIENCE = 240.0
"""Seconds to wait for what takes two: the machine may have other things to do."""

Epoch = tuple[int, int, int]
"""Trial, fold, epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a process went."""

    pid: int
    told: Sequence[str]
    killed: bool
    code: int | None
    out: str
    err: str
    seconds: float | None
    """From the last signal to the end; None: it was sent none."""

    @property
    def ended(self) -> bool:
        """It came to the end of its study."""
        return self.code == 0

    @property
    def epochs(self) -> dict[Epoch, str]:
        """The epochs that it acknowledged, each with its accuracy's bits."""
        rows = [line.split()[1:] for line in self.told if line.startswith("epoch ")]
        return {(int(t), int(f), int(e)): value for t, f, e, value in rows}

    @property
    def trained(self) -> Sequence[Epoch]:
        """The epochs whose training it began."""
        rows = [line.split()[1:] for line in self.told if line.startswith("trained ")]
        return [(int(t), int(f), int(e)) for t, f, e in rows]


class Herd:
    """Gives orders to a zygote: processes of their own, started in milliseconds."""

    def __init__(self, preload: Path | None = None) -> None:
        """Starts the zygote, with a C library before all others where one is given."""
        paths = os.pathsep.join([str(ROOT), *sys.path])
        environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
        environment.pop("MNIST_HPO_STORAGE", None)
        if preload is not None:
            environment["LD_PRELOAD"] = str(preload)
        self._zygote = subprocess.Popen(
            [sys.executable, str(ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._orders, self._answers = self._zygote.stdin, self._zygote.stdout
        assert self._answers.readline() == "ready\n"

    def begin(self, *orders: Mapping[str, Any]) -> None:
        """Starts to carry out orders side by side; `end` has to follow."""
        self._orders.write(json.dumps(orders) + "\n")
        self._orders.flush()

    def is_busy(self) -> bool:
        """Says whether what was begun still runs."""
        return not select.select([self._answers], [], [], 0.0)[0]

    def end(self) -> list[Ran]:
        """Waits until all that was begun has gone."""
        return [Ran(**ran) for ran in json.loads(self._answers.readline())]

    def all(self, *orders: Mapping[str, Any]) -> list[Ran]:
        """Carries out orders side by side."""
        self.begin(*orders)
        return self.end()

    def one(self, **order: Any) -> Ran:
        """Carries out an order."""
        return self.all(order)[0]

    def study(self, folder: Path, plan: Mapping[str, Any], **order: Any) -> Ran:
        """Starts a scripted study in a folder, or goes on with it."""
        return self.one(plan={**plan, "folder": str(folder)}, **order)

    def close(self) -> None:
        self._orders.close()
        self._zygote.wait()
        self._answers.close()


def timeless(history: History) -> History:
    """Leaves out what a clock decides, and how often a job was begun."""
    trials = tuple(
        replace(
            trial,
            attempts=(),
            failures=tuple(replace(own, traceback="") for own in trial.failures),
            curves=tuple(
                replace(curve, epochs=tuple(replace(e, seconds=0.0) for e in curve.epochs))
                for curve in trial.curves
            ),
        )
        for trial in history.trials
    )
    facts = replace(history.facts, created="")
    return replace(history, facts=facts, elapsed=0.0, trials=trials)


@dataclass(kw_only=True)
class Watch:
    """Follows one study through its deaths, and counts."""

    folder: Path
    workers: int = 1
    acknowledged: dict[Epoch, str] = field(default_factory=dict)
    trained: list[Epoch] = field(default_factory=list)
    deaths: int = 0
    hot_journals: int = 0
    """Deaths inside of a commit, which the next reader takes back or completes."""

    @property
    def ledger(self) -> Path:
        return self.folder / "study.db"

    def history(self) -> History:
        """Reads the study, as anybody may."""
        return reader.read(self.ledger, "demo").history

    def after(self, ran: Ran) -> None:
        """Checks all that must hold whenever a process has gone.

        Nothing that was acknowledged is lost or other than it was, nothing is there twice, the
        study has no owner, the file is whole, and no more was trained than is in the ledger and
        was in hand at each death.
        """
        assert ran.killed or ran.ended, ran.err
        assert not set(ran.epochs) & set(self.acknowledged)
        self.acknowledged.update(ran.epochs)
        self.trained += ran.trained
        self.deaths += ran.killed
        self.hot_journals += self.ledger.with_name("study.db-journal").exists()
        if not self.ledger.exists():
            assert self.acknowledged == {}
            return
        try:
            snapshot = reader.read(self.ledger, "demo")
        except UnknownStudy:
            assert self.acknowledged == {}
            return
        assert snapshot.owner is None
        history = snapshot.history
        for (trial, fold, epoch), value in self.acknowledged.items():
            assert history.trials[trial].curves[fold].accuracies[epoch].hex() == value
        assert [trial.number for trial in history.trials] == list(range(len(history.trials)))
        kept = sum(trial.fold_epochs for trial in history.trials)
        runs = Counter(self.trained)
        again = sum(runs.values()) - len(runs)
        assert (
            len(self.acknowledged) <= kept <= len(self.acknowledged) + self.deaths * self.workers
        )
        assert again <= self.deaths * self.workers
        check_file(self.ledger)

    def at_end(self, whole: History) -> None:
        """Checks a study that came to its end against the one that nobody killed."""
        assert timeless(self.history()) == timeless(whole)
        self.check_files()

    def check_files(self) -> None:
        """Checks that exactly the checkpoints that a trial may go on from are there."""
        history = self.history()
        folder = CheckpointFolder(self.folder / "checkpoints")
        wanted = {
            folder.path(trial.number, fold, curve.run, len(curve))
            for trial in history.trials
            for fold, curve in enumerate(trial.curves)
            if not trial.is_final(history.facts.epochs) and 0 < len(curve) < history.facts.epochs
        }
        assert set((self.folder / "checkpoints").glob("*")) == wanted
        assert not list(self.folder.glob("*tmp-*"))


def check_file(path: Path) -> None:
    """Checks an SQLite file, and that no fact is in it twice."""
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for table, key in (
            ("trial_user_attributes", "trial_id, key"),
            ("trial_intermediate_values", "trial_id, step"),
            ("trials", "study_id, number"),
        ):
            twice = f"SELECT count(*) FROM {table} GROUP BY {key} HAVING count(*) > 1"  # noqa: S608
            assert db.execute(twice).fetchall() == []
    db.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def wait_for_epochs(enough: int, results: Path) -> None:
    """Waits until so many epochs of the study are committed."""

    def are_there() -> bool:
        try:
            history = Watch(folder=results / "demo").history()
        except SearchError:
            return False  # there is no study yet
        return sum(trial.fold_epochs for trial in history.trials) >= enough

    wait_until(are_there)


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Returns what is in a folder, to the byte, and when each file was last written."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }
