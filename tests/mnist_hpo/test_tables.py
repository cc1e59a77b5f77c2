"""Tables at every width, piped, without colour and in ASCII: nothing is cut, no line too wide."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_hpo.tables import Column, Row, Table, fit, fold, to_csv, to_markdown, unbroken, width_of

Run = Callable[..., Any]

SCORES = ("0.9921 ± 0.0004", "0.9919 ± 0.0004", "0.9896 ± 0.0005")

TABLE = Table(
    (
        Column("trial", right=True),
        Column("score"),
        Column("worst", 1),
        Column("lr", 2),
        Column("why", 3, least=10),
    ),
    (
        Row(
            {
                "trial": "1234",
                "score": " 0.9921 ± 0.0005",
                "worst": "0.9914",
                "lr": "9.4e-4",
                "why": "cannot beat 12",
            }
        ),
        Row({"trial": "7", "score": "~0.9915"}),
    ),
)


@pytest.mark.parametrize("width", range(30, 201))
def test_columns_are_dropped_or_folded_and_never_cut(width: int) -> None:
    layout = fit(TABLE, width)

    text = "\n".join(line.text for line in layout.lines)
    assert max(width_of(line.text) for line in layout.lines) <= width
    assert "1234   0.9921 ± 0.0005" in text
    assert "   7  ~0.9915" in text
    shown = {column.name for column in TABLE.columns} - set(layout.hidden)
    assert all(name in layout.lines[0].text for name in shown)


def test_the_column_of_the_highest_priority_goes_first() -> None:
    """Widths 5 + 16 + 6 + 6 + 10 (folded) and gaps of 2: 51, 39 and 31 are the limits."""
    assert fit(TABLE, 51).hidden == ()
    assert fit(TABLE, 50).hidden == fit(TABLE, 39).hidden == ("why",)
    assert fit(TABLE, 38).hidden == fit(TABLE, 31).hidden == ("lr", "why")
    assert fit(TABLE, 30).hidden == ("worst", "lr", "why")
    assert fit(TABLE, 5).hidden == ("worst", "lr", "why")


def test_a_folded_cell_keeps_all_of_its_text() -> None:
    layout = fit(TABLE, 52)

    assert layout.hidden == ()
    assert re.findall(r"cannot|beat|12$", "\n".join(line.text for line in layout.lines)) == [
        "cannot",
        "beat",
    ]
    assert layout.lines[2].text.endswith("cannot beat")
    assert layout.lines[3].text.strip() == "12"


def test_without_a_width_everything_stands_in_one_line() -> None:
    layout = fit(TABLE, None)

    assert layout.hidden == ()
    assert len(layout.lines) == 4


def test_a_table_without_rows_is_its_header() -> None:
    layout = fit(Table(TABLE.columns, ()), 80)

    assert [line.text for line in layout.lines] == [
        "trial  score  worst  lr  why",
        "-" * 28,
    ]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("a  b", 80, ["a  b"]),
        ("数字数字", 5, ["数字", "数字"]),
        ("of 1 550 fold-epochs", 6, ["of", "1 550", "fold-e", "pochs"]),
        ("score 0.9617 ± 0.0055 of", 20, ["score", "0.9617 ± 0.0055 of"]),
        ("score 0.9617 +- 0.0055", 17, ["score", "0.9617 +- 0.0055"]),
        ("saved (85 %) so", 10, ["saved", "(85 %) so"]),
        ("reached 10: 7", 11, ["reached", "10: 7"]),
        ("5 folds 3 epochs", 7, ["5 folds", "3", "epochs"]),
        ("", 5, [""]),
    ],
)
def test_a_text_is_folded_at_spaces_where_possible(
    text: str, width: int, lines: list[str]
) -> None:
    assert fold(text, width) == lines


def test_a_browser_keeps_numbers_on_one_line() -> None:
    """As `fold` does, by spaces that do not break."""
    text = "0.9617 ± 0.0055 of 1 550 epochs (85 %), 5 folds 3 epochs"

    assert unbroken(text).replace("\xa0", "_") == (
        "0.9617_±_0.0055 of 1_550 epochs (85_%), 5 folds 3 epochs"
    )


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("±", 1), ("数", 2), ("e\u0301", 1)])
def test_a_width_is_counted_in_cells(text: str, width: int) -> None:
    assert width_of(text) == width


def test_markdown_has_every_column_and_escapes_bars() -> None:
    table = Table((Column("a"), Column("b", 1, right=True)), (Row({"a": "x|y", "b": "1"}),))

    assert to_markdown(table) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n"


def test_csv_keeps_commas_quotes_and_digits() -> None:
    text = to_csv([{"why": 'a, "b"', "score": 0.1 + 0.2, "rank": None}])

    (row,) = csv.DictReader(io.StringIO(text))
    assert row == {"why": 'a, "b"', "score": repr(0.1 + 0.2), "rank": ""}


@pytest.mark.parametrize("charset", ["utf-8", "ascii"])
@pytest.mark.parametrize(
    "command", [["show", "mnist", "--all"], ["list"], ["trial", "mnist", "0"]]
)
def test_no_line_of_a_command_is_too_wide_and_no_score_is_cut(
    run: Run, results: Path, command: list[str], charset: str
) -> None:
    scores = (
        SCORES[1:2] if command[0] == "trial" else SCORES[:1] if command == ["list"] else SCORES
    )
    for width in range(60, 201):
        ran = run(*command, "--results", results, charset=charset, COLUMNS=width)

        assert ran.code == 0
        # What is to be typed is one line, whatever its length.
        table = [line for line in ran.out.splitlines() if "mnist-hpo " not in line]
        assert max(map(len, table)) <= width
        for score in scores:
            assert (score if charset == "utf-8" else score.replace("±", "+-")) in ran.out
        if command[0] == "show":
            numbers = re.findall(r"^ *(?:\d=?|-) +(\d) ", ran.out, re.MULTILINE)
            assert numbers == ["1", "0", "2", "3", "5", "6", "7", "4"]


def test_hidden_columns_are_named_with_their_cure(run: Run, results: Path) -> None:
    narrow = run("show", "mnist", "--results", results, COLUMNS=60).out
    wide = run("show", "mnist", "--results", results, "--wide", COLUMNS=60).out

    footer = " ".join(narrow.split())
    assert "Hidden at 60 columns: lr, pool, params, time, origin (--wide, --json)." in footer
    assert "Hidden" not in wide
    assert "pool" in wide.splitlines()[0]


@pytest.mark.parametrize(
    ("environment", "options", "colored"),
    [
        ({}, [], False),
        ({"FORCE_COLOR": "1"}, [], True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
        ({"FORCE_COLOR": "1", "NO_COLOR": ""}, [], True),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
        ({"FORCE_COLOR": "1"}, ["--color", "never"], False),
        ({"CI": "1", "TERM": "dumb"}, [], False),
        ({"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}, [], False),
    ],
)
def test_a_pipe_gets_escape_codes_only_on_demand(
    run: Run, results: Path, environment: dict[str, str], options: list[str], colored: bool
) -> None:
    plain = run("show", "mnist", "--results", results, "--color", "never").out

    ran = run("show", "mnist", "--results", results, *options, **environment)

    assert ("\x1b" in ran.out) is colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", ran.out) == plain


def test_machine_forms_have_no_escape_code_even_on_demand(run: Run, results: Path) -> None:
    for form in ("--json", "--csv", "--md"):
        ran = run("show", "mnist", "--results", results, form, "--color", "always", FORCE_COLOR=1)

        assert "\x1b" not in ran.out


def test_text_of_a_ledger_cannot_command_the_terminal(
    run: Run, tmp_path: Path, make_study: Run
) -> None:
    make_study(tmp_path, empty=True, dataset="evil\x1b[2J\x07\r")

    ran = run("show", "mnist", "--results", tmp_path)

    assert "of evil abababab" in " ".join(ran.out.split())
    assert not set("\x1b\x07\r") & set(ran.out)
