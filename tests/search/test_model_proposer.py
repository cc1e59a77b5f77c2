"""Proposals by the model: pure, new, and where it is better."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, median

import numpy as np
import pytest

from search.log_odds import Floats
from search.model_proposer import ModelProposer
from search.points import encoder, sampled
from search.policies import policy_for, predictor_of
from search.proposals import AbstractProposer
from search.records import Budget, Curve, Epoch, Facts, History, Trial, TrialState, Verdict
from search.samplers import proposer
from search.testing import SMALL_SPACE, facts, history, rebuilt, trial
from spaces.cnn_space import CNN_SPACE
from spaces.space import Choice, Condition, Config, Range, Space, config_key

BOWL = Space(
    "bowl",
    (
        Range(name="x", kind="float", low=0, high=1, default=0.5),
        Range(name="y", kind="float", low=1e-4, high=1e-1, default=1e-3, sampling="log"),
        Choice(name="kind", values=("a", "b", "c"), default="a"),
    ),
)

TINY = Space(
    "tiny",
    (
        Choice(name="kind", values=("a", "b"), default="a"),
        Range(
            name="depth", kind="int", low=1, high=3, default=1, when=(Condition("kind", ("a",)),)
        ),
    ),
)
"""Four configurations: a1, a2, a3, b."""

FAILED = Verdict(state=TrialState.FAILED, reason="nan")


def fits(_: Config) -> None:
    """Objects to nothing."""


def quality(config: Config) -> float:
    """Returns 0.99 at x = 0.7, y = 0.01 and kind b, and less everywhere else."""
    far = 8 * (float(config["x"]) - 0.7) ** 2 + 0.5 * math.log10(float(config["y"]) / 0.01) ** 2
    return 1 / (1 + math.exp(far - 4.6 + (config["kind"] != "b") * 0.7))


def complete(number: int, study: Facts, config: Config, value: float) -> Trial:
    return trial(number, study, [[value] * study.epochs] * study.folds, config=config)


def searched(asked: AbstractProposer, study: Facts, count: int) -> History:
    """Returns a history of so many trials, each complete before the next is proposed."""
    past = history(study, budget=Budget(trials=count))
    for number in range(count):
        config = asked.propose(past, fits)
        assert config is not None
        past = past.with_trial(complete(number, study, config, quality(config)))
    return past


def bowl(seed: int = 0) -> Facts:
    return facts(space=BOWL, images=5000, folds=2, epochs=1, seed=seed, sampler="model")


@pytest.mark.parametrize("known", [0, 5, 10, 16])
def test_equal_histories_get_equal_proposals(known: int) -> None:
    """From another proposer, and from one that was asked something else before."""
    past = searched(ModelProposer(), bowl(), known)
    used = ModelProposer()
    used.propose(searched(ModelProposer(), bowl(1), 12), fits)

    answers = [used.propose(past, fits), used.propose(past, fits)]
    answers.append(ModelProposer().propose(rebuilt(past), fits))

    assert answers[0] is not None
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("space", [BOWL, SMALL_SPACE, CNN_SPACE], ids=["bowl", "small", "cnn"])
def test_proposals_are_new_members_of_the_space(space: Space) -> None:
    """Random ones at first, and the model's, which look at neighbours of the best."""
    study = facts(space=space, folds=2, epochs=1, images=5000)
    past = history(study, budget=Budget(trials=20))
    for number in range(20):
        config = ModelProposer().propose(past, fits)
        assert config is not None
        assert space.contains(config)
        past = past.with_trial(complete(number, study, config, 0.9 + 0.002 * number))

    assert len({own.key for own in past.trials}) == 20


def test_a_misfit_is_passed_over() -> None:
    """Also where it is the model's first choice."""
    past = searched(ModelProposer(), bowl(), 15)
    wish = ModelProposer().propose(past, fits)

    second = ModelProposer().propose(past, lambda c: "too large" if c == wish else None)
    none_left = ModelProposer().propose(past, lambda _: "too large")

    assert second is not None
    assert second != wish
    assert none_left is None


