"""`mnist-hpo predict MODEL IMAGE...`: reads a person's own digits."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnist_hpo.options import color_option, form_option, where_options
from mnist_hpo.storage import Storage

if TYPE_CHECKING:
    from mnist_hpo.reading_digits import Reading


@click.command("predict")
@click.argument("model")
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE..."
)
@click.option(
    "--seen",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write there what the model saw: 28 x 28 pixels an image.",
)
@where_options
@form_option("json")
@color_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    model: str,
    images: tuple[Path, ...],
    seen: Path | None,
    results: Path,
    storage: Storage | None,
    form: str | None,
    color: str,
) -> None:
    """Reads the digit on each IMAGE with MODEL: a study's name, or its best.keras.

    One digit an image, any size, dark on light or light on dark. It is cut out, scaled and centred
    as MNIST's digits were.
    """
    # Imported here: `predict --help` waits for none of it, a wrong image for no TensorFlow.
    from mnist_hpo.handwriting import read_digit  # noqa: PLC0415
    from mnist_hpo.reading_digits import model_named, readings  # noqa: PLC0415
    from mnist_hpo.schema import SCHEMA_VERSION, as_json  # noqa: PLC0415

    named = model_named(model, results, storage)
    digits = [read_digit(path) for path in images]
    if seen is not None:
        _write_seen(seen, images, digits)
    found = readings(named, images, digits)
    if form == "json":
        document = {
            "schema_version": SCHEMA_VERSION,
            "model": str(named.path),
            "sha256": named.sha256,
            "images": [own.to_json() for own in found],
        }
        click.echo(as_json(document), nl=False)
        return
    _write_table(found, color)


def _write_seen(folder: Path, images: tuple[Path, ...], digits: list) -> None:  # type: ignore[type-arg]  # NumPy is not loaded here
    from PIL import Image  # noqa: PLC0415 - as above

    folder.mkdir(parents=True, exist_ok=True)
    for number, (path, pixels) in enumerate(zip(images, digits, strict=True), start=1):
        Image.fromarray(pixels).save(folder / f"{number:03}-{path.stem}.png")


def _write_table(found: "tuple[Reading, ...]", color: str) -> None:
    from mnist_hpo import console  # noqa: PLC0415 - as above
    from mnist_hpo.tables import Column, Row, Table  # noqa: PLC0415 - likewise

    columns = (
        Column("image", least=12),
        Column("digit", right=True),
        Column("sure", right=True),
        Column("or", 1, right=True),
    )
    rows = tuple(
        Row(
            {
                "image": str(own.path),
                "digit": str(own.digit),
                "sure": f"{own.probability:.4f}",
                "or": f"{own.second} ({own.probabilities[own.second]:.4f})",
            }
        )
        for own in found
    )
    out = console.stdout_console(color)
    console.write(out, console.laid_out(out, Table(columns, rows)).lines)
