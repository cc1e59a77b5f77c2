"""What the test set says about a winner. Pure: labels in, numbers with their uncertainty out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar, Self, SupportsFloat, final

import numpy as np
import numpy.typing as npt

from mnist_hpo.data.records import CLASSES

Ints = npt.NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """The one evaluation of a winner on the test set.

    Raises:
        ValueError: the numbers contradict each other.
    """

    __test__: ClassVar[bool] = False  # pytest would take the name for a test class

    loss: float
    accuracy: float
    correct: int
    total: int

    interval: tuple[float, float]
    """Wilson's 95 % interval of the accuracy."""

    confusion: tuple[tuple[int, ...], ...]
    """Images by true class (row) and predicted class (column)."""

    precision: tuple[float, ...]
    """For each class; 0 where the class was never predicted."""

    recall: tuple[float, ...]
    """For each class; 0 where the test set has no image of it."""

    f1: tuple[float, ...]

    def __post_init__(self) -> None:
        rows = (*self.confusion, self.precision, self.recall, self.f1)
        if len(self.confusion) != CLASSES or any(len(row) != CLASSES for row in rows):
            raise ValueError(
                f"A test result has {CLASSES} classes, got rows of {[len(row) for row in rows]}."
            )
        total = sum(map(sum, self.confusion))
        correct = sum(row[i] for i, row in enumerate(self.confusion))
        if (total, correct) != (self.total, self.correct) or total == 0:
            raise ValueError(
                f"The confusion matrix counts every image once: it has {correct} of {total} "
                f"right, the result says {self.correct} of {self.total}."
            )
        if not math.isclose(self.accuracy, correct / total):
            raise ValueError(
                f"Accuracy is correct / total: {correct} / {total} is not {self.accuracy}."
            )

    def to_json(self) -> dict[str, Any]:
        """Returns the record as plain lists, floats and ints."""
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "correct": self.correct,
            "total": self.total,
            "interval": list(self.interval),
            "confusion": [list(row) for row in self.confusion],
            "precision": list(self.precision),
            "recall": list(self.recall),
            "f1": list(self.f1),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: a field is missing, is no number, or contradicts another.
        """
        try:
            low, high = record["interval"]
            return cls(
                loss=float(record["loss"]),
                accuracy=float(record["accuracy"]),
                correct=int(record["correct"]),
                total=int(record["total"]),
                interval=(float(low), float(high)),
                confusion=tuple(tuple(int(n) for n in row) for row in record["confusion"]),
                precision=tuple(float(share) for share in record["precision"]),
                recall=tuple(float(share) for share in record["recall"]),
                f1=tuple(float(share) for share in record["f1"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"This record is no test result: {error!r}.") from error


def evaluate(y_true: Ints, y_pred: Ints, *, loss: SupportsFloat) -> TestResult:
    """Compares predicted classes with true ones.

    Args:
        y_true: Class of each image.
        y_pred: Predicted class of each image.
        loss: Mean loss, as the model reports it.

    Shapes:
        y_true: (n,), 0 to 9.
        y_pred: (n,), 0 to 9.

    Raises:
        ValueError: as `confusion`.
    """
    # Here and below: showing a stored result must not wait a second for scikit-learn.
    from sklearn.metrics import precision_recall_fscore_support  # noqa: PLC0415 - see above

    matrix = confusion(y_true, y_pred)
    total, correct = int(matrix.sum()), int(matrix.trace())
    precision, recall, f1, _ = precision_recall_fscore_support(
        y_true, y_pred, labels=range(CLASSES), zero_division=0
    )
    return TestResult(
        loss=float(loss),
        accuracy=correct / total,
        correct=correct,
        total=total,
        interval=wilson_interval(correct, total),
        confusion=tuple(tuple(row) for row in matrix.tolist()),
        precision=tuple(precision.tolist()),
        recall=tuple(recall.tolist()),
        f1=tuple(f1.tolist()),
    )


def confusion(y_true: Ints, y_pred: Ints) -> Ints:
    """Counts images by true class (row) and predicted class (column).

    Shapes:
        y_true: (n,), 0 to 9.
        y_pred: (n,), 0 to 9.
        return: (10, 10).

    Raises:
        ValueError: the lengths differ, there is no image, or a class is not 0 to 9.
    """
    if y_true.shape != y_pred.shape or y_true.ndim != 1 or len(y_true) == 0:
        raise ValueError(
            f"Each image has a true and a predicted class, got the shapes {y_true.shape} and "
            f"{y_pred.shape}."
        )
    low = int(min(y_true.min(), y_pred.min()))
    high = int(max(y_true.max(), y_pred.max()))
    if low < 0 or high >= CLASSES:
        # scikit-learn would leave such images out of the matrix without a word.
        raise ValueError(f"Classes are 0 to {CLASSES - 1}, got {low} to {high}.")
    from sklearn.metrics import confusion_matrix  # noqa: PLC0415 - as in `evaluate`

    matrix: Ints = confusion_matrix(y_true, y_pred, labels=range(CLASSES)).astype(np.int64)
    return matrix


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the score interval of a proportion, without continuity correction.

    Unlike the usual p ± z s it stays inside 0 and 1 and keeps its level close to 100 %.

    Args:
        correct: Successes, 0 to `total`.
        total: Trials, above 0.
        confidence: Level of the two-sided interval, between 0 and 1.

    Raises:
        ValueError: an argument is out of its range.

    References:
        Wilson (1927), "Probable inference, the law of succession, and statistical inference",
        Journal of the American Statistical Association 22.
    """
    if not 0 <= correct <= total or total == 0 or not 0 < confidence < 1:
        raise ValueError(
            f"An interval needs 0 <= correct <= total, total > 0 and 0 < confidence < 1, got "
            f"correct={correct}, total={total}, confidence={confidence}."
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = correct / total
    # (p + z^2/2n ± z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n)
    scale = 1 + z * z / total
    centre = (p + z * z / (2 * total)) / scale
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / scale
    # At the ends the bounds are exactly 0 and 1; rounding would leave 1e-17 beyond.
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == total else min(1.0, centre + half)
    return low, high
