"""Importances against a made-up study in which one hyperparameter decides."""

from typing import Any

import numpy as np
import pytest

from search.importance import LEAST_TRIALS, MOST_TRIALS, importances
from search.points import sampled
from search.records import Budget, Curve, History, Trial
from search.testing import facts
from spaces.cnn_space import CNN_SPACE


def made_up(count: int, **changes: Any) -> tuple[History, dict[int, float]]:
    """Trials whose score is 0.99 with 64 filters first, else 0.95, and a little noise."""
    rng = np.random.default_rng(1)
    study = facts(space=CNN_SPACE, model="cnn")
    trials, values = [], {}
    for number in range(count):
        config = sampled(CNN_SPACE, rng)
        trials.append(
            Trial(
                number=number,
                config=config,
                origin="random",
                params=1,
                macs=1,
                curves=(Curve(),) * 3,
                attempts=((0, 0),) * 3,
                **changes,
            )
        )
        values[number] = (0.99 if config["filters_1"] == 64 else 0.95) + rng.normal(0, 0.001)
    return History(facts=study, budget=Budget(), trials=tuple(trials)), values


def test_what_decides_is_found_and_chance_does_not_give_it() -> None:
    """All of the best tenth have 64 filters, of the others none."""
    history, values = made_up(60)

    first, *others = importances(history, values)

    assert (first.name, first.is_beyond_chance) == ("filters_1", True)
    assert sum(own.share for own in (first, *others)) == pytest.approx(1.0)
    assert sum(own.is_beyond_chance for own in others) <= 3
    chances = [own.chance for own in (first, *others)]
    assert chances == sorted(chances)


def test_a_conditional_hyperparameter_counts_where_it_is_active() -> None:
    history, values = made_up(60)

    found = {own.name: own for own in importances(history, values)}

    active = sum("adam_lr" in trial.config for trial in history.trials)
    assert found["adam_lr"].trials == active < 60


def test_equal_histories_have_equal_importances() -> None:
    history, values = made_up(LEAST_TRIALS)

    assert importances(history, values) == importances(history, values)


def test_there_is_nothing_below_thirty_trials() -> None:
    history, values = made_up(LEAST_TRIALS)
    outside, _ = made_up(LEAST_TRIALS, in_space=False)
    one_less = {number: value for number, value in values.items() if number}

    assert importances(history, one_less) == importances(outside, values) == ()


@pytest.mark.full
def test_a_large_study_takes_seconds() -> None:
    """Evenly spaced trials tell the same."""
    history, values = made_up(MOST_TRIALS + 500)

    first, *_ = importances(history, values)

    assert (first.name, first.trials) == ("filters_1", MOST_TRIALS)
