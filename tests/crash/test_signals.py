"""What asks a search to end: the documented exit code, all saved, and resumed it is the same.

The program itself and real signals; only the training is scripted.
"""

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals
from typing import Any

import pytest
from herd import Herd, Ran, Watch, check_file, timeless

from search.records import History

LONG = 600.0
"""Seconds that no test waits for."""

Words = tuple[str, ...]

RESUME = ("resume", "demo", "--workers", "1", "--quiet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Signals that arrive one after another, and what they mean."""

    signals: Sequence[Signals]
    code: int
    finishes: bool
    """The epoch in hand is finished."""


CASES = {
    "Ctrl-C": Case(signals=[SIGINT], code=130, finishes=True),
    "Ctrl-C twice": Case(signals=[SIGINT, SIGINT], code=130, finishes=False),
    "SIGTERM": Case(signals=[SIGTERM], code=143, finishes=False),
    "SIGHUP": Case(signals=[SIGHUP], code=129, finishes=True),
}


def history_in(results: Path) -> History:
    return Watch(folder=results / "demo").history()


def search(herd: Herd, words: Words, results: Path, **order: Any) -> Ran:
    return herd.one(cli=[*words, "--results", str(results)], **order)


def resume(herd: Herd, results: Path) -> Ran:
    return search(herd, RESUME, results)


def check_told(ran: Ran, code: int) -> None:
    """Checks that a process ended as it was asked to, and said how to go on."""
    assert ran.code == code, (ran.code, ran.err)
    assert "Go on with:  mnist-hpo resume demo" in ran.err
    assert "Traceback" not in ran.err


def check_nobody_is_blamed(history: History) -> None:
    """Checks that no attempt of an unfinished epoch is counted: three would fail the trial."""
    for trial in history.trials:
        for (start, count), curve in zip(trial.attempts, trial.curves, strict=True):
            assert count == 0 or start < len(curve)


@pytest.mark.parametrize("name", CASES)
def test_a_signal_ends_a_search_with_its_code_and_all_saved(
    herd: Herd, memory: Path, search_words: Words, whole: History, name: str
) -> None:
    """Once: the epoch in hand is finished. Twice, or SIGTERM: given up, and nobody's fault."""
    case = CASES[name]
    seconds = 2.0 if case.finishes else LONG

    ran = search(
        herd,
        search_words,
        memory,
        training={"seconds": seconds},
        kill={"begun": 2, "seconds": 0.1, "signals": case.signals},
    )

    between = history_in(memory)
    check_told(ran, case.code)
    check_nobody_is_blamed(between)
    assert sum(trial.fold_epochs for trial in between.trials) == (2 if case.finishes else 1)
    assert resume(herd, memory).ended
    assert timeless(history_in(memory)) == timeless(whole)


@pytest.mark.parametrize(
    ("signals", "code"),
    [([SIGINT] * 3, 130), ([SIGTERM] * 2, 143), ([SIGINT, SIGTERM, SIGTERM], 143)],
    ids=["Ctrl-C three times", "SIGTERM twice", "mixed"],
)
def test_whoever_insists_waits_for_nothing(
    herd: Herd, memory: Path, search_words: Words, signals: Sequence[Signals], code: int
) -> None:
    """Not even for a model's own code that takes its time to end; the ledger is whole."""
    ran = search(
        herd,
        search_words,
        memory,
        training={"seconds": LONG, "lingers": LONG},
        kill={"begun": 2, "seconds": 0.1, "signals": signals},
    )

    assert ran.code == code
    assert "Traceback" not in ran.err
    check_file(memory / "demo" / "study.db")
    assert [len(curve) for curve in history_in(memory).trials[0].curves] == [1, 0]


def test_under_nohup_a_search_outlives_its_terminal(
    herd: Herd, memory: Path, search_words: Words, whole: History
) -> None:
    """SIGHUP was ignored when it began, and stays so."""
    ran = search(
        herd,
        search_words,
        memory,
        training={"seconds": 0.1},
        kill={"begun": 2, "seconds": 0.0, "signals": [SIGHUP]},
        nohup=True,
    )

    assert ran.ended, ran.err
    assert timeless(history_in(memory)) == timeless(whole)


def interrupted(  # noqa: PLR0913 - all of one test in two sizes
    herd: Herd, folder: Path, case: Case, *, words: Words, whole: History, times: int
) -> float:
    """Ends searches at random moments, so often in all; returns the longest time to an end."""
    rng = random.Random(times)  # noqa: S311 - moments of signals, no secrets
    took: list[float] = []
    studies = 0
    while len(took) < times:
        studies += 1
        watch = Watch(folder=folder / str(studies) / "demo")
        own, ended = words, False
        while not ended:
            kill = {"begun": rng.randint(1, 2), "seconds": rng.uniform(0.0, 0.05)}
            order = {"kill": {**kill, "signals": case.signals}} if len(took) < times else {}
            ran = search(herd, own, watch.folder.parent, training={"seconds": 0.01}, **order)
            # Or it was done, and about to exit anyway.
            ended, own = ran.ended or watch.history().is_done, RESUME
            if not ended:
                check_told(ran, case.code)
                check_nobody_is_blamed(watch.history())
                assert ran.seconds is not None
                took.append(ran.seconds)
        watch.at_end(whole)
        check_file(watch.ledger)
        shutil.rmtree(watch.folder)
    return max(took)


@pytest.mark.parametrize("name", ["Ctrl-C", "Ctrl-C twice", "SIGTERM"])
def test_signals_at_random_moments_change_nothing(
    herd: Herd, memory: Path, search_words: Words, whole: History, name: str
) -> None:
    """The small size: whatever a commit or a checkpoint was about to do, six times each."""
    interrupted(herd, memory, CASES[name], words=search_words, whole=whole, times=6)


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", CASES)
def test_many_signals_at_random_moments_change_nothing(  # noqa: PLR0913, PLR0917 - fixtures
    herd: Herd,
    tmp_path: Path,
    search_words: Words,
    whole: History,
    portion: Callable[[int], int],
    name: str,
) -> None:
    """The full size, on a disk: a hundred times each."""
    case, times = CASES[name], portion(100)

    longest = interrupted(herd, tmp_path, case, words=search_words, whole=whole, times=times)

    print(f"{name}, {times} times: at most {longest:.2f} s")  # noqa: T201 - figures for docs/
