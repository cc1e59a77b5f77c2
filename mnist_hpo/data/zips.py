"""What a zip archive may look like before anything in it is believed."""

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mnist_hpo.errors import DataError

MAX_MEMBERS = 64
MAX_DIRECTORY_BYTES = 64 * 1024

_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_BYTES = 20

Refuse = Callable[[str], DataError]
"""From what is wrong, in words, to the error that says so and how to mend it."""


def check_directory(stream: BinaryIO, *, where: str, refuse: Refuse) -> None:
    """Refuses a directory of millions of members, which zipfile would parse to the end.

    Raises:
        DataError: the archive has no directory, or one too large.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 2**16 - _END.size - _ZIP64_LOCATOR_BYTES))
    tail = stream.read()
    # The same two steps as zipfile: an end record without a comment, else the last signature.
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise refuse(f"{where!r} has no zip directory.")
    _, _, _, _, members, directory_bytes, _, _ = _END.unpack_from(tail, at)
    zip64 = tail[max(0, at - _ZIP64_LOCATOR_BYTES) : at].startswith(b"PK\6\7")
    if zip64 or members > MAX_MEMBERS or directory_bytes > MAX_DIRECTORY_BYTES:
        raise refuse(
            f"An archive of this kind has at most {MAX_MEMBERS} members, {where!r} has "
            f"{'a zip64 directory' if zip64 else members} of {directory_bytes} bytes."
        )


def plain_members(
    archive: zipfile.ZipFile, *, where: str, refuse: Refuse
) -> dict[str, zipfile.ZipInfo]:
    """Returns the members by name.

    Raises:
        DataError: too many, a name twice, or a name that is a path.
    """
    found = archive.infolist()
    names = [member.filename for member in found]
    if len(found) > MAX_MEMBERS or len(set(names)) < len(names):
        raise refuse(
            f"An archive of this kind has at most {MAX_MEMBERS} members, each name once; "
            f"{where!r} has {len(names)} members and {len(set(names))} names."
        )
    for name in names:
        if name != Path(name).name or "\\" in name or ":" in name or name.startswith("."):
            raise refuse(
                f"Members of an archive of this kind have plain names, {where!r} has {name!r}."
            )
    return dict(zip(names, found, strict=True))


def check_compression(member: zipfile.ZipInfo, *, where: str, refuse: Refuse) -> None:
    """Refuses any way of storing but the two usual ones.

    Raises:
        DataError: the member is encrypted or compressed in another way.
    """
    usual = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if not usual or member.flag_bits & 1:
        raise refuse(
            f"Members of an archive of this kind are stored or deflated, {member.filename!r} in "
            f"{where!r} uses zip method {member.compress_type}"
            f"{', encrypted' if member.flag_bits & 1 else ''}."
        )
