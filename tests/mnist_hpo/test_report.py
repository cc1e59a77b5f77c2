"""The page as text: what it says of every kind of study, and that nothing breaks out of it."""

import base64
import hashlib
import re
import shlex
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import click
import pytest

from mnist_hpo.cli import cli
from mnist_hpo.commands.search import command as search
from mnist_hpo.report.page import SECTIONS
from mnist_hpo.reproducing import search_command
from mnist_hpo.statistics import evaluate
from search.records import Budget, Facts, Failure, Job
from search.store import Ledger

Run = Callable[..., Any]

VOID = {"meta", "img", "br", "line", "rect", "circle", "polyline"}


class Page(HTMLParser):
    """Elements with their attributes, and the texts of sections."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._section = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs)["id"] or ""

    def handle_data(self, data: str) -> None:
        self.texts[self._section] = f"{self.texts.get(self._section, '')} {' '.join(data.split())}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for own, attributes in self.elements if own == tag]


def reported(run: Run, results: Path, study: str = "mnist") -> tuple[str, Page]:
    ran = run("report", study, "--results", results)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [str(results / study / "report.html")]
    text = (results / study / "report.html").read_text()
    return text, Page(text)


def test_every_section_is_there_and_linked(run: Run, results: Path) -> None:
    _, page = reported(run, results)

    anchors = [own["id"] for own in page.all("section")]
    links = [own["href"] for own in page.all("a")]
    assert anchors == [name for name, _ in SECTIONS]
    assert set(links) == {f"#{name}" for name, _ in SECTIONS}
    assert all(page.texts[name].strip() for name, _ in SECTIONS)


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(
    run: Run, results: Path
) -> None:
    text, page = reported(run, results)

    [policy] = [own["content"] for own in page.all("meta") if "http-equiv" in own]
    assert policy is not None
    for tag in ("script", "style"):
        [body] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert "style" not in {name for _, own in page.elements for name in own}
    assert not any(name.startswith("on") for _, own in page.elements for name in own)


def test_nothing_points_outside(run: Run, results: Path) -> None:
    """No address of another file: only anchors and pictures inside the page."""
    text, page = reported(run, results)

    targets = [
        own[name] or "" for _, own in page.elements for name in ("src", "href") if name in own
    ]
    assert all(own.startswith(("#", "data:image/png;base64,")) for own in targets)
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_summary_says_who_leads_and_who_ties(run: Run, results: Path) -> None:
    """Trial 1 is best, 0 ties with it, 2 does not; the numbers are those of the fixture."""
    _, page = reported(run, results)

    said = page.texts["summary"]
    assert "best so far is trial 1, from tpe: 0.9921 ± 0.0004" in said
    assert "trial 0 cannot be told from it" in said
    assert "is interrupted and can be resumed" in said
    assert "test set is sealed" in said


def test_the_leaderboard_marks_ties_and_predictions(run: Run, results: Path) -> None:
    text, page = reported(run, results)

    assert re.search(r'data-sort="2">2=</td><td class="number ">0</td>', text)
    assert "= a tie with rank 1" in page.texts["leaderboard"]
    assert "~ predicted" in page.texts["leaderboard"]
    assert len(re.findall(r"<tr[^>]* data-trial=\"\d+\"><td class=\"number \"", text)) >= 8


def test_what_a_study_lacks_is_said_in_words(run: Run, results: Path) -> None:
    _, page = reported(run, results)

    assert "need 30 trials" in page.texts["parameters"]
    assert "finalize mnist opens it once" in page.texts["test"]
    assert "finalize has not trained one yet" in page.texts["features"]
    assert "did not take part" in page.texts["documented"]


def test_a_study_without_a_trial_has_a_page(
    run: Run, make_study: Callable[..., None], tmp_path: Path
) -> None:
    make_study(tmp_path, empty=True)

    _, page = reported(run, tmp_path)

    assert "No trial was begun yet" in page.texts["summary"]
    assert "No trial has all its folds yet" in page.texts["folds"]
    assert "shown once a trial is complete" in page.texts["network"]


def test_the_race_says_where_and_why_each_trial_ended(run: Run, raced: Path) -> None:
    text, page = reported(run, raced, "raced")

    assert 'aria-label="Race diagram' in text
    assert re.search(r"stopped at fold 1, epoch \d: accuracy", page.texts["race"])


def test_a_model_finalized_before_predictions_were_kept_says_so(
    run: Run, results: Path, end_study: Callable[..., None]
) -> None:
    """The matrix is there, from the ledger; the digits are not, and why."""
    import numpy as np  # noqa: PLC0415 - one test

    y = np.arange(100) % 10
    result = evaluate(y, np.where(np.arange(100) == 4, 9, y), loss=0.1).to_json()
    end_study(result | {"model_sha256": "ab" * 32})

    text, page = reported(run, results)

    assert "4 read as 9: 1" in text
    assert "stored no predictions" in page.texts["test"]
    assert "no feature maps" in page.texts["features"]
    assert "0.9900 (1 wrong of 100" in page.texts["test"]


def test_published_figures_have_a_column_of_their_own(run: Run, results: Path) -> None:
    _, page = reported(run, results)

    said = page.texts["documented"]
    assert "0.9930 test (10 000)" in said
    assert "have no rank" in said


HOSTILE = "</script><img src=x onerror=alert(1)>'\"&"


def test_no_text_of_a_ledger_becomes_an_element(
    run: Run, make_study: Callable[..., None], tmp_path: Path
) -> None:
    """Whatever stands in a dataset's name, a reason or an environment is shown as it is."""
    make_study(
        tmp_path, dataset=f"/data/{HOSTILE}", environment={HOSTILE: HOSTILE}, sampler=HOSTILE
    )
    ledger = Ledger.open(tmp_path / "mnist/study.db", "mnist")
    ledger.start(Job(trial=6, fold=0, start=1, stop=2))
    ledger.fail(Failure(fold=0, epoch=1, run=0, message=HOSTILE, traceback=""), 6, elapsed=90.0)
    ledger.close()

    _, page = reported(run, tmp_path)

    assert len(page.all("script")) == 1
    assert "x" not in [own.get("src") for own in page.all("img")]
    assert HOSTILE in page.texts["race"]
    assert HOSTILE in page.texts["reproduce"]


