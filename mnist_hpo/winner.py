"""Retrains the winner on all development data and looks at the test set, once.

The order is what makes "once" true after a crash: the model is trained and saved, the look is
committed, then the test set is opened, then what a report needs of it is saved, then the result
is committed.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_hpo.data.records import Dataset, Images
from mnist_hpo.data.sources import open_test_set
from mnist_hpo.errors import DataError, NoResultError, StorageError, UserError
from mnist_hpo.evidence import evidence_path
from mnist_hpo.examining import examine, look_inside
from search.environment import current_environment
from search.files import remove_temporaries, sha256_of, write_whole
from search.records import History, Trial
from search.store import Ledger

if TYPE_CHECKING:
    import keras

    from search.training import KerasTrainer


def model_path(folder: Path, history: History, trial: Trial) -> Path:
    """Returns where a finalized model lies: the winner's is `best.keras`, others have numbers."""
    return folder / ("best.keras" if trial == history.incumbent else f"trial-{trial.number}.keras")


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """A finalized trial."""

    trial: Trial
    result: Mapping[str, Any]
    """What the ledger recorded: a `TestResult` and the model's hash."""

    looked_again: bool
    """False: the result was recorded before, and the test set stayed closed."""


def chosen(history: History, number: int | None) -> Trial:
    """Returns the winner, or the complete trial asked for.

    Raises:
        NoResultError: no trial is complete.
        UserError: the trial asked for does not exist or is not complete.
    """
    study = history.facts.study
    winner = history.incumbent
    if winner is None:
        raise NoResultError(
            f"Only a complete trial can be finalized, and study {study!r} has none.",
            f"mnist-hpo resume {study}",
        )
    if number is None:
        return winner
    complete = {trial.number: trial for trial in history.complete()}
    if number not in complete:
        numbers = ", ".join(map(str, sorted(complete)))
        raise UserError(
            f"Only a complete trial can be finalized: trial {number} of {study!r} is not. "
            f"Complete are: {numbers}.",
            f"mnist-hpo finalize {study} --trial {winner.number}",
        )
    return complete[number]


def finalized(history: History, trial: Trial, folder: Path) -> Final | None:
    """Returns what was recorded of a trial if it was finalized before, else None.

    A process that died right after the record left no card: it is written now.
    """
    for opening in reversed(history.openings):
        if opening.trial == trial.number and opening.result is not None:
            final = Final(trial=trial, result=opening.result, looked_again=False)
            if not model_path(folder, history, trial).with_suffix(".json").is_file():
                write_card(final, history, folder)
            return final
    return None


def finalize(
    ledger: Ledger, trial: Trial, trainer: "KerasTrainer", dataset: Dataset, folder: Path
) -> Final:
    """Retrains, saves, looks once, records.

    Args:
        ledger: The study, owned.
        trial: What `chosen` returned.
        trainer: Has the whole development set.
        dataset: Its facts; the test set opened must be the one they name.
        folder: Where the model and its card go.

    Raises:
        DataError: the test set is not the one that the dataset's facts name.
        StorageError: the model or what is kept beside it cannot be written.
        TrainingError: the retraining diverged.
    """
    before = finalized(ledger.history, trial, folder)
    if before is not None:
        return before  # another process did it since the caller looked
    path = model_path(folder, ledger.history, trial)
    with _storing(path):
        remove_temporaries(folder)  # of one that was killed while it wrote a model or a card
    model = trainer.refit(trial.config, number=trial.number)
    ledger.check_place()  # training took a while, and `folder` may be another study's by now
    with _storing(path):
        content = saved(model)
        write_whole(path, content)
    development = Images(trainer.x, trainer.y)
    inside = look_inside(model, development, seed=ledger.history.facts.seed)
    look = ledger.open_test(trial.number)
    test = open_test_set(dataset.name)
    if test.sha256 != dataset.test_sha256:
        raise DataError(
            f"The test set of {dataset.name!r} changed while the winner was trained.",
            f"mnist-hpo finalize {ledger.history.facts.study}   once the file is whole again",
        )
    tested, evidence = examine(model, test, inside)
    kept = evidence.to_bytes()
    ledger.check_place()
    with _storing(path):
        write_whole(evidence_path(path), kept)
    result = {
        **tested.to_json(),
        "model_sha256": sha256_of(content),
        "evidence_sha256": sha256_of(kept),
    }
    ledger.record_test(look, result)
    final = Final(trial=trial, result=result, looked_again=True)
    write_card(final, ledger.history, folder)
    return final


def saved(model: "keras.Model") -> bytes:
    """Returns a model as the bytes of a `.keras` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def write_card(final: Final, history: History, folder: Path) -> None:
    """Writes the card beside the model."""
    path = model_path(folder, history, final.trial).with_suffix(".json")
    with _storing(path):
        write_whole(path, card(history, final.trial, final.result).encode())


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"Cannot write {path}: {error.strerror}.",
            "make room, or let the folder be written; the same command then goes on",
        ) from error


def card(history: History, trial: Trial, result: Mapping[str, Any]) -> str:
    """Returns the model's card: what it is, how good, and where it comes from."""
    facts, score = history.facts, trial.score(history.facts.epochs)
    record = {
        "schema_version": 1,
        "model": model_path(Path(), history, trial).name,
        "sha256": result["model_sha256"],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": "raw pixels 0 to 255, 28 x 28, one channel",
        "output": "probabilities of the digits 0 to 9",
        "study": facts.study,
        "trial": trial.number,
        "origin": trial.origin,
        "config": dict(trial.config),
        "params": trial.params,
        "macs": trial.macs,
        "epochs": facts.epochs,
        "seed": facts.seed,
        "score": None if score is None else {"mean": score.mean, "std": score.std, "se": score.se},
        "test": dict(result),
        "test_set_opened": len(history.openings),
        "dataset": facts.dataset,
        "data_sha256": facts.data_sha256,
        "folds_sha256": facts.folds_sha256,
        "environment": current_environment(),
    }
    return json.dumps(record, indent=2) + "\n"
