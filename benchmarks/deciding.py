"""How long a job's decision takes as a study grows: the race and its sampler, no training.

    OPENBLAS_NUM_THREADS=1 python benchmarks/deciding.py [--trials 1000] [--workers 2] [--json]

One study of the whole CNN space on made-up curves; the auto-stop is off. All that is asked
between two jobs counts as the later job's: verdicts, the proposal, the job itself. CPU seconds
of this process, of one thread: a busy machine changes them little.
"""

import argparse
import contextlib
import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from statistics import fmean, median
from typing import Any, final

import numpy as np

from search.points import sampled
from search.policies import policy_for, predictor_of
from search.policy import AbstractPolicy, Action, Allowance, Run
from search.proposals import AbstractProposer, Misfit
from search.records import History, Job, Trial
from search.replay import Replay
from search.samplers import proposer
from search.table import Row, Table
from spaces.catalog import load
from spaces.cnn_space import CNN_SPACE
from spaces.space import Config, config_key

SPAN = 100
"""Trials of each line of the report."""

FOLDS, EPOCHS = 5, 10


@final
@dataclass
class Clock:
    """Adds up what decisions take, job after job."""

    jobs: list[tuple[int, float]] = field(default_factory=list)
    """(trials so far, CPU seconds of the decision) for each job."""

    _spent: float = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Adds what is done meanwhile to the decision under way."""
        began = time.process_time()
        yield
        self._spent += time.process_time() - began

    def job(self, trials: int) -> None:
        """Ends it."""
        self.jobs.append((trials, self._spent))
        self._spent = 0.0


@final
class TimedPolicy(AbstractPolicy):
    """A policy whose decisions are timed."""

    name = "timed"

    def __init__(self, timed: AbstractPolicy, clock: Clock) -> None:
        self._timed = timed
        self._clock = clock

    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        """Returns what the policy says."""
        with self._clock.running():
            action = self._timed.next(history, running, allowance)
        if isinstance(action, Run):
            self._clock.job(len(history.trials))
        return action

    def leader(self, history: History) -> Trial | None:
        """Returns what the policy says."""
        return self._timed.leader(history)


@final
class TimedProposer(AbstractProposer):
    """A sampler whose proposals are timed."""

    name = "timed"

    def __init__(self, timed: AbstractProposer, clock: Clock) -> None:
        self._timed = timed
        self._clock = clock

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns what the sampler says."""
        with self._clock.running():
            return self._timed.propose(history, misfit)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    jobs = measured(arguments.trials, arguments.workers)
    document = {
        "trials": arguments.trials,
        "workers": arguments.workers,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("numpy", "scikit-learn")},
        "spans": spans(jobs),
    }
    if arguments.json:
        print(json.dumps(document, indent=2))
        return
    print(f"{document['machine']}; {document['versions']}; {arguments.workers} workers")
    print(f"{'trials':>12} {'jobs':>6} {'mean ms':>8} {'median':>8} {'p99':>8} {'largest':>8}")
    for own in document["spans"]:
        print(
            f"{own['from']:>6}-{own['to']:<5} {own['jobs']:>6} {own['mean_ms']:>8.1f} "
            f"{own['median_ms']:>8.1f} {own['p99_ms']:>8.1f} {own['largest_ms']:>8.1f}"
        )


def measured(trials: int, workers: int) -> list[tuple[int, float]]:
    """Runs one study of so many trials; returns (trials so far, seconds) of each job."""
    clock = Clock()
    race = policy_for("race", {"settled": "1e-9"})
    Replay(made_up(trials + trials // 5)).run(
        TimedPolicy(race, clock),
        TimedProposer(proposer("model", predictor_of(race), load("cnn").graph_of), clock),
        candidates=trials,
        seed=0,
        workers=workers,
    )
    return clock.jobs


def spans(jobs: list[tuple[int, float]]) -> list[dict[str, Any]]:
    """Sums up the decisions in spans of trials."""
    found = []
    for first in range(0, max(trials for trials, _ in jobs), SPAN):
        own = [1000 * s for trials, s in jobs if first < trials <= first + SPAN]
        found.append(
            {
                "from": first + 1,
                "to": first + SPAN,
                "jobs": len(own),
                "mean_ms": fmean(own),
                "median_ms": median(own),
                "p99_ms": float(np.quantile(own, 0.99)),
                "largest_ms": max(own),
            }
        )
    return found


def made_up(count: int) -> Table:
    """Returns a table of random configurations with curves from a formula."""
    rng = np.random.default_rng(0)
    drawn = {config_key(config): config for config in _drawn(count * 2, rng)}
    rows = tuple(_row(config) for config in list(drawn.values())[:count])
    return Table(
        grid=None, provenance={"images": 5000}, rows=rows, more={"space": CNN_SPACE.to_json()}
    )


def _drawn(count: int, rng: np.random.Generator) -> list[Config]:
    return [sampled(CNN_SPACE, rng) for _ in range(count)]


def _row(config: Config) -> Row:
    digest = hashlib.sha256(config_key(config).encode()).digest()
    noise = np.random.default_rng(list(digest[:8])).normal(0, 0.003, (FOLDS, EPOCHS))
    quality = 0.97 + 0.004 * (int(config["filters_1"]) / 32 - 1) + float(noise[0, 0])
    learned = [quality * (1 - 0.6 * math.exp(-(epoch + 1) / 2)) for epoch in range(EPOCHS)]
    accuracy = tuple(
        tuple(round(min(learned[e] + noise[f, e], 0.999), 3) for e in range(EPOCHS))
        for f in range(FOLDS)
    )
    return Row(
        config=config,
        accuracy=accuracy,
        loss=tuple(tuple(3.3 * (1 - value) for value in fold) for fold in accuracy),
        seconds=((1.0,) * EPOCHS,) * FOLDS,
        build=(1.0,) * FOLDS,
        params=100_000,
        macs=1_000_000,
    )


if __name__ == "__main__":
    main()
