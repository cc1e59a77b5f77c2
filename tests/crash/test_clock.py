"""The wall clock jumps by hours and years: only time that never goes back decides anything."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from herd import PATIENCE, Herd, Watch, timeless

from search.records import History

pytestmark = pytest.mark.slow

SECONDS = 3.0
"""What `--minutes` grants: twelve jumps."""


@pytest.fixture(scope="session")
def jumping(built: Callable[[str], Path]) -> dict[str, str]:
    """The variables of a process whose wall clock jumps."""
    variables = {"LD_PRELOAD": str(built("clock"))}
    looks = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end:\n"
    looks += "    print(time.time())\n    time.sleep(0.1)"
    told = subprocess.run(
        [sys.executable, "-S", "-c", looks], env=variables, capture_output=True, check=True
    )
    moments = [float(line) for line in told.stdout.split()]
    if max(moments) - min(moments) < 365 * 24 * 3600:
        pytest.skip("no preloaded clock is asked here")
    return variables


def test_a_budget_of_minutes_is_of_monotonic_time(
    start: Callable[..., subprocess.Popen[bytes]], memory: Path, jumping: dict[str, str]
) -> None:
    """And nothing else is of the other kind."""
    words = ("--minutes", str(SECONDS / 60), "--trials", "100000")
    search = start(*words, seconds=0.1, variables=jumping, stderr=subprocess.PIPE)
    _, said = search.communicate(timeout=PATIENCE)

    history = Watch(folder=memory / "demo").history()
    assert search.returncode == 0, said
    assert history.ending is not None
    assert history.ending.reason == f"{SECONDS / 60:g} minutes"
    # Its last epoch may have been committed a moment before the time was up.
    assert SECONDS - 0.5 < history.elapsed < 60
    assert b"worker-lost" not in said
    assert not any(trial.failures for trial in history.trials)
    assert history.complete()


@pytest.mark.full
def test_a_jumping_clock_changes_no_study(
    built: Callable[[str], Path],
    memory: Path,
    search_words: tuple[str, ...],
    whole: History,
    portion: Callable[[int], int],
) -> None:
    """The full size: 50 studies of one worker, over a hundred jumps."""
    herd = Herd(preload=built("clock"))
    try:
        for number in range(portion(50)):
            results = memory / str(number)
            line = [*search_words, "--results", str(results)]
            assert herd.one(cli=line, training={"seconds": 0.1}).ended
            assert timeless(Watch(folder=results / "demo").history()) == timeless(whole)
    finally:
        herd.close()
