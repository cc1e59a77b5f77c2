"""`report --tensorboard`: read back by TensorBoard's own reader, without TensorFlow."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_hpo.tensorboard_files import FILE

pytest.importorskip("tensorboard", reason="tensorboard is not installed")

Run = Callable[..., Any]

READ = """
import json, sys, types
# TensorBoard reads without TensorFlow where this module exists.
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
from pathlib import Path
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
found = {}
root = Path(sys.argv[1])
for path in sorted(root.rglob("*tfevents*")):
    events = EventAccumulator(str(path)).Reload()
    own = {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }
    told = {}
    for tag, content in events.PluginTagToContent("hparams").items() if "_hparams_" in str(
        events.summary_metadata) else ():
        data = plugin_data_pb2.HParamsPluginData.FromString(content)
        told[tag] = str(data)
    found[str(path.parent.relative_to(root))] = [own, told]
assert "tensorflow" not in sys.modules
print(json.dumps(found))
"""


@pytest.fixture
def read(run: Run, fresh: Run, results: Path, tmp_path: Path) -> dict[str, Any]:
    """What TensorBoard reads of a study, by run: curves, and what HParams has."""
    ran = run("report", "mnist", "--results", results, "--tensorboard", tmp_path / "events")
    assert ran.code == 0, ran.err
    assert "8 trials for  tensorboard --logdir" in ran.err
    done = fresh(READ, tmp_path / "events")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_each_fold_has_its_four_curves_by_epoch(read: dict[str, Any]) -> None:
    """The fixture's curves gain 0.01 an epoch; the first fold of trial 1 ends at 0.9920."""
    curves, _ = read["trial-1/fold-1"]

    assert set(curves) == {
        f"{what}/{part}" for what in ("accuracy", "loss") for part in ("training", "validation")
    }
    assert [step for step, _ in curves["accuracy/validation"]] == [1, 2, 3]
    values = [value for _, value in curves["accuracy/validation"]]
    assert values == pytest.approx([0.972, 0.982, 0.992])
    assert "trial-7/fold-1" not in read


def test_only_complete_trials_have_a_score(read: dict[str, Any]) -> None:
    scored = {run for run, (curves, _) in read.items() if "score" in curves}
    predicted = {run for run, (curves, _) in read.items() if "predicted mean" in curves}

    assert scored == {"trial-0", "trial-1", "trial-2"}
    assert predicted == {"trial-3", "trial-5", "trial-6"}
    [(step, value)] = read["trial-1"][0]["score"]
    assert (step, value) == (15, pytest.approx(0.9921))


def test_hparams_knows_the_space_and_each_configuration(read: dict[str, Any]) -> None:
    _, experiment = read["."]
    _, session = read["trial-1"]
    _, failed = read["trial-4"]

    assert 'name: "adam_lr"' in experiment["_hparams_/experiment"]
    assert 'key: "filters_2"' in session["_hparams_/session_start_info"]
    assert "number_value: 128" in session["_hparams_/session_start_info"]
    assert "STATUS_SUCCESS" in session["_hparams_/session_end_info"]
    assert "STATUS_FAILURE" in failed["_hparams_/session_end_info"]


def test_writing_again_replaces(run: Run, results: Path, tmp_path: Path) -> None:
    """The same bytes in the same files: a run is not shown twice."""
    contents = []
    for _ in range(2):
        run("report", "mnist", "--results", results, "--tensorboard", tmp_path)
        contents.append({path: path.read_bytes() for path in tmp_path.rglob(FILE)})

    assert contents[0] == contents[1]


def test_the_missing_extra_is_named_with_its_cure(
    run: Run, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)

    ran = run("report", "mnist", "--results", results, "--tensorboard", tmp_path)

    assert ran.code == 2
    assert "help:  pip install 'mnist-hpo[tensorboard]'" in ran.err
