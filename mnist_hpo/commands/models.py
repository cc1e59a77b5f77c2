"""`mnist-hpo models`: the documented models, their sizes and what their sources report."""

from collections.abc import Mapping
from typing import Any

import click

from mnist_hpo import console
from mnist_hpo.configs import joined
from mnist_hpo.formats import count_text, rate_text, whole_text
from mnist_hpo.options import color_option, form_option
from mnist_hpo.schema import SCHEMA_VERSION, as_json
from mnist_hpo.tables import Column, Row, Table, to_csv, to_markdown
from spaces.architecture import Conv, Dense, Dropout, Layer, Stem, rows
from spaces.documented import DOCUMENTED, DocumentedModel, Figure, documented

_COLUMNS = (
    Column("model"),
    Column("layers", 1, least=16),
    Column("params", right=True),
    Column("MACs", 3, right=True),
    Column("optimizer", 5),
    Column("lr", 8, right=True),
    Column("batch", 6, right=True),
    Column("epochs", 4, right=True),
    Column("published", 2),
    Column("source", 9),
)


@click.command("models")
@click.argument("name", required=False)
@form_option("json", "csv", "md")
@color_option
def command(*, name: str | None, form: str | None, color: str) -> None:
    """Shows the five documented models, or the one called NAME in detail."""
    models = DOCUMENTED if name is None else (documented(name),)
    if form == "json":
        document = {
            "schema_version": SCHEMA_VERSION,
            "models": [_record(model) for model in models],
        }
        click.echo(as_json(document), nl=False)
        return
    if form == "csv":
        click.echo(to_csv(map(_flat, models)), nl=False)
        return
    table = Table(_COLUMNS, tuple(_row(model) for model in models))
    if form == "md":
        click.echo(to_markdown(table), nl=False)
        return
    out = console.stdout_console(color)
    if name is not None:
        _write_detail(out, models[0])
        return
    layout = console.laid_out(out, table)
    console.write(out, layout.lines)
    console.write_paragraph(
        out,
        [
            "Published: accuracy on test images, as the source reports it; no score.",
            "Notes, layers and sources: mnist-hpo models NAME.",
            console.hidden_text(out, layout, "--json"),
        ],
        "dim",
    )


def _row(model: DocumentedModel) -> Row:
    size = model.size
    test = [figure for figure in model.published if figure.label == "test"]
    return Row(
        {
            "model": model.name,
            "layers": _layers(model),
            "params": whole_text(size.params),
            "MACs": count_text(size.macs),
            "optimizer": model.optimizer,
            "lr": rate_text(model.learning_rate),
            "batch": str(model.batch_size),
            "epochs": str(model.epochs),
            "published": f"{test[0].value:.4f}" if test else "-",
            "source": model.source,
        }
    )


def _layers(model: DocumentedModel) -> str:
    filters = [layer.filters for layer in model.architecture if isinstance(layer, Conv)]
    units = [layer.units for layer in model.architecture if isinstance(layer, Dense)]
    stems = [layer.units for layer in model.architecture if isinstance(layer, Stem)]
    parts = (("stem", stems), ("conv", filters), ("dense", units))
    return ", ".join(f"{name} {joined(sizes)}" for name, sizes in parts if sizes)


def _write_detail(out: console.Console, model: DocumentedModel) -> None:
    size = model.size
    console.write_paragraph(out, [f"model {model.name}   {model.title}"], "bold")
    console.write_paragraph(
        out,
        [
            (
                f"{whole_text(size.params)} parameters, {whole_text(size.macs)} multiply-adds an "
                f"image."
            ),
            (
                f"{model.optimizer}, learning rate {model.learning_rate:g}, {model.loss}, batch "
                f"{model.batch_size}, {model.epochs} epochs."
            ),
        ],
    )
    console.write(out, ["", *console.laid_out(out, _layer_table(model)).lines, ""])
    for figure in model.published:
        console.write_paragraph(out, [_published(figure)])
    if not model.published:
        console.write(out, ["published  nothing"])
    for note in model.notes:
        console.write_paragraph(out, [f"- {note}"])
    console.write_paragraph(out, [f"from {model.repository}, described in {model.source}"], "dim")


def _layer_table(model: DocumentedModel) -> Table:
    columns = (
        Column("layer"),
        Column("of", least=8),
        Column("output", right=True),
        Column("params", right=True),
        Column("MACs", 1, right=True),
    )
    table = tuple(
        Row(
            {
                "layer": row.name,
                "of": _about(row.layer),
                "output": " x ".join(map(str, row.shape)),
                "params": whole_text(row.params),
                "MACs": whole_text(row.macs),
            }
        )
        for row in rows(model.architecture)
    )
    return Table(columns, table)


def _about(layer: Layer) -> str:
    match layer:
        case Conv(filters, kernel, padding):
            return f"{filters}, {kernel}x{kernel}, {padding}"
        case Dropout(rate):
            return f"{rate:g}"
        case _:
            return ""


def _published(figure: Figure) -> str:
    note = f": {figure.note}" if figure.note else ""
    return f"published  {figure.value:g}  {figure.label}, {whole_text(figure.images)} images{note}"


def _flat(model: DocumentedModel) -> dict[str, object]:
    """Returns what fits a cell each, and the published figure that tables show."""
    record = _record(model)
    test = [figure for figure in model.published if figure.label == "test"]
    return {
        name: value for name, value in record.items() if not isinstance(value, list | Mapping)
    } | {
        "layers": _layers(model),
        "published_test": test[0].value if test else None,
        "published_images": test[0].images if test else None,
    }


def _record(model: DocumentedModel) -> dict[str, Any]:
    size = model.size
    return {
        "name": model.name,
        "title": model.title,
        "params": size.params,
        "macs": size.macs,
        "layers": [
            {
                "name": row.name,
                "about": _about(row.layer),
                "output": list(row.shape),
                "params": row.params,
                "macs": row.macs,
            }
            for row in rows(model.architecture)
        ],
        "optimizer": model.optimizer,
        "learning_rate": model.learning_rate,
        "loss": model.loss,
        "batch_size": model.batch_size,
        "epochs": model.epochs,
        "published": [
            {
                "label": figure.label,
                "accuracy": figure.value,
                "images": figure.images,
                "note": figure.note,
            }
            for figure in model.published
        ],
        "config": model.config,
        "in_space": model.point is not None,
        "notes": list(model.notes),
        "repository": model.repository,
        "source": model.source,
    }
