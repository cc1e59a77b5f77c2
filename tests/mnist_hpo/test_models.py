"""`models`: the five documented models, with the sizes and figures of their sources."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]

# Parameters as the sources' own model summaries print them, or by hand from their layers.
PARAMS = {"000": 896_906, "001": 93_322, "002": 1_199_882, "003": 119_978, "004": 61_025_674}


def test_json_has_the_five_models_with_sizes_and_figures(run: Run) -> None:
    models = json.loads(run("models", "--json").out)["models"]

    assert {model["name"]: model["params"] for model in models} == PARAMS
    assert all(sum(layer["macs"] for layer in m["layers"]) == m["macs"] for m in models)
    published = {
        model["name"]: [
            figure["accuracy"] for figure in model["published"] if figure["label"] == "test"
        ]
        for model in models
    }
    assert published == {
        "000": [0.993],
        "001": [0.9922],
        "002": [],
        "003": [0.9174],
        "004": [0.9888],
    }
    assert all(model["source"].startswith(f"{model['name']}_") for model in models)


def test_the_table_names_layers_size_and_training(run: Run) -> None:
    out = run("models", COLUMNS=140).out

    row = next(line for line in out.splitlines() if line.startswith("001"))
    for text in ("conv 32-64-64, dense 64", "93 322", "rmsprop", "0.9922", "001_cb9e"):
        assert text in row


@pytest.mark.parametrize("name", PARAMS)
def test_one_model_in_detail_has_its_layers_and_notes(run: Run, name: str) -> None:
    (model,) = json.loads(run("models", name, "--json").out)["models"]

    out = " ".join(run("models", name).out.split())

    assert f"{PARAMS[name]:,}".replace(",", " ") in out
    assert all(layer["name"] in out for layer in model["layers"])
    assert all(note in out for note in model["notes"])
    assert model["source"] in out


@pytest.mark.parametrize("width", range(60, 201, 5))
def test_no_line_is_too_wide(run: Run, width: int) -> None:
    for arguments in (["models"], ["models", "004"]):
        out = run(*arguments, COLUMNS=width).out
        assert max(map(len, out.splitlines())) <= width


def test_markdown_is_a_table(run: Run) -> None:
    lines = run("models", "--md").out.splitlines()

    assert len(lines) == 7
    assert lines[0].startswith("| model | layers |")


def test_another_name_ends_with_2(run: Run) -> None:
    ran = run("models", "mnist")

    assert ran.code == 2
    assert "000, 001, 002, 003, 004" in ran.err


def test_csv_has_the_published_figure_as_a_number(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("models", "--csv").out)))

    assert [row["name"] for row in rows] == list(PARAMS)
    assert rows[4]["published_test"] == "0.9888"
    assert rows[2]["published_test"] == ""
