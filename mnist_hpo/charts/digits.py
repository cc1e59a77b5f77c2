"""Digits and feature maps as small pictures, alone and in grids."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_hpo.charts.svg import Drawing
from mnist_hpo.data.records import Pixels


def data_uri(pixels: Pixels, *, inverted: bool = False) -> str:
    """Returns a grey picture as a PNG inside a URI: a page with it fetches nothing.

    Args:
        pixels: From 0 to 255.
        inverted: Dark on light, as people write.

    Shapes:
        pixels: (height, width), uint8.
    """
    shown = 255 - pixels if inverted else pixels
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def grey(values: npt.NDArray[np.floating]) -> Pixels:
    """Returns an array as pixels: its least value black, its greatest white.

    Values that are not finite count as 0.
    """
    finite = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    scale = 255 / (high - low) if high > low else 0.0
    scaled: Pixels = np.rint((finite - low) * scale).astype(np.uint8)
    return scaled


def montage(maps: npt.NDArray[np.floating]) -> Pixels:
    """Lays the channels of a feature map out side by side, each with its own shades.

    Shapes:
        maps: (height, width, channels).
        result: (rows x (height + 1) - 1, columns x (width + 1) - 1), uint8.
    """
    height, width, channels = maps.shape
    columns = min(8 if channels <= 32 else 16, channels)
    rows = math.ceil(channels / columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), 128, np.uint8)
    for channel in range(channels):
        top = channel // columns * (height + 1)
        left = channel % columns * (width + 1)
        sheet[top : top + height, left : left + width] = grey(maps[..., channel])
    return sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Digit:
    """A picture with its caption."""

    uri: str
    caption: str
    """What stands below it: "4 as 9"."""

    alt: str
    """What a person hears who does not see it."""

    marked: bool = False
    """It is a mistake among others that are none."""


_CELL = 66.0


def digit_grid(digits: Sequence[Digit], *, title: str, columns: int) -> Drawing:
    """Draws digits in rows, each above its caption: the form that a file needs."""
    rows = math.ceil(len(digits) / columns)
    drawing = Drawing(_CELL * columns + 8, (_CELL + 16) * rows + 34, title=title)
    drawing.text(8, 18, title, cls="bold")
    for place, digit in enumerate(digits):
        x = 8 + place % columns * _CELL
        y = 30 + place // columns * (_CELL + 16)
        drawing.add(
            "image", x=x, y=y, width=56, height=56, href=digit.uri, tip=digit.alt,
            image_rendering="pixelated",
        )  # fmt: skip
        drawing.text(x + 28, y + 70, digit.caption, anchor="middle", cls="small")
    return drawing


def picture(uri: str, *, title: str, width: float, height: float) -> Drawing:
    """Draws one picture under its title: the form that a file needs."""
    drawing = Drawing(width + 16, height + 42, title=title)
    drawing.text(8, 18, title, cls="bold")
    drawing.add(
        "image", x=8, y=30, width=width, height=height, href=uri, image_rendering="pixelated"
    )
    return drawing
