"""Each rule of the race in small histories made by hand, then whole races of random curves."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.changes import again, failed_anew
from search.errors import StudyError
from search.policies import race_options
from search.policy import SETTLED, Action, Allowance, Judge, Propose, Run, Wait
from search.prediction import predictions
from search.race import RacePolicy
from search.race_options import RaceOptions
from search.records import Budget, Facts, Failure, History, Job, Trial, TrialState, Verdict
from search.rehearsal import Rehearsal, WarmEngine
from search.strata import stratum_of
from search.testing import (
    ALL,
    CLOSING,
    LATE,
    ScriptedTrainer,
    facts,
    history,
    trained,
    trial,
)
from spaces.space import Choice, Config, Range, Space, config_key

FAILED = Verdict(state=TrialState.FAILED, reason="nan")


def race(**changes: Any) -> RacePolicy:
    """Returns a race by accuracy at the rungs 1, 2, 4 that never settles, with changes."""
    plain: dict[str, Any] = {
        "factors": (2.0,),
        "latecomers": 0.0,
        "rank": "early",
        "measure": "accuracy",
        "cohort": 1000,
        "guard": False,
        "alpha": 0.05,
        "last_call": 1.0,
        "settled": 1e-9,
    }
    return RacePolicy(RaceOptions(**{**plain, **changes}))


def at_first_rung(study: Facts, accuracies: Sequence[float]) -> list[Trial]:
    """Returns a trial for each accuracy after the first epoch of the first fold."""
    return [trial(number, study, [[value]]) for number, value in enumerate(accuracies)]


def given_out(
    policy: RacePolicy, past: History, allowance: Allowance = ALL, most: int = 50
) -> list[Job]:
    """Returns the jobs that workers get who ask one after another, until there is none."""
    jobs: list[Job] = []
    for _ in range(most):
        action = policy.next(past, frozenset(jobs), allowance)
        if not isinstance(action, Run):
            break
        jobs.append(action.job)
    return jobs


def lanes(jobs: Sequence[Job]) -> list[tuple[int, int]]:
    return [job.lane for job in jobs]


# Rungs


@pytest.mark.parametrize(
    ("reached", "factor", "promoted"),
    [(1, 2.0, 0), (2, 2.0, 1), (5, 2.0, 2), (5, 3.0, 1), (9, 3.0, 3), (3, 1.5, 2), (8, 9.0, 0)],
)
def test_one_trial_in_so_many_is_promoted(reached: int, factor: float, promoted: int) -> None:
    """The best ones, best first, to the next rung; then another trial is asked for."""
    study, policy = facts(), race(factors=(factor,))
    past = history(study, *at_first_rung(study, [0.5 + 0.01 * n for n in range(reached)]))

    jobs = given_out(policy, past)

    best_first = [Job(trial=n, fold=0, start=1, stop=2) for n in reversed(range(reached))]
    assert jobs == best_first[:promoted]
    assert policy.next(past, frozenset(jobs), ALL) == Propose()


@pytest.mark.parametrize(
    ("latecomers", "promoted"),
    [(0.0, []), (1 / 3, [11, 10]), (0.5, [11, 10, 9]), (1.0, [11, 10, 9, 8])],
)
def test_who_comes_late_goes_on_among_the_first_places_only(
    latecomers: float, promoted: list[int]
) -> None:
    """Six of twelve may go on, and six went before the best four came."""
    study, policy = facts(), race(latecomers=latecomers)
    gone = [trial(n, study, [[0.5 + 0.01 * n, 0.1]]) for n in range(6)]
    waiting = [trial(n, study, [[0.3]]) for n in (6, 7)]
    late = [trial(n, study, [[0.6 + 0.01 * n]]) for n in range(8, 12)]

    jobs = given_out(policy, history(study, *gone, *waiting, *late))

    first_rung = [job.trial for job in jobs if job.start == 1]
    assert first_rung == promoted


def test_each_rung_has_its_factor_and_the_last_holds_for_the_rest() -> None:
    """One in 2 leaves epoch 1, one in 3 leaves epoch 2 and epoch 4."""
    study, policy = facts(epochs=8), race(factors=(2.0, 3.0))
    left: dict[int, list[int]] = {}
    for rung in (1, 2, 4):
        own = [trial(n, study, [[0.5 + 0.01 * n] * rung]) for n in range(7)]
        left[rung] = [job.trial for job in given_out(policy, history(study, *own))]

    assert left == {1: [6, 5, 4], 2: [6, 5], 4: [6, 5]}


def test_the_highest_rung_is_served_first() -> None:
    """Whoever got furthest is nearest to a score."""
    study, policy = facts(), race()
    past = history(
        study,
        *at_first_rung(study, [0.6, 0.5]),
        trial(2, study, [[0.3, 0.4]]),
        trial(3, study, [[0.3, 0.5]]),
    )
    two_more = past.with_trial(trial(4, study, [[0.1]])).with_trial(trial(5, study, [[0.7]]))

    # Of the four that reached epoch 1 two have gone on, which is one in two; of six three may.
    last = Job(trial=3, fold=0, start=2, stop=4)
    assert given_out(policy, past) == [last]
    assert given_out(policy, two_more) == [last, Job(trial=5, fold=0, start=1, stop=2)]


def test_no_more_than_one_in_so_many_ever_leaves_a_rung() -> None:
    """If each newcomer beats all before it, the rule of ASHA would promote them all."""
    study, policy = facts(folds=2), race(factors=(3.0,))
    past = history(study, budget=Budget(trials=30))
    left: list[int] = []
    while len(past.trials) < 30 or left[-1] < 10:
        allowance = ALL if len(past.trials) < 30 else CLOSING
        action = policy.next(past, frozenset(), allowance)
        if isinstance(action, Propose):
            past = past.with_trial(trial(len(past.trials), study))
        else:
            assert isinstance(action, Run)
            past = trained(past, action.job, lambda config, *_: 0.5 + 0.01 * config["width"])
        reached = sum(len(t.curves[0]) >= 1 for t in past.trials)
        left.append(sum(len(t.curves[0]) > 1 for t in past.trials))
        assert left[-1] <= reached / 3

    assert left[-1] == 10


def test_at_the_end_one_leaves_every_rung() -> None:
    """Else a search of two trials would have no score."""
    study, policy = facts(), race(factors=(9.0,))
    past = history(study, *at_first_rung(study, [0.5, 0.7]))

    assert policy.next(past, frozenset(), ALL) == Propose()
    assert given_out(policy, past, CLOSING) == [Job(trial=1, fold=0, start=1, stop=2)]


def test_a_begun_rung_comes_before_everything() -> None:
    """First what was stopped between two rungs, then later folds half done, then the rest."""
    study, policy = facts(), race()
    past = history(
        study,
        *at_first_rung(study, [0.5, 0.9]),
        trial(2, study),
        trial(3, study, [[0.3, 0.4, 0.5]]),
        trial(4, study, [[0.3, 0.4, 0.5, 0.6], [0.4, 0.5]]),
    )

    jobs = given_out(policy, past, most=3)

    assert jobs == [
        Job(trial=2, fold=0, start=0, stop=1),
        Job(trial=3, fold=0, start=3, stop=4),
        Job(trial=4, fold=1, start=2, stop=4),
    ]


def test_equal_values_go_to_the_smaller_model_then_to_the_earlier_trial() -> None:
    """By loss or by accuracy the other one breaks the tie before that."""
    study, policy = facts(), race(factors=(1.3,))
    past = history(
        study,
        trial(0, study, [[0.5]], macs=300),
        trial(1, study, [[0.5]], macs=200),
        trial(2, study, [[0.5]], macs=200),
        _with_loss(trial(3, study, [[0.5]], macs=900), 0.4),
    )

    assert [job.trial for job in given_out(policy, past)] == [3, 1, 2]


@pytest.mark.parametrize(("measure", "best"), [("loss", 0), ("accuracy", 1)])
def test_a_rung_compares_what_it_is_told_to(measure: str, best: int) -> None:
    """Trial 0 has the smaller loss, trial 1 the higher accuracy."""
    study = facts()
    past = history(
        study,
        _with_loss(trial(0, study, [[0.5]]), 0.2),
        _with_loss(trial(1, study, [[0.6]]), 0.3),
    )

    for rank in ("early", "model"):
        jobs = given_out(race(measure=measure, rank=rank), past)
        assert lanes(jobs) == [(best, 0)]


def _with_loss(own: Trial, loss: float) -> Trial:
    """Gives every epoch of the first fold this loss."""
    first = own.curves[0]
    worse = replace(first, epochs=tuple(replace(e, valid_loss=loss) for e in first.epochs))
    return replace(own, curves=(worse, *own.curves[1:]))


def test_a_rung_by_the_model_knows_what_came_later() -> None:
    """Trial 0 led at epoch 1 and fell behind; by its early value it would be promoted."""
    study = facts(images=10_000)
    past = history(study, trial(0, study, [[0.90, 0.60]]), trial(1, study, [[0.89, 0.95]]))

    by_model = given_out(race(rank="model"), past)
    by_value = given_out(race(rank="early"), past)

    assert lanes(by_model) == lanes(by_value) == [(1, 0)]
    third = past.with_trial(trial(2, study, [[0.5]])).with_trial(trial(3, study, [[0.5]]))
    assert race(rank="model").standing(third, third.trials[0]) is not None


def test_failed_trials_neither_go_on_nor_count() -> None:
    """The best of three failed: one in two of the other two is one."""
    study, policy = facts(), race()
    good = replace(trial(2, study, [[0.9]]), verdict=FAILED)
    past = history(study, *at_first_rung(study, [0.5, 0.6]), good, trial(3, study, [[0.9] * 4]))

    jobs = given_out(policy, replace(past, trials=past.trials[:3]), CLOSING)

    assert lanes(jobs) == [(1, 0)]
    assert policy.leader(past) == past.trials[3]


def test_a_stopped_trial_at_a_rung_never_goes_on() -> None:
    """Whoever stopped it: a verdict is final."""
    study, policy = facts(), race()
    stopped = Verdict(state=TrialState.STOPPED, reason="by hand")
    past = history(
        study, *at_first_rung(study, [0.5, 0.6]), trial(2, study, [[0.9]], verdict=stopped)
    )

    assert (2, 0) not in lanes(given_out(policy, past, CLOSING))


# Strata

RATES = Space(
    "rates",
    (
        Range(name="lr", kind="float", low=1e-4, high=1e-1, default=1e-2, sampling="log"),
        Choice(name="dropout", values=(0.0, 0.25, 0.5), default=0.0, ordered=True),
    ),
)


def configured(number: int, study: Facts, accuracies: Sequence[float], **config: float) -> Trial:
    return trial(number, study, [accuracies], config={"lr": 0.05, "dropout": 0.0, **config})


@pytest.mark.parametrize(
    ("config", "stratum"),
    [
        ({"lr": 3.1e-3, "dropout": 0.0}, "slow, plain"),
        ({"lr": 3.2e-3, "dropout": 0.0}, "fast, plain"),
        ({"lr": 1e-4, "dropout": 0.25}, "slow, regularised"),
        ({"lr": 1e-1, "dropout": 0.5}, "fast, regularised"),
        ({"dropout": 0.1}, "fast, plain"),
        ({"lr": "auto", "momentum": 3}, "slow, plain"),
    ],
)
def test_a_stratum_is_a_half_of_the_rates_and_regularised_or_not(
    config: Config, stratum: str
) -> None:
    """The middle of 0.0001 to 0.1 lies at sqrt(1e-5) = 0.00316; odd values never crash."""
    assert stratum_of(config, RATES) == stratum


def test_the_guard_lets_the_best_of_each_stratum_leave_the_first_rung() -> None:
    """Slow starters race among themselves, as soon as there are `factor` of them."""
    study = facts(space=RATES)
    fast = [configured(n, study, [0.9 + 0.01 * n]) for n in range(4)]
    slow = [configured(4 + n, study, [0.2 + 0.01 * n], lr=2e-4) for n in range(2)]
    dull = [configured(6, study, [0.1], lr=2e-4, dropout=0.5)]
    past = history(study, *fast, *slow, *dull)

    guarded = given_out(race(guard=True), past)
    unguarded = given_out(race(guard=False), past)
    early = given_out(race(guard=True), replace(past, trials=past.trials[:5]))

    assert [job.trial for job in guarded] == [3, 2, 1, 5]
    assert [job.trial for job in unguarded] == [3, 2, 1]
    assert [job.trial for job in early] == [3, 2]  # of one slow trial nobody is the best


def test_the_guard_lets_one_of_a_stratum_go_and_only_from_the_first_rung() -> None:
    """Later rungs compare all trials: who starts slowly has caught up by then or never will."""
    study = facts(space=RATES)
    fast = [configured(n, study, [0.9, 0.9]) for n in range(4)]
    slow = [configured(4 + n, study, [0.2, 0.3 - 0.1 * n], lr=2e-4) for n in range(2)]
    late = configured(6, study, [0.1], lr=2e-4)

    jobs = given_out(race(guard=True), history(study, *fast, *slow, late))

    assert [(job.trial, job.start) for job in jobs] == [(0, 2), (1, 2), (2, 2)]


# Cohorts and folds


def test_the_folds_of_a_cohort_open_when_all_of_it_is_proposed() -> None:
    """The second cohort waits, until the study closes."""
    study, policy = facts(), race(cohort=3)
    whole = [[0.5, 0.6, 0.7, 0.8]]
    past = history(study, *(trial(n, study, whole) for n in range(2)))

    assert policy.next(past, frozenset(), ALL) == Propose()
    past = past.with_trial(trial(2, study, [[0.1]])).with_trial(trial(3, study, whole))
    assert lanes(given_out(policy, past)) == [(0, 1), (0, 2), (1, 1)]
    assert lanes(given_out(policy, past, CLOSING)[:4]) == [(0, 1), (0, 2), (1, 1), (3, 1)]


def test_rotating_cohorts_begin_with_another_fold() -> None:
    """Compared are only those with one first fold; further folds follow in a circle."""
    study = facts(folds=3)
    policy, still = race(cohort=2, rotate=True), race(cohort=2)
    fresh = history(study, *(trial(n, study) for n in range(8)))
    second = trial(2, study, [[], [0.5]])
    third = trial(3, study, [[], [0.4]])
    rungs = history(study, trial(0, study, [[0.9]]), trial(1, study, [[0.8]]), second, third)
    whole = history(study, *rungs.trials[:2], trial(2, study, [[], [0.9] * 4]), third)

    assert lanes(given_out(policy, fresh)) == list(enumerate([0, 0, 1, 1, 2, 2, 0, 0]))
    assert set(lanes(given_out(still, fresh))) == {(n, 0) for n in range(8)}
    assert lanes(given_out(policy, rungs)) == [(0, 0), (2, 1)]
    assert lanes(given_out(policy, whole))[-2:] == [(2, 2), (2, 0)]


def test_without_an_incumbent_the_leader_gets_all_folds() -> None:
    """Its rivals get one each: that one may already decide against them. Then the rest."""
    study, policy = facts(folds=4), race(cohort=1)
    past = history(study, *(trial(n, study, [[0.1, 0.2, 0.3, 0.5 + 0.1 * n]]) for n in range(3)))

    jobs = given_out(policy, past, CLOSING)

    assert lanes(jobs[:5]) == [(2, 1), (2, 2), (2, 3), (1, 1), (0, 1)]
    assert lanes(jobs[5:]) == [(1, 2), (1, 3), (0, 2), (0, 3)]
    assert {job.stop for job in jobs} == {4}


def test_rivals_get_one_fold_each_as_long_as_there_is_something_to_propose() -> None:
    """Further folds would be a guess that a new trial is better than."""
    study, policy = facts(folds=4), race(cohort=1)
    best = trial(0, study, [[0.1, 0.2, 0.3, 0.9]] * 4)
    past = history(study, best, trial(1, study, [[0.1, 0.2, 0.3, 0.9]]), trial(2, study))
    past = past.with_trial(replace(past.trials[2], verdict=FAILED))

    jobs = given_out(policy, past)

    assert lanes(jobs) == [(1, 1)]
    assert policy.next(past, frozenset(jobs), ALL) == Propose()
    assert lanes(given_out(policy, past, CLOSING)) == [(1, 1), (1, 2), (1, 3)]


def test_the_most_promising_rival_comes_first_and_each_has_one_job() -> None:
    """Equal prospects: the smaller model, then the earlier trial."""
    study, policy = facts(images=60_000, epochs=1), race(rungs=(1,))
    past = history(
        study,
        trial(0, study, [[0.99]] * 3),
        trial(1, study, [[0.991]], macs=2000),
        trial(2, study, [[0.9905]]),
        trial(3, study, [[0.991]], macs=1000),
        trial(4, study, [[0.991]], macs=1000),
    )

    jobs = given_out(policy, past, CLOSING)

    assert lanes(jobs[:4]) == [(3, 1), (4, 1), (1, 1), (2, 1)]
    assert lanes(jobs[4:]) == [(3, 2), (4, 2), (1, 2), (2, 2)]


def test_several_workers_never_share_a_fold() -> None:
    """What is running is seen at every rung and in every fold."""
    study, policy = facts(), race(cohort=1)
    past = history(
        study,
        *at_first_rung(study, [0.9, 0.8, 0.7, 0.6]),
        trial(4, study),
        trial(5, study, [[0.5] * 4]),
        trial(6, study, [[0.4] * 4, [0.4]]),
    )

    jobs = given_out(policy, past, CLOSING)

    assert len(set(lanes(jobs))) == len(jobs) == 6
    assert policy.next(past, frozenset(jobs), CLOSING) == Wait()


# The drop rule

FIVE = facts(images=60_000, folds=5, epochs=1)
"""Folds of 12,000 images, one epoch: each finished epoch is a whole fold."""


@pytest.fixture
def round_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thirds of the errors in dispute, worth 4 folds: the numbers below stand on these."""
    monkeypatch.setattr("search.drop_rule._SHARE_OF_ERRORS", 2 / 3)
    monkeypatch.setattr("search.drop_rule._PAIRED_NOISE", 2 / 3)
    monkeypatch.setattr("search.drop_rule._PRIOR_FREEDOM", 4.0)


