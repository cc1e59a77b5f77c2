"""Every file of a corpus of broken and malicious ones is refused in 5 seconds and 1 GB.

Exit code 2, one message with its cure, nothing made or run. The commands run in processes that
the system limits, so that a bomb ends the child and not the test.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from mnist_hpo import cli

HERE = Path(__file__).parent
MODELS = run_path(str(HERE / "models.py"))
DATASETS = run_path(str(HERE / "datasets.py"))

pytestmark = [
    pytest.mark.filterwarnings("ignore:Duplicate name"),
    pytest.mark.skipif(sys.platform != "linux", reason="other systems limit otherwise"),
]


class Guard:
    """The process that runs commands under limits."""

    def __init__(self) -> None:
        names = ("MNIST_HPO_RESULTS", "MNIST_HPO_STORAGE", "MNIST_HPO_DEBUG")
        own = {name: value for name, value in os.environ.items() if name not in names}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "guard.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**own, "PYTHONPATH": str(Path(cli.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        )

    def run(self, *arguments: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(list(map(str, arguments))), file=self._process.stdin, flush=True)
        ran: dict[str, Any] = json.loads(self._process.stdout.readline())
        return ran

    def close(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    guard = Guard()
    yield guard
    guard.close()


def check(ran: Mapping[str, Any], folder: Path, before: list[str]) -> None:
    assert ran["code"] == 2, ran
    assert ran["said"].count("error: ") == 1, ran
    assert ran["said"].count("help:  ") == 1, ran
    assert "Traceback" not in ran["said"]
    assert ran["seconds"] < 5, ran
    assert ran["mib"] < 1024, ran
    assert sorted(path.name for path in folder.iterdir()) == before


def made(how: Callable[[Path], object], path: Path) -> list[str]:
    """Makes a file and returns the names in its folder."""
    how(path)
    return sorted(own.name for own in path.parent.iterdir())


@pytest.mark.parametrize("name", DATASETS["DATASETS"])
def test_a_data_set_is_refused(guard: Guard, tmp_path: Path, name: str) -> None:
    path = tmp_path / "digits.npz"
    before = made(DATASETS["DATASETS"][name], path)

    ran = guard.run("search", "--dataset", path, "--results", tmp_path / "results")

    check(ran, tmp_path, before)


@pytest.mark.parametrize("name", MODELS["MODELS"])
def test_a_model_is_refused(guard: Guard, tmp_path: Path, name: str) -> None:
    """Although its SHA-256 is the one recorded: who wrote the file may have written the card."""
    path = tmp_path / "best.keras"
    before = made(MODELS["MODELS"][name], path)
    whole = path.is_file() and path.stat().st_size < 1 << 28
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if whole else "0" * 64

    ran = guard.run("check-model", path, sha256)

    check(ran, tmp_path, before)
    assert "SHA-256" not in ran["said"]


def test_a_whole_model_is_accepted_and_a_changed_one_is_not(guard: Guard, tmp_path: Path) -> None:
    """The corpus is forged from what passes; one bit is enough to be another file."""
    path = tmp_path / "best.keras"
    MODELS["WHOLE"](path)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()

    accepted = guard.run("check-model", path, sha256)
    path.write_bytes(bytes([*content[:-1], content[-1] ^ 1]))
    refused = guard.run("check-model", path, sha256)

    assert accepted["code"] == 0, accepted
    check(refused, tmp_path, ["best.keras"])
    assert "its SHA-256 is" in refused["said"]


@pytest.mark.parametrize("name", DATASETS["TABLES"])
def test_a_table_and_a_grid_are_refused(guard: Guard, tmp_path: Path, name: str) -> None:
    path = tmp_path / "table.jsonl.gz"
    before = made(DATASETS["TABLES"][name], path)

    replayed = guard.run("bench", "replay", "--table", path)
    recorded = guard.run(
        *("bench", "record", "--dataset", "mnist-5k", "--grid", path, "--out", tmp_path / "out"),
        *("--results", tmp_path / "results"),
    )

    check(replayed, tmp_path, before)
    check(recorded, tmp_path, before)
