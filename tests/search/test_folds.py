"""Folds: what scikit-learn gives, the same everywhere, and every class in every fold."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

import search
from search.errors import FoldError
from search.folds import Fold, Ints, folds_sha256, stratified_folds

ROOT = Path(search.__file__).parents[1]


def labels(*sizes: int) -> Ints:
    """Returns shuffled labels with so many images of each class."""
    ordered = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    return np.random.default_rng(5).permutation(ordered)


UNEVEN = labels(101, 57, 33, 80, 64, 71, 45, 92, 38, 49)


def test_every_image_is_validated_exactly_once() -> None:
    """The validation parts are disjoint and cover the development set."""
    folds = stratified_folds(UNEVEN, count=5)

    validated = np.concatenate([fold.valid for fold in folds])

    assert sorted(validated.tolist()) == list(range(630))


def test_no_image_is_trained_on_and_validated_in_one_fold() -> None:
    """Training and validation are complements, both ascending."""
    folds = stratified_folds(UNEVEN, count=5)

    for fold in folds:
        both = np.concatenate([fold.train, fold.valid])
        assert sorted(both.tolist()) == list(range(630))
        assert (np.diff(fold.train) > 0).all()
        assert (np.diff(fold.valid) > 0).all()
        assert fold.train.dtype == fold.valid.dtype == np.int64


def test_each_fold_has_its_share_of_each_class_within_one_image() -> None:
    """Class sizes that no fold count divides are spread as evenly as can be."""
    sizes = np.bincount(UNEVEN)

    counts = np.array([np.bincount(UNEVEN[f.valid]) for f in stratified_folds(UNEVEN, count=5)])

    assert (np.abs(counts - sizes / 5) < 1).all()


def test_the_default_split_is_the_documented_one_of_scikit_learn() -> None:
    """`StratifiedKFold(5, shuffle=True, random_state=42)`, index by index."""
    expected = StratifiedKFold(5, shuffle=True, random_state=42).split(UNEVEN, UNEVEN)

    folds = stratified_folds(UNEVEN, count=5)

    for fold, (train, valid) in zip(folds, expected, strict=True):
        assert fold.train.tolist() == train.tolist()
        assert fold.valid.tolist() == valid.tolist()


@pytest.mark.parametrize(
    "other",
    [
        stratified_folds(UNEVEN, count=5, seed=43),
        stratified_folds(UNEVEN, count=4),
        stratified_folds(UNEVEN[::-1], count=5),
        tuple(reversed(stratified_folds(UNEVEN, count=5))),
        tuple(Fold(f.valid, f.train) for f in stratified_folds(UNEVEN, count=5)),
    ],
    ids=["seed", "count", "labels", "order", "parts exchanged"],
)
def test_another_split_has_another_fingerprint(other: tuple[Fold, ...]) -> None:
    """Whatever changes which image is validated where is seen."""
    folds = stratified_folds(UNEVEN, count=5)

    assert folds_sha256(other) != folds_sha256(folds)


def test_a_boundary_moved_between_parts_is_seen() -> None:
    """The lengths are part of the fingerprint: equal concatenations are no equal folds."""
    one = (Fold(np.array([0, 1, 2]), np.array([3])),)
    two = (Fold(np.array([0, 1]), np.array([2, 3])),)

    assert folds_sha256(one) != folds_sha256(two)


def test_a_fresh_interpreter_gives_the_same_folds() -> None:
    """No global random state and no hash seed takes part."""
    script = (
        "import numpy as np\n"
        "from search.folds import folds_sha256, stratified_folds\n"
        "np.random.seed(1)\n"
        "labels = np.arange(200, dtype=np.int64) * 7 % 10\n"
        "print(folds_sha256(stratified_folds(labels, count=5)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "3"}

    fresh = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )

    own = stratified_folds(np.arange(200, dtype=np.int64) * 7 % 10, count=5)
    assert fresh.stdout.strip() == folds_sha256(own)


@pytest.mark.parametrize("count", [1, 0, -3])
def test_fewer_than_two_folds_are_refused(count: int) -> None:
    with pytest.raises(FoldError, match=rf"at least 2 folds, got {count}\."):
        stratified_folds(UNEVEN, count=count)


def test_a_class_too_small_for_the_folds_is_named() -> None:
    """The message says which class, how many images it has, and what to do."""
    with pytest.raises(FoldError, match=r"class 2 has 4\. Use fewer folds or more images"):
        stratified_folds(labels(9, 8, 4, 7), count=5)


def test_a_class_with_one_image_a_fold_is_enough() -> None:
    folds = stratified_folds(labels(9, 8, 5), count=5)

    assert [int((labels(9, 8, 5)[fold.valid] == 2).sum()) for fold in folds] == [1] * 5


def test_no_images_at_all_are_refused() -> None:
    with pytest.raises(FoldError, match=r"image of every class, but got 0\."):
        stratified_folds(np.array([], dtype=np.int64), count=5)