def rivals(*folds: Sequence[float]) -> History:
    """Returns a complete trial with 0.99 on each of 5 folds, and rivals."""
    best = trial(0, FIVE, [[0.99]] * 5)
    others = [trial(1 + n, FIVE, [[v] for v in values]) for n, values in enumerate(folds)]
    return history(FIVE, best, *others)


@pytest.mark.usefixtures("round_constants")
def test_a_hopeless_rival_is_stopped_in_words() -> None:
    """The numbers by hand, with errors of 1 % and so 2/3 % of the images in dispute.

    One fold's spread is sqrt(0.006667 / 12000) = 0.00074536, times sqrt(4 / 5) for the four
    missing ones: 0.00066667. A tie is sqrt(0.006667 / 60000) = 0.00033333. With 0.0012 less on
    one fold, the chance is that of more than (0.00033333 + 0.0012) / 0.00066667 = 2.3 spreads:
    0.010724 by any table of the normal law. The limit is 0.05 over 4 looks.
    """
    action = race(rungs=(1,)).next(rivals([0.9888]), frozenset(), CLOSING)

    assert action == Judge(
        1,
        Verdict(
            state=TrialState.STOPPED,
            reason=(
                "stopped after 1 of 5 folds: -0.0012 against trial 0 on it; the chance to win "
                "by more than a tie (0.0003) is 0.0107, below 0.0125"
            ),
            fold=0,
            epoch=0,
        ),
    )


