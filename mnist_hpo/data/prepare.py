"""Turns stored arrays into 28x28 grey images and labels 0 to 9, or says why it cannot."""

import hashlib
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from PIL import Image

from mnist_hpo.data.records import CLASSES, SIDE, AnyArray, Images, Labels, Pixels
from mnist_hpo.errors import DataError

_SIDES: Final = range(8, 1025)
"""Heights and widths that can show a digit and be resized in reasonable memory."""

_LABELS = f"save labels as one integer from 0 to {CLASSES - 1} an image"


@final
@dataclass(frozen=True, slots=True)
class _Layout:
    height: int
    width: int
    colour: bool


def prepare(x: AnyArray, y: AnyArray, *, part: str) -> Images:
    """Checks and normalises one part of a dataset.

    Colour becomes grey as in Pillow's `convert("L")`: (19595 R + 38470 G + 7471 B + 2^15) / 2^16,
    the weights of ITU-R BT.601. Other sizes become 28x28 by Pillow's bilinear filter, which
    averages over all covered pixels where it shrinks (antialiasing).

    Args:
        x: Images of whole numbers from 0 to 255, or of truth values.
        y: A class an image, or one row of ten an image with a single one in it.
        part: "train" or "test", for the messages.

    Shapes:
        x: (n, h, w), (n, h, w, 1), (n, 1, h, w) or (n, h, w, 3).
        y: (n,), (n, 1) or (n, 10).

    Raises:
        DataError: a shape, a type or a value cannot be MNIST's, the lengths differ, or a class
            has no image.
    """
    layout = _layout(x, part)
    if len(x) != len(y) or len(x) == 0:
        raise DataError(
            f"Each image has one label: x_{part} has {len(x)} images, y_{part} {len(y)} labels.",
            f"give x_{part} and y_{part} the same length, above 0",
        )
    labels = _labels(y, part)
    return Images(_grey(_bytes(x, part), layout), labels)


def preparation(x: AnyArray) -> str:
    """Says in words what `prepare` does to such images."""
    layout = _layout(x, "train")
    steps = ["truth values to 0 and 255"] if x.dtype.kind == "b" else []
    if layout.colour:
        steps.append("colour to grey (ITU-R BT.601)")
    if (layout.height, layout.width) != (SIDE, SIDE):
        steps.append(
            f"resized from {layout.height}x{layout.width} to {SIDE}x{SIDE} "
            f"(Pillow, bilinear, antialiased)"
        )
    return ", ".join(steps) or "as stored"


def check_folds(y: Labels, folds: int) -> None:
    """Refuses more folds than the rarest class has images.

    Shapes:
        y: (n,), classes 0 to 9.

    Raises:
        DataError: a class has fewer than `folds` images.
    """
    counts = np.bincount(y, minlength=CLASSES)
    rarest = int(counts.argmin())
    if counts[rarest] < folds:
        raise DataError(
            f"Every fold needs an image of each class: class {rarest} has "
            f"{counts[rarest]}, got folds={folds}.",
            f"use `--folds {counts[rarest]}`"
            if counts[rarest] >= 2
            else f"add images of class {rarest}: two folds need two of each class",
        )


def count_shared(train: Pixels, test: Pixels) -> int:
    """Counts the test images that are also training images, pixel by pixel."""
    known = {_key(image) for image in train}
    return sum(_key(image) in known for image in test)


def count_repeated(images: Pixels) -> int:
    """Counts the images that stand in the set before, pixel by pixel."""
    return len(images) - len({_key(image) for image in images})


