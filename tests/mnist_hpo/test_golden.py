"""Every table as people see it, in files to read; and at every width nothing is cut.

`pytest tests/mnist_hpo/test_golden.py --renew-golden` writes the files in `golden/` anew; read
what changed before you commit it. They show one race on a recorded table, at a moment in the
middle of the search: trials of every state, one of them made to fail by hand.
"""

import io
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mnist_hpo.console import writable
from mnist_hpo.live_picture import Moment, Overview, picture
from mnist_hpo.live_state import LiveState
from mnist_hpo.prospects import predictions_of
from mnist_hpo.tables import width_of
from mnist_hpo.time_left import TimeLeft
from search import events, importance, prediction, reader
from search.policies import policy_for
from search.records import Curve, Epoch, Failure, History, Job, Trial, TrialState, Verdict
from search.replay import Replay
from search.samplers import proposer
from search.table import Table
from search.testing_ledger import write_ledger

Run = Callable[..., Any]

GOLDEN = Path(__file__).parent / "golden"
TABLE = Path(__file__).parents[2] / "results/tables/mnist-5k.jsonl.gz"
WIDTHS = (60, 80, 120, 200)

COMMANDS = {
    "list": ("list",),
    "show": ("show", "race"),
    "show-all": ("show", "race", "--all"),
    "trial": ("trial", "race", "9"),
    "compare": ("compare", "race", "13", "15", "27", "9"),
    "importance": ("importance", "race"),
    "models": ("models",),
}
"""Each table, and the command that shows it."""

CONSTANTS = {"settled": "1e-9", "factors": "3,3,2", "calls_win": "0"}
"""Of the race, so that another default changes no table: it ends when all trials are proposed."""

COMMITS = 145
"""Where the race is looked at: two trials are given up, two at work on their second folds."""

WHOLE = (13, 27)
"""Trials whose other epochs are added from the table: a tie with the best one, and no tie."""


@cache
def recorded() -> tuple[History, LiveState]:
    """A race of 32 random networks on the recorded table, seed 1, and what a view heard of it."""
    heard: list[tuple[float, History]] = []
    replay = Replay(Table.read(TABLE))
    replay.run(
        policy_for("race", CONSTANTS),
        proposer("random"),
        candidates=32,
        seed=1,
        heard=lambda clock, history: heard.append((clock, history)),
    )
    clock, past = heard[COMMITS - 1]
    for number in WHOLE:
        past = past.with_trial(_whole(past.trials[number], replay))
    past = past.with_trial(_failed(past.trials[5]))
    facts = replace(
        past.facts,
        study="race",
        dataset="mnist-5k",
        data_sha256="21b54a0a" * 8,
        created="2026-11-21T20:41:00+00:00",
        environment={"python": "3.11.7"},
        race=CONSTANTS,
    )
    history = replace(past, facts=facts, elapsed=clock)
    return history, _state(history)


def _whole(trial: Trial, replay: Replay) -> Trial:
    """Adds what is recorded of a trial's further epochs."""
    row = replay.row(trial.config)
    curves = tuple(
        Curve(
            tuple(
                Epoch(
                    valid_accuracy=accuracy,
                    valid_loss=loss,
                    train_accuracy=accuracy,
                    train_loss=loss,
                    seconds=seconds,
                )
                for accuracy, loss, seconds in zip(*values, strict=True)
            )
        )
        for values in zip(row.accuracy, row.loss, row.seconds, strict=True)
    )
    return replace(trial, curves=curves)


def _failed(trial: Trial) -> Trial:
    """Makes a trial one that could not be trained."""
    failure = Failure(
        fold=0, epoch=1, run=0, message="out of memory", traceback="Traceback ...\nMemoryError\n"
    )
    verdict = Verdict(state=TrialState.FAILED, reason="out of memory", fold=0, epoch=1)
    empty = (Curve(run=1), *trial.curves[1:])
    return replace(trial, curves=empty, failures=(failure,), verdict=verdict)


