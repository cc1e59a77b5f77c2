"""The command line in this process, and how many cases it is given."""

import contextlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from mnist_hpo import cli
from mnist_hpo.exits import explain


class Program:
    """The command line in a folder of its own, which no wrong input may change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> tuple[int, str]:
        """Returns the exit code and what was said on stderr, which writes as Python's own."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(arguments)
            err.flush()
        return code, err.buffer.getvalue().decode()

    def refuses(self, *arguments: str, codes: Sequence[int] = (2,)) -> None:
        """Runs the program, which must refuse and leave everything as it is."""
        before = self.files()
        code, said = self.run(*arguments)
        assert code in codes, (arguments, said)
        check_message(said)
        assert self.files() == before, arguments

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


def check_message(text: str) -> None:
    """One message, its cure, no traceback, nothing that would move a terminal's cursor."""
    lines = text.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1, text
    assert sum(line.startswith("help:  ") for line in lines) == 1, text
    assert "Traceback" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text), repr(text)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program, started in an empty folder."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("MNIST_HPO_RESULTS", "MNIST_HPO_STORAGE", "MNIST_HPO_DEBUG"):
            patch.delenv(name, raising=False)
        yield Program(folder)


@pytest.fixture
def refusal() -> Callable[[Callable[[], object]], str]:
    """Returns why a call refused its input; an error that the program cannot explain is a bug."""

    def why(call: Callable[[], object]) -> str:
        try:
            call()
        except Exception as error:
            exit_ = explain(error)
            if exit_ is None or exit_.code != 2 or not (exit_.message and exit_.help):
                raise
            return f"{exit_.message}\n{exit_.help}"
        return ""

    return why


@pytest.fixture
def arrays() -> dict[str, Any]:
    """Twenty images and ten."""
    x = np.arange(20 * 8 * 8, dtype=np.uint8).reshape(20, 8, 8)
    y = np.arange(20, dtype=np.uint8) % 10
    return {"x_train": x, "y_train": y, "x_test": x[:10], "y_test": y[:10]}


@pytest.fixture
def data(program: Program, arrays: dict[str, Any]) -> Iterator[Path]:
    """A data set of them."""
    path = program.folder / "digits.npz"
    np.savez(path, **arrays)
    yield path
    path.unlink()


@pytest.fixture
def blocked(program: Program) -> Iterator[Path]:
    """A file where the results should go: what is accepted ends in exit code 3, untrained."""
    path = program.folder / "blocked"
    path.write_text("a file")
    yield path
    path.unlink()


@pytest.fixture(params=[1, pytest.param(10, marks=pytest.mark.full)], ids=["small", "full"])
def cases(request: pytest.FixtureRequest) -> Callable[[int], settings]:
    """Sets how often a check is called: in the ordinary size always with the same inputs."""
    times: int = request.param

    def count(ordinary: int) -> settings:
        return settings(
            max_examples=ordinary * times,
            derandomize=times == 1,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )

    return count