@pytest.mark.parametrize("startup", [1, 10])
def test_a_space_is_exhausted_when_all_of_it_was_tried(startup: int) -> None:
    """Four configurations, then None; by chance and by the model."""
    study = facts(space=TINY, folds=2, epochs=1)
    asked = ModelProposer(startup=startup)
    past = history(study)
    for number in range(4):
        config = asked.propose(past, fits)
        assert config is not None
        past = past.with_trial(complete(number, study, config, 0.9))

    assert len({own.key for own in past.trials}) == 4
    assert asked.propose(past, fits) is None


def test_failed_and_foreign_trials_are_no_data() -> None:
    """Ten of them do not make the model speak; one of them is not proposed again."""
    study = bowl()
    rng = np.random.default_rng(0)
    plain = history(study)
    for number in range(10):
        plain = plain.with_trial(trial(number, study, config=sampled(BOWL, rng), verdict=FAILED))
    foreign = plain.with_trial(
        trial(10, study, [[0.9]] * 2, config={"documented": "x"}, in_space=False)
    )

    for past in (plain, foreign):
        config = ModelProposer().propose(past, fits)
        assert config is not None
        assert config_key(config) not in {own.key for own in past.trials}


def test_waiting_trials_push_further_proposals_away() -> None:
    """Ten workers that ask at once spread wider than if those before them had failed at once."""
    waiting = [_spread(_asked_at_once(seed, None)) for seed in range(6)]
    alone = [_spread(_asked_at_once(seed, FAILED)) for seed in range(6)]

    assert fmean(waiting) > 1.5 * fmean(alone)


def _asked_at_once(seed: int, verdict: Verdict | None) -> list[Floats]:
    """Returns ten further proposals, none of which is answered by an epoch."""
    past, encode = searched(ModelProposer(explore=0), bowl(seed), 15), encoder(BOWL)
    for number in range(15, 25):
        config = ModelProposer(explore=0).propose(past, fits)
        assert config is not None
        past = past.with_trial(trial(number, past.facts, config=config, verdict=verdict))
    return [encode(own.config) for own in past.trials[15:]]


def _spread(points: Sequence[Floats]) -> float:
    """Returns the mean distance between two points."""
    table = np.stack(points)
    gaps = np.sqrt(((table[:, None] - table[None]) ** 2).sum(axis=2))
    return float(gaps.sum() / (len(table) * (len(table) - 1)))


def test_it_finds_a_better_region_than_chance() -> None:
    """On a smooth function, in 8 of 10 seeds or more; and its best is better as a rule."""
    by_model = [_values(searched(ModelProposer(), bowl(seed), 30)) for seed in range(10)]
    by_chance = [_values(searched(proposer("random"), bowl(seed), 30)) for seed in range(10)]

    pairs = list(zip(by_model, by_chance, strict=True))
    assert sum(fmean(one[10:]) > fmean(other[10:]) + 0.02 for one, other in pairs) >= 8
    assert median(map(max, by_model)) > median(map(max, by_chance))


def _values(past: History) -> list[float]:
    return [quality(own.config) for own in past.trials]


def test_it_learns_from_single_epochs() -> None:
    """Where only the first rung is known of every trial, its prospects lead just as well."""
    study = facts(space=BOWL, images=5000, folds=2, epochs=4, sampler="model")
    past = history(study, budget=Budget(trials=30))
    for number in range(30):
        config = ModelProposer().propose(past, fits)
        assert config is not None
        past = past.with_trial(trial(number, study, [[quality(config)]], config=config))

    values = _values(past)
    assert fmean(values[20:]) > fmean(values[:10]) + 0.02


@pytest.mark.parametrize("sampler", ["model", "tpe"])
def test_samplers_see_what_the_race_predicts(sampler: str) -> None:
    """By accuracy the last trials are the best ones, by loss the first: two other proposals."""
    study = facts(images=5000, folds=2, epochs=4, sampler=sampler)
    past = history(study, budget=Budget(trials=30))
    for number in range(16):
        value = 0.9 + 0.005 * number  # of both: better by accuracy is worse by loss
        epoch = Epoch(
            valid_accuracy=value,
            valid_loss=value,
            train_accuracy=value,
            train_loss=value,
            seconds=1.0,
        )
        config = {"width": 4 * number + 1, "rate": 10 ** (-1 - number / 6)}
        curves = (Curve((epoch,)), Curve())
        past = past.with_trial(replace(trial(number, study), config=config, curves=curves))

    wishes = []
    for measure in ("accuracy", "loss"):
        policy = policy_for("race", {"measure": measure})
        wishes.append(proposer(sampler, predictor_of(policy)).propose(past, fits))

    assert None not in wishes
    assert wishes[0] != wishes[1]
    assert wishes[0] == proposer(sampler).propose(past, fits)


