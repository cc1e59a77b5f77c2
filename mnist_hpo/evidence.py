"""What a finalized model said of the test set, stored beside it: a report never looks again.

Plain arrays in an `.npz` file, never pickled. The ledger knows the file's SHA-256, so a page
shows what was recorded or says that it cannot.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from mnist_hpo.data.records import CLASSES, SIDE, Labels, Pixels
from search.files import sha256_of

VERSION = 1

Floats = npt.NDArray[np.float32]
Maps = npt.NDArray[np.float16]

_MAP = "map:"
_LARGEST_BYTES = 512 * 2**20
"""Unpacked. A million test images have 40 MB of probabilities; a bomb has more than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """A layer of a built model."""

    name: str
    kind: str
    """Its Keras class."""

    shape: tuple[int, ...]
    """Of its output for one image; empty where Keras cannot say."""

    params: int


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """Predictions, pictures and layers of one finalized model.

    Shapes:
        labels: (n,), int64.
        probabilities: (n, 10), float32.
        kept: (m,), int64, ascending: places in the test set.
        pixels: (m, 28, 28), uint8.
        examples: (k, 28, 28), uint8.
        example_labels: (k,), int64.
        digit: (28, 28), uint8.
        maps: (height, width, channels) each, float16.

    Raises:
        ValueError: the shapes contradict each other.
    """

    labels: Labels
    probabilities: Floats

    kept: Labels
    """The test images whose pixels are stored: all that are wrong, some right, the samples."""

    pixels: Pixels

    right: tuple[int, ...]
    """Test images shown as right, drawn by the study's seed."""

    samples: tuple[int, ...]
    """Test images shown with whatever was said of them, drawn by the study's seed."""

    examples: Pixels
    """A few development images, drawn by the study's seed: what the model learned from."""

    example_labels: Labels

    layers: tuple[LayerFacts, ...]

    digit: Pixels
    """The development image whose feature maps are stored."""

    digit_index: int
    digit_label: int

    maps: Mapping[str, Maps] = field(default_factory=dict)
    """What each Conv2D layer makes of that image, by the layer's name."""

    def __post_init__(self) -> None:
        n, m = len(self.labels), len(self.kept)
        fits = (
            self.labels.shape == (n,)
            and self.probabilities.shape == (n, CLASSES)
            and self.kept.shape == (m,)
            and self.pixels.shape == (m, SIDE, SIDE)
            and self.examples.shape == (len(self.example_labels), SIDE, SIDE)
            and self.digit.shape == (SIDE, SIDE)
            and all(own.ndim == 3 for own in self.maps.values())
            and set(self.right) | set(self.samples) <= set(self.kept.tolist())
            and (m == 0 or 0 <= int(self.kept.min()) <= int(self.kept.max()) < n)
        )
        if not fits:
            raise ValueError(
                f"Evidence has labels (n,), probabilities (n, {CLASSES}), pixels of what it keeps "
                f"(m, {SIDE}, {SIDE}) and maps (h, w, c), got {self.labels.shape}, "
                f"{self.probabilities.shape}, {self.pixels.shape} and "
                f"{[own.shape for own in self.maps.values()]}."
            )

    @property
    def predicted(self) -> Labels:
        """The most probable class of each test image."""
        found: Labels = self.probabilities.argmax(axis=1)
        return found

    @property
    def wrong(self) -> tuple[int, ...]:
        """Places of the misclassified test images, in the order of the test set."""
        return tuple(np.flatnonzero(self.predicted != self.labels).tolist())

    def pixels_of(self, index: int) -> Pixels:
        """Returns a kept test image.

        Raises:
            KeyError: it was not kept.
        """
        place = int(np.searchsorted(self.kept, index))
        if place == len(self.kept) or self.kept[place] != index:
            raise KeyError(index)
        image: Pixels = self.pixels[place]
        return image

    def to_bytes(self) -> bytes:
        """Returns the file's content."""
        about = {
            "version": VERSION,
            "right": list(self.right),
            "samples": list(self.samples),
            "digit_index": self.digit_index,
            "digit_label": self.digit_label,
            "layers": [
                {"name": own.name, "kind": own.kind, "shape": own.shape, "params": own.params}
                for own in self.layers
            ],
            "maps": list(self.maps),
        }
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            labels=self.labels,
            probabilities=self.probabilities,
            kept=self.kept,
            pixels=self.pixels,
            examples=self.examples,
            example_labels=self.example_labels,
            digit=self.digit,
            **{f"{_MAP}{place}": own for place, own in enumerate(self.maps.values())},
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Reads what `to_bytes` wrote.

        Raises:
            ValueError: the content is something else, or a newer tool's.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > _LARGEST_BYTES:
                raise ValueError(f"Evidence has at most {_LARGEST_BYTES} bytes, this has {size}.")
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                about: dict[str, Any] = json.loads(arrays["about"].tobytes())
                if about["version"] > VERSION:
                    raise ValueError(
                        f"This is format {about['version']}; this version reads up to {VERSION}."
                    )
                return cls(
                    labels=arrays["labels"],
                    probabilities=arrays["probabilities"],
                    kept=arrays["kept"],
                    pixels=arrays["pixels"],
                    right=tuple(about["right"]),
                    samples=tuple(about["samples"]),
                    examples=arrays["examples"],
                    example_labels=arrays["example_labels"],
                    layers=tuple(
                        LayerFacts(**{**own, "shape": tuple(own["shape"])})
                        for own in about["layers"]
                    ),
                    digit=arrays["digit"],
                    digit_index=int(about["digit_index"]),
                    digit_label=int(about["digit_label"]),
                    maps={
                        name: arrays[f"{_MAP}{place}"] for place, name in enumerate(about["maps"])
                    },
                )
        except (zipfile.BadZipFile, KeyError, TypeError) as error:
            raise ValueError(f"This is no evidence of a finalized model: {error!r}.") from error


def evidence_path(model: Path) -> Path:
    """Returns where the evidence of a finalized model lies: beside it."""
    return model.with_suffix(".npz")


def read_evidence(model: Path, result: Mapping[str, Any]) -> tuple[Evidence | None, str]:
    """Reads the evidence of a finalized model, if it is the one that the ledger knows.

    Args:
        model: Path of the model file.
        result: What the ledger recorded of the look at the test set.

    Returns:
        The evidence and ""; or None and, in words, why there is none.
    """
    path, recorded = evidence_path(model), result.get("evidence_sha256")
    if recorded is None:
        return None, (
            "This model was finalized by a version that stored no predictions, and a test set is "
            "not opened for a page."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        return None, f"{path.name}, written by finalize, cannot be read: {error.strerror}."
    if sha256_of(content) != recorded:
        return None, f"{path.name} is not the file that finalize wrote: its SHA-256 differs."
    try:
        return Evidence.from_bytes(content), ""
    except ValueError as error:
        return None, f"{path.name} cannot be read: {error}"
