"""CPU seconds of the commands that read: what a person waits for on every call.

    python benchmarks/startup.py [--runs 10] [--trials 100] [--json]

Each run is a new process; its user and system time are measured, not the clock, so a busy
machine changes little. `python -c pass` is the floor under all of them.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from search.records import Budget, Curve, Epoch, Job, Trial
from search.store import Ledger
from search.testing import facts
from spaces.cnn_space import CNN_SPACE

FOLDS, EPOCHS = 5, 10

AIMS = {"--help": 0.15, "--version": 0.15, "list": 0.5, "show": 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """CPU seconds of one command over several runs."""

    command: str
    runs: int
    median: float
    low: float
    high: float
    aim: float | None


def synthetic_study(results: Path, trials: int) -> None:
    """Writes a study of complete trials whose curves are made up: formulas, not trainings."""
    own = facts(
        study="synthetic", folds=FOLDS, epochs=EPOCHS, model="cnn", space=CNN_SPACE, images=48_000
    )
    ledger = Ledger.create(results / "synthetic/study.db", own, Budget(trials=trials))
    try:
        for number in range(trials):
            _add(ledger, number)
        ledger.end(f"{trials} trials")
    finally:
        ledger.close()


def _add(ledger: Ledger, number: int) -> None:
    config = CNN_SPACE.defaults() | {"adam_lr": 1e-4 * (1 + number % 97)}
    ledger.add(
        Trial(
            number=number,
            config=config,
            origin="synthetic",
            params=50_000 + 1000 * number,
            macs=2_000_000 + number,
            curves=(Curve(),) * FOLDS,
            attempts=((0, 0),) * FOLDS,
        )
    )
    for fold in range(FOLDS):
        epochs = tuple(_epoch(number, fold, epoch) for epoch in range(EPOCHS))
        ledger.record(Job(trial=number, fold=fold, start=0, stop=EPOCHS), epochs, elapsed=60.0)


def _epoch(number: int, fold: int, epoch: int) -> Epoch:
    # 17 and 31 are prime to 100, so neighbouring trials and folds differ like noise would.
    noise = (17 * number + 31 * fold) % 100 / 100_000
    return Epoch(
        valid_accuracy=0.991 - 0.05 / (epoch + 1) + noise,
        valid_loss=0.03 + 0.2 / (epoch + 1),
        train_accuracy=0.995 - 0.08 / (epoch + 1),
        train_loss=0.02 + 0.3 / (epoch + 1),
        seconds=2.0,
    )


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Runs a command and returns the user and system seconds of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    root = Path(__file__).resolve().parent.parent
    subprocess.run(
        command,
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(runs: int, trials: int) -> list[Measured]:
    """Measures every command, after one run each that fills the caches."""
    python = [sys.executable]
    program = [*python, "-m", "mnist_hpo"]
    commands = {
        "python -c pass": [*python, "-c", "pass"],
        "--help": [*program, "--help"],
        "--version": [*program, "--version"],
        "list": [*program, "list"],
        "show": [*program, "show", "synthetic"],
    }
    found = []
    with tempfile.TemporaryDirectory() as folder:
        synthetic_study(Path(folder) / "results", trials)
        for name, command in commands.items():
            cpu_seconds(command, Path(folder))
            seconds = [cpu_seconds(command, Path(folder)) for _ in range(runs)]
            found.append(
                Measured(
                    command=name,
                    runs=runs,
                    median=statistics.median(seconds),
                    low=min(seconds),
                    high=max(seconds),
                    aim=AIMS.get(name),
                )
            )
    return found


def machine() -> dict[str, str]:
    """Returns what the numbers were measured on."""
    return {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "click": version("click"),
        "rich": version("rich"),
    }


def main() -> None:
    """Prints a line a command, or one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    found = measure(options.runs, options.trials)
    if options.as_json:
        document = {"machine": machine(), "trials": options.trials}
        print(json.dumps(document | {"measured": [asdict(one) for one in found]}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"CPU seconds of {options.runs} runs; a study of {options.trials} complete trials")
    print(f"{'command':<16}{'median':>8}{'min':>8}{'max':>8}{'aim':>8}")
    for one in found:
        aim = "-" if one.aim is None else f"{one.aim:.2f}"
        print(f"{one.command:<16}{one.median:>8.3f}{one.low:>8.3f}{one.high:>8.3f}{aim:>8}")


if __name__ == "__main__":
    main()
