"""What readers cost with large studies: seconds of processor time, and memory.

    python benchmarks/readers.py [--trials 10000] [--studies 100] [--runs 5] [--json]

The large study looks like a race: on its first fold a trial in two goes on after the first epoch,
and so on; a few dozen are complete. Studies that are listed have 100 trials each, or 50, which is
what a race that ends by itself has. Its curves are made up, its ledger is a real one. Each run is
a new process; its user and system time and its largest resident set are measured.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from search import decode
from search.points import sampled
from search.records import (
    Budget,
    Curve,
    Ending,
    Epoch,
    Facts,
    History,
    Trial,
    TrialState,
    Verdict,
)
from search.seals import sealed
from search.testing import facts
from search.testing_ledger import write_ledger
from spaces.cnn_space import CNN_SPACE

FOLDS, EPOCHS = 5, 10

RUNGS = ((1, 1.0), (2, 0.5), (4, 0.25), (EPOCHS, 1 / 6))
"""Epochs of the first fold, and the share of all trials that train so far."""

FINALISTS = 0.02
"""Share of all trials that train further folds."""

COMPLETE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one command took over several runs."""

    command: str
    runs: int
    cpu_median: float
    cpu_low: float
    cpu_high: float
    wall_median: float
    megabytes: float
    """Largest resident set of any run."""

    aim: str


def race_like(study: str, trials: int) -> History:
    """Returns a finished study whose trials got as far as a race lets them."""
    own = facts(
        study=study,
        folds=FOLDS,
        epochs=EPOCHS,
        model="cnn",
        space=CNN_SPACE,
        images=48_000,
        policy="race",
        sampler="model",
    )
    rng = np.random.default_rng(0)
    budget = Budget(trials=trials)
    made = tuple(_trial(number, trials, own, rng) for number in range(trials))
    return History(
        facts=own,
        budget=budget,
        trials=made,
        elapsed=60.0 * trials,
        ending=Ending(reason=f"{trials} trials", budget=budget),
    )


def _trial(number: int, trials: int, own: Facts, rng: np.random.Generator) -> Trial:
    # 7919 is prime: who goes how far does not depend on when it was proposed.
    place = (number * 7919 % trials) / trials
    reached = max(epochs for epochs, share in RUNGS if place < share)
    quality = 0.992 - 0.05 * place + float(rng.normal(0, 0.0005))
    lengths = [reached] + [0] * (FOLDS - 1)
    if place < FINALISTS:
        whole = FOLDS if place * trials < COMPLETE else 2
        lengths = [EPOCHS] * whole + [0] * (FOLDS - whole)
    curves = tuple(Curve(_epochs(length, quality, rng)) for length in lengths)
    stopped = 0 < sum(length == EPOCHS for length in lengths) < FOLDS
    return Trial(
        number=number,
        config=sampled(CNN_SPACE, rng),
        origin=own.sampler,
        params=50_000 + 13 * number,
        macs=2_000_000 + 101 * number,
        curves=curves,
        attempts=tuple((max(length - 1, 0), min(length, 1)) for length in lengths),
        verdict=Verdict(
            state=TrialState.STOPPED,
            reason="unlikely to beat trial 0 by more than the noise",
            fold=1,
            epoch=EPOCHS - 1,
        )
        if stopped
        else None,
    )


def _epochs(length: int, quality: float, rng: np.random.Generator) -> tuple[Epoch, ...]:
    noise = rng.normal(0, 0.0005, length)
    accuracies = [quality - 0.03 / (e + 1) + float(noise[e]) for e in range(length)]
    return tuple(
        Epoch(
            valid_accuracy=accuracy,
            valid_loss=3.3 * (1 - accuracy),
            train_accuracy=min(accuracy + 0.002, 1.0),
            train_loss=3.0 * (1 - accuracy),
            seconds=2.5,
            build_seconds=0.5 if e == 0 else 0.0,
            checkpoint="0" * 64,
        )
        for e, accuracy in enumerate(accuracies)
    )


def measured(name: str, command: Sequence[str], folder: Path, runs: int, aim: str) -> Measured:
    """Runs a command several times, after one run that fills the caches."""
    found = [_run([sys.executable, *command], folder) for _ in range(runs + 1)][1:]
    cpu = [own[0] for own in found]
    return Measured(
        command=name,
        runs=runs,
        cpu_median=statistics.median(cpu),
        cpu_low=min(cpu),
        cpu_high=max(cpu),
        wall_median=statistics.median(own[1] for own in found),
        megabytes=max(own[2] for own in found),
        aim=aim,
    )


