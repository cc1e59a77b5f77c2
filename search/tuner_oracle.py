"""A study's ledger seen as a Keras Tuner oracle: for reading only."""

from collections.abc import Callable
from typing import Any, final

import keras_tuner
from keras_tuner.engine.trial import Trial as TunerTrial
from keras_tuner.engine.trial import TrialStatus

from search.errors import StudyError
from search.records import History, Trial, TrialState
from spaces.keras_tuner_bridge import hyperparameters

_STATUS = {
    TrialState.RUNNING: TrialStatus.RUNNING,
    TrialState.PAUSED: TrialStatus.RUNNING,
    TrialState.STOPPED: TrialStatus.STOPPED,
    TrialState.COMPLETE: TrialStatus.COMPLETED,
    TrialState.FAILED: TrialStatus.FAILED,
}

_METRICS = {
    "accuracy": ("train_accuracy", "max"),
    "loss": ("train_loss", "min"),
    "val_accuracy": ("valid_accuracy", "max"),
    "val_loss": ("valid_loss", "min"),
}


@final
class LedgerOracle(keras_tuner.Oracle):  # type: ignore[misc]  # Keras Tuner is untyped
    """Shows the trials of a ledger, read anew each time, under Keras Tuner's names."""

    def __init__(self, asked: keras_tuner.Oracle, read: Callable[[], History | None]) -> None:
        """Initializes a view.

        Args:
            asked: The oracle that the user gave, for its settings.
            read: Returns the history, or None before the study's first search.
        """
        super().__init__(
            objective=keras_tuner.Objective("val_accuracy", "max"),
            max_trials=asked.max_trials,
            hyperparameters=asked.get_space(),
            allow_new_entries=asked.allow_new_entries,
            tune_new_entries=asked.tune_new_entries,
            max_retries_per_trial=asked.max_retries_per_trial,
            max_consecutive_failed_trials=asked.max_consecutive_failed_trials,
        )
        self.seed = asked.seed
        self._read = read

    @property
    def trials(self) -> dict[str, TunerTrial]:
        """Every trial by its number, as text."""
        history = self._read()
        if history is None:
            return {}
        return {str(trial.number): tuner_trial(history, trial) for trial in history.trials}

    @trials.setter
    def trials(self, trials: dict[str, TunerTrial]) -> None:
        """Drops the dict that the base class starts with."""

    def get_best_trials(self, num_trials: int = 1) -> list[TunerTrial]:
        """Returns up to `num_trials` complete trials, best first.

        Raises:
            StudyError: none is complete.
        """
        history = self._read()
        if history is None:
            raise StudyError("This study was never searched: call search(x, y) first.")
        complete = history.complete()[:num_trials]
        if not complete:
            raise StudyError(
                f"No trial of study {history.facts.study!r} is complete{_why(history)}"
            )
        return [tuner_trial(history, trial) for trial in complete]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Refuses to propose.

        Raises:
            StudyError: always.
        """
        raise StudyError(
            f"CrossValidationTuner proposes from its ledger; its oracle only shows the trials, "
            f"it creates none: {trial_id!r}. Call tuner.search(x, y)."
        )

    def save(self) -> None:
        """Does nothing: the ledger has it all."""

    def reload(self) -> None:
        """Does nothing: the ledger is read anew each time."""


def tuner_trial(history: History, trial: Trial) -> TunerTrial:
    """Returns a trial as Keras Tuner's record; each fold is one of its executions."""
    facts = history.facts
    record = TunerTrial(
        hyperparameters(facts.space, trial.config),
        trial_id=str(trial.number),
        status=_STATUS[history.state_of(trial)],
        message=_message(trial),
    )
    for name, (own, direction) in _METRICS.items():
        record.metrics.register(name, direction)
        for curve in trial.curves:
            for step, epoch in enumerate(curve.epochs):
                record.metrics.update(name, getattr(epoch, own), step=step)
    score = trial.score(facts.epochs)
    if score is not None:
        record.score, record.best_step = score.mean, facts.epochs - 1
    return record


def _message(trial: Trial) -> str | None:
    if trial.verdict is None:
        return None
    return "\n".join([trial.verdict.reason, *(own.traceback for own in trial.failures[-1:])])


def _why(history: History) -> str:
    failed = [trial for trial in history.trials if trial.verdict is not None]
    if not failed:
        return f" yet; it has {len(history.trials)}. Call search(x, y) to go on."
    last = failed[-1].verdict
    assert last is not None  # noqa: S101 - just selected by it
    return (
        f": {len(failed)} of {len(history.trials)} ended without a score, trial "
        f"{failed[-1].number} with: {last.reason}"
    )
