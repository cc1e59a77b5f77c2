"""Reads a stranger's .npz: directory and headers first, arrays last, pickles never.

NumPy allocates what a header claims before it looks for the bytes, so a file of a few hundred
bytes can ask for gigabytes. Here a claim has to match the stored size first.
"""

import io
import math
import warnings
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from mnist_hpo.data.bounds import RESAVE, check_claim, open_file
from mnist_hpo.data.records import AnyArray, RawArrays
from mnist_hpo.data.zips import check_compression, check_directory, plain_members
from mnist_hpo.errors import DataError

NAMES = ("x_train", "y_train", "x_test", "y_test")

MAX_HEADER_BYTES = 16 * 1024


def read_npz(path: Path) -> RawArrays:
    """Reads the four arrays of an .npz file.

    Raises:
        DataError: the file is no .npz, lacks an array, holds pickled objects, or claims more
            than it stores.
    """
    with open_file(path) as stream:
        return parse_npz(stream, where=str(path))


def parse_npz(stream: BinaryIO, *, where: str) -> RawArrays:
    """Reads the four arrays of an .npz from an open file.

    Args:
        stream: Seekable bytes.
        where: What the messages call the file.

    Raises:
        DataError: as `read_npz`.
    """
    try:
        check_directory(stream, where=where, refuse=_refuse)
        with zipfile.ZipFile(stream) as archive, warnings.catch_warnings():
            # NumPy warns about headers written by Python 2, which are harmless.
            warnings.simplefilter("ignore")
            members = _members(archive, where)
            check_claim(
                sum(member.file_size for member in members.values()),
                stored=sum(member.compress_size for member in members.values()),
                where=repr(where),
            )
            for name, member in members.items():
                _check_header(archive, member, name=name, where=where)
            return RawArrays(**{name: _array(archive, members[name]) for name in NAMES})
    except DataError:
        raise
    except Exception as error:
        # zipfile, zlib and NumPy's header parser raise a dozen types for broken bytes, and they
        # all mean the same to the user.
        raise DataError(
            f"{where!r} is damaged or no .npz file: {type(error).__name__}: {error}", RESAVE
        ) from error


def _refuse(message: str) -> DataError:
    return DataError(f"This is no .npz file with a dataset: {message}", RESAVE)


def _members(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    members = plain_members(archive, where=where, refuse=_refuse)
    missing = [name for name in NAMES if f"{name}.npy" not in members]
    if missing:
        stems = ", ".join(name.removesuffix(".npy") for name in members) or "nothing"
        raise DataError(
            f"An .npz dataset holds {', '.join(NAMES)}; {where!r} lacks {', '.join(missing)} "
            f"and holds {stems}.",
            RESAVE,
        )
    chosen = {name: members[f"{name}.npy"] for name in NAMES}
    for member in chosen.values():
        check_compression(member, where=where, refuse=_refuse)
    return chosen


def _check_header(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, name: str, where: str
) -> None:
    """Reads a .npy header from a bounded number of bytes, and compares its claim with the zip."""
    with archive.open(member) as opened:
        head = io.BytesIO(opened.read(MAX_HEADER_BYTES))
    version = npy.read_magic(head)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(head)
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(head)
    else:
        raise DataError(
            f"Arrays of numbers use .npy version 1 or 2, {name} in {where!r} uses "
            f"{version[0]}.{version[1]}.",
            RESAVE,
        )
    _check_type(dtype, name=name, where=where)
    if not 1 <= len(shape) <= 4 or min(shape) < 0:
        raise DataError(
            f"Images and labels have 1 to 4 dimensions, {name} in {where!r} has the shape "
            f"{shape}.",
            RESAVE,
        )
    # math.prod counts in Python integers: NumPy's own product may overflow to something small.
    claimed = math.prod(shape) * dtype.itemsize
    stored = member.file_size - head.tell()
    if claimed != stored:
        raise DataError(
            f"A .npy member stores what its header claims: {name} in {where!r} claims "
            f"{claimed} bytes for {shape} {dtype}, and {stored} follow.",
            RESAVE,
        )


def _check_type(dtype: np.dtype[np.generic], *, name: str, where: str) -> None:
    if dtype.hasobject:
        raise DataError(
            f"{name} in {where!r} holds pickled Python objects, which can run any code and "
            f"are never loaded.",
            RESAVE,
        )
    if name.startswith("x") and dtype.kind == "f":
        raise DataError(
            f"Pixels are whole numbers from 0 to 255, {name} in {where!r} has the type {dtype}.",
            "save them as uint8; if they range from 0 to 1: (x * 255).round().astype('uint8')",
        )
    if dtype.kind not in ("biu" if name.startswith("x") else "biuf"):
        raise DataError(
            f"Pixels and labels are numbers, {name} in {where!r} has the type {dtype}.",
            "save pixels as uint8 and labels as integers from 0 to 9",
        )


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> AnyArray:
    # What numpy.load(allow_pickle=False) calls for each member; called here, the array comes
    # from the very member that was checked and not from a second reading of the directory.
    with archive.open(member) as stream:
        array: AnyArray = npy.read_array(stream, allow_pickle=False)
    return array
