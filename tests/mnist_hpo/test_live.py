"""The live view: what it remembers, what it draws at every size, and how often."""

import io
import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from mnist_hpo.live import LiveView
from mnist_hpo.live_picture import LOOK_ON, STARTING, STOP, Moment, Overview, picture
from mnist_hpo.live_state import NEWS, LiveState
from mnist_hpo.live_table import SHOWN_TRIALS, live_table
from mnist_hpo.prospects import predictions_of
from mnist_hpo.ranking import standings
from mnist_hpo.sparing import Sparing
from mnist_hpo.tables import width_of
from mnist_hpo.time_left import TimeLeft
from mnist_hpo.watching import followed
from search import events
from search.policies import policy_for
from search.reader import Snapshot
from search.records import Budget, Failure, History, Job, TrialState, Verdict
from search.rehearsal import Rehearsal
from search.testing import ScriptedTrainer, facts, history, trial

RACE: Mapping[str, Any] = {"policy": "race", "race": {"rungs": "1,2"}, "images": 3000}

WHOLE = [[0.5, 0.6, 0.7, 0.8]] * 3


def searched(listen: events.Listener, trials: int = 9, **changes: Any) -> History:
    """Searches with scripted curves and returns the study at its end."""
    study = facts(**changes)
    policy = policy_for(study.policy, study.race)
    rehearsal = Rehearsal(policy, study, ScriptedTrainer(), budget=Budget(trials=trials))
    rehearsal.run(clock=time.monotonic, heard=listen)
    return rehearsal.history


def raced() -> History:
    """A race of which one trial is complete, one given up, one has failed, others wait."""
    study = facts(**RACE)
    given_up = Verdict(state=TrialState.STOPPED, reason="cannot win", fold=0, epoch=3)
    failed = Verdict(state=TrialState.FAILED, reason="out of memory", fold=0, epoch=0)
    return history(
        study,
        trial(0, study, WHOLE),
        trial(1, study, [[0.4, 0.5, 0.6, 0.7]], verdict=given_up),
        trial(2, study, verdict=failed),
        trial(3, study, [[0.4, 0.5]], attempts=((2, 1), (0, 0), (0, 0))),
        trial(4, study, [[0.3]]),
        budget=Budget(trials=9),
    )


def drawn(past: History, *, width: int = 80, **state: Any) -> list[str]:
    """Draws a study with its predictions, after a minute."""
    moment = Moment(elapsed=60, overview=Overview.of(past), predictions=predictions_of(past))
    lines = picture(LiveState(history=past, workers=2, **state), moment, width=width)
    return [line.text for line in lines]


class TestState:
    def test_a_fold_is_at_work_from_its_start_to_its_commit(self) -> None:
        past = raced()
        job = Job(trial=3, fold=0, start=2, stop=3)

        begun = LiveState().after(events.JobStarted(past, job))
        done = begun.after(events.EpochsCommitted(past, job))

        assert (begun.running, begun.current) == ({(3, 0): 2}, (3, 0))
        assert (done.running, done.current) == ({}, (3, 0))
        assert done.history is past

    def test_a_closed_trial_leaves_with_all_its_folds(self) -> None:
        state = LiveState(running={(1, 0): 3, (1, 1): 0, (3, 0): 2})

        assert state.after(events.TrialClosed(raced(), 1)).running == {(3, 0): 2}

    def test_whoever_fails_or_is_lost_is_not_at_work_and_becomes_news(self) -> None:
        state = LiveState(running={(2, 0): 0, (3, 0): 2})
        failure = Failure(fold=0, epoch=0, run=0, message="out of memory")

        failed = state.after(events.RunFailed(raced(), 2, failure))
        lost = failed.after(events.WorkerLost(Job(trial=3, fold=0, start=2, stop=3), "it died"))

        assert lost.running == {}
        assert lost.news == (
            "trial 2, fold 1 failed: out of memory",
            "trial 3: it died; its job is handed out again",
        )

    def test_only_the_newest_sentences_are_remembered(self) -> None:
        state = LiveState()
        for _ in range(NEWS + 2):
            state = state.after(events.TrialClosed(raced(), 1))

        assert len(state.news) == NEWS


