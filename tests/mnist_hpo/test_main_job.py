"""The main job as a person does it: search, look, retrain the winner, open the test set once."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder with the finished study: trial 1 is finalized here, too."""
    folder = tmp_path_factory.mktemp("job") / "own"
    shutil.copytree(finished.folder, folder)
    return folder


@pytest.fixture(scope="module")
def first(finished: Any) -> dict[str, Any]:
    """What the first `finalize` of the study said."""
    said: dict[str, Any] = finished.said
    return said


@pytest.fixture
def run(in_folder: Run, folder: Path) -> Run:
    """Runs the program in that folder."""
    return functools.partial(in_folder, folder)


def shown(run: Run) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run("show", "digits", "--json"))
    return document


def test_the_table_has_a_winner(run: Run) -> None:
    """Every trial is complete, the best one has rank 1, and its score is the mean of its folds."""
    document = shown(run)

    trials = {trial["number"]: trial for trial in document["trials"]}
    winner = trials[document["winner"]]
    assert [trial["state"] for trial in trials.values()] == ["complete"] * 2
    assert winner["rank"] == 1
    assert winner["score"]["mean"] == pytest.approx(sum(fold[-1] for fold in winner["folds"]) / 2)
    assert document["cost"]["fold_epochs"] == 2 * 2 * 2


def test_a_finished_study_says_so(run: Run) -> None:
    """`resume` has nothing to do, and no reason to fail."""
    said = run("resume", "digits")

    assert "digits is done: 2 trials" in said


def test_the_test_set_is_opened_once_a_trial(
    run: Run, folder: Path, first: dict[str, Any]
) -> None:
    """A second `finalize` shows the record; another trial is another, counted look."""
    winner = shown(run)["winner"]

    second = json.loads(run("finalize", "digits", "--json"))
    after_two = shown(run)["test"]
    other = json.loads(run("finalize", "digits", "--trial", str(1 - winner), "--json"))
    again = json.loads(run("finalize", "digits", "--json"))

    assert (first["looked_again"], second["looked_again"]) == (True, False)
    assert first["test"] == second["test"] == again["test"]
    assert first["trial"] == winner
    assert len(after_two) == 1
    assert other["trial"] == 1 - winner
    assert len(shown(run)["test"]) == 2
    assert "seen 2 times" in run("finalize", "digits")
    assert (folder / "results" / "digits" / f"trial-{1 - winner}.keras").is_file()


def test_the_model_takes_raw_pixels_and_agrees_with_its_card(
    folder: Path, first: dict[str, Any]
) -> None:
    """What was saved is what was tested."""
    results = folder / "results" / "digits"
    card = json.loads((results / "best.json").read_text())
    script = (
        "import hashlib, json, numpy as np, pathlib, sys\n"
        "from mnist_hpo.model_file import load_model\n"
        "model = load_model(pathlib.Path('best.keras'), sha256=sys.argv[1])\n"
        "with np.load('../../digits.npz') as data: x, y = data['x_test'], data['y_test']\n"
        "right = int((model.predict(x[..., None], verbose=0).argmax(1) == y).sum())\n"
        "sha = hashlib.sha256(open('best.keras', 'rb').read()).hexdigest()\n"
        "print(json.dumps([right, sha]))\n"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script, card["sha256"]],
        cwd=results,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    right, sha = json.loads(printed.splitlines()[-1])

    assert (right, sha) == (card["test"]["correct"], card["sha256"])
    assert card["test"] == first["test"]
    assert card["test"]["total"] == 100
    low, high = card["test"]["interval"]
    assert low < card["test"]["accuracy"] < high


def test_a_dry_run_times_a_probe_and_starts_nothing(run: Run, folder: Path) -> None:
    """It tells the cost before anybody pays it."""
    before = sorted((folder / "results").rglob("*"))

    said = run(
        *("search", "--dataset", "digits.npz", "--study", "planned", "--dry-run"),
        *("--trials", "7", "--epochs", "3", "--folds", "2", "--fix", "conv_layers=1"),
    )

    assert "at most 42 fold-epochs" in said
    assert "at least 12 fold-epochs" in said
    assert "Nothing was started" in said
    assert sorted((folder / "results").rglob("*")) == before


def test_doctor_finds_the_study_whole(run: Run) -> None:
    """Its ledger, its environment, its checkpoints."""
    said = run("doctor", "digits")

    assert "whole: 2 trials, 8 fold-epochs" in said
    assert "the one it began with" in said


def test_doctor_notices_a_model_that_was_exchanged(
    run: Run, folder: Path, first: dict[str, Any]
) -> None:
    """One bit of it is enough."""
    path = folder / "results" / "digits" / "best.keras"
    content = path.read_bytes()

    whole = run("doctor", "digits")
    path.write_bytes(bytes([*content[:-1], content[-1] ^ 1]))
    changed = run("doctor", "digits")
    path.write_bytes(content)

    assert f"model         best.keras of trial {first['trial']}, whole" in whole
    assert "its SHA-256 is" in changed
