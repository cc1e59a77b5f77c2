"""A search while it runs: plain lines, JSON Lines and the live view, raced and in full."""

import io
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mnist_hpo.advance import Bar, finalists, overall
from mnist_hpo.live import LiveView, Prospects
from mnist_hpo.live_table import SHOWN_TRIALS, live_table
from mnist_hpo.news import news_of, told_of
from mnist_hpo.progress import AbstractView, JsonView, PlainView, Rate, summary
from mnist_hpo.rungs import ladder_text, rung_ahead, rung_reached, rungs_of
from search import events
from search.candidates import Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import InlineEngine
from search.memory import MemoryLedger
from search.policies import policy_for
from search.records import Budget, Ending, History, Job, TrialState, Verdict
from search.samplers import proposer
from search.testing import ScriptedTrainer, facts, history, trial
from spaces.architecture import Size

RACE: Mapping[str, Any] = {
    "policy": "race",
    "race": {"rungs": "1,2"},
    "images": 3000,
}


def searched(listen: events.Listener, folder: Path, trials: int = 9, **changes: Any) -> History:
    """Searches with scripted curves and returns the study at its end."""
    study = facts(**changes)
    ledger = MemoryLedger(study, Budget(trials=trials))
    engine = InlineEngine()
    engine.start(ScriptedTrainer())
    Driver(
        ledger=ledger,
        policy=policy_for(study.policy, study.race),
        candidates=Candidates(proposer("random"), lambda _: Size(params=1000, macs=1000)),
        engine=engine,
        checkpoints=CheckpointFolder(folder),
        listen=listen,
    ).run()
    return ledger.history


class TestPlainView:
    @pytest.fixture
    def lines(self, tmp_path: Path) -> list[str]:
        stream = io.StringIO()
        searched(PlainView(stream).listen, tmp_path, **RACE)
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
        assert not any("eta_s=" in line for line in lines)
        assert not any("\x1b" in line for line in lines)

    def test_the_full_loop_counts_trials_that_are_done(self, tmp_path: Path) -> None:
        stream = io.StringIO()

        searched(PlainView(stream, itertools.count().__next__).listen, tmp_path, trials=2)

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

    def test_finalists_are_those_with_a_whole_fold_that_nobody_gave_up(self) -> None:
        """The stopped one is out: one trial with its three folds is left."""
        assert finalists(_with_verdict()) == Bar("finalists' folds", 3, 3)


class TestRate:
    def test_nobody_can_say_how_long_a_race_takes(self) -> None:
        """Only what `--minutes` leaves is known, and it is a limit, no estimate."""
        study = facts(**RACE)
        rate = Rate(itertools.count().__next__)
        past = history(study, trial(0, study, [[0.5]]), budget=Budget(trials=9))
        rate.listen(events.Started(history(study), 1))

        limited = replace(past, budget=Budget(trials=9, minutes=2), elapsed=50.0)

        assert (rate.seconds_left(past), rate.eta(past)) == (None, "")
        assert (rate.seconds_left(limited), rate.eta(limited)) == (70.0, " at_most_s=70")


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

    def test_a_promotion_is_a_sentence(self) -> None:
        study = facts(**RACE)
        past = history(study, trial(0, study, [[0.5]]))
        going = Job(trial=0, fold=0, start=1, stop=2)

        assert news_of(events.JobStarted(past, going)) == (
            "trial 0 goes on from epoch 1 to epoch 2"
        )
        assert news_of(events.JobStarted(past, replace(going, trial=0, fold=1, start=0))) is None


class TestLiveTable:
    def test_who_works_and_who_leads_is_shown_before_the_newest(self) -> None:
        study = facts(**RACE)
        whole = [[0.5, 0.6, 0.7, 0.8]] * 3
        trials = [trial(0, study, whole), *(trial(n, study, [[0.5]]) for n in range(1, 12))]
        past = history(study, *trials)

        table = live_table(past, {(2, 0): 1})

        numbers = [row.cells["trial"] for row in table.rows]
        assert numbers == ["11", "10", "9", "8", "7", "2", "0"]
        assert len(numbers) == SHOWN_TRIALS
        said = {row.cells["trial"]: (row.cells["state"], row.cells["what"]) for row in table.rows}
        assert said["2"] == ("running", "fold 1 of 3, epoch 2")
        assert said["0"] == ("complete", "best")
        assert said["7"] == ("paused", "waits")

    def test_a_prediction_is_marked_and_dim(self) -> None:
        past = _with_verdict()
        found = Prospects(lambda: 0.0).of(past)

        rows = {row.cells["trial"]: row for row in live_table(past, {}, found).rows}

        assert rows["0"].cells["score"] == " 0.8000 ± 0.0000"
        assert re.fullmatch(r"~0\.\d{4}", rows["1"].cells["score"])
        assert (rows["0"].style, rows["1"].style) == ("", "dim")
        assert rows["1"].cells["what"] == "cannot win"


def test_predictions_take_one_per_cent_of_the_time_at_most() -> None:
    """One that takes a second is made anew a hundred seconds later."""
    moments = iter([10.0, 11.0, 12.0, 110.9, 111.0, 111.5])
    prospects = Prospects(_clock_of(moments))
    study = facts(**RACE)
    first = history(study, trial(0, study, [[0.5]]))
    second = history(study, trial(0, study, [[0.5, 0.9]]))

    old = prospects.of(first)[0]

    assert prospects.of(second)[0] == old
    assert prospects.of(second)[0] == old
    assert prospects.of(second)[0] != old


def _clock_of(moments: Iterator[float]) -> Callable[[], float]:
    return lambda: next(moments)


class TestLiveView:
    def picture(self, folder: Path, width: int = 80, **changes: Any) -> str:
        """Shows a whole search on a terminal of that width and returns its last picture."""
        console = Console(file=io.StringIO(), width=width, force_terminal=False)
        view: AbstractView = LiveView(console)
        searched(view.listen, folder, **changes)
        assert isinstance(view, LiveView)
        console.print(view._picture())
        shown = console.file
        assert isinstance(shown, io.StringIO)
        return shown.getvalue()

    def test_a_race_is_understood_from_it(self, tmp_path: Path) -> None:
        text = self.picture(tmp_path, **RACE)

        assert "demo  race  random  seed 7  3 folds x 4 epochs  1 workers" in text
        assert re.search(r"trials that reached epoch  1: 9  2: \d  4: \d", text)
        assert re.search(r"trials .* 9/9 ", text)
        assert re.search(r"finalists' folds .* (\d+)/\1 ", text)
        assert re.search(r"~0\.\d{4} ", text)
        assert "~ predicted, not measured." in text
        assert "complete: 0." in text
        assert "ETA" not in text
        assert "running" not in text

    def test_the_full_loop_has_its_fold_epochs(self, tmp_path: Path) -> None:
        text = self.picture(tmp_path, trials=2)

        assert re.search(r"fold-epochs .* 24/24 ", text)
        assert "reached" not in text

    @pytest.mark.parametrize("width", [60, 80, 120])
    def test_no_line_is_too_wide(self, tmp_path: Path, width: int) -> None:
        assert max(map(len, self.picture(tmp_path, width, **RACE).splitlines())) <= width


def test_a_done_study_is_summed_up() -> None:
    past = _with_verdict()

    ended = replace(past, ending=Ending(reason="2 trials", budget=past.budget))

    assert summary(ended) == "trials=2/2 complete=1 rungs=1:2,2:2,4:2 best=0 score=0.8000"
