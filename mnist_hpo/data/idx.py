"""Reads a folder of IDX files, the format in which MNIST was published, plain or gzipped.

The header is two zero bytes, a type, a number of dimensions, and then each dimension as a
big-endian 32-bit number. Nothing is allocated until its claim fits the size of the file.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from mnist_hpo.data.bounds import check_claim, open_file
from mnist_hpo.data.records import Pixels, RawArrays
from mnist_hpo.errors import DataError

_STEMS = {
    "x_train": ("train-images", 3),
    "y_train": ("train-labels", 1),
    "x_test": ("t10k-images", 3),
    "y_test": ("t10k-labels", 1),
}
_UNSIGNED_BYTE = 0x08
_AGAIN = "copy the four files again: train-images, train-labels, t10k-images, t10k-labels"


def read_idx_folder(folder: Path) -> RawArrays:
    """Reads the four usual files of a folder.

    Raises:
        DataError: a file is missing, is no IDX file of bytes, or has another length than its
            header claims.
    """
    files = {name: _find(folder, *which) for name, which in _STEMS.items()}
    missing = [
        f"{stem}-idx{dimensions}-ubyte"
        for name, (stem, dimensions) in _STEMS.items()
        if files[name] is None
    ]
    if missing:
        raise DataError(
            f"An IDX dataset has four files, plain or .gz; {str(folder)!r} lacks "
            f"{', '.join(missing)}.",
            "give the folder that holds them, or the path of an .npz file",
        )
    return RawArrays(
        **{name: read_idx(cast("Path", files[name]), _STEMS[name][1]) for name in _STEMS}
    )


def read_idx(path: Path, dimensions: int) -> Pixels:
    """Reads one IDX file of unsigned bytes.

    Args:
        path: The file; a name that ends in `.gz` is unpacked.
        dimensions: 3 for images, 1 for labels.

    Raises:
        DataError: as `read_idx_folder`.
    """
    with open_file(path) as stream:
        stored = path.stat().st_size
        if path.suffix != ".gz":
            return _parse(stream, dimensions, stored=stored, where=str(path))
        try:
            with gzip.open(stream) as unpacked:
                return _parse(
                    cast("BinaryIO", unpacked), dimensions, stored=stored, where=str(path)
                )
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{str(path)!r} is damaged or no gzip file: {error}", _AGAIN
            ) from error


def _find(folder: Path, stem: str, dimensions: int) -> Path | None:
    for dot in "-.":
        for suffix in ("", ".gz"):
            path = folder / f"{stem}{dot}idx{dimensions}-ubyte{suffix}"
            if path.is_file():
                return path
    return None


def _parse(stream: BinaryIO, dimensions: int, *, stored: int, where: str) -> Pixels:
    header = stream.read(4 + 4 * dimensions)
    if len(header) < 4 + 4 * dimensions or header[:4] != bytes((0, 0, _UNSIGNED_BYTE, dimensions)):
        raise DataError(
            f"An IDX file of bytes with {dimensions} dimensions begins with 00 00 08 "
            f"{dimensions:02x}, {where!r} with {header[:4].hex(' ')} and has a header of "
            f"{len(header)} bytes.",
            _AGAIN,
        )
    shape = struct.unpack(f">{dimensions}I", header[4:])
    claimed = math.prod(shape)
    check_claim(claimed, stored=stored, where=repr(where))
    # One byte more than claimed tells a file that is too long, without unpacking the rest of it.
    content = stream.read(claimed + 1)
    if len(content) != claimed:
        found = "more" if len(content) > claimed else len(content)
        raise DataError(
            f"An IDX file stores what its header claims: {where!r} claims {claimed} bytes for "
            f"{shape}, and {found} follow.",
            _AGAIN,
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
