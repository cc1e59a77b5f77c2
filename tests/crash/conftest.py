"""The processes that are killed, and where their studies lie."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))

from herd import ROOT, Herd

from search import reader
from search.records import History


@pytest.fixture(scope="session")
def herd() -> Iterator[Herd]:
    """Starts processes by forks of one that has imported everything."""
    herd = Herd()
    yield herd
    herd.close()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one, else on the disk.

    kill -9 takes nothing back that the kernel was given, so a disk would only be slower.
    """
    shm = Path("/dev/shm")  # noqa: S108 - a folder of its own in there
    if not os.access(shm, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shm, prefix="mnist-hpo-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 images of noise: enough for a program that trains nothing."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    x = np.random.default_rng(0).integers(0, 256, (200, 28, 28), dtype="uint8")
    y = np.arange(200) % 10
    np.savez(path, x_train=x[:150], y_train=y[:150], x_test=x[150:], y_test=y[150:])
    return path


@pytest.fixture(scope="session")
def search_words(dataset: Path) -> tuple[str, ...]:
    """The program's own search of such data, all but `--results`: eight epochs in two trials."""
    return (
        *("search", "--study", "demo", "--dataset", str(dataset), "--trials", "2"),
        *("--epochs", "2", "--folds", "2", "--policy", "full", "--sampler", "random"),
        *("--baselines", "none", "--workers", "1", "--quiet"),
    )


@pytest.fixture(scope="session")
def whole(
    herd: Herd, search_words: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> History:
    """The study of that search, when it meets no trouble."""
    results = tmp_path_factory.mktemp("whole")
    assert herd.one(cli=[*search_words, "--results", str(results)]).ended
    return reader.read(results / "demo" / "study.db", "demo").history


@pytest.fixture
def start(
    search_words: tuple[str, ...], memory: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts that search without `--quiet` as a program of its own; none is left behind."""
    words = [word for word in search_words if word != "--quiet"]
    program = str(Path(__file__).with_name("program.py"))
    hidden = ("CI", "MNIST_HPO_STORAGE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *more: str,
        streams: str = "",
        seconds: float = 0.3,
        variables: Mapping[str, str] | None = None,
        **own: Any,
    ) -> subprocess.Popen[bytes]:
        """Later options win; `streams` redirects as in a shell; an epoch takes `seconds`."""
        told = {"PYTHONPATH": str(ROOT), "EPOCH_SECONDS": str(seconds), "TERM": "xterm"}
        line = [sys.executable, program, *words, *more, "--results", str(memory)]
        process = subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$@" {streams}', "sh", *line],
            env={**environment, **told, **(variables or {})},
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **own},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compiles a C file of this folder to a library that can be preloaded."""

    def build(name: str) -> Path:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("there is no C compiler")
        library = tmp_path_factory.mktemp(name) / f"{name}.so"
        source = Path(__file__).with_name(f"{name}.c")
        line = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
        made = subprocess.run(line, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no preloaded library can be built here: {made.stderr[:200]}")
        return library

    return build
