"""Last calls: before its cohort's folds race, whoever waits and may still win goes on."""

import math
from dataclasses import replace

import pytest

from search.last_call import chance_to_win
from search.policy import Judge, Run, Wait
from search.prediction import Prediction
from search.race import RacePolicy
from search.race_options import RaceOptions
from search.records import Ending, Facts, History, Job, Trial, TrialState, Verdict
from search.testing import ALL, CLOSING, LATE, facts, history, trial


def predicted(mean: float, half: float) -> Prediction:
    """Returns a prediction whose 95 % interval reaches `half` to both sides, in log odds."""
    middle = math.log(mean / (1 - mean))
    low, high = (1 / (1 + math.exp(-middle - way * half)) for way in (-1, 1))
    return Prediction(mean=mean, low=low, high=high)


@pytest.mark.parametrize(
    ("standard_errors", "chance"),
    [(0.0, 0.5), (1.0, 0.1586553), (-1.0, 0.8413447), (3, 0.0013499)],
)
def test_the_chance_is_the_normal_tail_in_log_odds(standard_errors: float, chance: float) -> None:
    """Above the best and a tie: sqrt(2/3 x 0.05 / 6000) = 0.00236 at 0.95 of 6,000 images.

    Log odds there have half an image on both sides, which the expected values do not.
    """
    aim = 0.95 + math.sqrt(2 / 3 * 0.05 / 6000)
    spread = 0.2
    middle = math.log(aim / (1 - aim)) - standard_errors * spread
    own = predicted(1 / (1 + math.exp(-middle)), 1.96 * spread)

    assert chance_to_win(own, 0.95, 6000) == pytest.approx(chance, abs=1e-4)


def test_a_prediction_without_width_wins_or_does_not() -> None:
    """And nothing beats a best of 1."""
    sure = Prediction(mean=0.97, low=0.97, high=0.97)

    assert chance_to_win(sure, 0.95, 6000) == 1.0
    assert chance_to_win(sure, 0.969, 6000) == 0.0
    assert chance_to_win(replace(sure, mean=1.0, low=1.0, high=1.0), 1.0, 6000) == 0.0


def race(last_call: float, cohort: int = 50, calls_win: float = 0.0) -> RacePolicy:
    return RacePolicy(
        RaceOptions(
            factors=(100.0,),
            measure="accuracy",
            guard=False,
            last_call=last_call,
            settled=1e-9,
            cohort=cohort,
            calls_win=calls_win,
        )
    )


def waiting_beside_a_leader(study: Facts) -> History:
    """One trial leads with a whole fold; one waits close behind, one far, one in between."""
    leader = trial(0, study, [[0.90, 0.92, 0.93, 0.94]])
    return history(
        study,
        leader,
        trial(1, study, [[0.2]]),
        trial(2, study, [[0.89]]),
        trial(3, study, [[0.87]]),
    )


def given_out(policy: RacePolicy, past: History) -> list[tuple[int, int, int]]:
    """Returns trial, fold and first epoch of all jobs until nobody gets any."""
    busy: list[Run] = []
    while isinstance(
        answer := policy.next(past, frozenset(run.job for run in busy), CLOSING), Run
    ):
        busy.append(answer)
    return [(run.job.trial, run.job.fold, run.job.start) for run in busy]


def test_whoever_may_still_win_goes_on_the_likeliest_first() -> None:
    """Before the folds of the leader, whose lead they might take."""
    past = waiting_beside_a_leader(facts(images=300))

    called = given_out(race(0.01), past)
    uncalled = given_out(race(1.0), past)

    assert called == [(2, 0, 1), (3, 0, 1), *uncalled]
    assert uncalled == [(0, 1, 0), (0, 2, 0)]


def test_nobody_is_called_before_the_end_or_when_the_time_is_up() -> None:
    """A search that may propose proposes; one without time completes its leader."""
    past = waiting_beside_a_leader(facts(images=300))

    early = race(0.01).next(past, frozenset(), ALL)
    late = race(0.01).next(past, frozenset(), LATE)

    assert not isinstance(early, Run | Judge)
    assert isinstance(late, Run)
    assert late.job.lane == (0, 1)


