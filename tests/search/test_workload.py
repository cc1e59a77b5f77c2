"""What a study still trains: in full by counting, raced by the places of its rungs."""

from dataclasses import replace

import pytest

from search.records import Budget, TrialState, Verdict
from search.testing import facts, history, trial
from search.workload import Workload, trained_seconds, workload

RACE = {"policy": "race", "race": {"rungs": "1,2", "factors": "2,2"}, "images": 3000}
WHOLE = [[0.5, 0.6, 0.7, 0.8]] * 3


def test_the_full_loop_trains_every_epoch_that_is_missing() -> None:
    """12 epochs a trial at a second each: 8 of the first, 2 x 12 of the others."""
    study = facts()
    past = history(study, trial(0, study, [[0.5] * 4]), budget=Budget(trials=3))

    assert workload(past) == Workload(seconds=8 + 24, is_limit=False)
    assert trained_seconds(past) == 4


def test_final_trials_lack_nothing() -> None:
    study = facts()
    failed = Verdict(state=TrialState.FAILED, reason="out of memory", fold=0, epoch=1)
    past = history(study, trial(0, study, WHOLE), trial(1, study, [[0.5]], verdict=failed))

    assert workload(past) == Workload(seconds=0, is_limit=False)


def test_a_race_trains_the_places_of_its_rungs_and_the_leaders_folds() -> None:
    """Of 8 trials 8, 4 and 2 reach the rungs: 8 + 4 + 2 x 2 epochs on the first fold, 2 are
    done; the leader's 2 further folds, one of its rival's: 3 x 4."""
    study = facts(**RACE)
    begun = [trial(number, study, [[0.5]]) for number in range(2)]
    past = history(study, *begun, budget=Budget(trials=8, auto_stop=False))

    assert workload(past) == Workload(seconds=16 - 2 + 12, is_limit=False)


def test_a_race_that_may_end_by_itself_has_a_limit() -> None:
    study = facts(**RACE)
    past = history(study, trial(0, study, [[0.5]]), budget=Budget(trials=8))

    assert workload(past) == Workload(seconds=16 - 1 + 12, is_limit=True)


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

    found = workload(past)

    assert found is not None
    assert found.seconds == 0


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

    assert workload(past) == Workload(seconds=11 * 10 + 12, is_limit=False)


@pytest.mark.parametrize(
    ("changes", "trials"), [({}, None), ({"policy": "epochs"}, 8), ({"policy": "full"}, None)]
)
def test_where_nobody_can_say_nothing_is_said(changes: dict[str, str], trials: int | None) -> None:
    study = facts(**changes)
    past = history(study, trial(0, study, [[0.5]]), budget=Budget(trials=trials, minutes=3))

    assert workload(past) is None


def test_before_the_first_epoch_nothing_is_said() -> None:
    study = facts()

    assert workload(history(study, trial(0, study), budget=Budget(trials=3))) is None