@pytest.mark.usefixtures("round_constants")
@pytest.mark.parametrize(
    ("values", "stopped"),
    [
        ((0.98885,), False),  # spread 0.00066667: 2.225 of them away, 0.0130
        ((0.98880,), True),  # 2.300: 0.0107
        ((0.98952, 0.98952), False),  # spread 0.00036515: 2.227, 0.0130
        ((0.98951, 0.98951), True),  # 2.255: 0.0121
        ((0.9905, 0.9885), False),  # spread 0.00050333: 1.656, 0.0489
        ((0.99006,) * 4, False),  # spread 0.00012599: 2.170, 0.0150
        ((0.99005,) * 4, True),  # 2.249: 0.0123; ahead, but never by more than a tie
    ],
)
def test_the_limit_lies_where_it_was_computed(values: tuple[float, ...], stopped: bool) -> None:
    """By hand: j equal gains leave the variance 4 / (4 + j - 1) of the prior 5.5556e-7.

    That times (5 - j) / (5 j) is the squared spread; the gain's distance to the tie, in spreads,
    is looked up at the limit 2.2414. Two unequal gains add their own squares, 2e-6 in all.
    """
    action = race(rungs=(1,)).next(rivals(values), frozenset(), CLOSING)

    assert isinstance(action, Judge) is stopped


