"""`mnist-hpo dashboard STUDY`: Optuna's dashboard on our ledger, which it can only read."""

from pathlib import Path

import click

from mnist_hpo.errors import UserError
from mnist_hpo.options import study_argument, where_options
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find

_PORT = 8080


@click.command("dashboard")
@study_argument
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    metavar="N",
    help="Port of this machine; 0 takes a free one.",
)
@where_options
def command(*, study: str, port: int, results: Path, storage: Storage | None) -> None:
    """Opens Optuna's dashboard on STUDY, also while it is searched. Ctrl-C ends it.

    It reads the ledger and cannot write it. Only this machine can reach it. Needs
    pip install 'mnist-hpo[dashboard]'.
    """
    name, place = find(results, storage, study)
    try:
        # Imported here: an extra, and half a second of Optuna.
        from mnist_hpo.dashboard import serve  # noqa: PLC0415
    except ImportError as error:
        raise UserError(
            f"Optuna's dashboard is not installed ({error.name}).",
            "pip install 'mnist-hpo[dashboard]'",
        ) from None

    def told(url: str) -> None:
        click.echo(f"Optuna's dashboard on {name}, read-only:  {url}")
        click.echo("Ctrl-C ends it; a search goes on.", err=True)

    try:
        serve(place, name, port=port, told=told)
    except OSError as error:
        raise UserError(
            f"Port {port} cannot be opened: {error.strerror}.", "--port 0 takes a free one"
        ) from error
