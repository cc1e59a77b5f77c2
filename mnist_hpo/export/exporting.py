"""Writes a model in another format, and lets it be only if it predicts the same."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnist_hpo.data.records import Pixels
from mnist_hpo.errors import NoResultError, UserError
from mnist_hpo.export.formats import AbstractFormat
from search.files import sync_folder

if TYPE_CHECKING:
    import keras

IMAGES = 256
"""Development images that both predict: the test set stays closed."""

TOLERANCE = 1e-4
"""Largest difference of a probability. Converters fold layers, which moves the last bits of
32-bit floats: 3e-7 was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How two models compare on the same images."""

    images: int
    same_digit: int
    largest_difference: float

    @property
    def holds(self) -> bool:
        """Every digit is the same, every probability nearly so."""
        return self.same_digit == self.images and self.largest_difference <= TOLERANCE


def export(
    model: "keras.Model", source: Path, form: AbstractFormat, target: Path, images: Pixels
) -> Agreement:
    """Writes a model and compares it with itself.

    Args:
        model: The finalized model, loaded.
        source: Its file.
        form: The format.
        target: The file or folder to write; nothing is there yet.
        images: Development images.

    Shapes:
        images: (n, 28, 28), uint8.

    Raises:
        UserError: the target exists.
        NoResultError: the written model predicts otherwise; it was removed again.
    """
    from search.training import with_channel  # noqa: PLC0415 - loads TensorFlow

    if target.exists():
        raise UserError(
            f"{target} exists already.", "--output PATH names another place, or remove it first"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    pixels = with_channel(images[:IMAGES]).astype(np.float32)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
        made = Path(folder) / f"model{form.ending}"
        form.write(model, source, made)
        agreement = compare(
            np.asarray(model.predict(pixels, verbose=0)), form.predict(made, pixels)
        )
        if not agreement.holds:
            raise NoResultError(
                f"The {form.name} model predicts otherwise than the original: "
                f"{agreement.same_digit} of {agreement.images} digits are the same, "
                f"probabilities differ by up to {agreement.largest_difference:.2g}. It was not "
                f"kept.",
                "--format keras        is the model itself",
            )
        shutil.move(made, target)
    sync_folder(target.parent)
    return agreement


def compare(ours: np.ndarray, theirs: np.ndarray) -> Agreement:
    """Compares probabilities; values that are no numbers never agree.

    Shapes:
        ours: (n, 10).
        theirs: (n, 10).
    """
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        return Agreement(images=len(ours), same_digit=0, largest_difference=float("inf"))
    return Agreement(
        images=len(ours),
        same_digit=int((ours.argmax(axis=1) == theirs.argmax(axis=1)).sum()),
        largest_difference=float(np.abs(ours - theirs).max()),
    )
