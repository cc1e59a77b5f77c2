"""Every example of the documentation runs, as a user runs it: alone, in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"

SHOWN = {
    "own_hypermodel.py": ["Trial 0, fold 3 of 3: 0.", "3 of 3 trials complete, 1 shown"],
    "stock_tuner.py": ["Showing 1 best trials", "Score: 0."],
}
"""What each example prints, among other lines."""


def test_every_example_is_tested() -> None:
    assert sorted(SHOWN) == sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SHOWN))
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    for line in SHOWN[name]:
        assert line in done.stdout
