"""Which finalized model a person means, and how it is loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_hpo.errors import NoResultError, UserError
from mnist_hpo.model_file import load_model
from mnist_hpo.winner import chosen, model_path
from search.native_logs import silenced
from search.records import History, Trial

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalModel:
    """A model that finalize trained and tested."""

    trial: Trial
    path: Path
    result: Mapping[str, Any]
    """What the ledger recorded of its look at the test set."""

    @property
    def sha256(self) -> str:
        """What the ledger knows of the file."""
        return str(self.result["model_sha256"])


def final_model(history: History, folder: Path, number: int | None = None) -> FinalModel:
    """Returns the finalized winner, or another finalized trial.

    Args:
        history: The study.
        folder: Its folder.
        number: The trial; None: the winner.

    Raises:
        NoResultError: it was not finalized, or no trial is complete.
        UserError: the trial asked for does not exist or is not complete.
    """
    trial = chosen(history, number)
    for opening in reversed(history.openings):
        if opening.trial == trial.number and opening.result is not None:
            path = model_path(folder, history, trial)
            return FinalModel(trial=trial, path=path, result=opening.result)
    study = history.facts.study
    asked = "" if number is None else f" --trial {number}"
    raise NoResultError(
        f"Trial {trial.number} of study {study!r} has no trained model yet.",
        f"mnist-hpo finalize {study}{asked}",
    )


def sha256_in_card(model: Path) -> str:
    """Returns the SHA-256 that the card beside a model file names.

    Raises:
        UserError: there is no card, or it names none.
    """
    card = model.with_suffix(".json")
    try:
        known = json.loads(card.read_bytes())["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"A model file is loaded with the card that finalize wrote beside it: {card} "
            f"{'is not there' if isinstance(error, OSError) else 'names no SHA-256'}.",
            "keep best.keras and best.json together, or name the study instead of the file",
        ) from error
    return str(known)


def loaded(path: Path, *, sha256: str) -> "keras.Model":
    """Loads a model file that is the one recorded, in a process that predicts reproducibly.

    Raises:
        UserError: as `load_model`.
    """
    with silenced():
        from search.training import prepare_process  # noqa: PLC0415 - loads TensorFlow
    prepare_process("float32")
    return load_model(path, sha256=sha256)