def test_the_promise_is_small_once_the_best_region_is_known() -> None:
    """After 60 trials less than after 12, and hardly any; the same from another proposer."""
    past = searched(ModelProposer(), bowl(), 60)
    early = replace(past, trials=past.trials[:12])

    first, last = (ModelProposer().promise(own, fits) for own in (early, past))

    assert first is not None
    assert last is not None
    assert 1 > first > last
    assert last < 0.05
    used = ModelProposer()
    assert [used.promise(own, fits) for own in (early, past)] == [first, last]
    assert used.promise(rebuilt(past), fits) == last


def test_nothing_is_promised_before_the_model_knows_enough() -> None:
    """Its first ten proposals are random."""
    past = searched(ModelProposer(), bowl(), 10)

    nine = replace(past, trials=past.trials[:9])

    assert ModelProposer().promise(nine, fits) is None
    assert ModelProposer().promise(past, fits) is not None


def by_x_and_kind(config: Config) -> str:
    """Names a graph that leaves `y` free, as learning rates are."""
    return f"{config['x']} {config['kind']}"


def twins(past: History) -> list[int]:
    """Returns the trials that share a graph with an earlier one."""
    graphs = [by_x_and_kind(own.config) for own in past.trials]
    return [number for number, graph in enumerate(graphs) if graph in graphs[:number]]


def test_every_second_random_proposal_at_first_is_a_twin() -> None:
    """On the graph of an earlier trial, with another `y`; nobody is where no graph is shared."""
    past = searched(ModelProposer(graph_of=by_x_and_kind), bowl(), 10)
    alone = searched(ModelProposer(), bowl(), 10)

    assert twins(past) == [1, 3, 5, 7, 9]
    assert len({own.key for own in past.trials}) == 10
    assert twins(alone) == []


def test_a_twin_has_a_parent_that_was_trained() -> None:
    """A graph in flight is built on a worker that is busy with it."""
    study = bowl()
    first = ModelProposer().propose(history(study), fits)
    assert first is not None
    past = history(study).with_trial(trial(0, study, config=first))

    wish = ModelProposer(graph_of=by_x_and_kind).propose(past, fits)

    assert wish is not None
    assert by_x_and_kind(wish) != by_x_and_kind(first)


def test_the_cheaper_a_look_the_more_a_build_counts() -> None:
    """With few images proposals share graphs; with many the expected improvement decides alone."""
    small, large = replace(bowl(), images=300), replace(bowl(), images=10**7)
    asked = ModelProposer(graph_of=by_x_and_kind, explore=0)

    few = twins(searched(asked, small, 40))
    many = twins(searched(asked, large, 40))

    assert len([number for number in few if number >= 10]) >= 15
    assert len([number for number in many if number >= 10]) <= 10


def test_costs_change_turns_and_no_promise() -> None:
    """An expensive configuration that may win keeps a search alive."""
    past = searched(ModelProposer(), bowl(), 14)
    dear = replace(past, facts=replace(past.facts, images=300))

    plain, shared = ModelProposer(explore=0), ModelProposer(explore=0, graph_of=by_x_and_kind)

    assert plain.promise(dear, fits) == shared.promise(dear, fits)
    assert plain.propose(dear, fits) != shared.propose(dear, fits)


def test_what_does_not_fit_promises_nothing() -> None:
    """The next configuration counts that fits; with none left the chance is 0."""
    past = searched(ModelProposer(), bowl(), 12)
    wish = ModelProposer(explore=0).propose(past, fits)

    first = ModelProposer().promise(past, fits)
    second = ModelProposer().promise(past, lambda c: "too large" if c == wish else None)

    assert second != first
    assert ModelProposer().promise(past, lambda _: "too large") == 0.0