@pytest.mark.usefixtures("round_constants")
def test_the_spread_is_learnt_from_every_trial_with_two_folds() -> None:
    """A stopped rival that gained 0 and lost 0.006 shows that one fold says little.

    Variance (4 x 5.5556e-7 + 1.8e-5) / 5, spread 0.0017988, distance 0.852: a chance of 0.197.
    """
    past = rivals([0.9888], [0.99, 0.984])
    closed = replace(past.trials[2], verdict=Verdict(state=TrialState.STOPPED, reason="before"))

    action = race(rungs=(1,)).next(past.with_trial(closed), frozenset(), CLOSING)

    assert action == Run(Job(trial=1, fold=1, start=0, stop=1))


@pytest.mark.usefixtures("round_constants")
def test_alpha_is_spread_over_the_looks() -> None:
    """0.0107 is below 0.05 / 4, and not below 0.04 / 4."""
    past = rivals([0.9888])

    assert isinstance(race(rungs=(1,), alpha=0.05).next(past, frozenset(), CLOSING), Judge)
    assert isinstance(race(rungs=(1,), alpha=0.04).next(past, frozenset(), CLOSING), Run)


def test_nobody_is_judged_while_at_work() -> None:
    """Its fold in flight may turn the verdict; it gets no second one meanwhile."""
    past = rivals([0.97], [0.9901])
    running = frozenset({Job(trial=1, fold=1, start=0, stop=1)})

    action = race(rungs=(1,)).next(past, running, CLOSING)

    assert action == Run(Job(trial=2, fold=1, start=0, stop=1))


