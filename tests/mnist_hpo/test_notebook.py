"""A study in Python: read-only records, a data frame, a table in a cell."""

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mnist_hpo
from mnist_hpo.errors import UserError
from mnist_hpo.tables import Column, Row, Table, to_html
from search.errors import UnknownStudy

Run = Callable[..., Any]


@pytest.fixture
def study(results: Path) -> Any:
    return mnist_hpo.Study.open("mnist", results=results)


def test_a_data_frame_has_the_rows_of_the_csv(study: Any, run: Run, results: Path) -> None:
    frame = study.to_dataframe()

    text = run("show", "mnist", "--csv", "--results", results).out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [frame.index.name, *frame.columns] == list(rows[0])
    assert list(frame.index) == list(range(8))
    assert frame.loc[1, "score_mean"] == pytest.approx(0.9921)
    assert pd.isna(frame.loc[5, "score_mean"])
    assert frame.loc[frame["rank"] == 1, "config_adam_lr"].item() == 1.1e-3


def test_without_pandas_the_error_says_what_to_do(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(UserError, match="needs pandas") as caught:
        study.to_dataframe()

    assert "mnist-hpo[notebook]" in caught.value.help
    assert study.records()[1]["rank"] == 1


def test_a_cell_shows_the_ranking_as_html(study: Any) -> None:
    html = study._repr_html_()

    assert html.count("<tr>") == 1 + 3 + 4
    assert ">0.9921 ± 0.0004</td>" in html
    assert "~ predicted, not measured" in html


def test_the_leaderboard_is_a_text_with_every_column(study: Any) -> None:
    lines = repr(study.leaderboard(1)).splitlines()

    assert lines[0].split()[:2] == ["rank", "trial"]
    assert lines[2].split()[:4] == ["1", "1", "0.9921", "±"]
    assert any("Not shown: 2 complete" in line for line in lines)
    assert len(repr(study.leaderboard(where="rank=2")).splitlines()) < len(lines)


def test_a_study_says_what_it_is_and_who_stands_where(study: Any) -> None:
    assert repr(study) == "<Study 'mnist': 8 trials, 3 complete, 5 folds x 3 epochs of mnist-5k>"
    assert [row.trial.number for row in study.standings][:3] == [1, 0, 2]
    assert study.to_json()["winner"] == 1
    assert study.name == "mnist"


def test_reading_changes_no_file(results: Path, untouched: Run) -> None:
    before = untouched(results)

    mnist_hpo.Study.open("mnist", results=results).to_dataframe()

    assert untouched(results) == before


def test_a_wrong_name_is_the_same_error_as_on_the_command_line(results: Path) -> None:
    with pytest.raises(UnknownStudy, match="no study 'mnits'"):
        mnist_hpo.Study.open("mnits", results=results)


def test_a_study_without_trials_has_an_empty_frame(tmp_path: Path, make_study: Run) -> None:
    make_study(tmp_path, empty=True)

    study = mnist_hpo.Study.open("mnist", results=tmp_path)

    assert study.to_dataframe().empty
    assert "<tbody>\n</tbody>" in study._repr_html_()


def test_html_escapes_what_a_ledger_may_hold() -> None:
    table = Table((Column("a<b"),), (Row({"a<b": "<script>"}),))

    assert "<script>" not in to_html(table, ["<script>"])


def test_the_package_has_no_other_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Trial'"):
        _ = mnist_hpo.Trial
