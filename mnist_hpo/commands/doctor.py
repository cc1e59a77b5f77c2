"""`mnist-hpo doctor`: is everything in place, and is a study whole?"""

from pathlib import Path

import click

from mnist_hpo.options import complete_study, where_options
from mnist_hpo.storage import Storage


@click.command("doctor")
@click.argument("study", required=False, shell_complete=complete_study)
@where_options
def command(*, study: str | None, results: Path, storage: Storage | None) -> int:
    """Checks versions, processor, SQLite, disk and the embedded data; with STUDY, its ledger.

    Orphaned checkpoint files of STUDY are removed, unless somebody searches it.
    """
    # Imported here: `doctor --help` waits for none of it.
    from mnist_hpo.checkup import machine_lines, study_lines  # noqa: PLC0415
    from mnist_hpo.studies import find  # noqa: PLC0415

    if study is None:
        lines = machine_lines(results, None if storage is None else storage.place)
    else:
        name, place = find(results, storage, study)
        lines = study_lines(place, name, results / name)
    for line in lines:
        click.echo(line)
    return 0