def test_the_hopeless_are_judged_before_the_hopeful_train() -> None:
    """Words first: they cost nothing."""
    action = race(rungs=(1,)).next(rivals([0.9901], [0.9]), frozenset(), CLOSING)

    assert isinstance(action, Judge)
    assert action.trial == 2


# Baselines, the end, the time


def test_full_baselines_get_every_fold_however_bad_they_are() -> None:
    """They are what the winner is compared with."""
    study = replace(FIVE, baselines="full")
    documented = trial(1, study, [[0.5]], origin="Model 3")
    past = rivals().with_trial(documented)

    raced = race(rungs=(1,)).next(replace(past, facts=FIVE), frozenset(), CLOSING)
    whole = given_out(race(rungs=(1,)), replace(past, facts=study))

    assert isinstance(raced, Judge)
    assert lanes(whole) == [(1, 1), (1, 2), (1, 3), (1, 4)]


def test_what_is_trained_again_gets_every_fold() -> None:
    """Somebody asked for its score."""
    past = rivals()
    repeated = again(past, 0)
    begun = replace(trial(1, FIVE, [[0.5]], origin=repeated.origin), config=repeated.config)

    whole = given_out(race(rungs=(1,)), past.with_trial(begun))

    assert (repeated.number, repeated.config) == (1, past.trials[0].config)
    assert lanes(whole) == [(1, 1), (1, 2), (1, 3), (1, 4)]


def test_only_a_trial_of_the_study_is_trained_again() -> None:
    """The message says which there are."""
    with pytest.raises(StudyError, match=r"trials 0 to 0, got 1 to train again"):
        again(rivals(), 1)


def test_what_has_failed_is_made_anew_once() -> None:
    """Each configuration, unless one of its trials did better or is still on its way."""
    failed = Verdict(state=TrialState.FAILED, reason="nan")
    lost = Failure(fold=0, epoch=1, run=0, message="nan", traceback="Traceback")
    widths = {0: 1, 1: 2, 2: 2, 3: 3, 4: 3, 5: 4}
    past = history(
        FIVE,
        *(
            trial(
                number,
                FIVE,
                [[0.5]],
                config={"width": width, "rate": 0.01},
                origin="000" if number == 0 else "random",
                verdict=None if number in {4, 5} else failed,
                failures=() if number in {4, 5} else (lost,),
                attempts=((1, 3), *((0, 0),) * 4),
            )
            for number, width in widths.items()
        ),
    )

    anew = failed_anew(past)

    assert [(own.config["width"], own.origin) for own in anew] == [(1, "000"), (2, "random")]
    for own in anew:
        assert (own.number, own.fold_epochs, own.failures, own.verdict) == (6, 0, (), None)
        assert own.attempts == ((0, 0),) * 5


