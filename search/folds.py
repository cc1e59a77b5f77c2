"""Stratified folds: the same for every trial of a study."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from search.errors import FoldError

Ints = npt.NDArray[np.int64]

DEFAULT_SEED = 42
"""The split of the project's first document: `StratifiedKFold(5, shuffle=True, random_state=42)`.

It does not follow the study's seed, so that scores of different studies on the same data compare
the same folds.
"""


@dataclass(frozen=True, slots=True)
class Fold:
    """One split of the development set, as ascending indices."""

    train: Ints
    valid: Ints


def stratified_folds(labels: Ints, *, count: int, seed: int = DEFAULT_SEED) -> tuple[Fold, ...]:
    """Splits the development set so that every fold has its share of each class.

    Args:
        labels: Class of each development image.
        count: Number of folds; every image is validated exactly once.
        seed: Equal seeds give equal folds, in any process.

    Returns:
        The folds, in the order in which they are trained.

    Shapes:
        labels: (n,), int64.
        Fold.train: about (n - n / count,), int64, ascending.
        Fold.valid: about (n / count,), int64, ascending.

    Raises:
        FoldError: `count` is below 2, or a class has fewer than `count` images.

    References:
        Kohavi (1995), "A study of cross-validation and bootstrap for accuracy estimation
        and model selection", IJCAI.
    """
    if count < 2:
        raise FoldError(f"Cross-validation needs at least 2 folds, got {count}.")
    classes, sizes = np.unique(labels, return_counts=True)
    if len(labels) == 0 or sizes.min() < count:
        rarest = f"class {classes[sizes.argmin()]} has {sizes.min()}" if len(labels) else "got 0"
        raise FoldError(
            f"Each of {count} folds needs an image of every class, but {rarest}. "
            f"Use fewer folds or more images."
        )
    splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
    return tuple(
        Fold(train.astype(np.int64), valid.astype(np.int64))
        for train, valid in splitter.split(np.zeros((len(labels), 1)), labels)
    )


def folds_sha256(folds: tuple[Fold, ...]) -> str:
    """Returns the fingerprint of the split: which image is validated in which fold."""
    digest = hashlib.sha256()
    for fold in folds:
        for indices in (fold.train, fold.valid):
            digest.update(len(indices).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(indices, dtype="<i8").tobytes())
    return digest.hexdigest()