def test_a_cohort_that_is_all_proposed_has_its_calls_before_the_search_goes_on() -> None:
    """What they turn out to be tells the sampler where to look next."""
    past = waiting_beside_a_leader(facts(images=300))

    whole = race(0.01, cohort=4).next(past, frozenset(), ALL)
    partial = race(0.01, cohort=3).next(
        past, frozenset({Job(trial=2, fold=0, start=1, stop=2)}), ALL
    )

    assert isinstance(whole, Run)
    assert whole.job.lane == (2, 0)
    assert isinstance(partial, Run)
    assert partial.job.lane == (0, 1)


def test_calls_end_when_nobody_has_a_chance() -> None:
    """The leader is complete and far ahead."""
    study = facts(images=100_000)
    past = waiting_beside_a_leader(study).with_trial(_complete(study, 0.99))

    assert race(0.1).next(past, frozenset(), CLOSING) == Wait()


def after_calls(study: Facts, *ends: float) -> History:
    """A leader with a place, trials that went on without one, and a last one that waits."""
    called = [trial(n, study, [[0.89, 0.9, 0.91, end]]) for n, end in enumerate(ends, 1)]
    waiting = trial(len(ends) + 1, study, [[0.89]])
    return history(study, trial(0, study, [[0.90, 0.92, 0.93, 0.94]]), *called, waiting)


@pytest.mark.parametrize(
    ("ends", "goes_on"),
    [
        ((), True),  # 1/2
        ((0.92,), True),  # 1/3
        ((0.92, 0.93), False),  # 1/4
        ((0.92, 0.95), True),  # 2/4
        ((0.92, 0.95, 0.93), True),  # 2/5
        ((0.92, 0.95, 0.93, 0.93), True),  # 2/6
        ((0.92, 0.95, 0.93, 0.93, 0.93), False),  # 2/7
    ],
)
def test_calls_end_when_too_few_of_them_win(ends: tuple[float, ...], goes_on: bool) -> None:
    """Laplace's rule: of n that were called w won, so the next does by (w + 1) / (n + 2)."""
    past = after_calls(facts(images=300), *ends)
    waiting = (len(ends) + 1, 0, 1)

    assert waiting in given_out(race(0.001), past)
    assert (waiting in given_out(race(0.001, calls_win=0.3), past)) is goes_on


def test_each_cohort_has_calls_of_its_own() -> None:
    """What an earlier one's calls came to tells nothing of trials that were proposed since."""
    past = after_calls(facts(images=300), 0.92, 0.93)

    assert (3, 0, 1) not in given_out(race(0.001, calls_win=0.3, cohort=4), past)
    assert (3, 0, 1) in given_out(race(0.001, calls_win=0.3, cohort=3), past)


def test_a_call_that_failed_to_train_is_none_that_lost() -> None:
    """It says nothing of what a call is worth."""
    study = facts(images=300)
    past = after_calls(study, 0.92, 0.93)
    broken = replace(past.trials[2], verdict=Verdict(state=TrialState.FAILED, reason="broken"))

    assert (3, 0, 1) in given_out(race(0.001, calls_win=0.3), past.with_trial(broken))


def test_a_stopped_trial_tells_its_chance() -> None:
    """Once the study is done."""
    study = facts(images=100_000)
    past = waiting_beside_a_leader(study).with_trial(_complete(study, 0.99))
    done = replace(past, ending=Ending(reason="4 trials", budget=past.budget))

    before, after = (race(0.1).standing(own, own.trials[3]) for own in (past, done))

    assert before is not None
    assert after is not None
    reason, chance = after.split("; its chance to win is ")
    assert reason == before
    assert 0 < float(chance) < 0.1


def _complete(study: Facts, accuracy: float) -> Trial:
    return trial(0, study, [[0.90, 0.92, 0.93, accuracy]] * study.folds)