TWO = facts(images=10_000, folds=2, epochs=1)


def complete(number: int, accuracy: float, **changes: Any) -> Trial:
    return trial(number, TWO, [[accuracy]] * 2, **changes)


def after_the_best(others: Sequence[float], **changes: Any) -> Action:
    """Returns what a race does after a trial of 0.99 and others, all complete."""
    own = [complete(n, value) for n, value in enumerate([0.99, *others])]
    return race(rungs=(1,), **changes).next(history(TWO, *own), frozenset(), ALL)


@pytest.mark.parametrize(
    ("others", "ended"),
    [
        ([0.9] * 18, False),  # 1 / 20 is not below 0.05
        ([0.9] * 19, True),  # 1 / 21 is
        ([0.9] * 18 + [0.9905], True),  # better, but within the standard error 0.00097
        ([0.9] * 18 + [0.9925], False),  # better by more: 1 / 2 again
        ([0.985] + [0.9] * 18, True),
    ],
)
def test_the_race_settles_by_laplaces_rule(others: list[float], ended: bool) -> None:
    """n trials in a row that did not win: the next wins with a chance of 1 / (n + 2)."""
    assert after_the_best(others, settled=0.05) == (Wait() if ended else Propose())


def test_what_settles_is_an_option() -> None:
    """1 / 10 is not below 0.1, 1 / 11 is."""
    assert after_the_best([0.9] * 8, settled=0.1) == Propose()
    assert after_the_best([0.9] * 9, settled=0.1) == Wait()


@pytest.mark.parametrize(
    ("losers", "promise", "ended"),
    [
        (8, 0.11, False),  # sqrt(0.1 x 0.11) = 0.105
        (8, 0.09, True),  # sqrt(0.1 x 0.09) = 0.095
        (2, 0.0, True),  # nothing is left that could win
        (97, 0.9, True),  # 1 / 99 and 0.9: 0.095
        (87, 0.9, False),  # 1 / 89 and 0.9: 0.1006
        (97, 1.0, False),  # the sampler is never alone: 1 / 99 is not below 0.1 squared
        (99, 1.0, True),  # 1 / 101 is
        (9, None, True),  # a sampler that knows nothing leaves it to Laplace
    ],
)
def test_the_samplers_own_chance_is_pooled_with_laplaces(
    losers: int, promise: float | None, ended: bool
) -> None:
    """Their geometric mean is compared with the limit, here 0.1."""
    own = [complete(n, value) for n, value in enumerate([0.99, *[0.9] * losers])]
    allowance = Allowance(may_propose=True, may_widen=True, promise=lambda: promise)

    action = race(rungs=(1,), settled=0.1).next(history(TWO, *own), frozenset(), allowance)

    assert action == (Wait() if ended else Propose())


def test_a_budget_may_forbid_to_settle() -> None:
    """Then the race goes on until its trials or its time are used up."""
    own = [complete(0, 0.99), *(complete(n, 0.9) for n in range(1, 40))]
    past = history(TWO, *own, budget=Budget(minutes=9.0, auto_stop=False))

    policy = race(rungs=(1,), settled=0.05)

    assert policy.next(past, frozenset(), ALL) == Propose()
    auto = replace(past, budget=Budget(minutes=9.0))
    assert policy.next(auto, frozenset(), ALL) == Wait()


def test_baselines_say_nothing_about_the_sampler() -> None:
    """The rule counts draws of one kind."""
    own = [complete(0, 0.99, origin="Model 3"), *(complete(n, 0.9) for n in range(1, 20))]
    policy = race(rungs=(1,), settled=0.05)

    assert policy.next(history(TWO, *own), frozenset(), ALL) == Propose()
    assert policy.next(history(TWO, *own, complete(20, 0.9)), frozenset(), ALL) == Wait()


def test_a_settled_race_still_finishes_its_finalists() -> None:
    """It closes: the folds of open cohorts included."""
    own = [complete(n, 0.9) for n in range(1, 20)]
    past = history(TWO, complete(0, 0.99), *own, trial(20, TWO, [[0.9908]]))

    action = race(rungs=(1,), settled=0.05).next(past, frozenset(), ALL)

    assert action == Run(Job(trial=20, fold=1, start=0, stop=1))


def test_a_settled_race_says_so_whatever_limits_it() -> None:
    """Also where the budget is time, which is not used up."""
    study = facts(policy="race", sampler="grid", folds=2, epochs=1)
    reasons = []
    for budget in (Budget(minutes=60.0), Budget(trials=90), Budget(trials=90, minutes=60.0)):
        rehearsal = Rehearsal(
            race(rungs=(1,), settled=0.05),
            study,
            ScriptedTrainer(accuracy=lambda *_: 0.9),
            budget=budget,
        )
        reasons.append(rehearsal.run())
        assert len(rehearsal.history.trials) == 20

    assert reasons == [SETTLED] * 3


