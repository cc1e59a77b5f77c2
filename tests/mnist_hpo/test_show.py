"""`show`: the ranking, what is left out, where the study stands."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.lock import StudyLock

Run = Callable[..., Any]

RESULT = {"accuracy": 0.9934, "correct": 9934, "total": 10_000, "interval": [0.99161, 0.99481]}


def _rows(text: str) -> list[list[str]]:
    """Rank and trial of each row of the table."""
    lines = text.splitlines()
    rows = lines[2 : next(i for i, line in enumerate(lines) if i > 1 and line[:1].strip())]
    return [line.split()[:2] for line in rows]


def test_the_ranking_marks_ties_and_tells_where_others_stand(run: Run, results: Path) -> None:
    """Means by hand: 4.9605 / 5 = 0.9921, 4.9595 / 5 = 0.9919, 4.9480 / 5 = 0.9896."""
    out = run("show", "mnist", "--results", results).out

    ranked, unfinished = [["1", "1"], ["2=", "0"], ["3", "2"]], ["3", "5", "6", "7"]
    assert _rows(out) == [*ranked, *(["-", number] for number in unfinished)]
    lines = out.splitlines()
    assert lines[2].split()[2:8] == ["0.9921", "±", "0.0004", "0.9915", "32-128", "1.1e-3"]
    assert lines[3].split()[2:8] == ["0.9919", "±", "0.0004", "0.9915", "32-64-64", "9.4e-4"]
    assert lines[4].split()[2:8] == ["0.9896", "±", "0.0005", "0.9890", "16-32", "1.6e-3"]
    assert re.search(r" ~0\.98\d\d stopped at 3\.3 ", lines[5])
    assert re.search(r" ~0\.97\d\d paused at 2\.2 ", lines[6])
    assert re.search(r" ~0\.9\d\d\d paused at 1\.1 ", lines[7])
    assert re.search(r" -      paused at 1\.0 ", lines[8])


def test_the_footer_names_what_is_common_and_what_is_not_shown(run: Run, results: Path) -> None:
    """Complete and stopped trials: 15 + 15 + 15 + 9 of 60 fold-epochs, so 6 saved."""
    out = " ".join(run("show", "mnist", "--results", results).out.split())

    assert "= a tie with rank 1 on these folds." in out
    assert out.count("~ predicted, not measured: folds or epochs are missing.") == 1
    assert "Not shown: 1 failed (--all)." in out
    assert "Same in all: kernel 3, padding same," in out
    assert "Saved 6 of 60 fold-epochs (10 %) so far." in out
    assert "mnist is interrupted: 8 of 8 trials begun, 3 complete." in out
    assert f"Go on with: mnist-hpo resume mnist --results {results}" in out


def test_all_adds_the_others_with_their_reasons(run: Run, results: Path) -> None:
    out = run("show", "mnist", "--all", "--results", results).out

    assert [number for _, number in _rows(out)] == ["1", "0", "2", "3", "5", "6", "7", "4"]
    assert "stopped at 3.3" in out
    assert "trial 3 stopped: cannot beat #1" in out
    assert "failed at 1.0" in out
    assert "trial 4 failed: out of memory" in out


def test_top_leaves_out_what_it_then_counts(run: Run, results: Path) -> None:
    out = run("show", "mnist", "--top", "1", "--results", results).out

    assert _rows(out)[0] == ["1", "1"]
    assert "2 complete, 1 failed (--all)" in " ".join(out.split())


@pytest.mark.parametrize(
    ("sort", "trials"),
    [
        ("score", ["1", "0", "2"]),
        ("worst", ["1", "0", "2"]),
        ("params", ["0", "1", "2"]),
        ("time", ["1", "0", "2"]),
    ],
)
def test_another_order_keeps_the_ranks(
    run: Run, results: Path, sort: str, trials: list[str]
) -> None:
    """Times are equal, so their order stays that of the score."""
    out = run("show", "mnist", "--sort", sort, "--results", results).out

    assert [number for _, number in _rows(out)[:3]] == trials
    assert ["1", "1"] in _rows(out)


def test_csv_has_every_trial_and_every_digit(run: Run, results: Path) -> None:
    rows = list(
        csv.DictReader(io.StringIO(run("show", "mnist", "--csv", "--results", results).out))
    )

    assert [row["number"] for row in rows] == list("01234567")
    assert float(rows[1]["score_mean"]) == pytest.approx(0.9921)
    assert rows[1]["fold_3"] == "0.9915"
    assert rows[1]["config_adam_lr"] == "0.0011"
    assert rows[1]["config_filters_3"] == ""
    assert rows[5]["score_mean"] == rows[5]["fold_2"] == ""
    predicted = [float(rows[5][f"predicted_{name}"]) for name in ("low", "mean", "high")]
    assert predicted == sorted(predicted)
    assert 0.97 < predicted[1] < 0.99
    assert [rows[number]["predicted_mean"] for number in (0, 4, 7)] == ["", "", ""]
    assert rows[5]["fold_1"] == "0.98"
    assert (rows[4]["state"], rows[4]["stopped_reason"]) == ("failed", "out of memory")


def test_markdown_is_a_table_with_every_column(run: Run, results: Path) -> None:
    lines = run("show", "mnist", "--md", "--results", results, COLUMNS=20).out.splitlines()

    assert lines[0].startswith("| rank | trial | score (5 folds) | worst | filters | lr | pool |")
    assert lines[2].startswith("| 1 | 1 | 0.9921 ± 0.0004 | 0.9915 |")
    assert len({line.count("|") for line in lines}) == 1


def test_a_study_that_is_done_can_be_finalized(
    run: Run, results: Path, end_study: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results.parent)
    end_study()

    out = run("show", "mnist").out

    assert "mnist is done (8 trials)" in out
    assert out.splitlines()[-2].endswith("mnist-hpo finalize mnist")
    assert out.splitlines()[-1].endswith("mnist-hpo resume mnist --trials 18")
    assert "paused" not in out


def test_a_finalized_study_shows_its_test_result(run: Run, results: Path, end_study: Run) -> None:
    end_study(RESULT)

    out = run("show", "mnist", "--results", results).out

    assert "test set  0.9934  (trial 1; 66 wrong of 10 000" in out
    assert "95 % interval 0.9916-0.9948)  seen once" in out
    assert "Retrain" not in out


def test_a_study_that_runs_names_its_owner(run: Run, results: Path) -> None:
    with StudyLock(results / "mnist/mnist.lock", "mnist"):
        out = run("show", "mnist", "--results", results).out

    assert "mnist is being searched by pid" in out
    assert "resume" not in out


def test_a_study_without_trials_can_be_shown(run: Run, tmp_path: Path, make_study: Run) -> None:
    make_study(tmp_path, empty=True)

    for form in ([], ["--all"], ["--json"], ["--csv"], ["--md"]):
        assert run("show", "mnist", *form, "--results", tmp_path).code == 0
    assert "0 of 8 trials begun" in run("show", "mnist", "--results", tmp_path).out
    assert "has no trial yet" in run("trial", "mnist", "0", "--results", tmp_path).err


def test_a_missing_folder_is_no_study(run: Run, tmp_path: Path) -> None:
    ran = run("show", "mnist", "--results", tmp_path / "none")

    assert ran.code == 2
    assert "there are: none yet" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_condition_keeps_the_ranks_and_says_how_many_meet_it(run: Run, results: Path) -> None:
    out = run("show", "mnist", "--where", "filters_2>50", "--results", results).out

    assert _rows(out) == [["1", "1"], ["2=", "0"], ["-", "6"]]
    assert "4 of 8 trials meet filters_2>50." in " ".join(out.split())


@pytest.mark.parametrize("form", ["--json", "--csv", "--md"])
def test_a_condition_holds_in_every_form(run: Run, results: Path, form: str) -> None:
    ran = run("show", "mnist", form, "--where", "rank=1", "--results", results)

    assert ran.code == 0
    assert "0.9896" not in ran.out
    if form == "--json":
        assert [trial["number"] for trial in json.loads(ran.out)["trials"]] == [1]
    else:
        assert len(ran.out.splitlines()) == (2 if form == "--csv" else 3)


def test_columns_are_those_asked_for_in_that_order(run: Run, results: Path) -> None:
    out = run("show", "mnist", "--columns", "params, lr,std,rank", "--results", results).out

    assert out.splitlines()[0].split() == [
        "rank",
        "trial",
        "score",
        "(5",
        "folds)",
        "params",
        "lr",
        "std",
    ]
    assert out.splitlines()[2].split()[5:] == ["121k", "1.1e-3", "0.0004"]
    assert "Same in all" not in out


def test_of_the_columns_asked_for_the_last_ones_go_first(run: Run, results: Path) -> None:
    """Rank, trial and score take 36 characters, the names 9 each with their gaps."""
    names = "filters,params,state,origin,time"

    out = run("show", "mnist", "--columns", names, "--results", results, COLUMNS=60).out

    assert out.splitlines()[0].split()[5:] == ["filters", "params"]
    assert "Hidden at 60 columns: state, origin, time" in " ".join(out.split())


@pytest.mark.parametrize(
    ("options", "message", "help_"),
    [
        (["--where", "parms<1k"], "has 'parms'", "did you mean 'params'?"),
        (["--columns", "filtres"], "has 'filtres'", "did you mean 'filters'?"),
        (["--columns", "lr", "--json"], "--json has every column", "show --help"),
    ],
)
def test_a_wrong_name_ends_with_2_and_the_nearest_one(
    run: Run, results: Path, options: list[str], message: str, help_: str
) -> None:
    ran = run("show", "mnist", *options, "--results", results)

    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert help_ in ran.err
