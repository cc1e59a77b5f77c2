"""The model card: every figure is the ledger's, every command is understood."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest

from mnist_hpo.cli import cli
from mnist_hpo.export.exporting import Agreement
from mnist_hpo.export.formats import FORMATS
from mnist_hpo.export.model_card import model_card
from mnist_hpo.final_models import FinalModel
from mnist_hpo.statistics import evaluate
from search import reader
from search.records import History


@pytest.fixture
def history(results: Path, end_study: Callable[..., None]) -> History:
    """The study of `conftest`, its winner tested on 100 images: 2 wrong, both of them fours."""
    digits = np.arange(100) % 10
    guessed = np.where(np.isin(np.arange(100), (4, 14)), 9, digits)
    end_study(evaluate(digits, guessed, loss=0.1).to_json() | {"model_sha256": "ab" * 32})
    return reader.read(results / "mnist/study.db", "mnist").history


def card_of(history: History) -> str:
    [opening] = history.openings
    assert opening.result is not None
    model = FinalModel(
        trial=history.trials[opening.trial], path=Path("best.keras"), result=opening.result
    )
    agreement = Agreement(images=256, same_digit=256, largest_difference=2.5e-7)
    return model_card(history, model, FORMATS["onnx"], "mnist.onnx", agreement)


def table(card: str) -> dict[str, str]:
    """Returns the rows of the card's tables."""
    return dict(re.findall(r"^\| ([a-z ]+) \| (.*) \|$", card, re.MULTILINE))


def test_the_card_says_how_good_the_model_is(history: History) -> None:
    """98 of 100: Wilson's interval is 0.9300 to 0.9945; two of ten fours were missed."""
    rows = table(card_of(history))

    assert rows["test accuracy"] == "0.9800, 2 wrong of 100; 95 % interval 0.9300 to 0.9945"
    assert rows["test set opened"] == "once"
    assert rows["score"] == "0.9921 ± 0.0004 over 5 stratified folds"
    assert "4: 0.800" in rows["recall by digit"]
    assert "5: 1.000" in rows["recall by digit"]


def test_the_card_says_what_the_model_is(history: History) -> None:
    card = card_of(history)

    assert card.startswith("# mnist.onnx\n")
    assert "trial 1 of the study mnist" in card
    rows = table(card)
    assert rows["format"].startswith("onnx: `")
    assert rows["parameters"] == "121 355; 2 800 000 multiply-adds an image"
    assert "filters 32-128" in rows["configuration"]
    assert "lr 1.1e-3" in rows["configuration"]
    assert "256 development images" in card
    assert "at most 2.5e-07" in card
    assert f"Model file SHA-256 `{'ab' * 32}`" in card


def test_the_commands_of_the_card_are_understood(history: History) -> None:
    [block] = re.findall(r"```sh\n(.*?)```", card_of(history), re.DOTALL)

    names = []
    for line in block.splitlines():
        _, name, *words = shlex.split(line)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, words)
        names.append(name)

    assert names == ["search", "finalize"]
