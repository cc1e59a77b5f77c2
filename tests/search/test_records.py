"""Records: what is derived from a study's history, by hand-made numbers."""

import json
import math
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from search.records import (
    Budget,
    Curve,
    Ending,
    Epoch,
    Facts,
    Job,
    Score,
    TrialState,
    Verdict,
)
from search.testing import facts, history, trial
from spaces.cnn_space import CNN_SPACE

STUDY = facts()
WHOLE = [[0.1, 0.2, 0.3, 0.97], [0.1, 0.2, 0.3, 0.98], [0.1, 0.2, 0.3, 0.99]]


def ending_at(*last: float) -> list[list[float]]:
    """Returns complete curves that end at these accuracies, a fold each."""
    return [[0.1, 0.2, 0.3, value] for value in last]


def test_a_score_is_a_mean_with_its_spread() -> None:
    """By hand: deviations -0.01, 0, 0.01, 0, 0; variance 0.0002 / 4 = 0.00005."""
    score = Score.of([0.97, 0.98, 0.99, 0.98, 0.98])

    assert score.folds == 5
    assert score.mean == pytest.approx(0.98)
    assert score.std == pytest.approx(0.00707107, abs=1e-8)
    # sqrt(1/5 + 1/4) = 0.67082, half as much again as the naive sqrt(1/5) = 0.44721
    assert score.se == pytest.approx(0.00474342, abs=1e-8)


def test_two_folds_have_the_widest_error() -> None:
    """By hand: std = 0.02 / sqrt(2) and se = std sqrt(1/2 + 1)."""
    score = Score.of([0.97, 0.99])

    assert score.std == pytest.approx(0.01414214, abs=1e-8)
    assert score.se == pytest.approx(0.01732051, abs=1e-8)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["valid_accuracy", "valid_loss", "train_accuracy", "train_loss"])
def test_a_finished_epoch_has_finite_values(field: str, value: float) -> None:
    """NaN compares false with everything: in a ranking it would sit anywhere."""
    values: dict[str, Any] = {
        "valid_accuracy": 0.5,
        "valid_loss": 0.5,
        "train_accuracy": 0.5,
        "train_loss": 0.5,
    }

    with pytest.raises(ValueError, match="finite"):
        Epoch(**{**values, field: value}, seconds=1.0)


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        STUDY.seed = 8  # type: ignore[misc]  # the point of the test


def test_a_trial_without_its_last_epoch_has_no_score() -> None:
    """Nothing less than every epoch of every fold is a score."""
    missing_epoch = trial(0, STUDY, [*WHOLE[:2], WHOLE[2][:3]])
    missing_fold = trial(0, STUDY, WHOLE[:2])
    whole = trial(0, STUDY, WHOLE)

    assert missing_epoch.score(STUDY.epochs) is None
    assert missing_fold.score(STUDY.epochs) is None
    assert whole.score(STUDY.epochs) == Score.of([0.97, 0.98, 0.99])


def test_a_score_reads_the_studys_last_epoch() -> None:
    """Not the best one: that would pick each fold's luckiest epoch."""
    falling = trial(0, STUDY, [[0.9, 0.99, 0.95, 0.5]] * 3)

    score = falling.score(STUDY.epochs)

    assert score is not None
    assert score.mean == 0.5


def test_a_verdict_takes_the_score_away() -> None:
    """A stopped or failed trial cannot win, however much it has trained."""
    verdict = Verdict(state=TrialState.STOPPED, reason="hopeless")
    stopped = trial(0, STUDY, WHOLE, verdict=verdict)

    assert stopped.is_final(STUDY.epochs)
    assert stopped.score(STUDY.epochs) is None
    assert history(STUDY, stopped).incumbent is None


def test_a_trial_knows_what_it_cost_and_where_it_stands() -> None:
    """`testing.trial` gives every epoch one second."""
    started = trial(0, STUDY, [[0.1] * 4, [0.1] * 2])
    slow = replace(started.curves[0].epochs[0], build_seconds=2.5)
    built = replace(
        started,
        curves=(Curve((slow, *started.curves[0].epochs[1:])), *started.curves[1:]),
    )

    assert started.fold_epochs == 6
    assert built.seconds == 8.5
    assert started.position() == (1, 2)
    assert trial(0, STUDY).position() is None


