"""A race as its readers see it: what is predicted is marked, what was stopped says why."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_hpo.prospects import ENDED, with_predictions, with_reasons
from mnist_hpo.ranking import cost, standings
from search import reader
from search.policies import policy_for, predictor_of
from search.prediction import predictions
from search.records import History, TrialState

Run = Callable[..., Any]


@pytest.fixture
def history(raced: Path) -> History:
    return reader.read(raced / "raced" / "study.db", "raced").history


def test_the_race_left_one_whole_trial_and_stopped_the_others(history: History) -> None:
    """What the tests below rest on: nine trials, most of them one epoch long."""
    states = [history.state_of(trial) for trial in history.trials]

    assert len(states) == 9
    assert states.count(TrialState.COMPLETE) >= 1
    assert states.count(TrialState.STOPPED) >= 5
    assert sum(trial.fold_epochs for trial in history.trials) < 9 * 3 * 4


def test_unfinished_trials_stand_by_their_predicted_means(history: History) -> None:
    rows = with_predictions(history, standings(history))

    ranked = [row.trial.number for row in rows if row.score is not None]
    others = [row.trial.number for row in rows if row.score is None]
    means = {number: found.mean for number, found in predictions(history).items()}
    assert ranked == [trial.number for trial in history.complete()]
    assert others == sorted(others, key=lambda number: -means[number])
    assert all((row.predicted is None) is (row.score is not None) for row in rows)


@pytest.mark.parametrize("constants", [{}, {"measure": "accuracy"}, {"measure": "loss"}], ids=str)
def test_a_prediction_follows_what_the_race_compares(
    history: History, constants: dict[str, str]
) -> None:
    """What is shown is what decided, also where the race's own default did."""
    facts = history.facts
    same = History(
        facts=type(facts).from_json(facts.to_json() | {"race": constants}),
        budget=history.budget,
        trials=history.trials,
    )

    rows = with_predictions(same, standings(same))

    means = predictor_of(policy_for("race", constants)).predictions(same)
    shown = {row.trial.number: row.predicted for row in rows if row.predicted is not None}
    assert shown
    assert shown == {number: means[number] for number in shown}


def test_every_stopped_trial_has_a_reason(history: History) -> None:
    rows = with_reasons(history, with_predictions(history, standings(history)))

    for row in rows:
        assert (row.reason is None) is (row.state is TrialState.COMPLETE)


def test_without_a_policy_that_tells_the_end_of_the_study_is_the_reason(
    make_history: Callable[..., History],
) -> None:
    """The full policy gives nobody up."""
    open_ = make_history([[[0.9, 0.9], [0.9]]], epochs=2)

    (row,) = with_reasons(open_, standings(open_))
    done = _ended(open_)
    (ended,) = with_reasons(done, standings(done))

    assert (row.state, row.reason) == (TrialState.PAUSED, None)
    assert (ended.state, ended.reason) == (TrialState.STOPPED, ENDED)


def _ended(history: History) -> History:
    from search.changes import ended  # noqa: PLC0415 - one test's

    return ended(history, "1 minutes")


def test_a_policy_of_another_version_loses_words_only(history: History) -> None:
    """Whoever reads a study needs its numbers more than its sentences."""
    facts = history.facts
    newer = facts.to_json() | {"policy": "race", "race": {"no-such-constant": "1"}}
    strange = History(
        facts=type(facts).from_json(newer), budget=history.budget, trials=history.trials
    )

    rows = with_reasons(strange, with_predictions(strange, standings(strange)))

    told = {row.trial.number for row in rows if row.reason not in {None, ENDED}}
    assert told == {trial.number for trial in history.trials if trial.verdict is not None}


def test_the_saved_compute_is_what_cross_validation_would_have_added(history: History) -> None:
    """9 trials of 12 fold-epochs each, less what was trained."""
    trained = sum(trial.fold_epochs for trial in history.trials)

    found = cost(history, standings(history))

    assert (found.settled, found.full_fold_epochs) == (9, 108)
    assert found.saved_fold_epochs == 108 - trained


