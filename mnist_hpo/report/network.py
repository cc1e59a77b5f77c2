"""The winner's layers: from its model file's facts, else from its configuration."""

from dataclasses import asdict

from mnist_hpo.charts.layers import LayerBox, layer_chart
from mnist_hpo.charts.svg import Drawing
from mnist_hpo.evidence import LayerFacts
from mnist_hpo.formats import value_text, whole_text
from mnist_hpo.report.leaderboard import Cell, Head, HtmlTable, TableRow
from mnist_hpo.report.material import Material
from search.records import Trial
from spaces.architecture import rows
from spaces.cnn_space import architecture_of
from spaces.documented import documented_by
from spaces.errors import SpaceError

_ENTRY = "28 x 28 x 1"


def network_trial(material: Material) -> Trial | None:
    """Returns the trial whose network is shown: the finalized one, else the best."""
    if material.final is not None:
        return material.final.trial
    return material.complete[0].trial if material.complete else None


def network_chart(material: Material, *, width: float) -> Drawing | None:
    """Returns the diagram of the layers; None where they are not known."""
    boxes = layers(material)
    return layer_chart(boxes, entry=_ENTRY, width=width) if boxes else None


def layers(material: Material) -> tuple[LayerBox, ...]:
    """Returns the layers of the network that is shown, with shapes and weights.

    A finalized model's are those of Keras' own summary. Before that they follow from the
    configuration, which only the CNN space and the documented models have words for.
    """
    trial = network_trial(material)
    if trial is None:
        return ()
    evidence = None if material.final is None else material.final.evidence
    if evidence is not None:
        return tuple(_built(own) for own in evidence.layers)
    try:
        model = documented_by(trial.config)
        if model is None and material.facts.space.name != "cnn":
            return ()
        architecture = architecture_of(trial.config) if model is None else model.architecture
        return tuple(
            LayerBox(
                name=row.name,
                about=", ".join(
                    [type(row.layer).__name__]
                    + [f"{name} {value_text(own)}" for name, own in asdict(row.layer).items()]
                ),
                shape=_shape(row.shape),
                params=_weights(row.params),
            )
            for row in rows(architecture)
        )
    except (SpaceError, KeyError):  # another version's space
        return ()


def _built(layer: LayerFacts) -> LayerBox:
    return LayerBox(
        name=layer.name,
        about=layer.kind,
        shape=_shape(layer.shape),
        params=_weights(layer.params),
    )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "?"


def _weights(count: int) -> str:
    return f"{whole_text(count)} parameters" if count else ""


def layer_table(material: Material) -> HtmlTable:
    """Returns the model summary: layer, output shape, parameters."""
    trial = network_trial(material)
    total = 0 if trial is None else trial.params
    return HtmlTable(
        caption=f"Model summary: {whole_text(total)} parameters",
        heads=(
            Head("layer"),
            Head("what", rank=2),
            Head("output", number=True),
            Head("parameters", number=True),
        ),
        rows=tuple(
            TableRow(
                cells=(
                    Cell(own.name),
                    Cell(own.about, rank=2),
                    Cell(own.shape, number=True),
                    Cell(own.params.removesuffix(" parameters") or "0", number=True),
                )
            )
            for own in layers(material)
        ),
        sortable=False,
    )