def test_equal_configurations_have_equal_keys_in_any_order() -> None:
    one = trial(0, STUDY, config={"width": 3, "rate": 0.1})
    two = trial(1, STUDY, config={"rate": 0.1, "width": 3})
    other = trial(2, STUDY, config={"width": 4, "rate": 0.1})

    assert one.key == two.key != other.key


def test_the_states_of_trials_follow_from_the_history() -> None:
    """Running only while a job is in flight; paused until the study is done, then stopped."""
    failed = Verdict(state=TrialState.FAILED, reason="nan")
    past = history(
        STUDY,
        trial(0, STUDY, WHOLE),
        trial(1, STUDY, WHOLE[:1]),
        trial(2, STUDY, WHOLE[:1]),
        trial(3, STUDY, verdict=failed),
    )
    done = replace(past, ending=Ending(reason="4 trials", budget=past.budget))

    now = [past.state_of(t, frozenset({2})) for t in past.trials]
    then = [done.state_of(t) for t in done.trials]

    assert now == ["complete", "paused", "running", "failed"]
    assert then == ["complete", "stopped", "stopped", "failed"]


def test_a_larger_budget_opens_a_study_again() -> None:
    """It is done only under the budget that it ended with."""
    past = history(STUDY, trial(0, STUDY, WHOLE), budget=Budget(trials=1))
    done = replace(past, ending=Ending(reason="1 trials", budget=Budget(trials=1)))
    raised = replace(done, budget=Budget(trials=2))

    assert [past.is_done, done.is_done, raised.is_done] == [False, True, False]


def test_the_incumbent_is_the_best_complete_trial() -> None:
    past = history(
        STUDY,
        trial(0, STUDY, ending_at(0.5, 0.6, 0.7)),
        trial(1, STUDY, ending_at(0.9, 0.9, 0.9)),
        trial(2, STUDY, [[0.99] * 4]),
        trial(3, STUDY, ending_at(0.7, 0.8, 0.9)),
    )

    assert [t.number for t in past.complete()] == [1, 3, 0]
    assert past.incumbent == past.trials[1]
    assert history(STUDY).incumbent is None


def test_among_equal_means_the_smaller_model_then_the_earlier_trial_wins() -> None:
    """Powers of two: their mean is the same bits in any order of the folds."""
    past = history(
        STUDY,
        trial(0, STUDY, ending_at(0.25, 0.5, 0.75), macs=900),
        trial(1, STUDY, ending_at(0.75, 0.5, 0.25), macs=100),
        trial(2, STUDY, ending_at(0.5, 0.5, 0.5), macs=100),
    )

    assert [t.number for t in past.complete()] == [1, 2, 0]


def test_a_newer_record_of_a_trial_takes_the_place_of_the_older() -> None:
    past = history(STUDY, trial(0, STUDY), trial(1, STUDY))

    newer = past.with_trial(trial(0, STUDY, WHOLE)).with_trial(trial(2, STUDY))

    assert [t.number for t in newer.trials] == [0, 1, 2]
    assert newer.trials[0].is_complete(STUDY.epochs)
    assert not past.trials[0].is_complete(STUDY.epochs)


def test_a_jobs_first_epoch_is_what_is_committed_at_once() -> None:
    job = Job(trial=3, fold=1, start=2, stop=7, run=1)

    assert job.first_epoch() == Job(trial=3, fold=1, start=2, stop=3, run=1)
    assert job.lane == job.first_epoch().lane == (3, 1)


def test_facts_survive_json() -> None:
    """With a space of every kind of dimension and every optional field filled."""
    study = facts(
        space=CNN_SPACE,
        ranges={"conv_layers": "1..2"},
        fixed={"optimizer": "sgd"},
        fit={"batch_size": "32"},
        retries=2,
    )

    again = Facts.from_json(json.loads(json.dumps(study.to_json())))

    assert again == study
    assert again.space.sha256 == study.space.sha256


def test_facts_with_fields_of_a_newer_tool_are_no_facts() -> None:
    """To drop one silently could change what a score means."""
    record = {**STUDY.to_json(), "augmentation": "mixup"}

    with pytest.raises(TypeError, match="augmentation"):
        Facts.from_json(record)
