"""`--where` and `--columns`: a small language that is read, never run."""

from collections.abc import Callable
from typing import Any

import pytest

from mnist_hpo.conditions import holds, parsed
from mnist_hpo.errors import UserError
from mnist_hpo.qualities import qualities
from mnist_hpo.ranking import Standing, standings
from spaces.cnn_space import CNN_SPACE

Rows = tuple[Standing, ...]


@pytest.fixture
def rows(make_history: Callable[..., Any]) -> Rows:
    """Two complete trials of two folds and one unfinished: means 0.98, 0.9 and none."""
    curves = [
        [[0.5, 0.6, 0.9], [0.5, 0.6, 0.9]],
        [[0.5, 0.6, 0.99], [0.5, 0.6, 0.97]],
        [[0.5], []],
    ]
    return standings(make_history(curves))


def met(text: str, rows: Rows) -> list[int]:
    """Numbers of the trials that meet a condition."""
    condition = parsed(text, qualities(rows, CNN_SPACE))
    return sorted(row.trial.number for row in rows if holds(condition, row))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("score>0.95", [1]),
        ("score >= 98%", [1]),
        ("score<0.95", [0]),
        ("worst=0.97", [1]),
        ("rank!=1", [0]),
        ("trial>0 and state=paused", [2]),
        ("state != 'paused'", [0, 1]),
        ("params<=121.355k", [0, 1]),
        ("params<0.121354M", []),
        ("time<0:06", [2]),
        ("time>=9", [0, 1]),
        ("time<1:00:00 AND fold_epochs=1", [2]),
        ("optimizer=adam", [0, 1, 2]),
        ('optimizer="sgd"', []),
        ("filters=16-32", [0, 1, 2]),
        ("filters_1<17 and filters_2 > 31", [0, 1, 2]),
        ("lr=1e-3", [0, 1, 2]),
        ("sgd_lr!=1", []),
        ("batch_norm=no", [0, 1, 2]),
    ],
)
def test_a_condition_is_read_as_a_person_means_it(
    rows: Rows, text: str, numbers: list[int]
) -> None:
    """The last but one: what a trial lacks is neither equal nor unequal to anything."""
    assert met(text, rows) == numbers


@pytest.mark.parametrize(
    ("text", "message", "help_"),
    [
        ("", "takes comparisons", "for instance"),
        ("params", "got 'params'", "for instance"),
        ("params<1k or rank=1", "joins comparisons by 'and', got 'or rank=1'", "for instance"),
        ("params<1k and", "joins comparisons by 'and', got 'and'", "for instance"),
        ("__import__('os').system('true')", "takes comparisons", "for instance"),
        ("parms<200k", "'parms'", "did you mean 'params'?"),
        ("optimzer=adam", "'optimzer'", "did you mean 'optimizer'?"),
        ("optimizer<adam", "< compares numbers", "--where 'optimizer=adam'"),
    ],
)
def test_what_is_no_condition_is_refused_with_a_cure(
    rows: Rows, text: str, message: str, help_: str
) -> None:
    with pytest.raises(UserError) as caught:
        met(text, rows)

    assert message in caught.value.message
    assert help_ in caught.value.help


def test_a_name_is_known_before_any_trial_has_it() -> None:
    assert parsed("adam_lr<1e-3 and dense_layers=0", qualities((), CNN_SPACE))
