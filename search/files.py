"""Files that exist whole or not at all, whatever kills the process."""

import hashlib
import os
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
