"""A public conformance suite: anyone can test a sampler of theirs against the contract."""

from collections.abc import Callable

from search.proposals import AbstractProposer
from search.records import Budget, Facts, History, Trial, TrialState, Verdict
from search.testing import SMALL_SPACE, facts, history, rebuilt, scripted_accuracy, trial
from spaces.space import Choice, Condition, Config, Range, Space, config_key

NewSampler = Callable[[], AbstractProposer]
"""Makes a sampler that was asked nothing yet."""

EIGHT = Space("eight", (Range(name="width", kind="int", low=1, high=8, default=1),))
"""Eight configurations."""

BRANCHES = Space(
    "branches",
    (
        Choice(name="kind", values=("deep", "flat"), default="deep"),
        Range(
            name="depth",
            kind="int",
            low=1,
            high=3,
            default=1,
            when=(Condition("kind", ("deep",)),),
        ),
        Choice(name="wide", values=(False, True), default=False, when=(Condition("depth", (3,)),)),
    ),
)
"""Five configurations: a condition upon a condition."""


def finished(number: int, study: Facts, config: Config) -> Trial:
    """Returns a complete trial with the scripted accuracies of its configuration."""
    curves = [
        [scripted_accuracy(config, fold, epoch) for epoch in range(study.epochs)]
        for fold in range(study.folds)
    ]
    return trial(number, study, curves, config=config)


def searched(asked: AbstractProposer, study: Facts, count: int) -> History:
    """Returns a history of so many trials, each complete before the next is proposed."""
    past = history(study, budget=Budget(trials=count))
    for number in range(count):
        config = asked.propose(past, fits)
        assert config is not None
        past = past.with_trial(finished(number, study, config))
    return past


def fits(config: Config) -> None:
    """Objects to nothing."""
    del config


class SamplerConformance:
    """What every sampler must do. Inherit it and give a `new_sampler` fixture."""

    def test_it_is_called_something(self, new_sampler: NewSampler) -> None:
        """Its name is the origin that trials show and the option that chooses it."""
        assert new_sampler().name

    def test_equal_histories_get_equal_proposals(self, new_sampler: NewSampler) -> None:
        """Whatever it was asked before, and after a restart."""
        past = searched(new_sampler(), facts(), 12)
        used = new_sampler()
        used.propose(history(facts()), fits)

        answers = [
            used.propose(past, fits),
            used.propose(past, fits),
            new_sampler().propose(rebuilt(past), fits),
        ]

        assert answers[0] is not None
        assert answers[0] == answers[1] == answers[2]

    def test_a_resumed_study_goes_on_as_it_would_have(self, new_sampler: NewSampler) -> None:
        """One sampler for a whole study, or another one after each trial."""
        whole = searched(new_sampler(), facts(), 14)
        past = history(facts(), budget=whole.budget)

        for expected in whole.trials:
            assert new_sampler().propose(past, fits) == expected.config
            past = past.with_trial(expected)

    def test_a_promise_is_a_chance(self, new_sampler: NewSampler) -> None:
        """From 0 to 1, the same twice; or None from a sampler that does not know."""
        past = searched(new_sampler(), facts(), 12)

        told = new_sampler().promise(past, fits)

        assert told is None or 0 <= told <= 1
        assert new_sampler().promise(rebuilt(past), fits) == told

    def test_seeds_differ_and_zero_is_one(self, new_sampler: NewSampler) -> None:
        """0 repeats itself like any seed; it is not taken for "none given"."""
        zero, again, one = (
            [own.config for own in searched(new_sampler(), facts(seed=seed), 5).trials]
            for seed in (0, 0, 1)
        )

        assert zero == again
        assert zero != one

    def test_no_configuration_comes_twice(self, new_sampler: NewSampler) -> None:
        """Every one of a small space once; then the space is exhausted."""
        for space, size in ((EIGHT, 8), (BRANCHES, 5)):
            past = searched(new_sampler(), facts(space=space), size)

            assert len({own.key for own in past.trials}) == size
            assert new_sampler().propose(past, fits) is None

    def test_proposals_are_points_of_the_space(self, new_sampler: NewSampler) -> None:
        """Every active hyperparameter has a value, and no other has."""
        for space in (SMALL_SPACE, BRANCHES):
            past = searched(new_sampler(), facts(space=space), 5)

            assert all(space.contains(own.config) for own in past.trials)

    def test_misfits_are_replaced(self, new_sampler: NewSampler) -> None:
        """They are no trials: with another one that fits, or None where nothing does."""
        past = searched(new_sampler(), facts(), 3)
        wish = new_sampler().propose(past, fits)
        assert wish is not None

        other = new_sampler().propose(
            past, lambda config: "taken" if config_key(config) == config_key(wish) else None
        )

        assert other is not None
        assert other != wish
        assert past.facts.space.contains(other)
        narrow = new_sampler().propose(
            past, lambda config: "too wide" if int(config["width"]) > 7 else None
        )
        assert narrow is not None
        assert int(narrow["width"]) <= 7
        assert new_sampler().propose(past, lambda _: "nothing fits") is None

    def test_failed_trials_are_not_proposed_again(self, new_sampler: NewSampler) -> None:
        """Nor those under way, nor those that were stopped."""
        study = facts(space=EIGHT)
        past = history(study, budget=Budget(trials=8))
        states = (TrialState.FAILED, TrialState.STOPPED, None)
        for number, state in enumerate(states):
            verdict = None if state is None else Verdict(state=state, reason="because")
            curves = [[0.5]] if state is TrialState.STOPPED else []
            past = past.with_trial(
                trial(number, study, curves, config={"width": number + 1}, verdict=verdict)
            )

        for number in range(len(states), 8):
            config = new_sampler().propose(past, fits)
            assert config is not None
            assert config_key(config) not in {own.key for own in past.trials}
            past = past.with_trial(finished(number, study, config))

    def test_a_history_is_left_alone(self, new_sampler: NewSampler) -> None:
        """It belongs to whoever asks."""
        past = searched(new_sampler(), facts(), 11)
        before = rebuilt(past)

        new_sampler().propose(past, fits)

        assert past == before
