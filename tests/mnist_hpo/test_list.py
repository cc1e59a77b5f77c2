"""`list`: one line a study, newest first; one broken study hides no other."""

import csv
import io
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mnist_hpo.formats import ago_text, count_text, duration_text, rate_text, value_text
from search.lock import StudyLock

Run = Callable[..., Any]


def _aged(path: Path, age: timedelta) -> None:
    then = (datetime.now(UTC) - age).timestamp()
    os.utime(path, (then, then))


def test_a_study_is_told_in_one_line(run: Run, results: Path) -> None:
    _aged(results / "mnist/study.db", timedelta(hours=50))

    lines = run("list", "--results", results).out.splitlines()

    words = "mnist interrupted 5/8 0.9921 ± 0.0004 10 % 2 d ago resume"
    assert lines[2].split() == words.split()
    assert len(lines) == 3


@pytest.mark.parametrize(("result", "next_"), [(None, "finalize"), ({"accuracy": 0.99}, "show")])
def test_the_next_command_follows_from_the_state(
    run: Run, results: Path, end_study: Run, result: Any, next_: str
) -> None:
    end_study(result)

    (entry,) = json.loads(run("list", "--json", "--results", results).out)["studies"]

    assert (entry["state"], entry["next"]) == ("done", next_)


def test_an_owned_study_runs(run: Run, results: Path) -> None:
    with StudyLock(results / "mnist/mnist.lock", "mnist"):
        out = run("list", "--results", results).out

    assert "running" in out
    assert "interrupted" not in out


def test_the_newest_study_comes_first(run: Run, results: Path, make_study: Run) -> None:
    make_study(results, "older", empty=True)
    _aged(results / "older/study.db", timedelta(days=3))
    _aged(results / "mnist/study.db", timedelta(days=2))

    rows = list(csv.DictReader(io.StringIO(run("list", "--csv", "--results", results).out)))

    assert [row["name"] for row in rows] == ["mnist", "older"]
    assert float(rows[0]["score_mean"]) == pytest.approx(0.9921)
    assert rows[0]["budget_trials"] == "8"


def test_json_tells_the_same_in_numbers(run: Run, results: Path) -> None:
    document = json.loads(run("list", "--json", "--results", results).out)

    (entry,) = document["studies"]
    assert document["schema_version"] == 1
    assert entry["score"]["mean"] == pytest.approx(0.9921)
    assert (entry["winner"], entry["trials"], entry["trials_finished"]) == (1, 8, 5)
    assert entry["saved_share"] == pytest.approx(6 / 60)
    assert datetime.fromisoformat(entry["updated"]).tzinfo == UTC


def test_no_folder_yet_is_no_error(run: Run, tmp_path: Path) -> None:
    ran = run("list", "--results", tmp_path / "none")

    assert ran.code == 0
    assert "mnist-hpo search" in ran.out
    assert json.loads(run("list", "--json", "--results", tmp_path / "none").out)["studies"] == []
    assert list(tmp_path.iterdir()) == []


def test_files_and_folders_without_a_ledger_are_no_studies(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    (tmp_path / "empty").mkdir()

    assert "No study" in run("list", "--results", tmp_path).out


def test_a_file_instead_of_a_folder_ends_with_3(run: Run, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")

    ran = run("list", "--results", tmp_path / "results")

    assert ran.code == 3
    assert "Not a directory" in ran.err


def test_a_broken_study_hides_no_other(run: Run, results: Path) -> None:
    (results / "broken").mkdir()
    (results / "broken/study.db").write_text("not a database")

    ran = run("list", "--results", results)

    assert ran.code == 3
    assert "0.9921 ± 0.0004" in ran.out
    assert "1 of 2 studies cannot be read:\n  broken: " in ran.err


def test_a_renamed_folder_is_named_with_what_it_holds(run: Run, results: Path) -> None:
    (results / "mnist").rename(results / "mnist-old")

    ran = run("list", "--results", results)

    assert ran.code == 3
    assert "mnist-old: There is no study 'mnist-old'; there are: mnist." in ran.err


def test_a_long_name_is_folded_and_not_cut(run: Run, tmp_path: Path, make_study: Run) -> None:
    name = "a-name-of-64-characters-" + "x" * 40
    make_study(tmp_path, name)

    out = run("list", "--results", tmp_path, COLUMNS=60).out

    assert max(map(len, out.splitlines())) <= 60
    assert "0.9921 ± 0.0004" in out
    first = [line[:20].split(" ")[0] for line in out.splitlines()[2:]]
    assert "".join(part for part in first if not part.startswith("Hidden")).startswith(name[:40])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (-5, "0 s ago")],
)
def test_an_age_has_one_unit(seconds: int, text: str) -> None:
    assert ago_text(timedelta(seconds=seconds)) == text


def test_numbers_are_short_in_tables() -> None:
    assert [count_text(n) for n in (940, 9400, 121_354, 999_600, 1_199_882)] == [
        "940",
        "9.4k",
        "121k",
        "1.0M",
        "1.2M",
    ]
    assert [duration_text(s) for s in (0, 101, 3599.6, 3725)] == [
        "0:00",
        "1:41",
        "1:00:00",
        "1:02:05",
    ]
    assert [rate_text(r) for r in (9.4e-4, 1.0, 0.05)] == ["9.4e-4", "1.0e0", "5.0e-2"]
    assert [value_text(v) for v in (True, 0.25, 0.0, 4e-3, "same", 3)] == [
        "yes",
        "0.25",
        "0",
        "4.0e-3",
        "same",
        "3",
    ]
