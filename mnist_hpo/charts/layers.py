"""A network from its input to its output."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_hpo.charts.svg import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBox:
    """A layer of the diagram."""

    name: str
    about: str
    """What it is: "Conv2D, 32, 3x3, same"."""

    shape: str
    """Of its output: "28 x 28 x 32"."""

    params: str
    """Number of weights in words; "" without any."""


_STEP, _BOX = 54.0, 36.0


def layer_chart(layers: Sequence[LayerBox], *, entry: str, width: float) -> Drawing:
    """Draws the layers one below the other; between them stands the shape that flows.

    Args:
        layers: From the input on.
        entry: Shape of an image.
        width: In pixels.
    """
    drawing = Drawing(
        width,
        _STEP * len(layers) + 56,
        title=f"Diagram of {len(layers)} layers: {entry} pixels to {layers[-1].shape} classes",
    )
    middle, left, wide = width / 2, 12.0, width - 24
    drawing.text(middle, 18, f"pixels {entry}", anchor="middle", cls="name")
    for place, layer in enumerate(layers):
        y = 30 + place * _STEP
        drawing.line(middle, y - 7, middle, y, "axis")
        drawing.add(
            "rect", x=left, y=y, width=wide, height=_BOX, rx=4,
            cls="layer weights" if layer.params else "layer",
        )  # fmt: skip
        drawing.text(left + 10, y + 15, layer.name, cls="bold")
        drawing.text(left + 10, y + 29, layer.about, cls="small")
        drawing.text(left + wide - 10, y + 15, layer.shape, anchor="end")
        drawing.text(left + wide - 10, y + 29, layer.params, anchor="end", cls="small")
        drawing.line(middle, y + _BOX, middle, y + _STEP - 7, "axis")
    drawing.text(middle, 30 + _STEP * len(layers) + 10, "digit", anchor="middle", cls="name")
    return drawing
