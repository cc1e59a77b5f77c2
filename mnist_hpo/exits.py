"""What an error means to a person: message, help and exit code, in one place."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import click

from mnist_hpo.errors import UserError
from search.errors import (
    ClusterError,
    EnvironmentChanged,
    FoldError,
    LedgerBusy,
    LedgerError,
    LedgerMoved,
    PlaceError,
    SearchError,
    StudyError,
    StudyOwned,
    TableError,
    TooManyFailures,
    TrainingError,
    UnknownStudy,
)
from spaces.errors import SpaceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a command that cannot go on ends."""

    code: int
    message: str
    help: str
    """What to type, a line each."""


def explain(error: Exception) -> Exit | None:
    """Returns how an error ends the program; None: it is a bug."""
    if isinstance(error, UserError):
        return Exit(code=error.exit_code, message=error.message, help=error.help)
    if isinstance(error, click.ClickException):
        return Exit(code=2, message=error.format_message(), help=_help_of_click(error))
    for kind, code, help_ in _RULES:
        if isinstance(error, kind):
            text = help_ if isinstance(help_, str) else help_(error)
            return Exit(code=code, message=str(error), help=text)
    return None


def _help_of_click(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{'mnist-hpo' if context is None else context.command_path} --help"


def _help_of_unknown(error: Exception) -> str:
    lines = ["mnist-hpo list        shows every study"]
    if isinstance(error, UnknownStudy):
        near = get_close_matches(error.name, error.known, n=1, cutoff=0.5)
        lines[:0] = [f"did you mean {name!r}?" for name in near]
    return "\n".join(lines)


def _help_of_owned(error: Exception) -> str:
    study = error.study if isinstance(error, StudyOwned) else "STUDY"
    return (
        f"mnist-hpo watch {study}        look on\n"
        f"mnist-hpo stop {study}         end it, everything saved"
    )


def _own_cure(error: Exception) -> str:
    return error.cure if isinstance(error, PlaceError | LedgerMoved) else "mnist-hpo --help"


_RULES: tuple[tuple[type[Exception], int, str | Callable[[Exception], str]], ...] = (
    (UnknownStudy, 2, _help_of_unknown),
    (
        StudyError,
        2,
        "mnist-hpo search --study NAME        start another study; this one stays as it is",
    ),
    (PlaceError, 2, _own_cure),
    (FoldError, 2, "take fewer folds (--folds), or a dataset with more images of each class"),
    (TableError, 2, "docs/tables.md describes tables and grids"),
    (SpaceError, 2, "mnist-hpo search --help        explains --space, --set and --fix"),
    (LedgerBusy, 4, "kill -CONT PID        lets a stopped process go on"),
    (LedgerMoved, 3, _own_cure),
    (
        LedgerError,
        3,
        (
            "check that the path or server is right, can be read and written, and has room\n"
            "mnist-hpo doctor        checks the disk and the studies"
        ),
    ),
    (ClusterError, 3, "mnist-hpo resume STUDY        goes on with workers of this machine"),
    (StudyOwned, 4, _help_of_owned),
    (
        EnvironmentChanged,
        5,
        "go back to that environment, or add --allow-env-drift to go on in this one",
    ),
    (
        TooManyFailures,
        1,
        (
            "mnist-hpo show STUDY --all        the failed trials and their reasons\n"
            "mnist-hpo trial STUDY N        one of them, with its traceback"
        ),
    ),
    (TrainingError, 1, "mnist-hpo doctor        checks this environment"),
    (SearchError, 1, "mnist-hpo doctor        checks this environment"),
)
"""The first class that fits decides, so a class stands before its parents."""
