"""The JSON of `show`: keys as documented, numbers that can be checked by hand."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_hpo.schema import as_json
from search.lock import StudyLock
from spaces.cnn_space import CNN_SPACE

Run = Callable[..., Any]


@pytest.fixture
def document(run: Run, results: Path) -> dict[str, Any]:
    text: str = run("show", "mnist", "--json", "--results", results).out
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def test_the_study_is_told_apart_by_hashes_and_facts(document: dict[str, Any]) -> None:
    study = document["study"]

    assert document["schema_version"] == 1
    assert (study["name"], study["dataset"], study["data_sha256"]) == (
        "mnist",
        "mnist-5k",
        "ab" * 32,
    )
    assert study["space"] == {"name": "cnn", "sha256": CNN_SPACE.sha256}
    assert (study["folds"], study["folds_sha256"], study["epochs"]) == (5, "cd" * 32, 3)
    assert (study["seed"], study["policy"], study["sampler"]) == (7, "full", "tpe")
    assert study["race"] == {}
    assert study["budget"] == {"trials": 8, "minutes": None, "auto_stop": True}
    assert (study["state"], study["owner"]) == ("interrupted", None)
    assert study["created"] == "2026-11-21T20:41:00+00:00"
    assert study["versions"]["keras"] == "3.15.1"


def test_the_cost_is_the_sum_over_the_trials(document: dict[str, Any]) -> None:
    """3 x 15 + 9 + 0 + 5 + 1 + 0 = 60 of 8 x 15 fold-epochs, 1.5 s each."""
    cost = document["cost"]

    assert cost["fold_epochs"] == 60
    assert cost["seconds"] == pytest.approx(90.0)
    assert cost["full"] == {"fold_epochs": 120, "seconds": pytest.approx(180.0)}
    assert cost["saved"] == {"fold_epochs": 6, "of": 60, "trials": 4}


def test_a_score_is_mean_std_and_corrected_error(document: dict[str, Any]) -> None:
    """Around 0.9921: -1, 3, -6, 5, -1 (x 0.0001), squares 72, sd sqrt(18) = 4.2426."""
    trial = document["trials"][1]

    assert document["winner"] == 1
    assert trial["score"]["mean"] == pytest.approx(0.9921)
    assert trial["score"]["std"] == pytest.approx(4.2426e-4, rel=1e-4)
    assert trial["score"]["se"] == pytest.approx(4.2426e-4 * math.sqrt(0.45), rel=1e-4)
    assert [fold[-1] for fold in trial["folds"]] == [0.9920, 0.9924, 0.9915, 0.9926, 0.9920]
    assert (trial["rank"], trial["tied"], document["trials"][0]["tied"]) == (1, False, True)


def test_no_trial_has_a_score_before_its_last_epoch(document: dict[str, Any]) -> None:
    """Trials that began and did not fail have a predicted mean instead, under another name."""
    trials = document["trials"]

    assert [trial["score"] is not None for trial in trials] == [True] * 3 + [False] * 5
    predicted = [trial["predicted"] for trial in trials]
    assert [own is not None for own in predicted] == [*[False] * 3, True, False, True, True, False]
    assert all(own["low"] < own["mean"] < own["high"] for own in predicted if own is not None)
    assert [len(fold) for fold in trials[5]["folds"]] == [3, 2, 0, 0, 0]


def test_stopped_and_failed_trials_say_where_and_why(document: dict[str, Any]) -> None:
    trials = document["trials"]

    assert [trial["state"] for trial in trials] == [
        *["complete"] * 3,
        "stopped",
        "failed",
        *["paused"] * 3,
    ]
    assert trials[3]["stopped"] == {"fold": 3, "epoch": 3, "reason": "cannot beat #1"}
    assert trials[4]["stopped"] == {"fold": 1, "epoch": 0, "reason": "out of memory"}
    assert trials[0]["stopped"] is trials[5]["stopped"] is None
    assert trials[4]["failures"] == [
        {
            "fold": 1,
            "epoch": 1,
            "run": 1,
            "message": "out of memory",
            "traceback": "Traceback ...\n",
        }
    ]


def test_only_active_values_are_told(document: dict[str, Any]) -> None:
    config = document["trials"][5]["config"]

    assert config["conv_layers"] == 1
    assert "filters_2" not in config
    assert "pool" not in config
    assert all(value is not None for value in config.values())


def test_a_running_study_names_its_owner(run: Run, results: Path) -> None:
    with StudyLock(results / "mnist/mnist.lock", "mnist"):
        study = json.loads(run("show", "mnist", "--json", "--results", results).out)["study"]

    assert study["state"] == "running"
    assert study["owner"].startswith("pid ")


def test_what_json_cannot_say_is_null() -> None:
    text = as_json({"a": math.nan, "b": [math.inf, 1.0], "c": {"d": (-math.inf,)}})

    assert json.loads(text) == {"a": None, "b": [None, 1.0], "c": {"d": [None]}}


def test_every_key_is_documented_and_every_documented_key_is_there(
    document: dict[str, Any],
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "show-json.md").read_text()
    sections = {
        "Top level": document,
        "`study`": document["study"],
        "`cost`": document["cost"],
        "An entry of `trials`": document["trials"][0],
    }

    for title, record in sections.items():
        body = page.split(f"## {title}\n")[1].split("\n## ")[0]
        rows = [line.split("|")[1] for line in body.splitlines() if line.startswith("| `")]
        documented = {name.split(".")[0] for row in rows for name in re.findall(r"`(.+?)`", row)}
        assert documented == set(record), title