def _state(history: History) -> LiveState:
    """Returns what a view heard lately: some ends, and two jobs that are in hand."""
    state = LiveState().after(events.Started(history, 2))
    for trial in history.trials:
        if trial.is_final(history.facts.epochs) and trial.number not in WHOLE:
            state = state.after(events.TrialClosed(history, trial.number))
    for number in (18, 8):
        epoch = len(history.trials[number].curves[1])
        job = Job(trial=number, fold=1, start=epoch, stop=epoch + 1)
        state = state.after(events.JobStarted(history, job))
    return state


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that race in `results`, last written two days ago."""
    folder = tmp_path_factory.mktemp("golden")
    ledger = folder / "results/race/study.db"
    ledger.parent.mkdir(parents=True)
    history, _ = recorded()
    write_ledger(ledger, history)
    ago = time.time() - 2.5 * 86_400
    os.utime(ledger, (ago, ago))
    return folder


@pytest.fixture
def shown(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, int, str], str]:
    """Shows one of `COMMANDS`, or the live view, at a width.

    What no width changes is computed once for all tests: the reading of the ledger, predictions
    and importances.
    """
    monkeypatch.chdir(folder)
    for owner, name in (
        (reader, "read"),
        (prediction, "predictions"),
        (importance, "importances"),
    ):
        monkeypatch.setattr(owner, name, _once(getattr(owner, name)))

    def show(name: str, width: int, charset: str = "utf-8", **environment: str) -> str:
        if name == "live":
            return _live(width, charset)
        ran = run(*COMMANDS[name], charset=charset, COLUMNS=width, **environment)
        assert ran.code == 0, ran.err
        return str(ran.out)

    return show


_KEPT: dict[object, Any] = {}


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Computes something once: all tests here ask for the same study."""
    own = getattr(function, "own", function)

    def kept(*arguments: Any, **named: Any) -> Any:
        if own not in _KEPT:
            _KEPT[own] = own(*arguments, **named)
        return _KEPT[own]

    return kept


def _live(width: int, charset: str) -> str:
    """Draws the live view in the middle of that race, on a terminal of any height."""
    history, state = recorded()
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding=charset), width=width)
    moment = Moment(
        elapsed=history.elapsed,
        overview=_once(Overview.of)(history),
        left=TimeLeft(300.0, is_rough=True),
        predictions=_once(predictions_of)(history),
    )
    lines = picture(state, moment, width=width, shown=lambda text: writable(text, console))
    return "".join(f"{line.text}\n" for line in lines)


NAMES = (*COMMANDS, "live")


@pytest.mark.parametrize("name", NAMES)
def test_a_table_looks_as_it_did(
    name: str, shown: Callable[..., str], request: pytest.FixtureRequest
) -> None:
    """At four widths as piped, and once where only ASCII can be shown."""
    parts = [f"===== {width} columns\n{shown(name, width)}" for width in WIDTHS]
    parts.append(f"===== 80 columns, ASCII\n{shown(name, 80, charset='ascii')}")
    text = "\n".join(parts)
    file = GOLDEN / f"{name}.txt"
    if request.config.getoption("--renew-golden"):
        file.write_text(text, encoding="utf-8")

    assert text == file.read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert parts[-1].isascii()


@pytest.mark.parametrize("name", COMMANDS)
def test_no_color_wins_over_force_color(name: str, shown: Callable[..., str]) -> None:
    plain = shown(name, 80)

    assert shown(name, 80, FORCE_COLOR="1", NO_COLOR="1") == plain


NUMBER = re.compile(r"\S*\d(?:\S| (?:±|\+-) (?=\d)| (?=\d{3}(?!\d))| (?=%))*")
"""What has a digit, with the spaces that belong to it: 0.9617 ± 0.0055, 1 550, 85 %."""

SENTENCE = re.compile(r"Hidden\s+at\s+\d+\s+columns")
"""The one number that a width may change."""


@pytest.mark.parametrize("name", NAMES)
def test_no_number_is_cut_at_any_width(name: str, shown: Callable[..., str]) -> None:
    """What has a digit stands like this in the widest table, too: nothing is cut or broken."""
    whole = set(NUMBER.findall(shown(name, 1000)))

    for width in range(60, 201):
        text = shown(name, width)
        # What is to be typed is one line, whatever its length.
        lines = [line for line in text.splitlines() if "mnist-hpo " not in line]
        assert max(map(width_of, lines)) <= width
        assert set(NUMBER.findall(SENTENCE.sub("", text))) <= whole, width
        assert "…" not in text


@pytest.mark.parametrize("name", ["show", "show-all", "live"])
def test_every_complete_trial_shown_has_its_whole_score_at_any_width(
    name: str, shown: Callable[..., str]
) -> None:
    history, _ = recorded()
    best = history.incumbent
    assert best is not None
    score = best.score(history.facts.epochs)
    assert score is not None

    for width in range(60, 201, 7):
        assert f"{score.mean:.4f} ± {score.std:.4f}" in shown(name, width)