class TestPicture:
    def test_one_look_tells_how_far_it_is_who_leads_and_what_was_saved(self) -> None:
        lines = drawn(raced(), running={(3, 0): 2}, current=(3, 0))

        text = "\n".join(lines)
        assert lines[0] == "demo  race  random  seed 7  3 folds x 4 epochs  2 workers"
        assert lines[1].startswith("best #0  0.8000 ± 0.0000  complete 1  failed 1  paused 1")
        assert re.search(r"^trials +━+─+ +5/9  1:00$", text, re.MULTILINE)
        assert re.search(r"^trial 3, fold 1 +━+─+ +2/4  ETA 0:02$", text, re.MULTILINE)
        assert re.search(r"^finalists' folds +━+ +3/3$", text, re.MULTILINE)
        # Settled are 0, 1 and 4: 12 + 4 + 1 of 36 fold-epochs; 3 is at work.
        assert "saved 19 of 36 fold-epochs (53 %) of full cross-validation, 3 trials" in text

    def test_the_ladder_has_a_line_a_rung_where_there_is_room(self) -> None:
        """Four of five trials reached the first rung: the failed one did not."""
        lines = drawn(raced())

        rungs = [line.split() for line in lines if line.startswith(("reached", "all folds"))]
        assert [(own[-3], own[-1]) for own in rungs] == [
            ("1", "4"), ("2", "3"), ("4", "2"), ("folds", "1"),
        ]  # fmt: skip
        lengths = [len(own[-2]) for own in rungs]
        assert lengths == [40, 30, 20, 10]

    def test_a_small_terminal_has_the_ladder_in_a_line(self) -> None:
        past = raced()
        moment = Moment(elapsed=60, overview=Overview.of(past))

        lines = picture(LiveState(history=past), moment, width=80, height=24)

        [ladder] = [line.text for line in lines if line.text.startswith("trials that")]
        assert ladder == "trials that reached epoch  1: 4  2: 3  4: 2  and all folds: 1"

    def test_time_left_is_an_estimate_a_limit_or_a_guess(self) -> None:
        past = raced()
        moment = Moment(elapsed=60, overview=Overview.of(past), left=TimeLeft(125))
        limit = replace(moment, left=TimeLeft(125, is_limit=True))
        rough = replace(moment, left=TimeLeft(125, is_rough=True))

        texts = [
            "\n".join(line.text for line in picture(LiveState(history=past), own, width=80))
            for own in (moment, limit, rough)
        ]

        assert "1:00  ETA 2:05" in texts[0]
        assert "1:00  at most 2:05" in texts[1]
        assert "1:00  ETA ~2:05" in texts[2]

    @pytest.mark.parametrize("width", range(60, 201))
    def test_no_line_is_too_wide_and_no_number_is_cut(self, width: int) -> None:
        lines = drawn(raced(), width=width, running={(3, 0): 2}, current=(3, 0))

        text = "\n".join(lines)
        assert max(map(width_of, lines)) <= width
        assert "#0  0.8000 ± 0.0000" in text
        assert re.search(r"^ +0  complete .* 0\.8000 ± 0\.0000", text, re.MULTILINE)
        assert re.search(r"^ +4  paused .* ~0\.\d{4} ", text, re.MULTILINE)

    @pytest.mark.parametrize("height", range(12, 40))
    def test_a_picture_fits_its_terminal_and_keeps_the_last_line(self, height: int) -> None:
        """Below 20 lines the head alone fills it; then news and trials are few."""
        past = raced()
        state = LiveState(history=past, workers=2, current=(3, 0), news=("one", "two", "three"))
        moment = Moment(elapsed=60, overview=Overview.of(past), predictions=predictions_of(past))

        lines = [own.text for own in picture(state, moment, width=80, height=height)]

        assert len(lines) <= max(height, 15)
        assert lines[-1].endswith(STOP)
        if height >= 24:
            assert lines[-4:-1] == ["one", "two", "three"]

    def test_a_signal_has_the_last_word(self) -> None:
        state = LiveState(history=raced()).told("Stopping after the epochs in hand.")

        lines = picture(state, Moment(elapsed=1, overview=Overview.of(raced())), width=80)

        assert lines[-1].text == "Stopping after the epochs in hand."

    def test_before_the_workers_are_ready_it_says_so(self) -> None:
        assert [own.text for own in picture(LiveState(), Moment(elapsed=0), width=80)] == [
            STARTING
        ]


def test_watch_draws_the_same_from_a_ledger() -> None:
    """What lies between two readings: a new trial, an epoch, and the job that is in hand."""
    study = facts(**RACE)
    before = history(study, trial(0, study, [[0.5]]), budget=Budget(trials=9))
    in_hand = trial(1, study, attempts=((0, 1), (0, 0), (0, 0)))
    after = history(study, trial(0, study, [[0.5, 0.6]]), in_hand, budget=Budget(trials=9))
    state, known = LiveState(), None
    for past in (before, after):
        read = Snapshot(history=past, owner="pid 1 on here since now", updated=None)
        for event in followed(known, read):
            state = state.after(event)
        known = read

    moment = Moment(elapsed=60, overview=Overview.of(after))
    lines = [own.text for own in picture(state, moment, width=80, footer=LOOK_ON)]

    assert state.running == {(1, 0): 0}
    assert lines[0].endswith("3 folds x 4 epochs  1 worker")
    assert any(re.match("trial 1, fold 1 +─+ +0/1$", line) for line in lines)
    assert any(re.match(" +1  running +1.0 +0/3 ", line) for line in lines)
    assert lines[-1] == LOOK_ON


