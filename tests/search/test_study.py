"""Starting a study and going on with it: what is fixed, and what a resume must notice."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from search import environment
from search.engine import InlineEngine
from search.errors import EnvironmentChanged, FoldError, StudyError
from search.folds import folds_sha256, stratified_folds
from search.records import Budget, Facts
from search.study import (
    Choices,
    Development,
    check_unchanged,
    engine_for,
    facts_of,
    folds_for,
    raised_budget,
)
from search.testing import SMALL_SPACE, facts
from spaces.cnn_space import CNN_SPACE
from spaces.space import Range, Space


def development(images: int = 60, classes: int = 3, sha256: str = "ab" * 32) -> Development:
    return Development(
        name="toy",
        sha256=sha256,
        x=np.zeros((images, 28, 28), dtype=np.uint8),
        y=np.arange(images, dtype=np.int64) % classes,
    )


def started(space: Space = SMALL_SPACE, **choices: Any) -> Facts:
    chosen = Choices(ranges={}, fixed={}, **choices)
    return facts_of("demo", development(), model="toy:Model", space=space, choices=chosen)


class TestFactsOf:
    def test_the_facts_are_what_was_chosen_and_what_is_there(self) -> None:
        study = started(epochs=3, seed=0, sampler="random", max_params=1000, retries=2)

        assert (study.study, study.dataset, study.model) == ("demo", "toy", "toy:Model")
        assert (study.data_sha256, study.images) == ("ab" * 32, 60)
        assert (study.folds, study.epochs, study.seed) == (5, 3, 0)
        assert (study.sampler, study.max_params, study.retries) == ("random", 1000, 2)
        assert study.space == SMALL_SPACE
        assert study.environment == environment.current_environment()
        assert study.created.endswith("+00:00")

    def test_the_folds_do_not_follow_the_studys_seed(self) -> None:
        """Scores of different studies on the same data compare the same folds."""
        labels = development().y

        fingerprints = {started(seed=seed).folds_sha256 for seed in (0, 1, 2)}

        assert fingerprints == {folds_sha256(stratified_folds(labels, count=5, seed=42))}

    def test_it_survives_json(self) -> None:
        study = started(space=CNN_SPACE, sampler="tpe")

        assert Facts.from_json(study.to_json()) == study

    @pytest.mark.parametrize(
        ("choices", "message"),
        [
            ({"policy": "rase"}, "no policy 'rase'; there are: .*full"),
            ({"sampler": "tpee"}, "no sampler 'tpee'"),
            ({"sampler": "kt-hyperband"}, "Hyperband decides itself"),
        ],
        ids=["policy", "sampler", "hyperband"],
    )
    def test_what_does_not_exist_is_refused(self, choices: dict[str, Any], message: str) -> None:
        with pytest.raises(StudyError, match=message):
            started(**choices)

    def test_a_sampler_that_cannot_serve_the_space_is_refused_at_the_start(self) -> None:
        with pytest.raises(StudyError, match="'cnn' has more"):
            started(space=CNN_SPACE, sampler="grid")

    def test_data_too_small_for_the_folds_are_refused(self) -> None:
        with pytest.raises(FoldError, match="class 0 has 20"):
            started(folds=21)


class TestCheckUnchanged:
    def test_nothing_changed_says_nothing(self) -> None:
        assert check_unchanged(started(), development(), SMALL_SPACE) == ()

    def test_a_changed_range_is_named_with_both_its_ranges(self) -> None:
        """And a dimension that is new, and one that is gone: all of it at once."""
        wider = Range(name="width", kind="int", low=1, high=128, default=8)
        new = Range(name="depth", kind="int", low=1, high=4, default=1)

        with pytest.raises(StudyError, match="space changed since study 'demo'") as told:
            check_unchanged(started(), development(), Space("small", (wider, new)))

        assert str(told.value).splitlines()[1:] == [
            "  width: was 1..64, now 1..128",
            "  rate: was 0.0001..0.1 (log), now gone",
            "  depth: new, 1..4",
        ]

    def test_changed_data_are_named_by_number_and_fingerprint(self) -> None:
        with pytest.raises(StudyError, match="data of study 'demo' changed") as told:
            check_unchanged(started(), development(90, sha256="cd" * 32), SMALL_SPACE)

        assert "'toy' had 60 development images, SHA-256 abababababab" in str(told.value)
        assert "now 90 with cdcdcdcdcdcd" in str(told.value)

    def test_other_folds_of_equal_data_are_refused(self) -> None:
        """Another scikit-learn might shuffle differently: scores would not compare."""
        study = replace(started(), folds_sha256="ef" * 32)

        with pytest.raises(StudyError, match=r"folds of study 'demo' changed.*efefefefefef"):
            check_unchanged(study, development(), SMALL_SPACE)

    @pytest.fixture
    def elsewhere(self) -> Facts:
        """A study that was started under another Keras, on a machine that told of its GPU."""
        then = {**environment.current_environment(), "keras": "3.0.0", "gpu": "none"}
        return replace(started(), environment=then)

    @pytest.fixture
    def drift(self) -> tuple[str, ...]:
        now = environment.current_environment()["keras"]
        return (f"keras: was 3.0.0, now {now}", "gpu: was none, now not there")

    def test_another_environment_is_refused_line_by_line(
        self, elsewhere: Facts, drift: tuple[str, ...]
    ) -> None:
        with pytest.raises(EnvironmentChanged, match="differs from the one") as told:
            check_unchanged(elsewhere, development(), SMALL_SPACE)

        assert told.value.differences == drift
        assert str(told.value).splitlines()[1:] == [f"  {line}" for line in drift]

    def test_an_allowed_drift_is_returned_to_be_shown(
        self, elsewhere: Facts, drift: tuple[str, ...]
    ) -> None:
        shown = check_unchanged(elsewhere, development(), SMALL_SPACE, allow_drift=True)

        assert shown == drift

    def test_an_allowed_drift_allows_nothing_else(self, elsewhere: Facts) -> None:
        with pytest.raises(StudyError, match="data of study"):
            check_unchanged(elsewhere, development(90, sha256="c"), SMALL_SPACE, allow_drift=True)


class TestRaisedBudget:
    @pytest.mark.parametrize(
        ("wish", "budget"),
        [
            (Budget(), Budget(trials=10, minutes=5.0)),
            (Budget(trials=20), Budget(trials=20, minutes=5.0)),
            (Budget(minutes=9.0), Budget(trials=10, minutes=9.0)),
            (Budget(trials=7), Budget(trials=7, minutes=5.0)),
            (Budget(minutes=0.0), Budget(trials=10, minutes=0.0)),
        ],
        ids=["nothing", "trials", "minutes", "what is done", "no time"],
    )
    def test_a_wish_replaces_a_total_and_silence_keeps_it(
        self, wish: Budget, budget: Budget
    ) -> None:
        """Seven trials are there; 0 minutes is a wish, not silence."""
        assert raised_budget(facts(), Budget(trials=10, minutes=5.0), 7, wish) == budget

    def test_a_total_below_what_is_done_is_refused_with_the_cure(self) -> None:
        with pytest.raises(StudyError, match=r"'demo' has 7 trials already.*at least 7\."):
            raised_budget(facts(), Budget(trials=10), 7, Budget(trials=6))

    def test_trials_that_are_to_be_repeated_are_not_counted_as_done(self) -> None:
        """A total must have room for both, and the message tells them apart."""
        done, added, wish = 7, 2, Budget(trials=8)

        with pytest.raises(
            StudyError, match=r"has 7 trials already and --again adds 2, got --trials 8.*least 9\."
        ):
            raised_budget(facts(), Budget(trials=10), done, wish, added=added)

        assert raised_budget(
            facts(), Budget(trials=10), done, Budget(trials=9), added=added
        ) == Budget(trials=9)

    def test_a_study_without_a_limit_gets_one(self) -> None:
        assert raised_budget(facts(), Budget(minutes=3.0), 0, Budget(trials=4)) == Budget(
            trials=4, minutes=3.0
        )


def test_one_worker_needs_no_cluster() -> None:
    """And so no second of start-up for one."""
    engine = engine_for(1)

    assert isinstance(engine, InlineEngine)
    assert engine.workers == 1
    assert engine_for(3).workers == 3


def test_a_studys_folds_are_those_of_its_fingerprint() -> None:
    study = started(folds=4)

    assert folds_sha256(tuple(folds_for(study, development()))) == study.folds_sha256
    assert len(folds_for(study, development())) == 4