def test_a_page_can_go_anywhere_and_the_study_stays_as_it_is(
    run: Run, results: Path, tmp_path: Path, untouched: Run
) -> None:
    before = untouched(results)

    ran = run("report", "mnist", "--results", results, "--output", tmp_path / "new" / "page.html")

    assert ran.code == 0
    assert (tmp_path / "new" / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert untouched(results) == before


def test_a_folder_in_the_way_ends_with_3(run: Run, results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ran = run("report", "mnist", "--results", results, "--output", tmp_path / "file" / "a.html")

    assert ran.code == 3
    assert "help:  --output FILE" in ran.err


def test_a_digit_needs_a_finalized_model(run: Run, results: Path) -> None:
    ran = run("report", "mnist", "--results", results, "--digit", "3")

    assert ran.code == 1
    assert "help:  mnist-hpo finalize mnist" in ran.err


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"policy": "race", "race": {"rungs": "2,5", "cohort": "20"}, "baselines": "none"},
        {"ranges": {"kernel": "3,5"}, "fixed": {"optimizer": "adam"}, "seed": 0, "epochs": 7},
        {"dataset": "/some where/digits.npz", "max_params": 5, "precision": "mixed_bfloat16"},
    ],
)
@pytest.mark.parametrize(
    "budget", [Budget(trials=40), Budget(minutes=2.5, trials=9, auto_stop=False)]
)
def test_the_command_of_the_page_is_understood_and_means_the_same(
    facts: Facts, changes: dict[str, Any], budget: Budget
) -> None:
    """Read back by the command line itself, every fact of the study is there again."""
    own = Facts(**{name: getattr(facts, name) for name in Facts.__slots__} | changes)

    _, name, *words = shlex.split(search_command(own, budget))
    read = search.make_context(name, words).params

    assert read["study"] == own.study
    assert read["dataset"] == own.dataset.rpartition("/")[2]
    assert (read["trials"], read["minutes"]) == (budget.trials, budget.minutes)
    assert read["no_auto_stop"] is not budget.auto_stop
    for fact in (
        *("epochs", "folds", "policy", "sampler", "baselines", "seed", "max_params", "max_macs"),
        *("precision", "ranges", "fixed", "race"),
    ):
        assert read[fact] == getattr(own, fact), fact


def test_every_command_that_a_page_names_exists(run: Run, results: Path) -> None:
    _, page = reported(run, results)

    named = set(re.findall(r"mnist-hpo ([a-z]+)", " ".join(page.texts.values())))
    assert named
    assert named <= set(cli.list_commands(click.Context(cli)))
