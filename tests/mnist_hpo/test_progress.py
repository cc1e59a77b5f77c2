"""A search while it runs: plain lines, JSON Lines and what they count, raced and in full."""

import io
import itertools
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mnist_hpo.advance import Bar, current, finalists, overall
from mnist_hpo.news import news_of, told_of
from mnist_hpo.progress import JsonView, PlainView, summary
from mnist_hpo.rungs import ladder_text, next_stop, rung_ahead, rung_reached, rungs_of
from search import events
from search.policies import policy_for
from search.records import Budget, Ending, Failure, History, Job, TrialState, Verdict
from search.rehearsal import Rehearsal
from search.testing import ScriptedTrainer, facts, history, trial

RACE: Mapping[str, Any] = {
    "policy": "race",
    "race": {"rungs": "1,2"},
    "images": 3000,
}


def searched(listen: events.Listener, trials: int = 9, **changes: Any) -> History:
    """Searches with scripted curves and returns the study at its end."""
    study = facts(**changes)
    policy = policy_for(study.policy, study.race)
    rehearsal = Rehearsal(policy, study, ScriptedTrainer(), budget=Budget(trials=trials))
    rehearsal.run(clock=time.monotonic, heard=listen)
    return rehearsal.history


class TestPlainView:
    @pytest.fixture
    def lines(self) -> list[str]:
        stream = io.StringIO()
        searched(PlainView(stream).listen, **RACE)
        return stream.getvalue().splitlines()

    def test_each_rung_is_told_with_its_accuracy_and_what_follows(self, lines: list[str]) -> None:
        rungs = [line for line in lines if " event=rung " in line]

        first = [line for line in rungs if " at=1.1 " in line]
        assert {int(re.findall(r"trial=(\d)", line)[0]) for line in first} == set(range(9))
        for line in rungs:
            assert re.search(r" accuracy=0\.\d{4} why=(null|\".+\") ", line)

    def test_a_promotion_names_both_rungs(self, lines: list[str]) -> None:
        gone = [re.findall(r"at=(\S+) to=(\S+)", line)[0] for line in lines if "goes-on" in line]

        assert set(gone) == {("1.1", "1.2"), ("1.2", "1.4")}

    def test_a_summary_counts_what_can_be_counted(self, lines: list[str]) -> None:
        assert " trials=9/9 complete=1 rungs=1:9,2:" in lines[-1]
        assert not any("done=" in line for line in lines)
        assert any(" eta_rough_s=" in line for line in lines)
        assert not any(" eta_s=" in line for line in lines)
        assert not any("\x1b" in line for line in lines)

    def test_the_full_loop_counts_trials_that_are_done(self) -> None:
        stream = io.StringIO()

        searched(PlainView(stream, itertools.count().__next__).listen, trials=2)

        lines = stream.getvalue().splitlines()
        assert " done=2/2 best=" in lines[-1]
        assert any("eta_s=" in line for line in lines)
        assert "event=rung" not in stream.getvalue()

    def test_a_stopped_trial_says_why(self) -> None:
        past = _with_verdict()
        stream = io.StringIO()

        PlainView(stream).listen(events.TrialClosed(past, 1))

        assert 'event=closed trial=1 state=stopped why="cannot win"' in stream.getvalue()


def _with_verdict() -> History:
    study = facts(**RACE)
    whole = [[0.5, 0.6, 0.7, 0.8]] * 3
    verdict = Verdict(state=TrialState.STOPPED, reason="cannot win", fold=0, epoch=3)
    return history(
        study, trial(0, study, whole), trial(1, study, [[0.4, 0.5, 0.6, 0.7]], verdict=verdict)
    )


def test_json_lines_give_the_reason_of_an_end() -> None:
    stream = io.StringIO()

    JsonView(stream).listen(events.TrialClosed(_with_verdict(), 1))
    JsonView(stream).listen(events.TrialClosed(_with_verdict(), 0))

    stopped, complete = map(json.loads, stream.getvalue().splitlines())
    assert (stopped["state"], stopped["reason"]) == ("stopped", "cannot win")
    assert (complete["state"], complete["reason"]) == ("complete", None)


