"""kill -9 at random moments: nothing acknowledged is lost, nothing changes; scripted curves."""

import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from child import size_of
from herd import Herd, Watch

from search import reader
from search.candidates import Candidates
from search.policies import policy_for, predictor_of
from search.samplers import proposer
from search.testing import scripted_accuracy


@dataclass(kw_only=True)
class Toll:
    """What all deaths of some studies came to."""

    studies: int = 0
    deaths: int = 0
    hot_journals: int = 0
    acknowledged: int = 0
    redone: int = 0


def moment(rng: random.Random, *, late: bool) -> dict[str, float]:
    """Returns when to kill: some epochs and some milliseconds after the start.

    A quarter dies whenever it may be, while it opens the ledger or before its first epoch. Not
    two in a row: a job whose process dies five times is given up, which is another test's.
    """
    if not late and rng.random() < 0.25:
        return {"epochs": 0, "seconds": rng.uniform(0.0, 0.15)}
    return {"epochs": rng.randint(1, 12), "seconds": rng.uniform(0.0, 0.02)}


def survive(herd: Herd, folder: Path, plan: Mapping[str, Any], kills: int) -> Toll:
    """Kills studies at random moments, so often in all, and checks each of them at its end."""
    rng = random.Random(kills)  # noqa: S311 - moments of kills, no secrets
    toll = Toll()
    workers = plan.get("workers", 1)
    whole = None
    if workers == 1:
        assert herd.study(folder / "whole", plan).ended
        whole = Watch(folder=folder / "whole").history()
    while toll.deaths < kills:
        toll.studies += 1
        watch = Watch(folder=folder / f"killed-{toll.studies}", workers=workers)
        ended, late = False, False
        while not ended:
            order = {"kill": moment(rng, late=late)} if toll.deaths < kills else {}
            ran = herd.study(watch.folder, plan, **order)
            watch.after(ran)
            late = not ran.epochs
            ended = ran.ended
            toll.deaths += ran.killed
        if whole is None:
            check_decisions(watch, plan)
        else:
            watch.at_end(whole)
        toll.hot_journals += watch.hot_journals
        toll.acknowledged += len(watch.acknowledged)
        toll.redone += len(watch.trained) - len(set(watch.trained))
        shutil.rmtree(watch.folder)
    return toll


def check_decisions(watch: Watch, plan: Mapping[str, Any]) -> None:
    """Checks a study of several workers: every value is right, every proposal can be had again.

    Results came in any order, so there is no other study to be equal to.
    """
    history = watch.history()
    facts = history.facts
    assert len(history.trials) == plan["trials"]
    assert history.is_done
    policy = policy_for(facts.policy, facts.race)
    candidates = Candidates(proposer(facts.sampler, predictor_of(policy)), size_of)
    for trial in history.trials:
        for fold, curve in enumerate(trial.curves):
            for epoch, value in enumerate(curve.accuracies):
                assert value == scripted_accuracy(trial.config, fold, epoch)
        again = candidates.next(reader.history_before(watch.ledger, "demo", trial.number))
        assert again is not None
        assert again.config == trial.config
    watch.check_files()


PLANS: Mapping[str, Mapping[str, Any]] = {
    "full, one worker": {"policy": "full", "sampler": "tpe"},
    "race, one worker": {"policy": "race", "sampler": "model"},
    "full, two workers": {"policy": "full", "sampler": "random", "workers": 2, "seconds": 0.002},
    "race, two workers": {"policy": "race", "sampler": "model", "workers": 2, "seconds": 0.002},
}


@pytest.mark.parametrize("way", PLANS)
def test_random_kills_change_nothing(herd: Herd, memory: Path, way: str) -> None:
    """The small size, for every run of the tests: four times 25 kills."""
    toll = survive(herd, memory, {**PLANS[way], "trials": 12}, 25)

    assert toll.deaths == 25


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("way", PLANS)
def test_many_random_kills_change_nothing(
    herd: Herd, tmp_path: Path, portion: Callable[[int], int], way: str
) -> None:
    """The full size, by hand, on a disk: four times 250 kills."""
    kills = portion(250)
    toll = survive(herd, tmp_path, {**PLANS[way], "trials": 30}, kills)

    assert toll.deaths == kills
    print(f"{way}: {toll}")  # noqa: T201 - figures for docs/
