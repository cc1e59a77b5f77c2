"""A tuner's study on disk: opening it, or starting it, and refusing what would change it.

A study is called what its folder is called, and lies in `study.db` there.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from search import reader
from search.checkpoints import CheckpointFolder
from search.errors import StudyError, UnknownStudy
from search.records import Budget, Facts, History
from search.sqlite_file import SqliteFile
from search.store import Ledger
from search.study import Development, folds_for
from search.training import KerasTrainer
from search.tuner_models import UserNetworks

_FIXED = {
    "epochs": "epochs",
    "folds": "folds",
    "sampler": "the oracle's sampler",
    "retries": "max_retries_per_trial",
    "max_params": "max_model_size",
    "fit": "arguments for fit",
}
"""Fields of `Facts` that a script states each time, by the name that it knows."""


def history_at(path: Path) -> History | None:
    """Returns the history of the study in a ledger, or None: it was never started."""
    if not path.is_file():
        return None
    try:
        return reader.read(path, path.parent.name).history
    except UnknownStudy:
        return None  # a process died before it could state the facts


@contextlib.contextmanager
def opened(path: Path, wanted: Facts, budget: Budget, *, with_seed: bool) -> Iterator[Ledger]:
    """Opens the study, or starts it, and gives it back in the end.

    Args:
        path: Its ledger.
        wanted: What the script states.
        budget: Of a study that is started.
        with_seed: The script states a seed; otherwise the study's is taken.

    Raises:
        StudyError: the script states something else than the study was started with.
        StudyOwned: another process searches it.
    """
    if history_at(path) is None:
        ledger = Ledger.create(path, wanted, budget)
    else:
        ledger = Ledger.open(path, path.parent.name)
    try:
        _check_settings(ledger.history.facts, wanted, with_seed=with_seed)
        yield ledger
    finally:
        ledger.close()


def remove_study(path: Path) -> None:
    """Removes a study's own files and nothing else.

    Raises:
        StudyOwned: another process searches it.
    """
    folder = path.parent
    if not folder.is_dir():
        return
    with SqliteFile(path).lock(folder.name):
        # The journal first: without its database it could be taken for the next one's.
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        CheckpointFolder(folder / "checkpoints").sweep((), epochs=0)


def total(wish: Budget, history: History) -> Budget:
    """Returns a script's totals for a study; trials below what is done change nothing."""
    done = len(history.trials)
    return replace(wish, trials=None if wish.trials is None else max(wish.trials, done))


def _check_settings(facts: Facts, wanted: Facts, *, with_seed: bool) -> None:
    fixed = {**_FIXED, "seed": "seed"} if with_seed else _FIXED
    changes = [
        f"\n  {said}: was {getattr(facts, name)}, now {getattr(wanted, name)}"
        for name, said in fixed.items()
        if getattr(facts, name) != getattr(wanted, name)
    ]
    if changes:
        raise StudyError(
            f"What a score means is fixed when a study is started; since study "
            f"{facts.study!r} was, this changed:{''.join(changes)}\n"
            f"Change it back, or start another study with another project_name."
        )


def trainer_for(
    facts: Facts, data: Development, networks: UserNetworks, fit_options: Mapping[str, Any]
) -> KerasTrainer:
    """Returns what trains the networks of a study."""
    return KerasTrainer(
        make=networks.make,
        x=data.x,
        y=data.y,
        folds=folds_for(facts, data),
        epochs=facts.epochs,
        seed=facts.seed,
        precision=facts.precision,
        fit_options=fit_options,
    )
