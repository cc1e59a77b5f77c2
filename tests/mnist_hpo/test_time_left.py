"""The time left: by minutes, by work and pace, and never more than is known."""

import itertools
from dataclasses import replace

from mnist_hpo.time_left import Rate, TimeLeft, time_left
from search import events
from search.records import Budget
from search.testing import facts, history, trial


def test_work_is_left_at_the_pace_of_this_run() -> None:
    """12 epochs of a second each took 24: the other 24 take 48."""
    study = facts()
    past = history(study, trial(0, study, [[0.5] * 4] * 3), budget=Budget(trials=3))

    assert time_left(past, began=history(study), passed=24) == TimeLeft(48)


def test_at_first_the_pace_is_that_of_the_runs_before() -> None:
    """Two epochs of this run say little; all 8 took 4 s, and 4 + 12 are missing."""
    study = facts()
    began = history(study, trial(0, study, [[0.5] * 4, [0.5] * 2]))
    past = history(study, trial(0, study, [[0.5] * 4] * 2), budget=Budget(trials=2))

    left = time_left(replace(past, elapsed=4.0), began=began, passed=100)

    assert left == TimeLeft(8)


def test_the_budget_that_ends_first_counts() -> None:
    study = facts()
    past = history(study, trial(0, study, [[0.5] * 4] * 3), budget=Budget(trials=3, minutes=1))

    assert time_left(replace(past, elapsed=24.0), began=history(study), passed=24) == TimeLeft(36)


def test_a_race_that_may_end_by_itself_has_a_guess_or_a_limit() -> None:
    """Fifty seconds an epoch: two minutes end first. A tenth of a second: they do not."""
    study = facts(policy="race", race={"rungs": "1,2"}, images=3000)
    past = history(study, trial(0, study, [[0.5]]), budget=Budget(minutes=2))

    slow = time_left(replace(past, elapsed=50.0), began=history(study), passed=50)
    fast = time_left(replace(past, elapsed=0.1), began=history(study), passed=0.1)

    assert slow == TimeLeft(70, is_limit=True)
    assert fast is not None
    assert (fast.is_rough, fast.is_limit) == (True, False)
    assert fast.seconds < 60


def test_constants_of_another_version_leave_the_minutes() -> None:
    study = facts(policy="race", race={"gone": "1"}, images=3000)
    past = history(study, trial(0, study, [[0.5]]), budget=Budget(trials=9, minutes=2))

    left = time_left(replace(past, elapsed=50.0), began=history(study), passed=50)

    assert left == TimeLeft(70, is_limit=True)


def test_plain_lines_name_an_estimate_and_a_limit_differently() -> None:
    study = facts()
    past = history(study, trial(0, study, [[0.5] * 4] * 3), budget=Budget(trials=3))
    race = facts(policy="race", race={"rungs": "1,2"}, images=3000)
    limited = replace(
        history(race, trial(0, race, [[0.5]]), budget=Budget(minutes=2)), elapsed=50.0
    )
    rate = Rate(itertools.count(0, 24).__next__)

    assert rate.eta(past) == ""
    rate.listen(events.Started(history(study), 1))

    assert rate.eta(past) == " eta_s=48"
    assert rate.eta(limited) == " at_most_s=70"
