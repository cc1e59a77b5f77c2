"""kill -9 of a PostgreSQL server, or of its client, under a study: as if nothing had happened."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search import reader
from search.errors import UnknownStudy
from search.places import Where, place_at
from search.records import History

CHILD = Path(__file__).with_name("child.py")
PATHS = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])

# A study of 30 trials x 3 folds x 4 epochs of 10 ms: some ten seconds, so kills land everywhere.
TRIALS = 30
SAMPLER, POLICY = "tpe", "full"


def started(folder: Path, url: str | None) -> subprocess.Popen[str]:
    """Starts the scripted study, or goes on with it."""
    environment = {**os.environ, "PYTHONPATH": PATHS}
    environment.pop("MNIST_HPO_STORAGE", None)
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), str(TRIALS), SAMPLER, POLICY],
        stdout=subprocess.PIPE,
        text=True,
        env=environment | ({} if url is None else {"MNIST_HPO_STORAGE": url}),
    )


def epochs_told(child: subprocess.Popen[str]) -> list[tuple[int, int, int, str]]:
    """Waits for the child's end and returns the epochs that it acknowledged."""
    printed, _ = child.communicate(timeout=300)
    whole = printed.split("\n")[:-1]  # the last one is empty, or was cut by the kill
    rows = [line.split() for line in whole if not line.startswith("done")]
    return [(int(trial), int(fold), int(epoch), value) for trial, fold, epoch, value in rows]


def decided(where: Where) -> list[Any]:
    """Returns all of a study that no clock decides."""
    history = reader.read(where, "demo").history
    assert history.is_done
    return [
        (trial.config, trial.verdict, [curve.accuracies for curve in trial.curves])
        for trial in history.trials
    ]


def epochs_in(url: str) -> int:
    """Returns how many epochs a ledger has by now."""
    try:
        history = reader.read(place_at(url), "demo").history
    except UnknownStudy:
        return 0
    return sum(trial.fold_epochs for trial in history.trials)


def check_has(history: History, told: list[tuple[int, int, int, str]]) -> None:
    for trial, fold, epoch, value in told:
        assert history.trials[trial].curves[fold].accuracies[epoch].hex() == value


def check_study(url: str, told: list[tuple[int, int, int, str]], whole: list[Any]) -> None:
    """Checks a study at its end: all that was acknowledged, once, and the same decisions."""
    place = place_at(url)
    check_has(reader.read(place, "demo").history, told)
    assert set(Counter((trial, fold, epoch) for trial, fold, epoch, _ in told).values()) == {1}
    assert decided(place) == whole
    with place.reading("demo") as db:
        assert sorted(db.rows("SELECT number FROM trials")) == [(n,) for n in range(TRIALS)]


def whole_study(folder: Path) -> list[Any]:
    """Runs the study uninterrupted, in a file."""
    assert len(epochs_told(started(folder, None))) == TRIALS * 3 * 4
    return decided(folder / "study.db")


def survive_server_kills(
    server: Any, new_database: Callable[[], str], folder: Path, kills: int
) -> None:
    """Kills the server under running studies, so often in all; each goes on by itself."""
    rng = random.Random(kills)  # noqa: S311 - moments of kills, no secrets
    whole = whole_study(folder / "whole")
    done = study = 0
    while done < kills:
        study += 1
        url = new_database()
        child = started(folder / f"killed-{study}", url)
        # A server that is away when a study is opened is an error at once, not a reason to wait.
        while not epochs_in(url):
            time.sleep(0.1)
        while done < kills and child.poll() is None:
            time.sleep(rng.uniform(0.2, 2.0))
            server.kill()
            done += child.poll() is None
            time.sleep(rng.uniform(0.0, 1.0))
            server.start()
        told = epochs_told(child)
        assert child.returncode == 0
        assert len(told) == TRIALS * 3 * 4
        check_study(url, told, whole)
    print(f"{done} kills of the server under {study} studies")  # noqa: T201 - figures for docs/


def survive_client_kills(new_database: Callable[[], str], folder: Path, kills: int) -> None:
    """Kills the study's process, so often in all, and goes on by another one."""
    rng = random.Random(kills)  # noqa: S311 - moments of kills, no secrets
    whole = whole_study(folder / "whole")
    done = study = 0
    while done < kills:
        study += 1
        url, told = new_database(), []
        ended = False
        while not ended:
            child = started(folder / f"killed-{study}", url)
            if done < kills:
                try:
                    child.wait(rng.uniform(1.0, 6.0))
                except subprocess.TimeoutExpired:
                    child.kill()
                    done += 1
            told += epochs_told(child)
            ended = child.returncode == 0
            try:
                check_has(reader.read(place_at(url), "demo").history, told)
            except UnknownStudy:
                assert told == []
        check_study(url, told, whole)
    print(f"{done} kills of the client of {study} studies")  # noqa: T201 - figures for docs/


@pytest.mark.slow
def test_a_study_goes_on_when_its_server_is_killed_and_comes_back(
    server: Any, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """By itself: nobody resumes it, and no epoch is lost or trained twice."""
    survive_server_kills(server, new_database, tmp_path, 2)


@pytest.mark.slow
def test_a_study_on_a_server_survives_kills_of_its_process(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    """The server frees the lock of the dead process, and the next one goes on."""
    survive_client_kills(new_database, tmp_path, 2)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_twenty_kills_of_the_server_change_nothing(
    server: Any, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """The full size, by hand."""
    survive_server_kills(server, new_database, tmp_path, 20)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_twenty_kills_of_the_client_change_nothing(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    """The full size, by hand."""
    survive_client_kills(new_database, tmp_path, 20)
