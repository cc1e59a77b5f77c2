"""Options that several commands share, each declared once."""

import contextlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mnist_hpo.errors import StorageError

if TYPE_CHECKING:
    from mnist_hpo.storage import Storage

DEFAULT_RESULTS = Path("results")

_STORAGE_VARIABLE = "MNIST_HPO_STORAGE"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def where_options(command: _Command) -> _Command:
    """Adds `--results` and `--storage`: where studies are kept."""
    return results_option(storage_option(command))


def study_argument(command: _Command) -> _Command:
    """Adds the argument STUDY."""
    return click.argument("study", shell_complete=complete_study)(command)


def complete_study(context: click.Context, argument: click.Parameter, begun: str) -> list[str]:
    """Returns the studies of the results folder whose names begin like this.

    A server is not asked: nobody wants to wait for one at the Tab key.
    """
    del argument
    from mnist_hpo.studies import all_studies  # noqa: PLC0415 - for a shell only

    results = context.params.get("results") or os.environ.get("MNIST_HPO_RESULTS")
    # Whatever is wrong is for the command to say; a shell shows no errors.
    with contextlib.suppress(click.ClickException, StorageError):
        names = (name for name, _ in all_studies(Path(results or DEFAULT_RESULTS)))
        return [name for name in names if name.startswith(begun)]
    return []


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
        callback=_storage,
        envvar=_STORAGE_VARIABLE,
        show_envvar=True,
        metavar="URL",
        help="postgresql://USER@HOST:PORT/DATABASE or sqlite:///PATH: one database for the "
        "ledgers of several studies. A password belongs in the environment or in ~/.pgpass. "
        " [default: a file a study]",
    )(command)


def _storage(context: click.Context, option: click.Parameter, url: str | None) -> "Storage | None":
    """Reads the URL at the door: nothing behind it has a password that it could show."""
    if url is None or context.resilient_parsing:
        return None
    from mnist_hpo.storage import Storage  # noqa: PLC0415 - help waits for no SQL

    source = context.get_parameter_source(option.name or "")
    storage = Storage.at(url, typed=source is click.core.ParameterSource.COMMANDLINE)
    if storage.warning:
        click.echo(storage.warning, err=True)
    if storage.place.has_password:
        # Workers and users' models inherit the environment, and have no business with a ledger.
        os.environ.pop(_STORAGE_VARIABLE, None)
    return storage


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


def workers_option(command: _Command) -> _Command:
    """Adds `--workers`."""
    return click.option(
        "--workers",
        type=click.IntRange(1, 256),
        default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        show_default="the number of cores",
        help="Single-threaded worker processes; 1 trains in this process.",
    )(command)


def cluster_option(command: _Command) -> _Command:
    """Adds `--cluster`."""
    return click.option(
        "--cluster",
        callback=_cluster,
        envvar="MNIST_HPO_CLUSTER",
        show_envvar=True,
        metavar="ADDRESS",
        help="tcp://HOST:PORT or tls://HOST:PORT of a Dask scheduler: its workers train, in place "
        "of --workers.",
    )(command)


def _cluster(context: click.Context, option: click.Parameter, address: str | None) -> str | None:
    """Checks the address at the door, before anything is read or made."""
    del option
    if address is None or context.resilient_parsing:
        return None
    from search.dask_address import checked_address, is_exposed  # noqa: PLC0415 - not for help

    checked_address(address)
    if is_exposed(address):
        click.echo(
            "warning: tcp:// is neither encrypted nor authenticated, and whoever reaches that "
            "port can run code on its workers and here; use tls:// or a network that you trust",
            err=True,
        )
    return address


def seed_option(about: str) -> Callable[[_Command], _Command]:
    """Adds `--seed`."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        metavar="N",
        help=about,
    )


class _Minutes(click.FloatRange):
    """A finite number above 0; click alone lets nan and inf pass."""

    name = "minutes"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=10_000_000)

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        minutes = float(super().convert(value, param, ctx))
        if math.isnan(minutes):
            self.fail(f"{value!r} is not a number of minutes.", param, ctx)
        return minutes


def minutes_option(about: str) -> Callable[[_Command], _Command]:
    """Adds `--minutes`."""
    return click.option("--minutes", type=_Minutes(), metavar="M", help=about)


def show_options(command: _Command) -> _Command:
    """Adds what decides how a search is shown."""
    for option in (
        click.option("--no-progress", is_flag=True, help="Plain lines even on a terminal."),
        click.option("-q", "--quiet", is_flag=True, help="Nothing while it runs."),
        click.option("--json", "as_json", is_flag=True, help="JSON Lines on stdout."),
        click.option(
            "--max-failures",
            type=click.IntRange(min=1),
            default=5,
            show_default=True,
            metavar="N",
            help="Stop when so many trials fail in a row.",
        ),
        click.option(
            "--job-timeout",
            "job_minutes",
            type=_Minutes(),
            default=60,
            show_default=True,
            metavar="M",
            help="Minutes an epoch may take; then its worker is ended and its job handed out "
            "again. With --workers 1 nobody watches.",
        ),
    ):
        command = option(command)
    return color_option(command)


def command_line(*words: object, results: Path, storage: "Storage | None") -> str:
    """Returns a command to type that finds the same studies as this one did."""
    options = ["--results", str(results)] if results != DEFAULT_RESULTS else []
    if storage is not None and storage.option is not None:
        options += ["--storage", storage.option]
    # Only here: shlex is not needed by commands that suggest nothing.
    import shlex  # noqa: PLC0415 - see above

    return shlex.join(["mnist-hpo", *map(str, words), *options])
