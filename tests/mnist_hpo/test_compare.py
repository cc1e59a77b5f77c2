"""`compare`: trials side by side; the numbers can be checked by hand."""

import csv
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search import reader
from search.testing_ledger import write_ledger

Run = Callable[..., Any]


def _cells(text: str, label: str) -> list[str]:
    """Cells of a row, in every block."""
    lines = [line for line in text.splitlines() if line.startswith(f"{label}  ")]
    return [cell for line in lines for cell in re.split(r"  +", line.strip())[1:]]


@pytest.fixture
def two(results: Path) -> Path:
    """A second study on the same folds, and a third one on others."""
    history = reader.read(results / "mnist/study.db", "mnist").history
    for changes in (
        {"study": "again", "seed": 9},
        {"study": "elsewhere", "folds_sha256": "ef" * 32},
    ):
        facts = replace(history.facts, **changes)
        path = results / facts.study / "study.db"
        path.parent.mkdir()
        write_ledger(path, replace(history, facts=facts))
    return results


def test_differences_are_paired_with_a_corrected_interval(run: Run, results: Path) -> None:
    """Trial 0 minus trial 1, in ten thousandths: -5, 1, 3, -4, -5; mean -2, squares of the
    deviations 9 + 9 + 25 + 4 + 9 = 56, sd sqrt(14) = 3.742; 2.7764 sqrt(1/5 + 1/4) 3.742 = 6.97.
    """
    out = run("compare", "mnist", "1", "0", "2", "--results", results).out

    assert _cells(out, "score") == ["0.9921 ± 0.0004", "0.9919 ± 0.0004", "0.9896 ± 0.0005"]
    gaps = _cells(out, "against #1, paired")
    assert gaps == ["-", "-0.0002 ± 0.0007 =", "-0.0025 ± 0.0006"]
    assert _cells(out, "folds won") == ["-", "2 of 5", "0 of 5"]
    assert "= a tie on these folds." in " ".join(out.split())


def test_only_what_differs_is_shown_unless_all_is_asked_for(run: Run, results: Path) -> None:
    some = run("compare", "mnist", "1", "0", "--results", results).out
    every = run("compare", "mnist", "1", "0", "--all", "--results", results).out

    assert _cells(some, "filters") == _cells(every, "filters") == ["32-128", "32-64-64"]
    assert "optimizer" not in some
    assert _cells(every, "optimizer") == ["adam", "adam"]


def test_an_unfinished_trial_is_compared_on_the_folds_it_has(run: Run, results: Path) -> None:
    """Trial 3 has three whole folds: -70, -73, -63; the interval has 1/3 + 1/4 and t(2)."""
    out = run("compare", "mnist", "1", "3", "--results", results).out

    gains = [-0.0070, -0.0073, -0.0063]
    mean = sum(gains) / 3
    spread = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / 2)
    half = 4.30265 * math.sqrt(1 / 3 + 1 / 4) * spread
    assert _cells(out, "against #1, paired") == ["-", f"{mean:+.4f} ± {half:.4f}"]
    assert _cells(out, "folds won") == ["-", "0 of 3"]
    assert _cells(out, "score")[1].startswith("~0.98")
    assert "#3 is compared on 3 of 5 folds." in " ".join(out.split())


def test_one_fold_has_no_interval(run: Run, results: Path) -> None:
    out = run("compare", "mnist", "1", "5", "--results", results).out

    assert _cells(out, "against #1, paired") == ["-", "-"]
    assert _cells(out, "folds won") == ["-", "0 of 1"]


def test_studies_are_compared_by_their_best_trials(run: Run, two: Path) -> None:
    out = run("compare", "mnist", "again", "--results", two).out

    assert "mnist #1" in out.splitlines()[0]
    assert "again #1" in out.splitlines()[0]
    assert _cells(out, "folds won") == ["-", "0 of 5 (5 equal)"]
    assert _cells(out, "seed") == ["7", "9"]


def test_folds_of_another_split_are_no_pairs(run: Run, two: Path) -> None:
    out = run("compare", "mnist", "2", "elsewhere", "0", "--results", two).out

    assert _cells(out, "folds won") == ["-", "-"]
    assert "elsewhere #0 cannot be paired: it differs in folds_sha256." in " ".join(out.split())


@pytest.mark.parametrize("charset", ["utf-8", "ascii"])
def test_trials_that_find_no_room_get_a_block_of_their_own(
    run: Run, results: Path, charset: str
) -> None:
    for width in range(60, 201, 7):
        ran = run(
            "compare", "mnist", "1", "0", "2", "3", "5", "--all", "--results", results,
            charset=charset, COLUMNS=width,
        )  # fmt: skip

        sign = "±" if charset == "utf-8" else "+-"
        assert max(map(len, ran.out.splitlines())) <= width
        assert len(_cells(ran.out, "score")) == 5
        assert f"0.9896 {sign} 0.0005" in ran.out
        assert f"-0.0025 {sign} 0.0006" in ran.out


def test_json_keeps_every_digit(run: Run, results: Path) -> None:
    document = json.loads(run("compare", "mnist", "1", "0", "--json", "--results", results).out)

    first, other = document["contestants"]
    assert document["against"] == {"study": "mnist", "trial": 1}
    assert first["paired"] is None
    assert other["paired"]["difference"]["mean"] == pytest.approx(-0.0002)
    assert other["paired"]["difference"]["half_width"] == pytest.approx(6.97e-4, abs=1e-6)
    assert other["paired"]["difference"]["is_tie"] is True
    assert other["config"]["adam_lr"] == 9.4e-4


def test_csv_and_markdown_have_every_trial(run: Run, results: Path) -> None:
    arguments = ("compare", "mnist", "1", "0", "5", "--results", results)

    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--csv").out)))
    lines = run(*arguments, "--md", COLUMNS=20).out.splitlines()

    assert [row["trial"] for row in rows] == ["1", "0", "5"]
    assert (rows[0]["difference_mean"], rows[1]["difference_is_tie"]) == ("", "True")
    assert lines[0] == "|  | #1 | #0 | #5 |"


@pytest.mark.parametrize(
    ("words", "message", "help_"),
    [
        (["mnist", "1"], "at least two different trials, got #1", "mnist-hpo compare STUDY 3"),
        (["mnist", "1", "1"], "different trials, got #1, #1", "mnist-hpo compare STUDY 3"),
        (["mnist", "1", "9"], "has 8 trials, and no 9", "mnist-hpo show mnist --all"),
        (["mnist", "mnits"], "no study 'mnits'", "did you mean 'mnist'?"),
        ([], "Missing argument", "compare --help"),
    ],
)
def test_what_cannot_be_compared_ends_with_a_cure(
    run: Run, results: Path, words: list[str], message: str, help_: str
) -> None:
    ran = run("compare", *words, "--results", results)

    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert help_ in ran.err


def test_a_study_without_a_complete_trial_has_nothing_to_compare(
    run: Run, results: Path, make_study: Run
) -> None:
    make_study(results, "empty", empty=True)

    ran = run("compare", "mnist", "empty", "--results", results)

    assert ran.code == 1
    assert "no complete trial yet" in ran.err
