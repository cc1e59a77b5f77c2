"""One process owns a study: an operating-system lock that a dead process cannot hold."""

import contextlib
import fcntl
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, final

from search.errors import LedgerError, StudyOwned
from search.place import AbstractLock

_TRIES = 20
_PAUSE_SECONDS = 0.01
"""Together how long an owner-to-be tries: a reader in `is_owned` has the lock for microseconds."""


@final
class StudyLock(AbstractLock):
    """Holds the lock file of a study from `acquire` to `release`, or to the process's end.

    The kernel frees an flock on any exit, kill -9 included, so there is no heartbeat and no
    grace period. What stands in the file is for the message to a second owner only; a pid in
    it proves nothing.
    """

    def __init__(self, path: Path, study: str) -> None:
        self._path = path
        self._study = study
        self._descriptor: int | None = None

    def acquire(self) -> Self:
        """Takes the lock.

        Raises:
            StudyOwned: another living process has it; the message names pid, host and time.
            LedgerError: the folder cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Python opens files without inheritance: a worker that lives on holds no lock.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise LedgerError(f"Cannot write the lock {self._path}: {error.strerror}.") from error
        if not _taken(descriptor):
            os.close(descriptor)
            raise StudyOwned(self._study, owner_of(self._path) or "another process")
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # a full disk: the lock is taken, only nameless
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(owner).encode(), 0)
        return self

    def release(self) -> None:
        """Gives the lock up; the file stays, since removing it could split two owners."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _taken(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def is_owned(path: Path) -> bool:
    """Says whether a living process holds the lock; creates nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def owner_of(path: Path) -> str | None:
    """Returns who wrote the lock file, in words, or None if that cannot be read."""
    try:
        owner = json.loads(path.read_text())
        return f"pid {owner['pid']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None
