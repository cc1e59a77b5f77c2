"""`mnist-hpo report STUDY`: one page to show a colleague."""

from datetime import UTC, datetime
from pathlib import Path

import click

from mnist_hpo.errors import StorageError
from mnist_hpo.options import study_argument, where_options
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find

PAGE = "report.html"
"""File name of the page, in the study's own folder."""


@click.command("report")
@study_argument
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write the page.  [default: report.html in the study's folder]",
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the page's pictures there as well: SVG, and PNG with the extra `figures`.",
)
@click.option(
    "--tensorboard",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the study there as TensorBoard reads it, too: curves and HParams.",
)
@click.option(
    "--digit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Development image for the feature maps (loads TensorFlow).  [default: the one that "
    "finalize drew]",
)
@where_options
def command(  # noqa: PLR0913 - one parameter an option
    *,
    study: str,
    output: Path | None,
    figures: Path | None,
    tensorboard: Path | None,
    digit: int | None,
    results: Path,
    storage: Storage | None,
) -> None:
    """Writes STUDY as one HTML page that needs nothing else, offline, to read and to print.

    It reads what the ledger and finalize recorded; the test set stays closed.
    """
    # Imported here: `report --help` waits for none of it.
    from mnist_hpo.report.gather import gather  # noqa: PLC0415
    from mnist_hpo.report.page import render  # noqa: PLC0415
    from mnist_hpo.report.pictures import pictures  # noqa: PLC0415
    from search import reader  # noqa: PLC0415
    from search.files import write_whole  # noqa: PLC0415

    name, place = find(results, storage, study)
    folder = results / name
    material = gather(reader.read(place, name), folder)
    chosen = None
    if digit is not None:
        from mnist_hpo.report.chosen import chosen_digit  # noqa: PLC0415 - loads TensorFlow

        chosen = chosen_digit(material, folder, digit)
    charts = tuple(pictures(material))
    page = render(material, charts, chosen=chosen, written=datetime.now(UTC))
    path = output or folder / PAGE
    try:
        write_whole(path, page.encode())
        click.echo(path)
        if figures is not None:
            from mnist_hpo.report.figures import write_figures  # noqa: PLC0415 - may load a renderer

            for line in write_figures(figures, material, charts, chosen):
                click.echo(line, err=True)
        if tensorboard is not None:
            from mnist_hpo.tensorboard_files import write_events  # noqa: PLC0415 - an extra

            predicted = {
                row.trial.number: row.predicted.mean for row in material.rows if row.predicted
            }
            count = write_events(tensorboard, material.history, predicted)
            click.echo(f"{count} trials for  tensorboard --logdir {tensorboard}", err=True)
    except OSError as error:
        raise StorageError(
            f"The report cannot be written: {error}.", "--output FILE names another place"
        ) from error
