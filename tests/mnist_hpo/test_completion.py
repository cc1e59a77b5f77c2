"""`completion`: scripts for three shells, and what they ask the program for."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

ASK = """
import sys
from mnist_hpo.cli import main
try:
    main([])
except SystemExit:
    pass
print({"optuna", "tensorflow", "keras", "numpy", "rich"} & set(sys.modules))
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_asks_the_program_itself(run: Run, shell: str) -> None:
    ran = run("completion", shell)

    assert ran.code == 0
    assert f"_MNIST_HPO_COMPLETE={shell}_complete" in ran.out


def test_commands_are_completed_without_heavy_imports(fresh: Run) -> None:
    asked = {
        "_MNIST_HPO_COMPLETE": "bash_complete",
        "COMP_WORDS": "mnist-hpo re",
        "COMP_CWORD": "1",
    }

    ran = fresh(ASK, **asked)

    assert "plain,resume" in ran.stdout
    assert ran.stdout.rstrip().endswith("set()")


@pytest.mark.parametrize("command", ["show", "resume", "report", "trial", "compare", "doctor"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_names_of_studies_are_completed_without_heavy_imports(
    fresh: Run, tmp_path: Path, command: str, elsewhere: bool
) -> None:
    """From the folder that the command would look into."""
    for folder, names in (
        ("results", ("mnist", "mnist-5k", "other")),
        ("elsewhere", ("mnist-9",)),
    ):
        for name in names:
            (tmp_path / folder / name).mkdir(parents=True)
            (tmp_path / folder / name / "study.db").touch()
    option = f"--results {tmp_path / 'elsewhere'} " if elsewhere else ""
    words = f"mnist-hpo {command} {option}mni"

    ran = fresh(
        ASK,
        _MNIST_HPO_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
        MNIST_HPO_RESULTS=str(tmp_path / "results"),
    )

    *found, heavy = ran.stdout.splitlines()
    assert found == (["plain,mnist-9"] if elsewhere else ["plain,mnist", "plain,mnist-5k"])
    assert not {"optuna", "tensorflow", "keras", "numpy"} & set(re.findall(r"\w+", heavy))


def test_a_folder_that_is_not_there_completes_nothing(fresh: Run, tmp_path: Path) -> None:
    ran = fresh(
        ASK,
        _MNIST_HPO_COMPLETE="bash_complete",
        COMP_WORDS="mnist-hpo watch mni",
        COMP_CWORD="2",
        MNIST_HPO_RESULTS=str(tmp_path / "nowhere"),
    )

    assert "plain" not in ran.stdout
    assert ran.stderr == ""
