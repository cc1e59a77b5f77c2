"""Checkpoints of live trials: written whole, known by SHA-256, dropped when unneeded."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from search.errors import LedgerError
from search.files import read_whole, sha256_of, write_whole
from search.records import Trial

BYTES_A_WEIGHT = 12
"""Adam keeps two slots beside each float32 weight: the dearest of the common optimizers."""

LIMIT_BYTES = 64 * 2**20
"""Above this a model trains whole folds without a checkpoint: a write each epoch would cost more
than the rare epochs it saves, and checkpoints travel with jobs."""

_NAME = re.compile(r"t(\d+)-f(\d+)-r(\d+)-e(\d+)\.npz")


def is_kept(params: int) -> bool:
    """Says whether a model with so many weights is checkpointed."""
    return params * BYTES_A_WEIGHT <= LIMIT_BYTES


class CheckpointFolder:
    """The checkpoints of one study; only its owner writes here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, trial: int, fold: int, run: int, epochs: int) -> Path:
        """Returns the file of the state after `epochs` epochs of a fold's run."""
        return self._folder / f"t{trial}-f{fold}-r{run}-e{epochs}.npz"

    def write(self, path: Path, content: bytes) -> str:
        """Writes a checkpoint durably and returns its SHA-256.

        The ledger names it only after this: a crash in between leaves an orphan, never a
        name without a file.

        Raises:
            LedgerError: the folder cannot be written, or the disk is full.
        """
        with _storing(path):
            write_whole(path, content)
        return sha256_of(content)

    def read(self, path: Path, sha256: str | None) -> bytes | None:
        """Returns a checkpoint if it is there and whole, else None: retrain, never guess."""
        if sha256 is None:
            return None
        with contextlib.suppress(OSError):
            content = read_whole(path, limit=2 * LIMIT_BYTES)
            if sha256_of(content) == sha256:
                return content
        return None

    def drop(self, path: Path) -> None:
        """Removes a checkpoint that a newer one replaces."""
        with _storing(path):
            path.unlink(missing_ok=True)

    def sweep(self, trials: Iterable[Trial], epochs: int) -> tuple[Path, ...]:
        """Removes every file that no live trial goes on from; returns what was removed."""
        wanted = {
            self.path(trial.number, fold, curve.run, len(curve))
            for trial in trials
            if not trial.is_final(epochs)
            for fold, curve in enumerate(trial.curves)
            if 0 < len(curve) < epochs
        }
        removed = []
        for path in sorted(self._folder.glob("*")) if self._folder.is_dir() else []:
            ours = _NAME.fullmatch(path.name) or ".npz.tmp-" in path.name
            if ours and path not in wanted:
                self.drop(path)
                removed.append(path)
        return tuple(removed)


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Turns what the disk says into an error of the study, which the last commit outlives."""
    try:
        yield
    except OSError as error:
        raise LedgerError(f"Cannot write the checkpoint {path}: {error.strerror}.") from error
