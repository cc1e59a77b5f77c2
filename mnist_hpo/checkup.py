"""What `doctor` finds out about a machine and about a study."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mnist_hpo.data.sources import development
from mnist_hpo.errors import DataError, StorageError
from mnist_hpo.model_file import check_known, known_sha256
from mnist_hpo.winner import model_path
from search import reader
from search.checkpoints import CheckpointFolder
from search.environment import current_environment, differences
from search.errors import StudyOwned
from search.files import remove_temporaries
from search.place import AbstractPlace
from search.records import History


def machine_lines(results: Path, place: AbstractPlace | None = None) -> Iterator[str]:
    """Yields versions, processor, disk, data and the storage asked for, a line each.

    Raises:
        LedgerError: the storage does not answer.
    """
    for name, value in current_environment().items():
        yield f"{name:<13} {value}"
    yield f"{'sqlite':<13} {sqlite3.sqlite_version}"
    there = next(folder for folder in (results, *results.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free / 2**30
    yield f"{'disk':<13} {free:.1f} GiB free for {results}"
    images, dataset = development("mnist-5k")
    yield f"{'mnist-5k':<13} {len(images)} development images, {dataset.sha256[:12]}, whole"
    if place is not None:
        yield f"{'storage':<13} {place.about()}"


def study_lines(place: AbstractPlace, study: str, folder: Path) -> Iterator[str]:
    """Yields what is known of a study's health, a line each.

    Raises:
        StorageError: the database is damaged.
    """
    problems = place.damage(study)
    if problems:
        raise StorageError(
            f"The ledger {place} is damaged: {'; '.join(problems)}.",
            "restore it from a copy; what it still holds can be read by `mnist-hpo show`",
        )
    history = reader.read(place, study).history
    trained = sum(trial.fold_epochs for trial in history.trials)
    yield f"ledger        whole: {len(history.trials)} trials, {trained} fold-epochs"
    drift = differences(history.facts.environment, current_environment())
    yield f"environment   {'the one it began with' if not drift else 'differs'}"
    for line in drift:
        yield f"              {line}"
    yield f"checkpoints   {_swept(place, study, folder, history)}"
    yield from _model_lines(history, folder)


def _model_lines(history: History, folder: Path) -> Iterator[str]:
    """Says of each finalized model whether its file is the one that was tested."""
    for trial in history.complete():
        sha256 = known_sha256(history, trial)
        if sha256 is None:
            continue
        path = model_path(folder, history, trial)
        try:
            check_known(path, sha256=sha256)
        except DataError as error:
            yield f"model         {error.message}"
        else:
            yield f"model         {path.name} of trial {trial.number}, whole"


def _swept(place: AbstractPlace, study: str, folder: Path, history: History) -> str:
    """Removes files that no trial goes on from, if nobody owns the study."""
    checkpoints = folder / "checkpoints"
    if not folder.is_dir():
        return "none"
    try:
        with place.lock(study):
            removed = CheckpointFolder(checkpoints).sweep(history.trials, history.facts.epochs)
            removed += remove_temporaries(folder)
    except StudyOwned as error:
        return f"not touched: {error}"
    kept = len(list(checkpoints.glob("*.npz")))
    return f"{kept} in use, {len(removed)} orphans removed"
