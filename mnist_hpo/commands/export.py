"""`mnist-hpo export STUDY`: the finalized model for others, checked against itself."""

from pathlib import Path

import click

from mnist_hpo.errors import UserError
from mnist_hpo.options import command_line, study_argument, where_options
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find

_FORMATS = ("keras", "saved-model", "onnx", "tflite")


@click.command("export")
@study_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="keras",
    show_default=True,
    help="onnx and tflite need pip install 'mnist-hpo[export]'.",
)
@click.option(
    "--trial", "number", type=click.IntRange(min=0), metavar="N", help="Another finalized trial."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where to.  [default: export/STUDY with the format's ending, in the study's folder]",
)
@where_options
def command(  # noqa: PLR0913 - one parameter an option
    *,
    study: str,
    form: str,
    number: int | None,
    output: Path | None,
    results: Path,
    storage: Storage | None,
) -> None:
    """Writes the finalized model of STUDY in another format, with a model card.

    The written model must predict as the original does on 256 development images; else nothing
    is kept, and the exit code is 1.
    """
    # Imported here: `export --help` waits for none of it.
    from mnist_hpo.development import development_for  # noqa: PLC0415
    from mnist_hpo.export.exporting import export  # noqa: PLC0415
    from mnist_hpo.export.formats import FORMATS  # noqa: PLC0415
    from mnist_hpo.export.model_card import model_card  # noqa: PLC0415
    from mnist_hpo.final_models import final_model, loaded  # noqa: PLC0415
    from search import reader  # noqa: PLC0415
    from search.files import write_whole  # noqa: PLC0415

    name, place = find(results, storage, study)
    history = reader.read(place, name).history
    chosen = FORMATS[form]
    chosen.check_installed()
    final = final_model(history, results / name, number)
    data, _ = development_for(history.facts.dataset)
    if data.sha256 != history.facts.data_sha256:
        raise UserError(
            f"An export is checked on the study's images: the data of {name!r} changed.",
            command_line("doctor", name, results=results, storage=storage),
        )
    own = name if number is None else f"{name}-trial-{number}"
    target = output or results / name / "export" / f"{own}{chosen.ending}"
    model = loaded(final.path, sha256=final.sha256)
    agreement = export(model, final.path, chosen, target, data.x)
    card = target.parent / f"{target.name}.md"
    write_whole(card, model_card(history, final, chosen, target.name, agreement).encode())
    click.echo(target)
    click.echo(card)
    click.echo(
        f"Checked on {agreement.images} development images: every digit the same, probabilities "
        f"within {agreement.largest_difference:.1e}.",
        err=True,
    )