class TestLiveTable:
    def test_who_works_and_who_leads_is_shown_before_the_newest(self) -> None:
        study = facts(**RACE)
        trials = [trial(0, study, WHOLE), *(trial(n, study, [[0.5]]) for n in range(1, 12))]
        past = history(study, *trials)

        table = live_table(past, standings(past), {(2, 0): 1}, {})

        numbers = [row.cells["trial"] for row in table.rows]
        assert numbers == ["11", "10", "9", "8", "7", "2", "0"]
        assert len(numbers) == SHOWN_TRIALS
        said = {row.cells["trial"]: (row.cells["state"], row.cells["what"]) for row in table.rows}
        assert said["2"] == ("running", "epoch 2 of 2")
        assert said["0"] == ("complete", "best")
        assert said["7"] == ("paused", "waits")

    def test_several_folds_at_work_are_named(self) -> None:
        study = facts(**RACE)
        past = history(study, trial(0, study, [[0.5, 0.6, 0.7, 0.8], [0.5]]))

        [row] = live_table(past, standings(past), {(0, 1): 1, (0, 2): 0}, {}).rows

        assert (row.cells["state"], row.cells["what"]) == ("running", "folds 2, 3")

    def test_folds_done_are_counted_and_a_prediction_is_marked_and_dim(self) -> None:
        past = raced()

        table = live_table(past, standings(past), {}, predictions_of(past))

        rows = {row.cells["trial"]: row for row in table.rows}
        assert rows["0"].cells["score"] == " 0.8000 ± 0.0000"
        assert re.fullmatch(r"~0\.\d{4}", rows["1"].cells["score"])
        assert (rows["0"].style, rows["1"].style) == ("bold", "dim")
        assert rows["1"].cells["what"] == "cannot win"
        assert [rows[n].cells["folds"] for n in "01234"] == ["3/3", "1/3", "0/3", "0/3", "0/3"]


class TestSparing:
    def test_it_takes_one_per_cent_of_the_time_at_most(self) -> None:
        """What takes a second is computed anew a hundred seconds later."""
        moments = iter([10.0, 11.0, 12.0, 110.9, 111.0, 111.5])
        study = facts(**RACE)
        first = history(study, trial(0, study, [[0.5]]))
        second = history(study, trial(0, study, [[0.5, 0.9]]))
        sparing = Sparing(lambda past: past.trials[0].fold_epochs, _clock_of(moments))

        found = [sparing.of(first), *(sparing.of(second) for _ in range(3))]

        assert found == [1, 1, 1, 2]


def _clock_of(moments: Iterator[float]) -> Callable[[], float]:
    return lambda: next(moments)


class TestLiveView:
    def shown(self, **changes: Any) -> str:
        """Shows a whole search on a terminal of 40 lines and returns all that was written."""
        console = Console(file=io.StringIO(), width=80, height=40, force_terminal=True)
        view = LiveView(console)
        with view:
            searched(view.listen, **changes)
        assert isinstance(console.file, io.StringIO)
        written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
        return written[written.rindex("demo  ") :].replace("\r", "")

    def test_a_race_is_understood_from_its_last_picture(self) -> None:
        text = self.shown(**RACE)

        assert text.startswith("demo  race  random  seed 7  3 folds x 4 epochs  1 worker\n")
        assert re.search(r"reached epoch 1 +━+ 9$", text, re.MULTILINE)
        assert re.search(r"trials +━+ +9/9 ", text)
        assert re.search(r"finalists' folds +━+ +(\d+)/\1$", text, re.MULTILINE)
        assert re.search(r"~0\.\d{4} ", text)
        assert "~ predicted, not measured." in text
        assert "complete: 0." in text
        assert "fold-epochs (" in text
        assert "ETA" not in text
        assert "running" not in text

    def test_the_full_loop_has_its_fold_epochs(self) -> None:
        text = self.shown(trials=2)

        assert re.search(r"fold-epochs +━+ +24/24 ", text)
        assert "reached" not in text

    def test_it_redraws_at_most_four_times_a_second(self) -> None:
        """Events alone draw nothing: each picture is asked for by the refreshing thread."""
        console = Console(file=io.StringIO(), width=80, height=40, force_terminal=True)
        counted = itertools.count()
        view = LiveView(console)
        draw = view._live._get_renderable
        assert draw is not None
        view._live._get_renderable = lambda: (next(counted), draw())[1]

        began = time.monotonic()
        with view:
            while time.monotonic() - began < 1:
                searched(view.listen, trials=1, **RACE)
        passed = time.monotonic() - began

        # One picture at the start, one at the end.
        assert next(counted) <= 4 * passed + 2