def test_when_the_time_is_up_only_the_leader_goes_on() -> None:
    """Whole first folds lead, then prospects; with a score nothing goes on."""
    study, policy = facts(), race()
    past = history(
        study,
        trial(0, study, [[0.9, 0.95]]),
        trial(1, study, [[0.1, 0.2, 0.3, 0.4]]),
        trial(2, study, [[0.1, 0.2, 0.3, 0.5]]),
        trial(3, study),
    )

    assert lanes(given_out(policy, past, LATE)) == [(2, 1), (2, 2)]
    assert policy.leader(past) == past.trials[2]
    early = replace(past, trials=past.trials[:1])
    assert given_out(policy, early, LATE)[0] == Job(trial=0, fold=0, start=2, stop=4)
    done = past.with_trial(trial(2, study, [[0.5] * 4] * 3))
    assert policy.next(done, frozenset(), LATE) == Wait()


# Words


def test_a_trial_says_where_it_stands() -> None:
    """Promoted, outside, too late, whole, complete, under way."""
    study, policy = facts(), race()
    past = history(
        study,
        trial(0, study, [[0.5, 0.6]]),
        trial(1, study, [[0.9]]),
        trial(2, study, [[0.6, 0.7]]),
        trial(3, study, [[0.4]]),
        trial(4, study, [[0.1] * 4]),
        trial(5, study, [[0.1] * 4] * 3),
        trial(6, study, [[0.1, 0.2, 0.3]]),
        trial(7, study),
        trial(8, study, [[0.9]], verdict=FAILED),
    )

    assert [policy.standing(past, own) for own in past.trials] == [
        (
            "stopped at fold 1, epoch 2: 2 of 5 trials, but others went on before it came, and "
            "only 1 in 2 does"
        ),
        (
            "stopped at fold 1, epoch 1: 1 of 7 trials, but others went on before it came, and "
            "only 1 in 2 does"
        ),
        (
            "stopped at fold 1, epoch 2: 1 of 5 trials, but others went on before it came, and "
            "only 1 in 2 does"
        ),
        (
            "stopped at fold 1, epoch 1: accuracy 0.4000 is outside the best 1 in 2 "
            "(down to 0.5000) of 7 trials"
        ),
        "waits for its missing folds",
        None,
        None,
        None,
        None,
    ]


def test_a_promotion_is_told_before_it_happens() -> None:
    """One that could go on, if there were time."""
    study = facts()
    past = history(study, *at_first_rung(study, [0.5, 0.6, 0.4, 0.3]))

    assert race().standing(past, past.trials[1]) == "may go on: 1 of 4 at fold 1, epoch 1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"measure": "loss"}, "loss 0.6000 is outside the best 1 in 2 (down to 0.5000)"),
        ({"measure": "accuracy"}, "accuracy 0.4000 is outside the best 1 in 2 (down to 0.5000)"),
        ({"rank": "model", "factors": (3.0,)}, "is outside the best 1 in 3 (down to ~0."),
    ],
)
def test_the_reason_shows_what_was_compared(changes: dict[str, Any], words: str) -> None:
    """In the measure of the rung, or as a predicted mean."""
    study = facts()
    past = history(study, *at_first_rung(study, [0.5, 0.6, 0.4, 0.3]))

    said = race(**changes).standing(past, past.trials[2])

    assert said is not None
    assert said.startswith("stopped at fold 1, epoch 1: ")
    assert words in said
    if changes.get("rank") == "model":
        assert f"predicted ~{predictions(past, 'accuracy')[2].mean:.4f} is" in said


# Constants


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factors": ()}, "`factors` > 1"),
        ({"factors": (2.0, 1.0)}, "`factors` > 1"),
        ({"factors": (math.nan,)}, "`factors` > 1"),
        ({"latecomers": -0.1}, "a share from 0 to 1"),
        ({"latecomers": 1.1}, "a share from 0 to 1"),
        ({"latecomers": math.nan}, "a share from 0 to 1"),
        ({"last_call": -0.1}, "a chance from 0 to 1"),
        ({"last_call": 1.1}, "a chance from 0 to 1"),
        ({"last_call": math.nan}, "a chance from 0 to 1"),
        ({"calls_win": 1.1}, "`calls_win` is a chance from 0 to 1"),
        ({"calls_win": math.nan}, "`calls_win` is a chance from 0 to 1"),
        ({"cohort": 0}, "at least 1"),
        ({"alpha": 0.0}, "between 0 and 1"),
        ({"alpha": math.nan}, "between 0 and 1"),
        ({"rungs": ()}, "in rising order"),
        ({"rungs": (0, 1)}, "from 1"),
        ({"rungs": (2, 1)}, "in rising order"),
        ({"rungs": (1, 1)}, "in rising order"),
        ({"rank": "late"}, "'model' or 'early'"),
        ({"measure": "f1"}, "'accuracy' or 'loss'"),
        ({"settled": 0.0}, "`settled` is a chance between 0 and 1"),
        ({"settled": 1.0}, "`settled` is a chance between 0 and 1"),
        ({"settled": math.nan}, "`settled` is a chance between 0 and 1"),
    ],
)
def test_constants_that_make_no_race_are_refused(changes: Any, message: str) -> None:
    """With the law and the value."""
    with pytest.raises(StudyError, match=message):
        RaceOptions(**changes)


