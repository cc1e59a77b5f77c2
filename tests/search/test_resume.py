"""A study split at every job is the uninterrupted one, whatever its policy and its sampler."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from search import events, reader
from search.engine import InlineEngine
from search.memory import MemoryLedger
from search.policies import policy_for
from search.policy import POLICIES
from search.records import Budget, Facts, History
from search.rehearsal import Rehearsal, WarmEngine
from search.samplers import SAMPLERS
from search.store import Ledger
from search.study import driver_for
from search.testing import ScriptedTrainer, facts, rebuilt
from spaces.architecture import Size

# The finite-difference gradient in Keras Tuner's Bayesian oracle hands SciPy an array of one.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning"
)

RACE = {"rungs": "1,2", "factors": "2,2", "cohort": "6"}
"""A race that meets everything in a few trials: rungs, a second cohort, folds, verdicts."""

BROKEN = {3: "loss is nan", 7: "loss is nan!"}
"""Trial 3 fails once and is tried again, trial 7 for good."""


def study_of(policy: str, sampler: str) -> Facts:
    race: Mapping[str, str] = RACE if policy == "race" else {}
    return facts(policy=policy, sampler=sampler, race=race, folds=3, epochs=3, retries=1)


def rehearsal(study: Facts, trials: int, engine: WarmEngine, trainer: Any) -> Rehearsal:
    return Rehearsal(
        policy_for(study.policy, study.race),
        study,
        trainer,
        budget=Budget(trials=trials, auto_stop=False),
        engine=engine,
    )


def uninterrupted(study: Facts, trials: int) -> History:
    whole = rehearsal(study, trials, WarmEngine(), ScriptedTrainer(broken=BROKEN))
    assert whole.run() == f"{trials} trials"
    return whole.history


def split(study: Facts, trials: int, every: int) -> tuple[History, int]:
    """Ends a study after every so many epochs; all but the workers' states is made anew.

    Policy, sampler and loop get an equal history that shares no object with the one before.

    Returns:
        The history at the end, and how often the study was begun.
    """
    engine, trainer = WarmEngine(), ScriptedTrainer(broken=BROKEN)
    begun = rehearsal(study, trials, engine, trainer)
    starts = 1
    while begun.run(epochs=every) is None:
        past = begun.history
        begun = rehearsal(study, trials, engine, trainer)
        begun.ledger = MemoryLedger(study, past.budget)
        begun.ledger._history = rebuilt(past)
        starts += 1
    assert len(trainer.trained) == len(set(trainer.trained))
    return begun.history, starts


def check(policy: str, sampler: str, trials: int) -> None:
    study = study_of(policy, sampler)
    whole = uninterrupted(study, trials)

    again, starts = split(study, trials, 1)

    assert timeless(again) == timeless(whole)
    epochs = sum(trial.fold_epochs for trial in whole.trials)
    assert starts >= epochs
    assert len(whole.trials) == trials
    assert {trial.verdict for trial in whole.trials} != {None}


def timeless(history: History) -> Any:
    """Returns what was decided and measured; not where checkpoints lie, or what a clock said."""
    return (
        history.ending,
        [
            (
                *(trial.config, trial.origin, trial.verdict),
                [(curve.run, curve.accuracies) for curve in trial.curves],
                [(failure.fold, failure.epoch, failure.run) for failure in trial.failures],
            )
            for trial in history.trials
        ],
    )


EVERY_WAY = tuple((policy, sampler) for policy in POLICIES for sampler in SAMPLERS)

QUICK = tuple(way for way in EVERY_WAY if way[1] != "kt-bayesian" or way[0] == "race")
"""That oracle takes seconds to propose; with the other policies in the full size only."""


@pytest.mark.parametrize(("policy", "sampler"), QUICK)
def test_a_study_split_at_every_job_makes_the_same_decisions(policy: str, sampler: str) -> None:
    """The small size: 12 trials, so that TPE has begun to learn."""
    check(policy, sampler, 12)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("policy", "sampler"), EVERY_WAY)
def test_a_longer_study_split_at_every_job_makes_the_same_decisions(
    policy: str, sampler: str
) -> None:
    """The full size: 40 trials."""
    check(policy, sampler, 40)


def some_epochs(path: Path, folder: Path, epochs: int) -> str | None:
    """Goes on with a study on a disk, as a new process would, and stops after so many epochs."""
    commits = 0

    def listen(event: events.Event) -> None:
        nonlocal commits
        commits += isinstance(event, events.EpochsCommitted)
        if commits == epochs:
            driver.stop()

    ledger = Ledger.open(path, "demo")
    engine = InlineEngine()
    engine.start(ScriptedTrainer(broken=BROKEN))
    driver = driver_for(
        ledger,
        engine,
        size_of=lambda _: Size(params=1000, macs=1000),
        baselines=(),
        folder=folder,
        listen=listen,
    )
    try:
        return driver.run()
    finally:
        ledger.close()


@pytest.mark.parametrize(("policy", "sampler"), [("race", "model"), ("race", "tpe")])
def test_a_real_ledger_split_after_every_few_epochs_decides_as_one_in_memory(
    tmp_path: Path, policy: str, sampler: str
) -> None:
    """A sample of the same on a disk, with what the command line puts together."""
    study, path = study_of(policy, sampler), tmp_path / "study.db"
    Ledger.create(path, study, Budget(trials=12, auto_stop=False)).close()

    while some_epochs(path, tmp_path, 9) is None:
        pass

    again = reader.read(path, "demo").history
    assert timeless(again) == timeless(uninterrupted(study, 12))
