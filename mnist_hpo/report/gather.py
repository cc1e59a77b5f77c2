"""Reads what a page shows. Never writes, never opens a test set."""

from pathlib import Path

from mnist_hpo.errors import StorageError
from mnist_hpo.evidence import read_evidence
from mnist_hpo.prospects import values_of, with_predictions, with_reasons
from mnist_hpo.ranking import standings
from mnist_hpo.report.material import FinalMaterial, Material, result_of, shown_look
from mnist_hpo.winner import model_path
from search.environment import current_environment
from search.importance import importances
from search.reader import Snapshot
from search.records import History


def gather(snapshot: Snapshot, folder: Path) -> Material:
    """Ranks and predicts, and reads what finalize left in the study's folder."""
    history = snapshot.history
    ranked = standings(history, owned=snapshot.owner is not None)
    rows = with_reasons(history, with_predictions(history, ranked))
    return Material(
        snapshot=snapshot,
        rows=rows,
        importances=importances(history, values_of(rows)),
        final=_final(history, folder),
        versions=current_environment(),
    )


def _final(history: History, folder: Path) -> FinalMaterial | None:
    look = shown_look(history)
    if look is None:
        return None
    try:
        result, record = result_of(look)
    except ValueError as error:
        raise StorageError(
            f"What the ledger recorded of the test set cannot be read: {error}",
            f"mnist-hpo doctor {history.facts.study}        checks the study",
        ) from error
    trial = history.trials[look.trial]
    evidence, missing = read_evidence(model_path(folder, history, trial), record)
    return FinalMaterial(
        trial=trial,
        result=result,
        model_sha256=str(record.get("model_sha256", "")),
        evidence=evidence,
        missing=missing,
    )