def test_constants_are_read_as_they_are_typed() -> None:
    """Lists by comma or hyphen, truth in words."""
    found = race_options(
        {
            "rungs": "1-3",
            "factors": "3,1.5",
            "rotate": "yes",
            "guard": "False",
            "cohort": "20",
            "alpha": "0.1",
            "rank": "early",
        }
    )

    assert found == RaceOptions(
        rungs=(1, 3),
        factors=(3.0, 1.5),
        rotate=True,
        guard=False,
        cohort=20,
        alpha=0.1,
        rank="early",
    )


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"rung": "1"}, "no option 'rung'; it has rungs, factors"),
        ({"rungs": "1-x"}, r"rungs is like \(1, 2, 4\), got '1-x'"),
        ({"cohort": "2.5"}, "cohort is like 50, got '2.5'"),
        ({"guard": "maybe"}, "guard is like True, got 'maybe'"),
        ({"alpha": ""}, r"alpha is like 0\.\d+, got ''"),
        ({"alpha": "1/0"}, r"alpha is like 0\.\d+, got '1/0'"),
        ({"rank": "best"}, "'model' or 'early', got 'best'"),
    ],
)
def test_what_cannot_be_read_is_refused(given_: dict[str, str], message: str) -> None:
    """With what there is, or what it is like."""
    with pytest.raises(StudyError, match=message):
        race_options(given_)


# Whole races


def chance(config: Config, fold: int, epoch: int, seed: int) -> float:
    """Returns any accuracy at all: 0, 1 and equal ones included."""
    digest = hashlib.sha256(f"{config_key(config)}/{fold}/{epoch}/{seed}".encode()).digest()
    return digest[0] % 21 / 20


@st.composite
def races(draw: st.DrawFn) -> RaceOptions:
    return RaceOptions(
        rungs=tuple(sorted(draw(st.sets(st.integers(1, 6), min_size=1, max_size=3)))),
        factors=tuple(draw(st.lists(st.sampled_from([1.2, 1.5, 2.0, 3.0, 9.0]), min_size=1))),
        latecomers=draw(st.sampled_from([0.0, 1 / 3, 1.0])),
        rank=draw(st.sampled_from(["model", "early"])),
        measure=draw(st.sampled_from(["loss", "accuracy"])),
        cohort=draw(st.integers(1, 12)),
        rotate=draw(st.booleans()),
        guard=draw(st.booleans()),
        alpha=draw(st.sampled_from([0.01, 0.05, 0.5])),
        last_call=draw(st.sampled_from([0.0, 0.1, 1.0])),
        settled=draw(st.sampled_from([0.01, 0.05, 0.3])),
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    options=races(),
    folds=st.integers(2, 4),
    epochs=st.integers(1, 6),
    trials=st.integers(3, 12),
    workers=st.integers(1, 4),
    newest_first=st.booleans(),
    broken=st.sets(st.integers(0, 1)),
    seed=st.integers(0, 10**6),
)
def test_any_race_ends_as_it_has_to(  # noqa: PLR0913 - one argument for each thing that varies
    *,
    options: RaceOptions,
    folds: int,
    epochs: int,
    trials: int,
    workers: int,
    newest_first: bool,
    broken: set[int],
    seed: int,
) -> None:
    """Whatever the curves: a score, every stop with a reason, nothing trained twice."""
    policy = RacePolicy(options)
    study = facts(policy="race", sampler="grid", folds=folds, epochs=epochs, images=1000)
    trainer = ScriptedTrainer(
        accuracy=lambda config, fold, epoch: chance(config, fold, epoch, seed),
        broken=dict.fromkeys(broken, "nan!"),
    )
    engine = WarmEngine(workers, newest_first=newest_first)
    rehearsal = Rehearsal(policy, study, trainer, budget=Budget(trials=trials), engine=engine)

    reason = rehearsal.run()

    past = rehearsal.history
    assert reason in {f"{trials} trials", SETTLED}
    assert past.incumbent is not None
    assert policy.leader(past) == past.incumbent
    assert set(Counter(trainer.trained).values()) == {1}
    assert len(trainer.trained) <= len(past.trials) * folds * epochs
    assert {t.number for t in past.trials if past.state_of(t) is TrialState.FAILED} == broken
    for own in past.trials:
        score = own.score(epochs)
        assert (score is not None) == (own.verdict is None and own.fold_epochs == folds * epochs)
        if own.verdict is not None:
            assert own.verdict.reason
        elif score is None:
            assert policy.standing(past, own)
    by_places = not options.latecomers and options.last_call == 1
    if not options.guard and not options.rotate and by_places:
        _assert_quotas(options, [t for t in past.trials if t.number not in broken], epochs)


def _assert_quotas(options: RaceOptions, trials: Sequence[Trial], epochs: int) -> None:
    """Checks that each rung was left by one in `factor` at most, or by one at the end."""
    for index, rung in enumerate(rung for rung in options.rungs if rung < epochs):
        reached = sum(len(t.curves[0]) >= rung for t in trials)
        left = sum(len(t.curves[0]) > rung for t in trials)
        factor = options.factors[min(index, len(options.factors) - 1)]
        assert left <= max(1, reached / factor)
