"""`mnist-hpo watch STUDY`: the live view of a search that runs elsewhere. Reads only."""

import sys
import time
from pathlib import Path

import click

from mnist_hpo.options import color_option, study_argument, where_options
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find
from mnist_hpo.watching import followed
from search import reader

_SECONDS = 2.0


@click.command("watch")
@study_argument
@click.option(
    "--every",
    type=click.FloatRange(0.5, 3600),
    default=_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How often the ledger is read.",
)
@click.option("--no-progress", is_flag=True, help="Plain lines even on a terminal.")
@where_options
@color_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    study: str,
    every: float,
    no_progress: bool,
    results: Path,
    storage: Storage | None,
    color: str,
) -> None:
    """Shows the search of STUDY while another process runs it.

    Ends when nobody searches it any more. Ctrl-C ends the view, not the search.
    """
    from mnist_hpo.views import view_for  # noqa: PLC0415 - rich, for a terminal only

    name, place = find(results, storage, study)
    view = view_for(
        quiet=False, as_json=False, no_progress=no_progress, color=color, looks_on=True
    )
    snapshot = reader.read(place, name)
    if snapshot.owner is None:
        click.echo(f"Nobody is searching {name}; this is how it stands.", err=True)
    try:
        with view:
            before = None
            while True:
                for event in followed(before, snapshot):
                    view.listen(event)
                if snapshot.owner is None:
                    break
                time.sleep(every)
                before, snapshot = snapshot, reader.read(place, name)
    except KeyboardInterrupt:
        sys.stderr.write("The search goes on.\n")