def _key(image: Pixels) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _layout(x: AnyArray, part: str) -> _Layout:
    match x.shape:
        case (_, height, width) | (_, height, width, 1):
            layout = _Layout(height, width, colour=False)
        case (_, height, width, 3):
            layout = _Layout(height, width, colour=True)
        case (_, 1, height, width):
            layout = _Layout(height, width, colour=False)
        case _:
            raise DataError(
                f"Images have the shape (n, h, w), (n, h, w, 1), (n, 1, h, w) or (n, h, w, 3), "
                f"x_{part} has {x.shape}.",
                "reshape them: x.reshape(-1, 28, 28) for rows of 784 pixels, "
                "x.transpose(0, 2, 3, 1) for colours first",
            )
    if layout.height not in _SIDES or layout.width not in _SIDES:
        raise DataError(
            f"Images are {_SIDES[0]} to {_SIDES[-1]} pixels high and wide, x_{part} has the "
            f"shape {x.shape}.",
            f"crop or resize the images to {SIDE}x{SIDE} pixels",
        )
    return layout


def _bytes(x: AnyArray, part: str) -> Pixels:
    if x.dtype.kind == "b":
        return x.astype(np.uint8) * np.uint8(255)
    if x.dtype.kind not in "iu":
        raise DataError(
            f"Pixels are whole numbers from 0 to 255, x_{part} has the type {x.dtype}.",
            "save them as uint8; if they range from 0 to 1: (x * 255).round().astype('uint8')",
        )
    low, high = int(x.min()), int(x.max())
    if low < 0 or high > 255:
        raise DataError(
            f"Pixels range from 0 to 255, x_{part} from {low} to {high}.",
            "scale the images: ((x - x.min()) * 255 // (x.max() - x.min())).astype('uint8')",
        )
    if high < 2:
        # Fractions cut to integers, or a mask: either way the model would see black.
        raise DataError(
            f"Pixels range from 0 to 255, those of x_{part} are {low} to {high}: all but black.",
            "scale the images before they become integers: (x * 255).astype('uint8')",
        )
    return x.astype(np.uint8, copy=False)


def _grey(x: Pixels, layout: _Layout) -> Pixels:
    channels = (3,) if layout.colour else ()
    x = np.ascontiguousarray(x).reshape(len(x), layout.height, layout.width, *channels)
    if x.shape[1:] == (SIDE, SIDE):
        return x
    prepared = np.empty((len(x), SIDE, SIDE), np.uint8)
    for row, pixels in enumerate(x):
        image = Image.fromarray(pixels)
        grey = image.convert("L") if layout.colour else image
        prepared[row] = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return prepared


def _labels(y: AnyArray, part: str) -> Labels:
    if y.dtype.kind not in "biuf" or y.shape[1:] not in ((), (1,), (CLASSES,)):
        raise DataError(
            f"Labels are numbers of the shape (n,), (n, 1) or (n, {CLASSES}), y_{part} is "
            f"{y.shape} {y.dtype}.",
            _LABELS,
        )
    if not np.isfinite(y).all():
        raise DataError(f"Labels are finite, y_{part} holds NaN or infinity.", _LABELS)
    if y.shape[1:] == (CLASSES,):
        single = ((y == 0) | (y == 1)).all(axis=1) & (y.sum(axis=1) == 1)
        if not single.all():
            row = int(single.argmin())
            raise DataError(
                f"A one-hot label is a single 1 among zeros, y_{part}[{row}] is "
                f"{y[row].tolist()}.",
                _LABELS,
            )
        labels: Labels = y.argmax(axis=1).astype(np.int64)
    else:
        flat = y.reshape(-1)
        legal = np.isin(flat, np.arange(CLASSES))
        if not legal.all():
            row = int(legal.argmin())
            raise DataError(
                f"Labels are whole numbers from 0 to {CLASSES - 1}, y_{part}[{row}] is "
                f"{flat[row]}.",
                _LABELS,
            )
        labels = flat.astype(np.int64)
    absent = np.flatnonzero(np.bincount(labels, minlength=CLASSES) == 0)
    if len(absent):
        raise DataError(
            f"Every class has images: y_{part} has no {', '.join(map(str, absent))}.",
            f"add images of the missing classes to x_{part} and y_{part}",
        )
    return labels
