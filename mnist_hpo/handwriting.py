"""From a picture of a digit to what MNIST would have made of it.

MNIST scaled each digit into a box of 20 x 20 pixels, kept its proportions, and moved its centre
of mass to the middle of 28 x 28. A network that learned from such digits reads others only when
they look alike.

References:
    LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86, and the description of the MNIST database.
"""

import math
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from mnist_hpo.data.records import SIDE, Pixels
from mnist_hpo.errors import DataError

BOX: Final = 20
"""Longest side of a digit."""

MOST_PIXELS: Final = 64_000_000
"""Of a picture: 8000 x 8000, more than a scanner gives for a page."""

_LEAST_CONTRAST = 24.0
"""Grey levels between ink and ground; below, it is paper's own texture."""

_FAINTEST, _DARKEST_NOISE = 0.02, 0.4
"""Shares of the darkest ink between which the limit of noise lies: shadows, paper, ripples."""

_NOISE = 4.0
"""Standard deviations of the ground, as the edge shows it, that are no ink."""

Grey = npt.NDArray[np.float32]


def read_digit(path: Path) -> Pixels:
    """Reads one picture of one digit, whatever its size, colours and polarity.

    Raises:
        DataError: it is no picture, too large, or shows nothing.

    Shapes:
        return: (28, 28), uint8, bright on dark.
    """
    return digit_of(_opened(path), str(path))


def _opened(path: Path) -> Grey:
    """Returns a picture as grey levels on white paper, turned as the camera was held."""
    try:
        with warnings.catch_warnings():
            # Pillow's own limit is a warning, from 89 million pixels on; ours is below it.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path)
        with picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise DataError(
                    f"A picture has at most {MOST_PIXELS} pixels, {str(path)!r} has {width} x "
                    f"{height}.",
                    "make it smaller: 28 pixels are enough for a digit",
                )
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
            paper = Image.new("RGBA", upright.size, "white")
            paper.alpha_composite(upright)
            return np.asarray(paper.convert("L"), np.float32)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # Pillow raises SyntaxError and ValueError for broken files of some formats.
        reason = (isinstance(error, OSError) and error.strerror) or "it is no picture"
        raise DataError(
            f"The picture {str(path)!r} cannot be read: {reason}.",
            "PNG, JPEG and whatever else Pillow reads will do",
        ) from error


def digit_of(grey: Grey, name: str = "picture") -> Pixels:
    """Cuts out the ink, scales it into the box and centres it by its mass.

    What the edge of the picture shows is the ground; whatever differs from it, to either side, is
    ink. So dark on light and light on dark come to the same.

    Args:
        grey: Levels from 0 to 255.
        name: What the message calls the picture.

    Raises:
        DataError: there is no ink.

    Shapes:
        grey: (height, width), any size.
        return: (28, 28), uint8.
    """
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    difference = np.abs(grey - np.median(edge))
    most = float(difference.max())
    if most < _LEAST_CONTRAST:
        raise DataError(
            f"There is no digit on {name!r}: nothing differs from its edge by {_LEAST_CONTRAST:g} "
            f"of 255 grey levels.",
            "take a picture of one digit, dark on light or light on dark, with ground around it",
        )
    # A clean picture has a ground without noise: there the palest ink belongs to the digit.
    noise = min(max(_NOISE * float(edge.std()) / most, _FAINTEST), _DARKEST_NOISE)
    ink = np.clip((difference / most - noise) / (1 - noise), 0, 1)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _centred(_scaled(cut))


def _scaled(ink: npt.NDArray[Any]) -> Grey:
    """Resizes so that the longest side fills the box; shrinking averages, as MNIST's did."""
    height, width = ink.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(ink.astype(np.float32)).resize(size, Image.Resampling.BOX)
    scaled: Grey = np.asarray(picture)
    # Averaging thin strokes leaves them pale; MNIST's darkest ink is nearly always full.
    return scaled / max(float(scaled.max()), 1e-6)


def _centred(ink: Grey) -> Pixels:
    """Puts the ink where its centre of mass is the middle, as far as it stays inside."""
    height, width = ink.shape
    total = float(ink.sum())
    middle = SIDE / 2
    top = _within(middle - float(ink.sum(axis=1) @ (np.arange(height) + 0.5)) / total, height)
    left = _within(middle - float(ink.sum(axis=0) @ (np.arange(width) + 0.5)) / total, width)
    field = np.zeros((SIDE, SIDE), np.uint8)
    field[top : top + height, left : left + width] = np.rint(ink * 255).astype(np.uint8)
    return field


def _within(start: float, size: int) -> int:
    # Upwards, not to the nearest pixel: so MNIST itself did, all of 200 digits come back equal.
    return min(max(math.ceil(start), 0), SIDE - size)
