"""`importance`: what it counts, and what it says when there is too little."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.candidates import Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import InlineEngine
from search.memory import MemoryLedger
from search.policies import policy_for
from search.records import Budget
from search.samplers import proposer
from search.testing import ScriptedTrainer, facts
from search.testing_ledger import write_ledger
from spaces.architecture import Size

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def raced_far(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A race of 32 trials on scripted curves: best near width 32 and rate 0.01."""
    results = tmp_path_factory.mktemp("raced") / "results"
    study = facts(study="far", policy="race", race={"rungs": "1,2"}, images=3000)
    ledger = MemoryLedger(study, Budget(trials=32, auto_stop=False))
    engine = InlineEngine()
    engine.start(ScriptedTrainer())
    Driver(
        ledger=ledger,
        policy=policy_for("race", study.race),
        candidates=Candidates(proposer("random"), lambda _: Size(params=1000, macs=1000)),
        engine=engine,
        checkpoints=CheckpointFolder(results / "far"),
        listen=lambda _: None,
    ).run()
    (results / "far").mkdir(parents=True, exist_ok=True)
    write_ledger(results / "far/study.db", ledger.history)
    return results


def test_scores_and_predicted_means_are_counted_apart(run: Run, raced_far: Path) -> None:
    out = " ".join(run("importance", "far", "--results", raced_far).out.split())

    document = json.loads(run("importance", "far", "--json", "--results", raced_far).out)
    assert document["scores"] + document["predicted"] == 32
    assert 0 < document["scores"] < 32
    assert f"From {document['scores']} scores and {document['predicted']} predicted" in out
    assert {own["name"] for own in document["importances"]} == {"width", "rate"}
    assert all(own["trials"] == 32 for own in document["importances"])


def test_the_forms_agree(run: Run, raced_far: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(
        run("importance", "far", "--csv", "--results", raced_far).out
    )))  # fmt: skip
    lines = run("importance", "far", "--md", "--results", raced_far).out.splitlines()

    assert [row["name"] for row in rows] == [line.split()[1] for line in lines[2:]]
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1.0)


def test_too_few_trials_end_with_1_and_the_way_to_more(run: Run, results: Path) -> None:
    """Of eight trials one failed and one has no epoch."""
    ran = run("importance", "mnist", "--results", results)

    assert (ran.code, ran.out) == (1, "")
    assert "need 30 trials" in ran.err
    assert "study 'mnist' has 6" in ran.err
    assert "help:  mnist-hpo resume mnist --trials 60" in ran.err
