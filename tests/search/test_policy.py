"""The naive loop keeps the contract of every policy."""

import pytest

from search.policy import FullPolicy, Propose, Run
from search.records import Job
from search.testing import ALL, PolicyConformance, facts, history, trial


class TestFullPolicy(PolicyConformance):
    @pytest.fixture
    def policy(self) -> FullPolicy:
        return FullPolicy()


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
