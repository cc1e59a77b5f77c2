"""Checkpoints: whole, known by their fingerprint, and gone when nobody goes on from them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from search.checkpoints import LIMIT_BYTES, CheckpointFolder, is_kept
from search.records import Curve, TrialState, Verdict
from search.testing import facts, trial

STUDY = facts()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


@pytest.fixture
def checkpoints(folder: Path) -> CheckpointFolder:
    return CheckpointFolder(folder)


def test_what_was_written_is_read_by_its_fingerprint(checkpoints: CheckpointFolder) -> None:
    path = checkpoints.path(3, 1, 0, 2)

    sha256 = checkpoints.write(path, b"weights")

    assert sha256 == hashlib.sha256(b"weights").hexdigest()
    assert checkpoints.read(path, sha256) == b"weights"


@pytest.mark.parametrize(
    "content", [b"weightz", b"weight", b"", b"weights "], ids=["bit", "cut", "empty", "longer"]
)
def test_a_damaged_checkpoint_is_none(checkpoints: CheckpointFolder, content: bytes) -> None:
    """The fold is trained again then, never guessed."""
    path = checkpoints.path(3, 1, 0, 2)
    sha256 = checkpoints.write(path, b"weights")

    path.write_bytes(content)

    assert checkpoints.read(path, sha256) is None


def test_a_missing_or_unnamed_checkpoint_is_none(checkpoints: CheckpointFolder) -> None:
    """Neither a file without a row counts nor a row without a file."""
    path = checkpoints.path(3, 1, 0, 2)
    sha256 = checkpoints.write(path, b"weights")

    assert checkpoints.read(path, None) is None
    checkpoints.drop(path)
    assert checkpoints.read(path, sha256) is None
    checkpoints.drop(path)  # twice is no error: a crash may come in between


def test_every_state_has_a_name_of_its_own(checkpoints: CheckpointFolder) -> None:
    """1-11 and 11-1 must not meet; a retry keeps apart from the run that failed."""
    places = [(t, f, r, e) for t in (1, 11) for f in (0, 1) for r in (0, 1) for e in (1, 11)]

    assert len({checkpoints.path(*place) for place in places}) == len(places) == 16


def test_a_sweep_keeps_what_live_trials_go_on_from(
    checkpoints: CheckpointFolder, folder: Path
) -> None:
    """The newest epoch of each unfinished fold of a trial without a verdict; no more."""
    stopped = Verdict(state=TrialState.STOPPED, reason="hopeless")
    retried = trial(1, STUDY, [[0.1, 0.2]])
    trials = [
        trial(0, STUDY, [[0.1] * 4, [0.1] * 2, [0.1] * 3]),
        replace(retried, curves=(Curve(retried.curves[0].epochs, 1), *retried.curves[1:])),
        trial(2, STUDY, [[0.1] * 2], verdict=stopped),
        trial(3, STUDY, [[0.1] * 4] * 3),
    ]
    kept = {"t0-f1-r0-e2.npz", "t0-f2-r0-e3.npz", "t1-f0-r1-e2.npz"}
    orphans = {
        "t0-f0-r0-e4.npz",  # its fold is finished
        "t0-f1-r0-e1.npz",  # replaced by the next epoch's
        "t0-f1-r0-e3.npz",  # a crash came before its row
        "t1-f0-r0-e2.npz",  # of the run that failed
        "t2-f0-r0-e2.npz",  # its trial was stopped
        "t3-f2-r0-e4.npz",  # its trial is complete
        "t9-f0-r0-e1.npz",  # of no trial at all
        ".t0-f1-r0-e3.npz.tmp-4711",  # a crash came in the middle of writing it
    }
    folder.mkdir()
    for name in kept | orphans:
        (folder / name).write_bytes(b"x")

    removed = checkpoints.sweep(trials, STUDY.epochs)

    assert {path.name for path in removed} == orphans
    assert {path.name for path in folder.iterdir()} == kept


def test_a_sweep_leaves_other_peoples_files_alone(
    checkpoints: CheckpointFolder, folder: Path
) -> None:
    folder.mkdir()
    for name in ("notes.txt", "t1.npz", "best-t1-f0-r0-e1.npz", "t1-f0-r0-e1.npz.bak"):
        (folder / name).write_bytes(b"mine")

    removed = checkpoints.sweep([], STUDY.epochs)

    assert removed == ()
    assert len(list(folder.iterdir())) == 4


def test_a_sweep_makes_no_folder(checkpoints: CheckpointFolder, folder: Path) -> None:
    assert checkpoints.sweep([trial(0, STUDY)], STUDY.epochs) == ()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("params", "kept"),
    [(899_466, True), (5_592_405, True), (5_592_406, False), (61_025_674, False)],
    ids=["small", "limit", "above", "documented 004"],
)
def test_models_above_64_mib_train_whole_folds(params: int, *, kept: bool) -> None:
    """By hand: 64 x 1,048,576 / 12 bytes a weight = 5,592,405.3."""
    assert LIMIT_BYTES == 67_108_864
    assert is_kept(params) is kept
