"""Files that exist whole or not at all, whatever kills the process, and that end when read."""

import hashlib
import os
import stat
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that a crash leaves the old content or the new, never a part.

    The order matters (temporary file, fsync, rename, fsync of the folder): a rename that
    reaches the disk before the data would leave an empty file under the final name.

    Args:
        path: The file; its folder is made if it is missing.
        content: The new content.

    Raises:
        OSError: The folder cannot be written or the disk is full; the old file is untouched.

    References:
        Pillai et al. (2014), "All file systems are not created equal", OSDI.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_temporaries(folder: Path) -> tuple[Path, ...]:
    """Removes what writers left in a folder when they were killed; returns what was removed.

    Only for who owns the folder: somebody else's file may be about to get its name.
    """
    left = tuple(sorted(folder.glob(".*.tmp-*")))
    for path in left:
        path.unlink(missing_ok=True)
    return left


def check_regular(path: Path) -> None:
    """Refuses what never ends or waits for somebody: a device, a pipe, a folder.

    Raises:
        OSError: it is none of the files that are read from beginning to end, or is not there.
    """
    # Asked before opening: a named pipe would wait for its other end for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{str(path)!r} is no regular file")


def read_whole(path: Path, *, limit: int) -> bytes:
    """Reads a regular file of bounded size.

    Raises:
        OSError: it cannot be read, is no regular file, or has more than `limit` bytes.
    """
    check_regular(path)
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(f"{str(path)!r} has more than {limit:,} bytes")
    return content


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(content: bytes) -> str:
    """Returns the SHA-256 of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
