"""Bounds on what a file may ask for, checked against its size before anything is allocated."""

import shlex
from pathlib import Path
from typing import BinaryIO

from mnist_hpo.errors import DataError

MAX_BYTES = 2 * 2**30
"""Neither a file nor the arrays in it may be larger; full MNIST has 55 MB of arrays."""

MAX_RATIO = 200
"""MNIST compresses 5:1; deflate, and so a zip bomb, reaches 1032:1."""

SMALL_BYTES = 16 * 2**20
"""Below this no ratio is checked: sorted labels compress as well as a bomb, and do no harm."""

RESAVE = (
    "write the file again from trusted arrays: "
    "numpy.savez_compressed('digits.npz', x_train=..., y_train=..., x_test=..., y_test=...)"
)


def open_file(path: Path, *, max_bytes: int = MAX_BYTES) -> BinaryIO:
    """Opens a regular file of bounded size.

    Raises:
        DataError: `path` is a pipe or device, is empty or too large, or cannot be read.
    """
    try:
        # Asked before opening: a named pipe would wait for its other end for ever.
        regular, size = path.is_file(), path.stat().st_size
        if not regular:
            raise DataError(
                f"A dataset is a regular file, {str(path)!r} is none.",
                "give the path of an .npz file or of a folder of IDX files",
            )
        if not 0 < size <= max_bytes:
            raise DataError(
                f"A file of this kind has 1 to {max_bytes} bytes, {str(path)!r} has {size}.",
                "copy the file again, or keep fewer images" if size else "copy the file again",
            )
        return path.open("rb")
    except OSError as error:
        raise DataError(
            f"Cannot read {str(path)!r}: {error.strerror or error}.",
            f"check the path and its permissions: ls -l {shlex.quote(str(path))}",
        ) from error


def check_claim(claimed: int, *, stored: int, where: str) -> None:
    """Refuses content that claims to unpack to more than its stored bytes make plausible.

    Raises:
        DataError: the content would be too large, or its compression is that of a bomb.
    """
    if claimed > MAX_BYTES:
        raise DataError(
            f"The arrays of a dataset have at most {MAX_BYTES} bytes, {where} claims {claimed}.",
            "keep fewer images, or " + RESAVE,
        )
    if claimed > SMALL_BYTES and claimed > MAX_RATIO * stored:
        raise DataError(
            f"Images compress to no less than 1/{MAX_RATIO}, {where} claims to unpack "
            f"{stored} bytes to {claimed}.",
            "if the file is no zip bomb, save it uncompressed with numpy.savez",
        )
