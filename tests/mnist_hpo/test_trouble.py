"""A hypermodel that gets into every kind of trouble: its trials fail, are explained, never win.

Real Keras, the real program; the way to look at what went wrong and to try it once more.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from mnist_hpo import cli

pytestmark = pytest.mark.slow

MODULE = """
import pathlib

import keras
import keras_tuner


class Trouble(keras_tuner.HyperModel):
    def build(self, hp):
        kind = hp.Choice("kind", ["sound", "nan", "build", "fit", "large"])
        if kind == "build":
            raise ValueError("these layers do not fit\\nsecond line")
        units = 10**9 if kind == "large" else 8
        model = keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Flatten()])
        model.add(keras.layers.Dense(units))
        model.add(keras.layers.Dense(10, activation="softmax"))
        model.compile(
            keras.optimizers.SGD(1e30 if kind == "nan" else 1e-4),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    def fit(self, hp, model, *args, **kwargs):
        broken = not pathlib.Path("mended").exists()
        if hp.get("kind") == "fit" and kwargs["initial_epoch"] == 1 and broken:
            raise RuntimeError("the disk of the callbacks is full")
        return model.fit(*args, **kwargs)
"""

Run = Callable[..., Any]

SEARCH = (
    *("search", "--dataset", "digits.npz", "--study", "s", "--space", "in_trouble:Trouble"),
    *("--sampler", "grid", "--policy", "full", "--folds", "2", "--epochs", "2"),
    *("--trials", "5", "--retries", "1", "--workers", "1", "--no-progress"),
    *("--max-params", str(10**13), "--max-macs", str(10**13)),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with such a hypermodel, and a study of it: all five kinds."""
    folder = tmp_path_factory.mktemp("trouble")
    (folder / "in_trouble.py").write_text(MODULE)
    x = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    y = np.arange(40) % 10
    np.savez(folder / "digits.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.MonkeyPatch.context() as patch, CliRunner().isolation():
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        assert cli.main(SEARCH) == 0
    return folder


def shown(run: Run) -> dict[str, dict[str, Any]]:
    """Returns each kind's newest trial."""
    document = json.loads(run("show", "s", "--json").out)
    return {trial["config"]["kind"]: trial for trial in document["trials"]}


def test_trouble_fails_its_trial_with_its_reason_and_never_wins(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN, exceptions in `build` and `fit`, a model that no memory holds; tried twice each."""
    monkeypatch.chdir(folder)
    reasons = {
        "nan": "TrainingError: val_loss is nan in epoch 1 after 2 runs",
        "build": "ValueError: these layers do not fit after 2 runs",
        "fit": "RuntimeError: the disk of the callbacks is full after 2 runs",
        "large": "ResourceExhaustedError: ",
    }

    trials = shown(run)

    assert {kind: trial["state"] for kind, trial in trials.items()} == {
        "sound": "complete",
        **dict.fromkeys(reasons, "failed"),
    }
    assert trials["sound"]["rank"] == 1
    for kind, reason in reasons.items():
        number = trials[kind]["number"]
        record = json.loads(run("trial", "s", number, "--json").out)["trial"]
        assert record["rank"] is None
        assert record["stopped"]["reason"].startswith(reason)
        assert [failure["run"] for failure in record["failures"]] == [1, 2]
        told = run("trial", "s", number).out
        assert told.count("Traceback (most recent call last)") == 2
        # Where in the user's own file it happened; NaN is nobody's line.
        assert ("in_trouble.py" in told) is (kind != "nan")


def test_what_failed_is_tried_once_more_when_asked(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As new trials: what has failed stays on record, and what was mended gets its score."""
    monkeypatch.chdir(shutil.copytree(folder, tmp_path / "copy"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("mended").touch()

    done = run("resume", "s", "--workers", "1", "--no-progress")
    ran = run("resume", "s", "--retry-failed", "--workers", "1", "--no-progress")

    states = [trial["state"] for trial in json.loads(run("show", "s", "--json").out)["trials"]]
    mended = shown(run)["fit"]
    assert "s is done: 5 trials" in done.out
    assert ran.code == 0, ran.err
    assert sorted(states) == ["complete"] * 2 + ["failed"] * 7
    assert mended["state"] == "complete"
    assert mended["number"] > 4
    assert mended["rank"] in {1, 2}
