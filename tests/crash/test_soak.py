"""Thousands of trials in one process: what it holds does not grow with what it has done."""

from collections.abc import Callable
from pathlib import Path

import pytest
from herd import Herd


def soaked(herd: Herd, folder: Path, trials: int) -> tuple[float, set[int]]:
    """Searches so many trials; returns megabytes gained in a hundred of them, and open files."""
    plan = {"trials": trials, "sampler": "random", "folds": 2, "epochs": 2}
    ran = herd.study(folder, plan)
    assert ran.ended, ran.err
    held = [line.split()[1:] for line in ran.told if line.startswith("holds ")]
    memory = [int(size) / 2**20 for size, _ in held]
    # The first fifty fill caches and pools.
    gained = (memory[-1] - memory[0]) / (50 * (len(memory) - 1)) * 100
    return gained, {int(files) for _, files in held}


def test_hundreds_of_trials_in_a_row_leave_nothing_behind(herd: Herd, memory: Path) -> None:
    """The small size, a tenth."""
    gained, files = soaked(herd, memory, 200)

    assert gained < 1.0
    assert len(files) == 1


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_thousands_of_trials_in_a_row_leave_nothing_behind(
    herd: Herd, memory: Path, portion: Callable[[int], int]
) -> None:
    """The full size: their records themselves are kept, a few kilobytes each."""
    trials = portion(2000)
    gained, files = soaked(herd, memory, trials)

    assert gained < 1.0
    assert len(files) == 1
    print(f"{trials} trials: {gained:.2f} MB in a hundred, {files} files")  # noqa: T201 - figures
