"""A ledger's file that was removed, renamed or replaced while it was written."""

import contextlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from search.errors import LedgerMoved
from search.files import write_whole

_OPEN_FILES = Path("/dev/fd")
"""The files that this process has open, by their numbers: on Linux and on macOS."""

_AT_ONCE = 2**20

Identity = tuple[int, int]
"""Device and number of a file: what it stays, however often it is renamed."""


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Where a ledger was when it was opened, and which file and folder that were."""

    path: Path
    file: Identity
    folder: Identity

    @classmethod
    def at(cls, path: Path) -> Self:
        """Remembers an existing file.

        Raises:
            OSError: it cannot be looked at.
        """
        path = path.absolute()
        return cls(path=path, file=_identity(path.stat()), folder=_identity(path.parent.stat()))

    def is_there(self) -> bool:
        """Says whether the path still leads to the file; takes microseconds."""
        try:
            return _identity(self.path.stat()) == self.file
        except OSError:
            return False

    def moved(self, study: str) -> LedgerMoved:
        """Returns what to tell; saves the content first if no name leads to it any more.

        Some connection must still have the file open, and none may be inside a transaction.
        """
        touched = " What has its name now was not touched." if self.path.exists() else ""

        def told(how: str, more: str) -> str:
            open_ = f"while study {study!r} was open."
            return f"The ledger {self.path} was {how} {open_}{touched} {more}"

        descriptor = self._descriptor()
        if descriptor is None:
            how = "removed, renamed or replaced"
            return LedgerMoved(told(how, "All finished epochs are in it."), _put_back(study))
        if os.fstat(descriptor).st_nlink:
            now = _name_of(descriptor)
            where = "renamed or moved" if now is None else f"moved to {now}"
            return LedgerMoved(told(where, "All finished epochs are in it."), _put_back(study))
        try:
            saved = self._saved(descriptor, study)
        except OSError as error:
            return LedgerMoved(
                told("removed", f"It could not be saved: {error}."),
                "put a copy back, if there is one",
            )
        return LedgerMoved(
            told("removed", f"All finished epochs were saved to {saved}."),
            f"mnist-hpo resume {study} --storage {shlex.quote(f'sqlite:///{saved}')}",
        )

    def _descriptor(self) -> int | None:
        """Returns the number under which this process has the file open.

        SQLite's own: to open the file once more and close it would free SQLite's locks of it.
        """
        try:
            entries = [int(entry.name) for entry in _OPEN_FILES.iterdir()]
        except OSError:
            return None
        for entry in entries:
            with contextlib.suppress(OSError):  # one of them was the listing itself
                if _identity(os.fstat(entry)) == self.file:
                    return entry
        return None

    def _saved(self, descriptor: int, study: str) -> Path:
        """Writes the file's content near where it was, under a name that nobody has.

        Read by its bytes: SQLite would look for a journal by the old name, which may be the
        journal of somebody else's ledger by now.
        """
        content = bytearray()
        while part := os.pread(descriptor, _AT_ONCE, len(content)):
            content += part
        folder = self.path.parent
        path = next(above for above in folder.parents if above.is_dir())
        path /= f"{study}-rescued-{os.getpid()}.db"
        try:
            write_whole(path, bytes(content))  # not in its folder, which may be about to go, too
        except OSError:
            if not self._has_its_folder():
                raise
            path = folder / path.name
            write_whole(path, bytes(content))
        return path

    def _has_its_folder(self) -> bool:
        with contextlib.suppress(OSError):
            return _identity(self.path.parent.stat()) == self.folder
        return False


def _put_back(study: str) -> str:
    return f"move it back, then  mnist-hpo resume {study}"


def _name_of(descriptor: int) -> str | None:
    """Returns where an open file is now, on systems that say so."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    return None
