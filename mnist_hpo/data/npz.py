"""Reads a stranger's .npz: directory and headers first, arrays last, pickles never.

NumPy allocates what a header claims before it looks for the bytes, so a file of a few hundred
bytes can ask for gigabytes. Here a claim has to match the stored size first.
"""

import io
import math
import os
import struct
import warnings
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from mnist_hpo.data.bounds import RESAVE, check_claim, open_file
from mnist_hpo.data.records import AnyArray, RawArrays
from mnist_hpo.errors import DataError

NAMES = ("x_train", "y_train", "x_test", "y_test")

MAX_MEMBERS = 64
MAX_DIRECTORY_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_BYTES = 20


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
        _check_directory_size(stream, where)
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


def _check_directory_size(stream: BinaryIO, where: str) -> None:
    """Refuses a directory of millions of members, which zipfile would parse to the end."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 2**16 - _END.size - _ZIP64_LOCATOR_BYTES))
    tail = stream.read()
    # The same two steps as zipfile: an end record without a comment, else the last signature.
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise DataError(f"{where!r} is no .npz file: it has no zip directory.", RESAVE)
    _, _, _, _, members, directory_bytes, _, _ = _END.unpack_from(tail, at)
    zip64 = tail[max(0, at - _ZIP64_LOCATOR_BYTES) : at].startswith(b"PK\6\7")
    if zip64 or members > MAX_MEMBERS or directory_bytes > MAX_DIRECTORY_BYTES:
        raise DataError(
            f"An .npz dataset has at most {MAX_MEMBERS} members, {where!r} has "
            f"{'a zip64 directory' if zip64 else members} of {directory_bytes} bytes.",
            RESAVE,
        )


def _members(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    found = archive.infolist()
    names = [member.filename for member in found]
    if len(found) > MAX_MEMBERS or len(set(names)) < len(names):
        raise DataError(
            f"An .npz dataset has at most {MAX_MEMBERS} members, each name once; {where!r} has "
            f"{len(names)} members and {len(set(names))} names.",
            RESAVE,
        )
    for name in names:
        if name != Path(name).name or "\\" in name or ":" in name or name.startswith("."):
            raise DataError(
                f"Members of an .npz have plain names, {where!r} has {name!r}: it was not "
                f"written by NumPy.",
                RESAVE,
            )
    missing = [name for name in NAMES if f"{name}.npy" not in names]
    if missing:
        stems = ", ".join(name.removesuffix(".npy") for name in names) or "nothing"
        raise DataError(
            f"An .npz dataset holds {', '.join(NAMES)}; {where!r} lacks {', '.join(missing)} "
            f"and holds {stems}.",
            RESAVE,
        )
    chosen = {name: found[names.index(f"{name}.npy")] for name in NAMES}
    for member in chosen.values():
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"Members of an .npz are stored or deflated, {member.filename!r} in {where!r} "
                f"uses zip method {member.compress_type}.",
                RESAVE,
            )
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
