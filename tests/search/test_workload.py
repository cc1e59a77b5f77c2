"""What a study still trains: in full by counting, raced by the places of its rungs."""

import random
from dataclasses import replace

import pytest

from search.records import Budget, TrialState, Verdict
from search.testing import facts, history, trial
from search.workload import seconds_left, trained_seconds

RACE = {
    "policy": "race",
    "race": {"rungs": "1,2", "factors": "2,2", "last_call": "1"},
    "images": 3000,
}
CALLING = {**RACE, "race": {"rungs": "1,2", "factors": "2,2", "last_call": "0.01"}}
WHOLE = [[0.5, 0.6, 0.7, 0.8]] * 3


def test_the_full_loop_trains_every_epoch_that_is_missing() -> None:
    """12 epochs a trial at a second each: 8 of the first, 2 x 12 of the others."""
    study = facts()
    past = history(study, trial(0, study, [[0.5] * 4]), budget=Budget(trials=3))

    assert seconds_left(past) == 8 + 24
    assert trained_seconds(past) == 4


def test_final_trials_lack_nothing() -> None:
    study = facts()
    failed = Verdict(state=TrialState.FAILED, reason="out of memory", fold=0, epoch=1)
    past = history(study, trial(0, study, WHOLE), trial(1, study, [[0.5]], verdict=failed))

    assert seconds_left(past) == 0


def test_a_race_trains_the_places_of_its_rungs_and_the_leaders_folds() -> None:
    """Of 8 trials 8, 4 and 2 reach the rungs: 8 + 4 + 2 x 2 epochs on the first fold, 2 are
    done; the leader's 2 further folds and 0.6 of its rival's, of 4 epochs each."""
    study = facts(**RACE)
    begun = [trial(number, study, [[0.5]]) for number in range(2)]
    past = history(study, *begun, budget=Budget(trials=8, auto_stop=False))

    assert seconds_left(past) == pytest.approx(16 - 2 + 2.6 * 4)


def test_last_calls_send_more_than_have_places() -> None:
    """7 x (6 / 8)^2 more reach each rung but the first, while 6 of 8 trials are to come."""
    study = facts(**CALLING)
    begun = [trial(number, study, [[0.5]]) for number in range(2)]
    past = history(study, *begun, budget=Budget(trials=8, auto_stop=False))

    called = 7 * (6 / 8) ** 2
    first, further = 8 + (4 + called) + 2 * (2 + called) - 2, 2 + 0.6 * (1 + called)
    assert seconds_left(past) == pytest.approx(first + 4 * further)


def test_whoever_is_called_at_the_end_may_become_a_finalist() -> None:
    """One of three is, a share of 0.4 goes all the way and trains 0.6 of another fold."""
    study = facts(**CALLING)
    past = history(
        study, trial(0, study, WHOLE), trial(1, study, [[0.5]]), trial(2, study, [[0.01]])
    )

    assert seconds_left(past) == pytest.approx((3 / 2 + 0.4 - 1) + 2 * 0.4 + 0.4 * 0.6 * 4)


def test_a_race_ends_by_itself_after_a_run_without_a_record() -> None:
    """With sqrt(2.5) / settled = 7.9 a run of 7 ends it; a made-up search has that median."""
    study = facts(policy="race", race={"rungs": "1,2", "settled": "0.2"}, images=3000)
    begun = trial(0, study, [[0.5]])
    free = history(study, begun, budget=Budget(trials=100))
    bound = history(study, begun, budget=Budget(trials=_median(7), auto_stop=False))

    assert seconds_left(free) == seconds_left(bound)


def _median(run: int) -> int:
    """Counts the trials of many made-up searches that end after such a run, from the second on."""
    rng = random.Random(0)  # noqa: S311 - a test
    ends = []
    for _ in range(20_001):
        count, since = 1, 0
        while since < run:
            count += 1
            since = 0 if rng.random() < 1 / count else since + 1
        ends.append(count)
    return sorted(ends)[len(ends) // 2]


def test_a_race_that_trains_further_folds_proposes_no_more() -> None:
    """Two epochs of the leader's second fold are done; one fold and two epochs are missing."""
    study = facts(**RACE)
    leader = trial(0, study, [[0.5, 0.6, 0.7, 0.8], [0.5, 0.6]])
    past = history(study, leader, budget=Budget(trials=8))

    assert seconds_left(past) == 4 + 2


def test_a_race_that_is_over_has_nothing_left() -> None:
    """Of four, two went on and one of them to the end; its rival was given up."""
    study = facts(**RACE)
    past = history(
        study,
        trial(0, study, WHOLE),
        trial(1, study, [[0.5, 0.6]]),
        trial(2, study, [[0.5]]),
        trial(3, study, [[0.5]]),
    )

    assert seconds_left(past) == 0


def test_slow_trials_take_longer_than_fast_ones() -> None:
    """The pace of the sampler's trials holds for those to come, once there are three."""
    study = facts()
    slow = trial(0, study, [[0.5]], origin="000")
    slow = replace(
        slow,
        curves=tuple(
            replace(curve, epochs=tuple(replace(e, seconds=10.0) for e in curve.epochs))
            for curve in slow.curves
        ),
    )
    fast = [trial(number, study, WHOLE) for number in range(1, 4)]
    past = history(study, slow, *fast, budget=Budget(trials=5))

    assert seconds_left(past) == 11 * 10 + 12


@pytest.mark.parametrize(
    ("changes", "trials"), [({}, None), ({"policy": "epochs"}, 8), ({"policy": "full"}, None)]
)
def test_where_nobody_can_say_nothing_is_said(changes: dict[str, str], trials: int | None) -> None:
    study = facts(**changes)
    past = history(study, trial(0, study, [[0.5]]), budget=Budget(trials=trials, minutes=3))

    assert seconds_left(past) is None


def test_before_the_first_epoch_nothing_is_said() -> None:
    study = facts()

    assert seconds_left(history(study, trial(0, study), budget=Budget(trials=3))) is None