def test_the_table_marks_what_is_predicted(run: Run, raced: Path, history: History) -> None:
    out = run("show", "raced", "--all", "--results", raced).out

    lines = out.splitlines()
    whole = len(history.complete())
    assert all(re.search(r" 0\.\d{4} ± 0\.\d{4} ", line) for line in lines[2 : 2 + whole])
    unfinished = lines[2 + whole : 11]
    assert all(re.search(r" ~0\.\d{4} stopped at [123]\.[1-4] ", line) for line in unfinished)
    assert out.count("~ predicted, not measured") == 1
    text = " ".join(out.split())
    for trial in history.trials:
        if history.state_of(trial) is TrialState.STOPPED:
            assert re.search(rf"trial {trial.number}( stopped)?: \w+", text)
    assert "Trials that reached epoch 1: 9 2: " in text
    assert "race (rungs 1,2), random, seed 7" in text


def test_a_predicted_mean_is_dim_and_never_bold(run: Run, raced: Path) -> None:
    out = run("show", "raced", "--all", "--results", raced, "--color", "always").out

    predicted = [line for line in out.splitlines() if re.search(r"~0\.\d{4} stopped at", line)]
    assert predicted
    assert all(line.startswith("\x1b[2m") for line in predicted)
    assert not any("\x1b[1m" in line for line in predicted)


def test_the_best_prospects_are_shown_and_the_others_counted(run: Run, raced: Path) -> None:
    out = run("show", "raced", "--results", raced).out

    shown = len(re.findall(r"~0\.\d{4} stopped", out))
    assert shown == 5
    assert re.search(r"Not\s+shown:\s+\d\s+stopped\s+\(--all\)", out)
    assert not re.search(r"^trial \d", out, re.MULTILINE)


def test_json_keeps_predictions_apart_from_scores(run: Run, raced: Path) -> None:
    document = json.loads(run("show", "raced", "--json", "--results", raced).out)

    assert document["study"]["race"] == {"rungs": "1,2"}
    for trial in document["trials"]:
        whole = trial["state"] == "complete"
        assert (trial["score"] is not None, trial["predicted"] is None) == (whole, whole)
        assert (trial["stopped"] is None) is whole
        if not whole:
            predicted = trial["predicted"]
            assert 0 < predicted["low"] < predicted["mean"] < predicted["high"] < 1
            fold, epoch = trial["stopped"]["fold"], trial["stopped"]["epoch"]
            assert epoch == len(trial["folds"][fold - 1]) <= 4
            assert (fold, epoch) != (3, 4)
            assert trial["stopped"]["reason"]


def test_csv_has_the_interval_and_the_reason(run: Run, raced: Path) -> None:
    text = run("show", "raced", "--csv", "--results", raced).out

    for row in csv.DictReader(io.StringIO(text)):
        cells = [row[f"predicted_{name}"] for name in ("low", "mean", "high")]
        if row["state"] == "complete":
            assert [*cells, row["stopped_reason"]] == [""] * 4
        else:
            assert cells == sorted(cells, key=float)
            assert (row["score_mean"], row["rank"]) == ("", "")
            assert row["stopped_reason"]


def test_a_trial_says_in_words_what_is_expected_and_why_it_stopped(
    run: Run, raced: Path, history: History
) -> None:
    stopped = next(t for t in history.trials if history.state_of(t) is TrialState.STOPPED)

    out = run("trial", "raced", stopped.number, "--results", raced).out
    said = json.loads(run("trial", "raced", stopped.number, "--json", "--results", raced).out)

    fold, epoch = said["trial"]["stopped"]["fold"], said["trial"]["stopped"]["epoch"]
    assert f"trial {stopped.number}   stopped at fold {fold}, epoch {epoch}" in out
    predicted = said["trial"]["predicted"]
    assert (
        f"predicted mean ~{predicted['mean']:.4f}, not measured; 95 % interval "
        f"{predicted['low']:.4f} to {predicted['high']:.4f}"
    ) in out
    why = " ".join(out.partition("\nwhy ")[2].partition("\nfold ")[0].split())
    assert why == said["trial"]["stopped"]["reason"]
    assert "score" not in out


def test_what_is_typed_next_fits_how_the_study_ended(run: Run, raced: Path) -> None:
    """Its trials are used up: more of them let it go on."""
    out = run("show", "raced", "--results", raced).out

    assert "raced is done (9 trials)" in out
    assert "mnist-hpo resume raced --trials 19" in out