class TestRungs:
    def test_rungs_are_those_below_the_last_epoch_and_the_last(self) -> None:
        assert rungs_of(facts(**RACE)) == (1, 2, 4)
        assert rungs_of(facts(policy="race", race={"rungs": "1,4,9"}, epochs=4)) == (1, 4)
        assert rungs_of(facts()) == ()

    def test_the_ladder_counts_who_reached_which_rung(self) -> None:
        """A failed trial is no rung's; whoever reached one stood on all below it."""
        study = facts(**RACE)
        failed = Verdict(state=TrialState.FAILED, reason="out of memory")
        past = history(
            study,
            trial(0, study, [[0.5, 0.6, 0.7, 0.8]]),
            trial(1, study, [[0.5, 0.6]]),
            trial(2, study, [[0.5]]),
            trial(3, study),
            trial(4, study, [[0.5]], verdict=failed),
        )

        assert ladder_text(past) == "1: 3  2: 2  4: 1"
        assert ladder_text(replace(past, facts=facts())) == ""

    def test_only_the_first_fold_has_rungs(self) -> None:
        study = facts(**RACE)
        past = history(study, trial(0, study, [[0.5]]), trial(1, study, [[0.5] * 4, [0.5]]))

        first = Job(trial=0, fold=0, start=0, stop=1)
        second = Job(trial=1, fold=1, start=0, stop=1)
        assert (rung_reached(past, first), rung_reached(past, second)) == (1, None)
        on = replace(first, start=1, stop=2)
        assert (rung_ahead(past, on), rung_ahead(past, replace(second, start=1))) == (2, None)
        assert rung_ahead(past, first) is None

    def test_a_trial_goes_on_to_the_next_rung_and_on_further_folds_to_the_end(self) -> None:
        study = facts(**RACE)
        past = history(
            study, trial(0, study, [[0.5]]), trial(1, study, [[0.5] * 4, [0.5]]), trial(2, study)
        )

        assert [next_stop(past, lane) for lane in ((0, 0), (1, 1), (2, 0))] == [2, 4, 1]
        assert next_stop(replace(past, facts=facts()), (2, 0)) == 4


class TestAdvance:
    def test_the_full_loop_counts_fold_epochs(self) -> None:
        study = facts()
        past = history(study, trial(0, study, [[0.5] * 4]), budget=Budget(trials=5))

        assert overall(past) == Bar("fold-epochs", 4, 60)

    def test_a_race_counts_the_trials_proposed(self) -> None:
        study = facts(**RACE)
        past = history(study, trial(0, study, [[0.5]]), budget=Budget(trials=5, minutes=3))

        assert overall(past) == Bar("trials", 1, 5)
        assert finalists(past) is None

    def test_with_minutes_alone_a_race_counts_them(self) -> None:
        past = replace(history(facts(**RACE), budget=Budget(minutes=3)), elapsed=90.0)

        assert overall(past) == Bar("minutes", 1.5, 3)
        assert overall(replace(past, elapsed=200.0)).done == 3

    def test_the_work_in_hand_ends_where_it_is_compared_next(self) -> None:
        study = facts(**RACE)
        past = history(study, trial(0, study, [[0.5]]), trial(1, study, [[0.5] * 4, [0.5]]))

        assert current(past, (0, 0)) == Bar("trial 0, fold 1", 1, 2)
        assert current(past, (1, 1)) == Bar("trial 1, fold 2", 1, 4)
        assert current(replace(past, facts=facts()), (1, 1)) == Bar("trial 1", 5, 12)

    def test_finalists_are_those_with_a_whole_fold_that_nobody_gave_up(self) -> None:
        """The stopped one is out: one trial with its three folds is left."""
        assert finalists(_with_verdict()) == Bar("finalists' folds", 3, 3)


class TestNews:
    def test_ends_of_trials_are_sentences(self) -> None:
        past = _with_verdict()

        assert news_of(events.TrialClosed(past, 1)) == "trial 1 stopped: cannot win"
        assert news_of(events.TrialClosed(past, 0)) == (
            "trial 0 complete: 0.8000 ± 0.0000, the best so far"
        )

    def test_a_reason_that_says_stopped_is_not_told_so_twice(self) -> None:
        assert told_of(3, "stopped", "stopped after 1 of 5 folds") == (
            "trial 3: stopped after 1 of 5 folds"
        )

    def test_troubles_are_sentences(self) -> None:
        past = _with_verdict()
        failure = Failure(fold=1, epoch=0, run=0, message="out of memory")
        job = Job(trial=1, fold=0, start=0, stop=1)

        assert news_of(events.RunFailed(past, 1, failure)) == (
            "trial 1, fold 2 failed: out of memory"
        )
        assert news_of(events.WorkerLost(job, "its worker died")) == (
            "trial 1: its worker died; its job is handed out again"
        )

    def test_a_promotion_is_a_sentence(self) -> None:
        study = facts(**RACE)
        past = history(study, trial(0, study, [[0.5]]))
        going = Job(trial=0, fold=0, start=1, stop=2)

        assert news_of(events.JobStarted(past, going)) == (
            "trial 0 goes on from epoch 1 to epoch 2"
        )
        assert news_of(events.JobStarted(past, replace(going, trial=0, fold=1, start=0))) is None


def test_a_done_study_is_summed_up() -> None:
    past = _with_verdict()

    ended = replace(past, ending=Ending(reason="2 trials", budget=past.budget))

    assert summary(ended) == "trials=2/2 complete=1 rungs=1:2,2:2,4:2 best=0 score=0.8000"
