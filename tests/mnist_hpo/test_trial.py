"""`trial`: configuration, folds, curves and failures of one trial."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def _labelled(text: str, label: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.split()[:1] == [label])
    return line.split()[1:]


def test_a_complete_trial_shows_its_folds_beside_the_best(run: Run, results: Path) -> None:
    out = run("trial", "mnist", "0", "--results", results).out

    assert _labelled(out, "this") == ["0.9915", "0.9925", "0.9918", "0.9922", "0.9915"]
    assert _labelled(out, "#1") == ["0.9920", "0.9924", "0.9915", "0.9926", "0.9920"]
    assert _labelled(out, "1") == ["0.9715", "0.9725", "0.9718", "0.9722", "0.9715"]
    assert "score 0.9919 ± 0.0004  rank 2, a tie with rank 1" in out


def test_size_seed_and_configuration_are_there(run: Run, results: Path) -> None:
    out = " ".join(run("trial", "mnist", "0", "--results", results).out.split())

    assert "121 354 parameters" in out
    assert "trained for 0:22" in out
    assert "seed 7 of the study" in out
    assert "filters_1 32, filters_2 64, filters_3 64" in out


def test_an_unfinished_trial_shows_what_it_has(run: Run, results: Path) -> None:
    out = run("trial", "mnist", "5", "--results", results).out

    assert "paused at fold 2, epoch 2" in out
    assert re.search(
        r"predicted mean ~0\.97\d\d, not measured; 95 % interval 0\.9\d+ to 0\.9", out
    )
    assert _labelled(out, "this") == ["0.9800", "-", "-", "-", "-"]
    assert _labelled(out, "epochs") == ["3", "2", "-", "-", "-"]
    assert "score" not in out


def test_a_stopped_trial_says_why(run: Run, results: Path) -> None:
    assert _labelled(run("trial", "mnist", "3", "--results", results).out, "why") == [
        "cannot",
        "beat",
        "#1",
    ]


def test_a_failed_trial_shows_its_traceback(run: Run, results: Path) -> None:
    out = run("trial", "mnist", "4", "--results", results).out

    assert "fold 1, epoch 1, run 1: out of memory" in out
    assert "  Traceback ..." in out


def test_json_has_every_fact_of_every_epoch(run: Run, results: Path) -> None:
    document = json.loads(run("trial", "mnist", "5", "--json", "--results", results).out)

    trial = document["trial"]
    assert (document["schema_version"], document["study"], document["seed"]) == (1, "mnist", 7)
    assert [len(fold) for fold in trial["epochs"]] == [3, 2, 0, 0, 0]
    assert trial["epochs"][0][2]["valid_accuracy"] == 0.98
    assert trial["epochs"][0][2]["seconds"] == 1.5
    assert trial["score"] is None


@pytest.mark.parametrize("width", [30, 40, 60])
def test_folds_that_find_no_room_get_lines_of_their_own(
    run: Run, results: Path, width: int
) -> None:
    out = run("trial", "mnist", "1", "--results", results, COLUMNS=width).out

    rows = [line.split()[1:] for line in out.splitlines() if line.startswith("fold ")]
    assert [fold for row in rows for fold in row] == ["1", "2", "3", "4", "5"]
    assert max(map(len, out.splitlines())) <= width


@pytest.mark.parametrize("number", ["8", "99"])
def test_a_trial_that_is_not_there_ends_with_2(run: Run, results: Path, number: str) -> None:
    ran = run("trial", "mnist", number, "--results", results)

    assert ran.code == 2
    assert f"has the trials 0 to 7, got {number}" in ran.err
    assert "help:  mnist-hpo show mnist --all" in ran.err


def test_seconds_and_a_drawn_curve_stand_below_each_fold(run: Run, results: Path) -> None:
    """Three epochs of 1.5 s; a curve that gains 0.01 an epoch, from its lowest to its highest."""
    out = run("trial", "mnist", "5", "--results", results).out

    assert _labelled(out, "seconds") == ["4.5", "3.0", "-", "-", "-"]
    assert _labelled(out, "curve") == ["▁▅█", "▁▅", "-", "-", "-"]


def test_a_curve_is_drawn_in_ascii_where_need_be(run: Run, results: Path) -> None:
    out = run("trial", "mnist", "5", "--results", results, charset="ascii").out

    assert _labelled(out, "curve") == ["_=#", "_=", "-", "-", "-"]


def test_csv_has_a_row_an_epoch(run: Run, results: Path) -> None:
    text = run("trial", "mnist", "5", "--csv", "--results", results).out

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["fold"], row["epoch"]) for row in rows] == [
        ("1", "1"), ("1", "2"), ("1", "3"), ("2", "1"), ("2", "2"),
    ]  # fmt: skip
    assert (rows[2]["valid_accuracy"], rows[2]["seconds"]) == ("0.98", "1.5")


def test_markdown_has_a_column_a_fold(run: Run, results: Path) -> None:
    lines = run("trial", "mnist", "5", "--md", "--results", results).out.splitlines()

    assert lines[0] == "| epoch | fold 1 | fold 2 | fold 3 | fold 4 | fold 5 |"
    assert lines[-1] == "| 3 | 0.9800 | - | - | - | - |"
