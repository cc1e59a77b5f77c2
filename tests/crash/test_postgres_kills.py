"""kill -9 of a PostgreSQL server, or of its client, under a study: as if nothing had happened."""

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from herd import Epoch, Herd, Ran, Watch

from search import reader
from search.errors import UnknownStudy
from search.places import Where, place_at
from search.records import History

SMALL: Mapping[str, Any] = {"trials": 10, "sampler": "tpe", "policy": "full", "seconds": 0.01}
FULL = {**SMALL, "trials": 30}
"""30 trials x 3 folds x 4 epochs of 10 ms: some ten seconds, so kills land everywhere."""


def epochs_of(plan: Mapping[str, Any]) -> int:
    return int(plan["trials"]) * 3 * 4


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


def check_has(history: History, told: Mapping[Epoch, str]) -> None:
    for (trial, fold, epoch), value in told.items():
        assert history.trials[trial].curves[fold].accuracies[epoch].hex() == value


def check_study(url: str, told: Mapping[Epoch, str], whole: list[Any]) -> None:
    """Checks a study at its end: all that was acknowledged, and the same decisions."""
    place = place_at(url)
    check_has(reader.read(place, "demo").history, told)
    assert decided(place) == whole
    with place.reading("demo") as db:
        assert sorted(db.rows("SELECT number FROM trials")) == [(n,) for n in range(len(whole))]


def whole_study(herd: Herd, folder: Path, plan: Mapping[str, Any]) -> list[Any]:
    """Runs the study uninterrupted, in a file."""
    ran = herd.study(folder, {**plan, "seconds": 0.0})
    assert len(ran.epochs) == epochs_of(plan)
    return decided(Watch(folder=folder).ledger)


def survive_server_kills(  # noqa: PLR0913 - the parts, and how much of it
    server: Any,
    herd: Herd,
    new_database: Callable[[], str],
    folder: Path,
    *,
    plan: Mapping[str, Any],
    kills: int,
) -> None:
    """Kills the server under running studies, so often in all; each goes on by itself."""
    rng = random.Random(kills)  # noqa: S311 - moments of kills, no secrets
    whole = whole_study(herd, folder / "whole", plan)
    done = study = 0
    while done < kills:
        study += 1
        url = new_database()
        own = {**plan, "folder": str(folder / f"killed-{study}"), "storage": url}
        herd.begin({"plan": own})
        # A server that is away when a study is opened is an error at once, not a reason to wait.
        while not epochs_in(url):
            time.sleep(0.1)
        while done < kills and herd.is_busy():
            time.sleep(rng.uniform(0.2, 2.0))
            server.kill()
            done += herd.is_busy()
            time.sleep(rng.uniform(0.0, 1.0))
            server.start()
            # Mostly it may go on before the next kill: on a busy machine none might come to a
            # commit within the minute after which a study is right to give its server up.
            known = epochs_in(url) if rng.random() < 0.75 else -1
            while herd.is_busy() and epochs_in(url) == known:
                time.sleep(0.1)
        (ran,) = herd.end()
        assert ran.code == 0, ran.err
        assert told_once(ran, {}) == epochs_of(plan)
        check_study(url, ran.epochs, whole)
    print(f"{done} kills of the server under {study} studies")  # noqa: T201 - figures for docs/


def told_once(ran: Ran, before: Mapping[Epoch, str]) -> int:
    """Checks that no epoch was acknowledged twice; returns how many were."""
    lines = [line for line in ran.told if line.startswith("epoch ")]
    assert len(lines) == len(ran.epochs)
    assert not set(ran.epochs) & set(before)
    return len(lines)


def survive_client_kills(
    herd: Herd,
    new_database: Callable[[], str],
    folder: Path,
    *,
    plan: Mapping[str, Any],
    kills: int,
) -> None:
    """Kills the study's process, so often in all, and goes on by another one."""
    rng = random.Random(kills)  # noqa: S311 - moments of kills, no secrets
    whole = whole_study(herd, folder / "whole", plan)
    done = study = 0
    while done < kills:
        study += 1
        url, told = new_database(), dict[Epoch, str]()
        ended = False
        while not ended:
            moment = {"epochs": rng.choice([0, 1]), "seconds": rng.uniform(0.1, 3.0)}
            ran = herd.study(
                folder / f"killed-{study}",
                {**plan, "storage": url},
                **({"kill": moment} if done < kills else {}),
            )
            assert ran.killed or ran.ended, ran.err
            done += ran.killed
            told_once(ran, told)
            told |= ran.epochs
            ended = ran.ended
            try:
                check_has(reader.read(place_at(url), "demo").history, told)
            except UnknownStudy:
                assert told == {}
        check_study(url, told, whole)
    print(f"{done} kills of the client of {study} studies")  # noqa: T201 - figures for docs/


@pytest.mark.slow
def test_a_study_goes_on_when_its_server_is_killed_and_comes_back(
    server: Any, herd: Herd, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """By itself: nobody resumes it, and no epoch is lost or trained twice."""
    survive_server_kills(server, herd, new_database, tmp_path, plan=SMALL, kills=2)


@pytest.mark.slow
def test_a_study_on_a_server_survives_kills_of_its_process(
    herd: Herd, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """The server frees the lock of the dead process, and the next one goes on."""
    survive_client_kills(herd, new_database, tmp_path, plan=SMALL, kills=2)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_twenty_kills_of_the_server_change_nothing(
    server: Any,
    herd: Herd,
    new_database: Callable[[], str],
    tmp_path: Path,
    portion: Callable[[int], int],
) -> None:
    """The full size, by hand."""
    kills = portion(20)
    survive_server_kills(server, herd, new_database, tmp_path, plan=FULL, kills=kills)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_twenty_kills_of_the_client_change_nothing(
    herd: Herd, new_database: Callable[[], str], tmp_path: Path, portion: Callable[[int], int]
) -> None:
    """The full size, by hand."""
    survive_client_kills(herd, new_database, tmp_path, plan=FULL, kills=portion(20))
