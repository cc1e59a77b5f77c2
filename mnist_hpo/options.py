"""Options that several commands share, each declared once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

DEFAULT_RESULTS = Path("results")

_Command = TypeVar("_Command", bound=Callable[..., Any])


def where_options(command: _Command) -> _Command:
    """Adds `--results` and `--storage`: where studies are kept."""
    return results_option(storage_option(command))


def results_option(command: _Command) -> _Command:
    """Adds `--results DIR`."""
    return click.option(
        "--results",
        type=click.Path(path_type=Path),
        default=DEFAULT_RESULTS,
        show_default=True,
        envvar="MNIST_HPO_RESULTS",
        show_envvar=True,
        metavar="DIR",
        help="Folder of the studies.",
    )(command)


def storage_option(command: _Command) -> _Command:
    """Adds `--storage URL`."""
    return click.option(
        "--storage",
        envvar="MNIST_HPO_STORAGE",
        show_envvar=True,
        metavar="URL",
        help="sqlite:///PATH, one ledger for several studies.  [default: a file a study]",
    )(command)


def color_option(command: _Command) -> _Command:
    """Adds `--color`."""
    return click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Colours; auto obeys NO_COLOR, FORCE_COLOR and the terminal.",
    )(command)


def form_option(*forms: str) -> Callable[[_Command], _Command]:
    """Adds `--json`, `--csv` or `--md`, as asked; the parameter is called `form`."""
    about = {
        "json": "One JSON document, nothing cut.",
        "csv": "Comma-separated values, nothing cut.",
        "md": "A Markdown table.",
    }

    def decorate(command: _Command) -> _Command:
        for form in reversed(forms):
            command = click.option(
                f"--{form}", "form", flag_value=form, default=None, help=about[form]
            )(command)
        return command

    return decorate


def command_line(*words: object, results: Path, storage: str | None) -> str:
    """Returns a command to type that finds the same studies as this one did.

    A storage has no place for a password yet, so it can be repeated as it is.
    """
    options = ["--results", str(results)] if results != DEFAULT_RESULTS else []
    if storage is not None:
        options = ["--storage", storage]
    # Only here: shlex is not needed by commands that suggest nothing.
    import shlex  # noqa: PLC0415 - see above

    return shlex.join(["mnist-hpo", *map(str, words), *options])
