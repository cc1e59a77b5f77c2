"""`CrossValidationTuner`: a resumable, cross-validated study behind Keras Tuner's interface."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial as TunerTrial

from search import events, tuner_text
from search.errors import StudyError
from search.oracle import OptunaOracle
from search.records import Budget, History
from search.store import Ledger
from search.study import Choices, check_unchanged, driver_for, engine_for, facts_of
from search.training import KerasTrainer, prepare_process
from search.tuner_models import Entries, UserNetworks, name_of, space_of
from search.tuner_oracle import LedgerOracle
from search.tuner_settings import (
    asked_of,
    check_fit_options,
    check_objective,
    described,
    development_set,
)
from search.tuner_study import history_at, opened, remove_study, total, trainer_for

_HOOKS = ("run_trial", "on_trial_begin", "on_trial_end", "on_epoch_begin", "on_epoch_end")
"""What Keras Tuner calls during a search, and this tuner never does."""


class CrossValidationTuner(keras_tuner.Tuner):
    """Searches with stratified cross-validation, and never loses a finished epoch.

    A drop-in for `keras_tuner.Tuner`: the same hypermodels, oracles and result methods. A
    trial's score is its mean validation accuracy over all folds, at the last epoch. The study
    lies in `directory/project_name/study.db`; running the same script again goes on where the
    last one ended, however it ended.

    Training is reproducible, so this process's TensorFlow is set to deterministic operations,
    and to one thread if it has not been used before.
    """

    def __init__(  # noqa: PLR0913 - Keras Tuner's own arguments, and those of a study
        self,
        hypermodel: Any = None,  # noqa: ANN401 - untyped in Keras Tuner
        oracle: keras_tuner.Oracle | None = None,
        *,
        folds: int = 5,
        epochs: int = 10,
        seed: int | None = None,
        minutes: float | None = None,
        workers: int = 1,
        max_model_size: int | None = None,
        directory: str | Path | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        allow_drift: bool = False,
    ) -> None:
        """Initializes a tuner: builds no model and touches no file.

        Args:
            hypermodel: A `HyperModel`, or a function `build(hp)` that returns a compiled model.
            oracle: `OptunaOracle`, or a stock random, grid or Bayesian oracle, for what it
                states (budget, seed, retries, known hyperparameters) and how it proposes. None:
                `OptunaOracle()`.
            folds: Each trial is trained so often, on stratified folds that all trials share.
            epochs: Of each fold.
            seed: Wins over the oracle's; stock oracles lose the seed 0. None: the oracle's, and
                on resume the study's.
            minutes: Ends the search, beside the oracle's `max_trials`; one trial is completed.
            workers: Processes that train; above 1 the hypermodel must be picklable, and a
                script must start the search under `if __name__ == "__main__":`.
            max_model_size: Proposals with more weights are replaced by others.
            directory: Where studies lie. None: here.
            project_name: The study's name and folder. None: "untitled_project".
            overwrite: The first `search` removes the study that is there.
            allow_drift: Go on with a study that was started under other versions.

        Raises:
            StudyError: an oracle, an objective or an overridden method that it cannot serve.
        """
        oracle = OptunaOracle() if oracle is None else oracle
        check_objective(oracle.objective)
        self._asked = asked_of(oracle)
        for hook in _HOOKS:
            if getattr(type(self), hook) is not getattr(keras_tuner.Tuner, hook):
                raise StudyError(
                    f"CrossValidationTuner trains by folds and never calls {hook}(): put your "
                    f"training into HyperModel.fit."
                )
        if hypermodel is None:
            raise StudyError("CrossValidationTuner needs a hypermodel, got None.")
        self._folds = folds
        self._epochs = epochs
        self._seed = seed
        self._budget = Budget(trials=oracle.max_trials, minutes=minutes)
        self._workers = workers
        self._max_params = max_model_size or sys.maxsize
        self._overwrite = overwrite
        self._allow_drift = allow_drift
        self._trainer: KerasTrainer | None = None
        self._entries = Entries(
            given=oracle.get_space(),
            may_add=oracle.allow_new_entries,
            tune_added=oracle.tune_new_entries,
        )
        super().__init__(
            oracle=LedgerOracle(oracle, self._history),
            hypermodel=hypermodel,
            directory=None if directory is None else str(directory),
            project_name=project_name,
            max_model_size=max_model_size,
        )

    @property
    def project_dir(self) -> str:
        """The study's folder; naming it does not make it."""
        return str(self._folder)

    @property
    def history(self) -> History:
        """Everything the ledger knows: every epoch of every fold.

        Raises:
            StudyError: the study was never searched.
        """
        history = self._history()
        if history is None:
            raise StudyError(f"There is no study in {self._folder}: call search(x, y) first.")
        return history

    def search(self, x: Any, y: Any, *, verbose: int | str = 1, **fit_options: Any) -> None:  # noqa: ANN401 - whatever a user holds
        """Searches, or goes on searching, until the budget is used.

        Args:
            x: Examples, one array (n, ...).
            y: Class of each, integers or one-hot.
            verbose: 0 prints nothing; else a line for each finished fold and trial.
            **fit_options: Further arguments for `HyperModel.fit`, such as batch_size.

        Raises:
            StudyError: an argument that a study cannot honour, or a study started with others.
            StudyOwned: another process searches this study.
            TooManyFailures: trials failed one after another; all of it is saved.
            EnvironmentChanged: the study was started under other versions.
        """
        check_fit_options(fit_options)
        data = development_set(x, y)
        prepare_process(keras.config.dtype_policy().name)
        space = space_of(self.hypermodel, self._entries, data, fit_options)
        wanted = facts_of(
            self._folder.name,
            data,
            model=name_of(self.hypermodel),
            space=space,
            choices=self._choices(fit_options),
            asked=self._asked,
        )
        say = _print if verbose else _silent
        if self._overwrite:
            remove_study(self._path)
            self._overwrite = False  # another search of this tuner goes on
        with opened(self._path, wanted, self._budget, with_seed=self._seed is not None) as ledger:
            facts, ending = ledger.history.facts, ledger.history.ending
            budget = total(self._budget, ledger.history)
            is_done = ending is not None and ending.budget == budget
            # A finished study trains nothing more, so nothing can differ.
            allow_drift = self._allow_drift or is_done
            drift = check_unchanged(facts, data, space, allow_drift=allow_drift)
            networks = UserNetworks(
                hypermodel=self.hypermodel, space=facts.space, shape=data.x.shape[1:]
            )
            self._trainer = trainer_for(facts, data, networks, fit_options)
            if is_done and ending is not None:
                say(tuner_text.done(ledger.history, ending.reason))
                return
            for line in drift:
                say(f"Going on in another environment, {line}")
            if budget != ledger.history.budget:
                ledger.set_budget(budget)
            self._run(ledger, networks, self._trainer, say)

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """Returns the best trials' models, each trained anew on all that `search` was given.

        Raises:
            StudyError: no trial is complete, or `search` was not called in this process.
        """
        models: list[keras.Model] = super().get_best_models(num_models)
        return models

    def load_model(self, trial: TunerTrial) -> keras.Model:
        """Trains a trial's model on all that `search` was given.

        A study keeps no weights of its folds' models: none of them has seen all the data.

        Raises:
            StudyError: `search` was not called in this process.
        """
        if self._trainer is None:
            raise StudyError(
                "A model is trained on the data that search(x, y) was given in this process: "
                "call it first; on a finished study it returns at once."
            )
        number = int(trial.trial_id)
        return self._trainer.refit(self.history.trials[number].config, number=number)

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials: score, spread, worst fold and active values."""
        for line in tuner_text.results(self.history, self.project_dir, num_trials):
            _print(line)

    def search_space_summary(self, extended: bool = False) -> None:
        """Prints the hyperparameters; before a first search it builds models to find them."""
        history = self._history()
        space = (
            space_of(self.hypermodel, self._entries) if history is None else history.facts.space
        )
        for line in tuner_text.space(space, extended=extended):
            _print(line)

    def save(self) -> None:
        """Does nothing: the ledger has it all."""

    def reload(self) -> None:
        """Does nothing: results are read from the ledger when they are asked for."""

    def _populate_initial_space(self) -> None:
        """Builds nothing: the space is found when it is needed."""

    def _get_tuner_fname(self) -> str:
        """Returns the name of no file: Keras Tuner would reload its own state from it."""
        return ""

    @property
    def _folder(self) -> Path:
        return Path(str(self.directory)) / str(self.project_name)

    @property
    def _path(self) -> Path:
        return self._folder / "study.db"

    def _history(self) -> History | None:
        return history_at(self._path)

    def _choices(self, fit_options: dict[str, Any]) -> Choices:
        return Choices(
            folds=self._folds,
            epochs=self._epochs,
            seed=self.oracle.seed if self._seed is None else self._seed,
            policy="full",
            sampler=self._asked.name,
            baselines="none",
            max_params=self._max_params,
            max_macs=sys.maxsize,
            precision=keras.config.dtype_policy().name,
            retries=self.oracle.max_retries_per_trial,
            ranges={},
            fixed={},
            fit=described(fit_options),
        )

    def _run(
        self,
        ledger: Ledger,
        networks: UserNetworks,
        trainer: KerasTrainer,
        say: Callable[[str], None],
    ) -> None:
        def listen(event: events.Event) -> None:
            line = tuner_text.progress(event)
            if line is not None:
                say(line)

        engine = engine_for(self._workers)
        try:
            engine.start(trainer)
            driver_for(
                ledger,
                engine,
                size_of=networks.size_of,
                baselines=(),
                folder=self._folder,
                listen=listen,
                max_failures=self.oracle.max_consecutive_failed_trials,
                asked=self._asked,
            ).run()
        finally:
            engine.close()


def _silent(_: str) -> None:
    """Says nothing."""


def _print(line: str) -> None:
    """Prints: that is what Keras Tuner's methods of these names do."""
    print(line)  # noqa: T201 - see above
