"""Every policy keeps the contract, and each of the simple ones does what it says."""

from typing import final

import pytest

from search.policies import policy_for
from search.policy import (
    POLICIES,
    AbstractPolicy,
    Action,
    Allowance,
    FullPolicy,
    Propose,
    Run,
    Wait,
)
from search.records import History, Job, Trial
from search.testing import ALL, facts, history, trial
from search.testing_policy import PolicyConformance


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest) -> AbstractPolicy:
    return policy_for(request.param)


class TestEveryPolicy(PolicyConformance):
    """Gets its policies from the fixture above."""


@final
class Lazy(AbstractPolicy):
    """The naive loop, but for one answer in so many, counted in itself."""

    name = "full"

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self._count = 0

    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        self._count += 1
        if self._count % self._turn == 0 and running:
            return Wait()
        return FullPolicy().next(history, running, allowance)

    def leader(self, history: History) -> Trial | None:
        return FullPolicy().leader(history)


@final
class Forgetful(AbstractPolicy):
    """Forgets what is running."""

    name = "full"

    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        del running
        return FullPolicy().next(history, frozenset(), allowance)

    def leader(self, history: History) -> Trial | None:
        return history.trials[0] if history.trials else None


def broken_rules(policy: AbstractPolicy) -> set[str]:
    """Returns the rules of the contract that a policy is found to break."""
    broken = set()
    for name in dir(PolicyConformance):
        if name.startswith("test_"):
            try:
                getattr(PolicyConformance(), name)(policy)
            except (AssertionError, LookupError):  # the loop itself may trip over it
                broken.add(name)
    return broken


def test_the_suite_sees_a_policy_with_a_state() -> None:
    """It counts its answers, so the same history gets another one."""
    assert "test_an_answer_can_be_had_again" in broken_rules(Lazy(3))


def test_the_suite_sees_a_policy_that_gives_a_job_out_twice() -> None:
    """And one that keeps time for a trial that cannot win."""
    assert broken_rules(Forgetful()) >= {
        "test_it_gives_no_job_out_twice",
        "test_it_leaves_closed_trials_alone",
        "test_whole_studies_end_with_a_score",
    }


def test_the_suite_lets_the_naive_loop_pass() -> None:
    """What the two above are changed from breaks nothing."""
    assert broken_rules(FullPolicy()) == set()


def test_the_naive_loop_runs_folds_in_order() -> None:
    """The first missing fold of the first unfinished trial comes next."""
    study = facts()
    past = history(study, trial(0, study, [[0.5, 0.6, 0.7, 0.8]]), trial(1, study))

    answer = FullPolicy().next(past, frozenset(), ALL)

    assert answer == Run(Job(trial=0, fold=1, start=0, stop=4))


def test_a_free_worker_takes_the_next_fold() -> None:
    """Two workers share a trial before a third candidate is proposed."""
    study = facts(folds=2)
    past = history(study, trial(0, study))
    running = {Job(trial=0, fold=0, start=0, stop=1)}

    second = FullPolicy().next(past, frozenset(running), ALL)
    third = FullPolicy().next(
        past, frozenset([*running, Job(trial=0, fold=1, start=0, stop=1)]), ALL
    )

    assert second == Run(Job(trial=0, fold=1, start=0, stop=4))
    assert third == Propose()
