"""`completion`: scripts for three shells, and what they ask the program for."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_asks_the_program_itself(run: Run, shell: str) -> None:
    ran = run("completion", shell)

    assert ran.code == 0
    assert f"_MNIST_HPO_COMPLETE={shell}_complete" in ran.out


def test_commands_are_completed_without_heavy_imports(fresh: Run) -> None:
    code = (
        "import sys\nfrom mnist_hpo.cli import main\n"
        "try:\n    main([])\nexcept SystemExit:\n    pass\n"
        "print({'optuna', 'tensorflow', 'keras', 'numpy', 'rich'} & set(sys.modules))"
    )
    asked = {
        "_MNIST_HPO_COMPLETE": "bash_complete",
        "COMP_WORDS": "mnist-hpo re",
        "COMP_CWORD": "1",
    }

    ran = fresh(code, **asked)

    assert "plain,resume" in ran.stdout
    assert ran.stdout.rstrip().endswith("set()")
