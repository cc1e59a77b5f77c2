"""What the rest of the program sees of a dataset: checked images, and facts about them."""

import hashlib
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

SIDE = 28
"""Height and width of an image, in pixels."""

CLASSES = 10
"""The digits 0 to 9."""

AnyArray = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Grey images and their classes, read-only: no trial can change what the next one sees.

    Shapes:
        x: (n, 28, 28), uint8.
        y: (n,), int64.

    Raises:
        ValueError: a shape or type differs, or there is no image.
    """

    x: Pixels
    """Pixels from 0 (background) to 255 (ink)."""

    y: Labels
    """Class of each image, 0 to 9."""

    def __post_init__(self) -> None:
        n = len(self.x)
        shaped = self.x.shape == (n, SIDE, SIDE) and self.y.shape == (n,)
        typed = (str(self.x.dtype), str(self.y.dtype)) == ("uint8", "int64")
        if n == 0 or not shaped or not typed:
            raise ValueError(
                f"Images are x (n, {SIDE}, {SIDE}) uint8 and y (n,) int64 with n > 0, got "
                f"x {self.x.shape} {self.x.dtype} and y {self.y.shape} {self.y.dtype}."
            )
        for name in ("x", "y"):
            view = np.ascontiguousarray(getattr(self, name)).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def sha256(self) -> str:
        """The fingerprint of shapes and bytes: equal arrays have equal text on any machine."""
        digest = hashlib.sha256()
        for array in (self.x, self.y.astype("<i8", copy=False)):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Facts of a dataset. They describe the test part without containing any of it."""

    name: str
    """What `--dataset` takes to read it again, from any directory."""

    source: str
    """Where it comes from and how it was checked, for people."""

    preparation: str
    """What was done to the stored pixels, for people."""

    sha256: str
    """Fingerprint of the development images and labels."""

    test_sha256: str
    """Fingerprint of the test images and labels: the set opened at the end is this one."""

    development_size: int
    test_size: int

    shared_images: int
    """Test images that also stand, pixel by pixel, in the development set."""

    repeated_images: int
    """Development images that stand in the development set before, pixel by pixel."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """What makes scores look better than they are, a line each, for people.

        Nothing of it is refused: photographs of real digits may well be alike, and whoever
        repeats rare classes on purpose has a reason.
        """
        lines = []
        if self.repeated_images:
            lines.append(
                f"{self.repeated_images} of {self.development_size} development images are copies "
                f"of others: a fold may be validated on what it was trained on"
            )
        if self.shared_images:
            lines.append(
                f"{self.shared_images} of {self.test_size} test images are in the development "
                f"set, too: the test accuracy will be too high"
            )
        return tuple(lines)


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RawArrays:
    """The four arrays of a file as they were stored: bounded and unpickled, else unchecked."""

    x_train: AnyArray
    y_train: AnyArray
    x_test: AnyArray
    y_test: AnyArray