def _run(command: Sequence[str], folder: Path) -> tuple[float, float, float]:
    """Returns seconds of processor time, seconds by the clock, and megabytes of one process."""
    root = Path(__file__).resolve().parent.parent
    began = time.perf_counter()
    child = os.posix_spawnp(
        command[0],
        list(command),
        os.environ | {"PYTHONPATH": str(root), "MNIST_HPO_RESULTS": str(folder)},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux kilobytes
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / unit


def measure(trials: int, studies: int, runs: int) -> list[Measured]:
    """Writes the studies and measures every command."""
    program = ["-m", "mnist_hpo"]
    with tempfile.TemporaryDirectory() as temporary:
        large, many = Path(temporary) / "large", Path(temporary) / "many"
        usual = Path(temporary) / "usual"
        (large / "large").mkdir(parents=True)
        write_ledger(large / "large/study.db", race_like("large", trials))
        _write_many(many, studies, trials=100)
        _write_many(usual, studies, trials=50)
        show = [*program, "show", "large"]
        return [
            measured("python -c pass", ["-c", "pass"], large, runs, "-"),
            measured("--help", [*program, "--help"], large, runs, "0.15 s"),
            measured(f"show, {trials} trials", show, large, runs, "1.0 s, 200 MB"),
            measured("show --json", [*show, "--json"], large, runs, "-"),
            measured("show --where", [*show, "--where", "lr<1e-3"], large, runs, "-"),
            measured("trial 0", [*program, "trial", "large", "0"], large, runs, "-"),
            measured(f"list, {studies} of 100", [*program, "list"], many, runs, "0.5 s"),
            measured(f"list, {studies} of 50", [*program, "list"], usual, runs, "0.5 s"),
        ]


def _write_many(folder: Path, studies: int, *, trials: int) -> None:
    """Writes one study of so many trials, and copies of it under other names."""
    first = folder / "study-0/study.db"
    first.parent.mkdir(parents=True)
    write_ledger(first, race_like("study-0", trials))
    for number in range(1, studies):
        copy = folder / f"study-{number}/study.db"
        copy.parent.mkdir()
        shutil.copy(first, copy)
        with contextlib.closing(sqlite3.connect(copy)) as db, db:
            db.execute("PRAGMA synchronous=OFF")
            _rename(db, f"study-{number}")


def _rename(db: sqlite3.Connection, name: str) -> None:
    """Gives a study another name: each fact is sealed for its owner."""
    db.execute("UPDATE studies SET study_name = ?", (name,))
    rows = db.execute("SELECT rowid, key, value_json FROM study_user_attributes").fetchall()
    for row, key, text in rows:
        fact = json.loads(text)
        if key == "facts":
            fact["study"]["study"] = name
        _seal(db, "study_user_attributes", row, name, key, fact)
    rows = db.execute(
        "SELECT own.rowid, number, key, value_json FROM trial_user_attributes own "
        "JOIN trials USING (trial_id)"
    ).fetchall()
    for row, number, key, text in rows:
        owner = decode.owner(name, number)
        _seal(db, "trial_user_attributes", row, owner, key, json.loads(text))


def _seal(  # noqa: PLR0913, PLR0917 - a row and what it says
    db: sqlite3.Connection, table: str, row: int, owner: str, key: str, fact: object
) -> None:
    if isinstance(fact, dict) and fact.pop("crc32", None) is not None:
        text = json.dumps(sealed(owner, key, fact))
        db.execute(f"UPDATE {table} SET value_json = ? WHERE rowid = ?", (text, row))  # noqa: S608


def main() -> None:
    """Prints a line a command, or one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    found = measure(options.trials, options.studies, options.runs)
    machine = {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **{name: version(name) for name in ("click", "rich", "numpy", "scipy")},
    }
    if options.as_json:
        print(json.dumps({"machine": machine, "measured": [asdict(own) for own in found]}))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{options.runs} runs; seconds of processor time, by the clock, and largest memory")
    print(f"{'command':<22}{'cpu':>7}{'min':>7}{'max':>7}{'clock':>7}{'MB':>6}  aim")
    for own in found:
        print(
            f"{own.command:<22}{own.cpu_median:>7.3f}{own.cpu_low:>7.3f}{own.cpu_high:>7.3f}"
            f"{own.wall_median:>7.2f}{own.megabytes:>6.0f}  {own.aim}"
        )


if __name__ == "__main__":
    main()
