"""A search of scripted curves, made to be killed: acknowledges each commit on stdout.

Usage: child.py FOLDER TRIALS SAMPLER POLICY

The ledger is in FOLDER, or where MNIST_HPO_STORAGE says.
"""

import os
import sys
from pathlib import Path

from search import events
from search.candidates import Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import InlineEngine
from search.errors import StudyError
from search.places import place_at
from search.policies import policy_for
from search.records import Budget
from search.samplers import proposer
from search.store import Ledger
from search.testing import ScriptedTrainer, facts
from spaces.architecture import Size


def acknowledge(event: events.Event) -> None:
    """Prints what was just committed."""
    if isinstance(event, events.EpochsCommitted):
        job = event.job
        value = event.history.trials[job.trial].curves[job.fold].accuracies[-1]
        print(job.trial, job.fold, job.start, value.hex(), flush=True)


RACE = {"rungs": "1,2", "factors": "2,2", "cohort": "10"}


def main(folder: Path, trials: int, sampler: str, policy: str) -> None:
    """Starts the study or goes on with it."""
    url = os.environ.get("MNIST_HPO_STORAGE")
    where = place_at(url) if url else folder / "study.db"
    try:
        race = RACE if policy == "race" else {}
        study = facts(sampler=sampler, policy=policy, race=race)
        ledger = Ledger.create(where, study, Budget(trials=trials, auto_stop=False))
    except StudyError:
        ledger = Ledger.open(where, "demo")
    engine = InlineEngine()
    engine.start(ScriptedTrainer(seconds=0.01))
    driver = Driver(
        ledger=ledger,
        policy=policy_for(policy, ledger.history.facts.race),
        candidates=Candidates(proposer(sampler), lambda _: Size(params=1000, macs=1000)),
        engine=engine,
        checkpoints=CheckpointFolder(folder / "checkpoints"),
        listen=acknowledge,
    )
    print("done", driver.run(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
