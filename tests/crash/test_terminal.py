"""Terminals that are closed and readers that go away: the search is saved, or goes on.

Processes of their own, real pseudo-terminals and pipes; only the training is scripted.
"""

import os
import pty
import select
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from herd import PATIENCE, Herd, Watch, timeless

from search.errors import SearchError
from search.records import History

pytestmark = pytest.mark.slow

Start = Callable[..., subprocess.Popen[bytes]]


def wait_for_epoch(process: subprocess.Popen[bytes], results: Path) -> None:
    """Waits until an epoch is committed; the next ones are in hand then."""
    watch, end = Watch(folder=results / "demo"), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None
        try:
            if any(trial.fold_epochs for trial in watch.history().trials):
                return
        except SearchError:
            pass  # there is no study yet
        time.sleep(0.05)
    raise TimeoutError("no epoch was committed")


def scores(history: History) -> set[tuple[int, float]]:
    """Returns what does not depend on the order in which workers end."""
    return {
        (trial.number, score.mean)
        for trial in history.trials
        if (score := trial.score(history.facts.epochs)) is not None
    }


def test_a_closed_terminal_ends_a_search_with_129_and_all_saved(
    start: Start, herd: Herd, memory: Path, whole: History
) -> None:
    """SIGHUP reaches its workers as well, and whatever is written there afterwards fails."""
    ours, theirs = pty.openpty()
    terminal = shlex.quote(os.ttyname(theirs))
    # The first terminal that the leader of a session opens is the one that controls it.
    search = start(
        *("--workers", "2"),
        seconds=1.0,  # it must not end by itself before its terminal goes
        streams=f"<{terminal} >{terminal} 2>&1",
        start_new_session=True,
    )
    shown: list[bytes] = []
    enough = threading.Event()
    reading = threading.Thread(target=read_until, args=(enough, ours, shown))
    reading.start()
    wait_for_epoch(search, memory)

    os.close(theirs)
    enough.set()
    reading.join()
    code = search.wait(PATIENCE)

    watch = Watch(folder=memory / "demo")
    between = watch.history()
    assert code == 129
    assert b"\x1b[" in b"".join(shown)  # it was the live view
    assert sum(trial.fold_epochs for trial in between.trials) > 0
    for trial in between.trials:
        for (at, count), curve in zip(trial.attempts, trial.curves, strict=True):
            assert count == 0 or at < len(curve)
    resume = ["resume", "demo", "--workers", "1", "--quiet", "--results", str(memory)]
    assert herd.one(cli=resume).ended
    assert scores(watch.history()) == scores(whole)


def read_until(enough: threading.Event, terminal: int, shown: list[bytes]) -> None:
    """Reads what is shown, as the window around a terminal does, and then closes it."""
    while not enough.is_set():
        if select.select([terminal], [], [], 0.05)[0]:
            shown.append(os.read(terminal, 1 << 16))
    os.close(terminal)


def test_a_search_outlives_whoever_reads_its_progress(
    start: Start, memory: Path, whole: History
) -> None:
    """`search 2>&1 | head -1` shows one line; the search goes on, and ends with 0."""
    search = start(seconds=0.1, stderr=subprocess.PIPE)
    assert search.stderr is not None
    first = search.stderr.readline()

    search.stderr.close()
    code = search.wait(PATIENCE)

    assert b"event=started" in first
    assert code == 0
    assert timeless(Watch(folder=memory / "demo").history()) == timeless(whole)


def test_a_search_for_a_program_that_has_gone_ends_with_all_saved(
    start: Start, herd: Herd, memory: Path, whole: History
) -> None:
    """`search --json` tells its reader everything: without one it has no purpose."""
    search = start("--json", seconds=0.1, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert search.stdout is not None
    search.stdout.readline()

    search.stdout.close()
    _, said = search.communicate(timeout=PATIENCE)

    assert search.returncode == 1
    assert said == b""
    resume = ["resume", "demo", "--workers", "1", "--quiet", "--results", str(memory)]
    assert herd.one(cli=resume).ended
    assert timeless(Watch(folder=memory / "demo").history()) == timeless(whole)


def test_nothing_is_written_to_a_file_in_place_of_a_closed_stream(
    start: Start, memory: Path, whole: History
) -> None:
    """`search >&- 2>&-`: the next files opened would be numbers 1 and 2, and the study's."""

    search = start(seconds=0.0, streams=">&- 2>&-")
    code = search.wait(PATIENCE)

    assert code == 0
    assert timeless(Watch(folder=memory / "demo").history()) == timeless(whole)
    lock = (memory / "demo" / "demo.lock").read_text()
    assert "event=" not in lock
    assert "rank" not in lock
