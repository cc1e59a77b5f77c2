"""Ranks, ties and costs, against tables of Student's t and sums done by hand."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from mnist_hpo.ranking import cost, difference, in_flight, standings, t_quantile
from search.records import Budget, Ending, History, TrialState, Verdict

MakeHistory = Callable[..., History]


@pytest.mark.parametrize(
    ("freedom", "table"),
    [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (9, 2.262),
        (10, 2.228),
        (19, 2.093),
        (30, 2.042),
        (120, 1.980),
    ],
)
def test_the_quantile_is_the_one_in_the_tables(freedom: int, table: float) -> None:
    """Abramowitz and Stegun (1964), table 26.10, column for two-sided 0.95."""
    assert t_quantile(freedom) == pytest.approx(table, abs=5e-4)


def test_the_interval_of_five_folds_carries_the_nadeau_bengio_factor() -> None:
    """Differences 0.0001 x (-5, 1, 3, -4, -5): mean -2, sum of squares 56 around it, sd sqrt(14).

    Half-width: 2.7764 x sqrt(1/5 + 1/4) x sqrt(14) = 6.969.
    """
    best = [0.9920, 0.9924, 0.9915, 0.9926, 0.9920]
    own = [0.9915, 0.9925, 0.9918, 0.9922, 0.9915]

    found = difference(own, best)

    assert found.mean == pytest.approx(-0.0002)
    assert found.half_width == pytest.approx(6.969e-4, rel=1e-3)
    assert found.is_tie


@pytest.mark.parametrize(
    ("shift", "tie"),
    [(0.00069, True), (0.00070, False)],
    ids=["zero-inside", "zero-outside"],
)
def test_a_tie_ends_where_the_interval_leaves_zero(shift: float, tie: bool) -> None:
    """The same spread as above, sqrt(14) x 0.0001, around another mean: the limit is 0.000697."""
    gains = [0.0001 * gain - shift for gain in (-3, 3, 5, -2, -3)]

    assert difference(gains, [0.0] * 5).is_tie is tie


def test_equal_folds_tie_and_an_equal_gain_on_every_fold_does_not() -> None:
    equal = difference([0.99, 0.98], [0.99, 0.98])
    shifted = difference([0.5, 0.5], [0.75, 0.75])

    assert equal.is_tie
    assert (shifted.mean, shifted.half_width) == (-0.25, 0.0)
    assert not shifted.is_tie


def test_trials_are_ranked_by_score_and_unfinished_ones_follow(make_history: MakeHistory) -> None:
    history = make_history(
        [
            [[0.90], [0.92]],
            [[0.98], [0.96]],
            [[0.99], []],
            [[], []],
        ],
        epochs=1,
    )

    rows = standings(history)

    assert [(row.trial.number, row.rank) for row in rows] == [(1, 1), (0, 2), (2, None), (3, None)]
    assert [row.score is None for row in rows] == [False, False, True, True]
    assert [row.worst for row in rows] == [0.96, 0.90, 0.99, None]


def test_rank_1_is_no_tie_with_itself(make_history: MakeHistory) -> None:
    rows = standings(make_history([[[0.98], [0.96]], [[0.98], [0.96]]], epochs=1))

    assert [(row.rank, row.is_tied) for row in rows] == [(1, False), (2, True)]


def test_an_accuracy_before_the_last_epoch_counts_for_nothing(make_history: MakeHistory) -> None:
    history = make_history(
        [[[0.99, 0.90], [0.99, 0.92]], [[0.10, 0.93], [0.10, 0.95]], [[0.99], [0.99]]], epochs=2
    )

    rows = standings(history)

    assert [(row.trial.number, row.rank) for row in rows] == [(1, 1), (0, 2), (2, None)]
    assert rows[2].worst is None


def test_a_failed_trial_comes_last_and_has_no_score(make_history: MakeHistory) -> None:
    history = make_history([[[0.99], [0.99]], [[0.5], []]], epochs=1)
    failed = replace(
        history.trials[0], verdict=Verdict(state=TrialState.FAILED, reason="out of memory")
    )

    rows = standings(history.with_trial(failed))

    assert [(row.trial.number, str(row.state)) for row in rows] == [(1, "paused"), (0, "failed")]
    assert rows[1].rank is None


def test_a_started_job_runs_only_while_a_process_owns_the_study(make_history: MakeHistory) -> None:
    history = make_history([[[0.9], []], [[0.9, 0.9], []]], epochs=2)
    started = replace(history.trials[0], attempts=((1, 1), (0, 0)))
    returned = replace(history.trials[1], attempts=((1, 1), (0, 0)))
    history = history.with_trial(started).with_trial(returned)

    assert in_flight(history) == {0}
    assert {str(row.state) for row in standings(history)} == {"paused"}
    assert {row.trial.number: str(row.state) for row in standings(history, owned=True)} == {
        0: "running",
        1: "paused",
    }


def test_the_cost_is_counted_in_fold_epochs_against_all_of_them(make_history: MakeHistory) -> None:
    """Trials of 4, 3 and 0 of 4 fold-epochs, 1.5 s each: 12 in all, 7 done, 18 s if in full.

    Who has not begun has saved nothing yet.
    """
    history = make_history(
        [[[0.9, 0.9], [0.9, 0.9]], [[0.8, 0.8], [0.8]], [[], []]], epochs=2, policy="race"
    )

    found = cost(history, standings(history))

    assert (found.fold_epochs, found.full_fold_epochs) == (7, 12)
    assert found.seconds == pytest.approx(7 * 1.5)
    assert found.full_seconds == pytest.approx(12 * 1.5)
    assert (found.saved_fold_epochs, found.settled) == (1, 2)


def test_an_unfinished_trial_of_the_full_policy_saved_nothing(make_history: MakeHistory) -> None:
    history = make_history([[[0.9], [0.9]], [[0.8], []]], epochs=1, policy="full")
    ended = replace(history, ending=Ending(reason="1 minutes", budget=history.budget))

    for own in (history, ended):
        found = cost(own, standings(own))
        assert (found.settled, found.saved_fold_epochs, found.saved_share) == (1, 0, 0.0)


def test_a_study_without_trials_has_cost_nothing(make_history: MakeHistory) -> None:
    history = make_history([])

    found = cost(history, standings(history))

    assert (found.fold_epochs, found.full_fold_epochs, found.full_seconds) == (0, 0, None)
    assert found.saved_share == 0.0
    assert history.budget == Budget(trials=30)


def test_more_folds_need_a_smaller_quantile_down_to_that_of_the_normal_law() -> None:
    quantiles = [t_quantile(freedom) for freedom in (1, 2, 3, 4, 8, 16, 1000)]

    assert quantiles == sorted(quantiles, reverse=True)
    assert math.isclose(quantiles[-1], 1.9623, abs_tol=1e-4)
