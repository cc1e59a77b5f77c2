"""What a dry run says of the cost: bounds that the sums confirm."""

import pytest

from mnist_hpo.planning import cost_lines
from search.records import Budget
from search.testing import facts


def said(
    trials: int, *, finished: int = 0, auto_stop: bool = True, **changes: object
) -> list[str]:
    """Costs of five folds x ten epochs, at a second a fold-epoch."""
    study = facts(folds=5, epochs=10, **changes)
    budget = Budget(trials=trials, auto_stop=auto_stop)
    return list(cost_lines(study, budget, seconds=1.0, finished=finished))


def test_the_full_loop_costs_every_epoch_of_every_fold() -> None:
    """40 x 5 x 10 = 2000."""
    assert said(40) == ["Cost   2 000 fold-epochs, about 33:20 (h:mm:ss or m:ss)"]


def test_a_race_costs_at_least_the_first_rung_and_one_trial_in_full() -> None:
    """39 x 2 + 50 = 128; how much more is not invented."""
    first, second, third = said(40, policy="race", race={"rungs": "2,5"})

    assert first.startswith("Cost   at most 2 000 fold-epochs, about 33:20 ")
    assert second == "       at least 128 fold-epochs, about 2:08: all to epoch 2, one in full"
    assert "--no-auto-stop" in third


def test_a_race_that_uses_its_whole_budget_costs_no_less() -> None:
    lines = said(40, auto_stop=False, policy="race", race={"rungs": "2,5"})

    assert len(lines) == 2


def test_baselines_in_full_are_part_of_the_least() -> None:
    """4 x 50 + 36 x 1 = 236."""
    assert (
        "at least 236 fold-epochs" in said(40, finished=4, policy="race", race={"rungs": "1,5"})[1]
    )


@pytest.mark.parametrize("policy", ["epochs", "folds-forgiving", "folds-aggressive"])
def test_the_others_have_an_upper_bound(policy: str) -> None:
    (line,) = said(40, policy=policy)

    assert line.startswith("Cost   at most 2 000 fold-epochs")


def test_one_candidate_is_one_cross_validation() -> None:
    assert "at least 50 fold-epochs" in said(1, finished=4, policy="race")[1]
