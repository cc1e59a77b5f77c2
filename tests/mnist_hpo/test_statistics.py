"""Numbers of the final evaluation, against published tables and independent arithmetic."""

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mnist_hpo.statistics import TestResult, confusion, evaluate, wilson_interval

TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 3, 4])
PREDICTED = np.array([0, 0, 0, 1, 1, 2, 2, 2, 0, 4])


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_that_of_newcombes_table(
    correct: int, total: int, low: float, high: float
) -> None:
    """Newcombe (1998), Statistics in Medicine 17, Table I, method 3."""
    interval = wilson_interval(correct, total)

    assert list(interval) == pytest.approx([low, high], abs=5e-5)


@pytest.mark.parametrize(("correct", "total"), [(9934, 10_000), (5, 10), (1, 1_000_000)])
def test_the_bounds_solve_wilsons_equation(correct: int, total: int) -> None:
    """A bound b is z standard errors from the observed share p: n (p - b)^2 = z^2 b (1 - b)."""
    z = 1.959963984540054
    p = Fraction(correct, total)

    for bound in map(Fraction, wilson_interval(correct, total)):
        assert float(total * (p - bound) ** 2 / (bound * (1 - bound))) == pytest.approx(z * z)


def test_9934_of_10000_right_is_99_16_to_99_48_percent() -> None:
    low, high = wilson_interval(9934, 10_000)

    assert (round(low, 5), round(high, 5)) == (0.99161, 0.99481)


def test_the_ends_are_exact_and_a_higher_confidence_is_wider() -> None:
    assert wilson_interval(0, 7)[0] == 0.0
    assert wilson_interval(7, 7)[1] == 1.0
    wide, narrow = wilson_interval(90, 100, 0.99), wilson_interval(90, 100, 0.5)
    assert wide[0] < narrow[0] < 0.9 < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("correct", "total", "confidence"),
    [(1, 0, 0.95), (0, 0, 0.95), (-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1.0)],
)
def test_an_impossible_proportion_has_no_interval(
    correct: int, total: int, confidence: float
) -> None:
    with pytest.raises(ValueError, match=f"correct={correct}, total={total}, conf"):
        wilson_interval(correct, total, confidence)


def test_rows_are_true_classes_and_columns_predicted_ones() -> None:
    matrix = confusion(TRUE, PREDICTED)

    assert matrix.shape == (10, 10)
    assert matrix[0, :3].tolist() == [3, 1, 0]
    assert (matrix[3, 0], matrix[0, 3]) == (1, 0)
    assert matrix.sum() == 10


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [
        (TRUE, PREDICTED[:9]),
        (TRUE[:0], PREDICTED[:0]),
        (TRUE + 6, PREDICTED),
        (TRUE, PREDICTED - 1),
        (TRUE[:, None], PREDICTED[:, None]),
    ],
    ids=["lengths", "empty", "ten", "minus-one", "columns"],
)
def test_classes_that_do_not_pair_up_are_refused(y_true: Any, y_pred: Any) -> None:
    with pytest.raises(ValueError, match=r"got"):
        confusion(y_true, y_pred)


def test_every_class_gets_its_precision_recall_and_f1() -> None:
    result = evaluate(TRUE, PREDICTED, loss=0.5)

    assert (result.correct, result.total, result.accuracy) == (7, 10, 0.7)
    assert result.precision == pytest.approx([3 / 4, 1 / 2, 2 / 3, 0, 1, 0, 0, 0, 0, 0])
    assert result.recall == pytest.approx([3 / 4, 1 / 2, 1, 0, 1, 0, 0, 0, 0, 0])
    assert result.f1 == pytest.approx([3 / 4, 1 / 2, 4 / 5, 0, 1, 0, 0, 0, 0, 0])
    assert result.interval == wilson_interval(7, 10)


def test_a_result_survives_json_with_plain_numbers_only() -> None:
    result = evaluate(TRUE, PREDICTED, loss=np.float32(0.25))

    again = TestResult.from_json(json.loads(json.dumps(result.to_json())))

    assert again == result
    assert type(again.loss) is float
    assert {type(n) for row in result.confusion for n in row} == {int}
    assert {type(share) for share in result.precision} == {float}


@pytest.mark.parametrize(
    "change",
    [
        {"correct": 8},
        {"total": 11},
        {"accuracy": 0.71},
        {"confusion": [[1]]},
        {"recall": [1.0]},
        {"interval": [0.1]},
        {"loss": "none"},
        {"loss": None},
        {"confusion": None},
    ],
)
def test_a_record_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    record = evaluate(TRUE, PREDICTED, loss=0.5).to_json() | change

    with pytest.raises(ValueError, match=r"test result|counts every|Accuracy|unpack|convert"):
        TestResult.from_json(record)


def test_a_record_without_a_field_is_refused() -> None:
    with pytest.raises(ValueError, match="no test result"):
        TestResult.from_json({"loss": 1.0})
